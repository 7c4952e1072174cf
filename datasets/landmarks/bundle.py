"""One bundle: overlapping photos of a landmark, each with sky mask, camera, depth and normals.

The keys and their units are those of the published training data of InverseRenderNet: cameras hold
f in pixels of the original photo, its aspect, the principal point in pixels of the stored crop, and
R, t with X_camera = R X_world + t (x right, y down, z forward). Pixel centres lie at +0.5: of the
offsets 0, ½ and 1 it is the one under which depths and photos of other views agree best.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.datasets.landmarks.unpickling import read_pickle, rebuild
from bench.errors import DataError
from bench.graphics.colour import srgb_decode
from bench.graphics.normals import normalise
from bench.quantities import Camera

Float32 = NDArray[np.float32]

VIEWS = 5
"""Photos in every bundle, so that a split can be listed without opening a file."""

_V, _H, _W = "views", "height", "width"
_LAYOUT: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "input": ("u", (_V, _H, _W, 3)),
    "mask": ("b", (_V, _H, _W)),
    "cam": ("f", (_V, 16)),
    "scaleX": ("f", (_V,)),
    "scaleY": ("f", (_V,)),
    "dm": ("f", (_V, _H, _W)),
    "nm": ("i", (_V, _H, _W, 3)),
}
_LINEAR = srgb_decode(np.arange(256, dtype=np.float32) / 255).astype(np.float32)
_NORMAL_STEPS = 127


@dataclass(frozen=True, eq=False)
class View:
    """What one photo shows without its geometry.

    Attributes:
        image: H×W×3 float32 linear RGB.
        mask: H×W×1 float32, 1 where there is no sky.
        camera: world space is the bundle's, in its arbitrary unit.
    """

    image: Float32
    mask: Float32
    camera: Camera


class Bundle:
    """A pickle, decoded as far as it is asked for: views need no key of the geometry.

    Every property raises `DataError` naming file and key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries = read_pickle(path)

    @cached_property
    def views(self) -> tuple[View, ...]:
        """All photos, linear, with masks and cameras."""
        images, masks = self._array("input"), self._array("mask")
        self._expect_same_size("mask", masks, images)
        if images.dtype != np.uint8:
            raise DataError(f"{self.path}: key 'input' holds {images.dtype} instead of uint8")
        return tuple(
            View(_LINEAR[image], mask[..., None].astype(np.float32), camera)
            for image, mask, camera in zip(images, masks, self._cameras(images), strict=True)
        )

    @cached_property
    def depths(self) -> Float32:
        """V×H×W×1 along the optical axis, 0 where unknown."""
        depths = self._array("dm")
        self._expect_same_size("dm", depths, self._array("input"))
        known: Float32 = np.where(np.isnan(depths), 0, depths).astype(np.float32)
        if (known < 0).any() or np.isinf(known).any():
            raise DataError(f"{self.path}: key 'dm' holds negative or infinite depths")
        return known[..., None]  # V×H×W×1

    @cached_property
    def normals(self) -> Float32:
        """V×H×W×3 in the camera frame, unit length, zeros where unknown."""
        stored: NDArray[np.int8] = self._array("nm")
        self._expect_same_size("nm", stored, self._array("input"))
        normals = stored.astype(np.float32) / _NORMAL_STEPS
        length = np.linalg.norm(normals, axis=-1)  # V×H×W
        wrong = (length > 0) & (np.abs(length - 1) > 0.05)
        if wrong.any():
            raise DataError(
                f"{self.path}: key 'nm' holds {int(wrong.sum())} normals that are not of unit "
                f"length (first length {float(length[wrong][0]):.3g})"
            )
        return normalise(normals).astype(np.float32, copy=False)

    def _cameras(self, images: NDArray[Any]) -> list[Camera]:
        numbers = self._array("cam").astype(np.float64)  # V×16
        scales = np.stack([self._array("scaleX"), self._array("scaleY")], axis=1)  # V×2
        if (
            not np.isfinite(numbers).all()
            or not (scales > 0).all()
            or not (numbers[:, :2] > 0).all()
        ):
            raise DataError(f"{self.path}: a camera or its scale is not finite and positive")
        height, width = images.shape[1:3]
        return [
            Camera(intrinsics, self._pose(row[4:13].reshape(3, 3), row[13:]), height, width)
            for row, intrinsics in zip(numbers, _intrinsics(numbers, scales), strict=True)
        ]

    def _pose(
        self, rotation: NDArray[np.float64], translation: NDArray[np.float64]
    ) -> NDArray[Any]:
        bounded = np.clip(rotation, -2, 2)  # keeps a corrupt number from overflowing
        if np.abs(bounded @ bounded.T - np.eye(3)).max() > 1e-3 or np.linalg.det(bounded) < 0:
            raise DataError(f"{self.path}: key 'cam' holds a matrix that is no rotation")
        pose = np.eye(4)
        pose[:3, :3] = rotation.T
        pose[:3, 3] = -rotation.T @ translation
        return pose

    def _array(self, key: Literal["input", "mask", "cam", "scaleX", "scaleY", "dm", "nm"]) -> Any:
        if key not in self._entries:
            raise DataError(f"{self.path}: no key {key!r} in the bundle")
        try:
            array = rebuild(self._entries[key])
        except ValueError as error:
            raise DataError(f"{self.path}: key {key!r} {error}") from error
        kind, shape = _LAYOUT[key]
        fits = array.ndim == len(shape) and all(
            size == want or isinstance(want, str)
            for size, want in zip(array.shape, shape, strict=True)
        )
        if not fits or array.dtype.kind != kind or len(array) != VIEWS:
            raise DataError(
                f"{self.path}: key {key!r} is {array.dtype} of shape {array.shape}; expected kind "
                f"{kind!r} and {VIEWS} × {' × '.join(map(str, shape[1:]))}"
            )
        return array

    def _expect_same_size(self, key: str, array: NDArray[Any], images: NDArray[Any]) -> None:
        if array.shape[:3] != images.shape[:3]:
            raise DataError(
                f"{self.path}: key {key!r} is of {array.shape[1]}×{array.shape[2]} pixels, "
                f"the photos are of {images.shape[1]}×{images.shape[2]}"
            )


def _intrinsics(numbers: NDArray[np.float64], scales: NDArray[Any]) -> NDArray[np.float64]:
    matrices = np.zeros((len(numbers), 3, 3))
    matrices[:, 0, 0] = numbers[:, 0] / scales[:, 0]
    matrices[:, 1, 1] = numbers[:, 0] * numbers[:, 1] / scales[:, 1]
    matrices[:, :2, 2] = numbers[:, 2:4]
    matrices[:, 2, 2] = 1
    return matrices
