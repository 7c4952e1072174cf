"""COLMAP models: photos with cameras and lenses, and the sparse cloud.

COLMAP's axes and its pixel centres at +0.5 are those of `Camera`, and its world is taken as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pycolmap
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.colmap_files import check_stated, kind_of
from bench.graphics.colour import srgb_decode
from bench.graphics.point_clouds import PointCloud
from bench.quantities import Camera

Float64 = NDArray[np.float64]
Floating = NDArray[np.floating[Any]]

MODELS = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
"""Camera models that are read: a pinhole, and at most Brown's distortion of it."""

LARGEST = 2**28
"""Most pixels of a photo: a corrupt file's size shall not ask for memory that nobody has."""

_ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")


@dataclass(frozen=True)
class Lens:
    """How far a lens departs from a pinhole.

    Attributes:
        model: one of `MODELS`.
        coefficients: COLMAP's parameters after focal lengths and principal point, in its order.
    """

    model: str
    coefficients: tuple[float, ...]

    @cached_property
    def reach(self) -> float:
        """The square of the largest x² + y² (at z = 1) that the lens shows; infinity for most.

        Beyond it the radial polynomial turns back, and would throw what is far out of the picture
        into its middle.
        """
        k1, k2, _, _, k3, k4, k5, k6 = (*self.coefficients, *8 * [0.0])[:8]
        above, below = Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])
        # d/dr of r·above/below at s = r², times below²
        growth = above * below + Polynomial([0, 2]) * (
            above.deriv() * below - above * below.deriv()
        )
        roots = np.concatenate([growth.roots(), below.roots()])
        turns = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
        return float(turns.min(initial=np.inf))

    def bent(self, points: Float64) -> Float64:
        """Points in front of the camera N×3 → x, y N×2 on the plane z = 1 behind the lens.

        NaN for a point that is not in front, or beyond what the lens shows.
        """
        focal = [1.0] if self.model in _ONE_FOCAL else [1.0, 1.0]
        params = [*focal, 0.0, 0.0, *self.coefficients]
        camera = pycolmap.Camera(model=self.model, width=1, height=1, params=params)
        plane: Float64 = np.asarray(camera.img_from_cam(points), np.float64)  # N×2
        if self.reach < np.inf:
            beyond = (points[:, :2] ** 2).sum(axis=1) > self.reach * points[:, 2] ** 2  # N
            plane[beyond] = np.nan
        return plane


@dataclass(frozen=True, eq=False)
class ColmapPhoto:
    """A photo of a model.

    Attributes:
        name: of its file, relative to the folder of the photos, within it.
        camera: the pinhole part; its picture may be another crop or size than the model's.
        lens: what that leaves out.
    """

    name: str
    camera: Camera
    lens: Lens

    def project(self, points: Floating) -> tuple[Float64, Float64]:
        """Pixels N×2 (x, y; centres at +0.5) and depths N of world points N×3, through the lens.

        A point that is not in front of the camera, or beyond what the lens shows, has pixel NaN.
        """
        pose = np.asarray(self.camera.camera_to_world, np.float64)
        local = (np.asarray(points, np.float64) - pose[:3, 3]) @ pose[:3, :3]  # N×3
        intrinsics = np.asarray(self.camera.intrinsics, np.float64)
        pixels = self.lens.bent(local) @ intrinsics[:2, :2].T + intrinsics[:2, 2]  # N×2
        return pixels, local[:, 2]


@dataclass(frozen=True, eq=False)
class ColmapModel:
    """What a folder of COLMAP's holds.

    Attributes:
        photos: those with a pose, by name.
        cloud: the sparse points in the order of their ids, without normals; may have no points,
            as where poses were known beforehand.
    """

    photos: tuple[ColmapPhoto, ...]
    cloud: PointCloud


def read_colmap(folder: Path) -> ColmapModel:
    """The model of a folder with cameras, images and points3D, as .bin or .txt.

    Raises:
        DataError: missing, truncated or corrupt files, a camera of another model than `MODELS`, no
            photo with a pose, a photo's name that leads out of its folder, numbers not finite, a
            camera of no pixels or of more than `LARGEST`.
    """
    kind = kind_of(folder)
    model = pycolmap.Reconstruction()
    try:
        (model.read_binary if kind == "bin" else model.read_text)(str(folder))
    except (ValueError, IndexError, MemoryError, RuntimeError) as error:
        raise DataError(
            f"{folder}: truncated or corrupt COLMAP model: {error}; export it anew"
        ) from error
    if kind == "txt":
        check_stated(folder / "cameras.txt", model.num_cameras())
        check_stated(folder / "images.txt", model.num_images())
        check_stated(folder / "points3D.txt", model.num_points3D())
    posed = [image for image in model.images.values() if image.has_pose]
    photos = [_photo(folder, image, model.cameras[image.camera_id]) for image in posed]
    if not photos:
        raise DataError(f"{folder}: no photo in it has a pose; run COLMAP's mapper first")
    return ColmapModel(tuple(sorted(photos, key=lambda photo: photo.name)), _cloud(folder, model))


def _photo(folder: Path, image: Any, camera: Any) -> ColmapPhoto:
    path = PurePosixPath(image.name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{folder}: the photo {image.name!r} lies outside the folder of photos")
    if camera.model_name not in MODELS:
        raise DataError(
            f"{folder}: {image.name} has a camera of the model {camera.model_name}, of which only "
            f"{', '.join(MODELS)} are read; run `colmap image_undistorter` and give its sparse "
            "folder and its images"
        )
    pose = np.eye(4)
    pose[:3] = image.cam_from_world().matrix()
    if not (np.isfinite(pose).all() and np.isfinite(camera.params).all()):
        raise DataError(f"{folder}: pose or camera of {image.name} is not finite; map it anew")
    intrinsics = np.asarray(camera.calibration_matrix(), np.float64)
    if min(intrinsics[0, 0], intrinsics[1, 1]) <= 0:
        raise DataError(f"{folder}: the camera of {image.name} has no positive focal length")
    camera_to_world = np.eye(4)
    camera_to_world[:3, :3] = pose[:3, :3].T
    camera_to_world[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    if not 0 < camera.width * camera.height <= LARGEST:
        raise DataError(
            f"{folder}: the camera of {image.name} is of {camera.height}×{camera.width} pixels; "
            f"sizes up to {LARGEST} pixels are read"
        )
    coefficients = tuple(float(camera.params[at]) for at in camera.extra_params_idxs())
    return ColmapPhoto(
        image.name,
        Camera(intrinsics, camera_to_world, camera.height, camera.width),
        Lens(camera.model_name, coefficients),
    )


def _cloud(folder: Path, model: Any) -> PointCloud:
    found = sorted(model.points3D.items())
    points = np.array([point.xyz for _, point in found], np.float64).reshape(-1, 3)  # N×3
    stored = np.array([point.color for _, point in found], np.float32).reshape(-1, 3)  # N×3
    if not np.isfinite(points).all():
        raise DataError(f"{folder}: a point of points3D is not finite; run COLMAP's mapper again")
    return PointCloud(points, srgb_decode(stored / 255).astype(np.float32))
