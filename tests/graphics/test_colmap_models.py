import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycolmap
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bench.errors import DataError
from bench.graphics.colmap_models import ColmapModel, Lens, read_colmap
from bench.graphics.splatting import splat, splat_projected

Array = NDArray[Any]
FILES = ("cameras", "images", "points3D", "rigs", "frames")
SIZE = {"width": 160, "height": 120}

# COLMAP's parameters, K's (fx, fy, cx, cy), and OpenCV's distortion (k1, k2, p1, p2, k3 … k6).
LENSES: dict[str, tuple[list[float], list[float], list[float]]] = {
    "SIMPLE_PINHOLE": ([100, 81, 62], [100, 100, 81, 62], [0] * 8),
    "PINHOLE": ([100, 90, 81, 62], [100, 90, 81, 62], [0] * 8),
    "SIMPLE_RADIAL": ([100, 81, 62, -0.1], [100, 100, 81, 62], [-0.1, *[0] * 7]),
    "RADIAL": ([100, 81, 62, -0.1, 0.05], [100, 100, 81, 62], [-0.1, 0.05, *[0] * 6]),
    "OPENCV": (
        [100, 90, 81, 62, -0.1, 0.05, 0.01, -0.02],
        [100, 90, 81, 62],
        [-0.1, 0.05, 0.01, -0.02, *[0] * 4],
    ),
    "FULL_OPENCV": (
        [100, 90, 81, 62, -0.1, 0.05, 0.01, -0.02, 0.03, 0.02, 0.01, 0.005],
        [100, 90, 81, 62],
        [-0.1, 0.05, 0.01, -0.02, 0.03, 0.02, 0.01, 0.005],
    ),
}


def poses() -> list[tuple[Rotation, Array]]:
    """World to camera."""
    rng = np.random.default_rng(0)
    return [
        (Rotation.from_euler("xyz", rng.normal(size=3) * 0.3), rng.normal(size=3) * 0.2 + [0, 0, 4])
        for _ in range(3)
    ]


def built(model: str = "SIMPLE_RADIAL", **changes: Any) -> pycolmap.Reconstruction:
    """Three photos of 30 points, b/2.jpg first, two of which see point 1."""
    rng = np.random.default_rng(1)
    result = pycolmap.Reconstruction()
    params = changes.get("params", LENSES.get(model, ([],))[0])
    if params:
        camera = pycolmap.Camera(camera_id=7, model=model, params=params, **SIZE)
    else:
        camera = pycolmap.Camera.create_from_model_name(7, model, 100.0, 160, 120)
    result.add_camera_with_trivial_rig(camera)
    names = changes.get("names", ("b/2.jpg", "a/1.jpg", "a/0.jpg"))
    for index, (name, (rotation, offset)) in enumerate(zip(names, poses(), strict=True)):
        image = pycolmap.Image(name=name, camera_id=7, image_id=index + 4)
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(rotation.as_quat()), offset)
        image.points2D = [pycolmap.Point2D(np.array([3.0, index])) for _ in range(index)]
        result.add_image_with_trivial_frame(image, pose)
    for point in rng.normal(size=(changes.get("points", 30), 3)):
        colour = rng.integers(0, 256, 3).astype(np.uint8)
        result.add_point3D(point, pycolmap.Track(), colour)
    for image_id in (5, 6) if changes.get("points", 30) else ():
        result.add_observation(1, pycolmap.TrackElement(image_id, 0))
    return result


def written(folder: Path, kind: str, model: pycolmap.Reconstruction) -> Path:
    folder.mkdir(exist_ok=True)
    (model.write_binary if kind == "bin" else model.write_text)(str(folder))
    return folder


def read(folder: Path, model: str, **changes: Any) -> ColmapModel:
    return read_colmap(written(folder, "bin", built(model, **changes)))


@pytest.mark.parametrize("kind", ["bin", "txt"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_model_is_read_as_written(tmp_path: Path, kind: str, legacy: bool) -> None:
    folder = written(tmp_path, kind, built("OPENCV"))
    if legacy:  # before COLMAP 3.12
        (folder / f"rigs.{kind}").unlink()
        (folder / f"frames.{kind}").unlink()
    found = read_colmap(folder)
    assert [photo.name for photo in found.photos] == ["a/0.jpg", "a/1.jpg", "b/2.jpg"]
    for photo, (rotation, offset) in zip(found.photos, reversed(poses()), strict=True):
        world_to_camera = np.linalg.inv(photo.camera.camera_to_world)
        np.testing.assert_allclose(world_to_camera[:3, :3], rotation.as_matrix(), atol=1e-12)
        np.testing.assert_allclose(world_to_camera[:3, 3], offset, atol=1e-12)
        assert (photo.camera.height, photo.camera.width) == (120, 160)
        np.testing.assert_array_equal(
            photo.camera.intrinsics, [[100, 0, 81], [0, 90, 62], [0, 0, 1]]
        )
        assert photo.lens == Lens("OPENCV", (-0.1, 0.05, 0.01, -0.02))


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_the_sparse_cloud_keeps_its_order_and_is_linear(tmp_path: Path, kind: str) -> None:
    cloud = read_colmap(written(tmp_path, kind, built())).cloud
    rng = np.random.default_rng(1)
    np.testing.assert_allclose(cloud.points, rng.normal(size=(30, 3)), rtol=1e-15)
    stored = np.array([rng.integers(0, 256, 3) for _ in range(30)]) / 255
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(cloud.colours, linear, atol=1e-6)
    assert cloud.normals is None


@pytest.mark.parametrize("model", LENSES)
def test_points_are_projected_as_opencv_does(tmp_path: Path, model: str) -> None:
    _, (fx, fy, cx, cy), distortion = LENSES[model]
    points = np.random.default_rng(2).uniform(-1, 1, (50, 3))
    photos = read(tmp_path, model).photos
    for photo, (rotation, offset) in zip(photos, reversed(poses()), strict=True):
        wanted, _ = cv2.projectPoints(
            points,
            rotation.as_rotvec(),
            offset,
            np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
            np.array(distortion, float),
        )
        pixels, depth = photo.project(points)
        np.testing.assert_allclose(pixels, wanted[:, 0], atol=1e-9)
        np.testing.assert_allclose(depth, (rotation.apply(points) + offset)[:, 2], atol=1e-12)


def test_a_photo_without_distortion_is_splatted_as_its_pinhole_is(tmp_path: Path) -> None:
    model = read(tmp_path, "PINHOLE")
    photo = model.photos[0]
    one = splat(model.cloud, photo.camera)
    other = splat_projected(model.cloud, *photo.project(model.cloud.points), photo.camera)
    assert np.count_nonzero(one.index >= 0) > 100
    np.testing.assert_array_equal(other.index, one.index)


def test_what_the_lens_does_not_show_is_not_folded_into_the_picture(tmp_path: Path) -> None:
    photo = read(tmp_path, "SIMPLE_RADIAL", params=[100, 80, 60, -0.3]).photos[0]
    # r·(1 − 0.3 r²) grows until r = 1/√0.9 and is 0 again at r = 1/√0.3
    edge = 1 / np.sqrt(0.9)
    local = np.array([[edge * 0.99, 0, 1], [edge * 1.01, 0, 1], [0, 1 / np.sqrt(0.3), 1]])
    pose = photo.camera.camera_to_world
    pixels, _ = photo.project(local @ pose[:3, :3].T + pose[:3, 3])
    assert np.isfinite(pixels[0]).all() and np.isnan(pixels[1:]).all()


@pytest.mark.parametrize(
    ("model", "coefficients", "turns"),
    [
        ("SIMPLE_PINHOLE", (), False),
        ("SIMPLE_RADIAL", (0.2,), False),
        ("SIMPLE_RADIAL", (-0.2,), True),
        ("RADIAL", (-0.2, 0.05), False),
        ("RADIAL", (0.2, -0.05), True),
        ("OPENCV", (-0.2, 0.01, 0.5, -0.5), True),
        ("OPENCV", (0.2, 0, 0.5, -0.5), False),
        ("FULL_OPENCV", (0.3, 0.1, -0.5, -0.5, -0.01, 0, 0, 0), True),
        ("FULL_OPENCV", (0, 0, 0, 0, 0, 0.2, 0.1, 0.05), True),
        ("FULL_OPENCV", (0.3, 0.2, 0, 0, 0.1, 0.1, -0.3, 0.02), True),
    ],
)
def test_a_lens_reaches_as_far_as_its_picture_grows(
    model: str, coefficients: tuple[float, ...], turns: bool
) -> None:
    k1, k2, _, _, k3, k4, k5, k6 = (*coefficients, *[0] * 8)[:8]
    radius = np.linspace(0, 20, 200_001)
    s = radius**2
    bent = radius * (1 + k1 * s + k2 * s**2 + k3 * s**3) / (1 + k4 * s + k5 * s**2 + k6 * s**3)
    shrinks = np.flatnonzero(np.diff(bent) < 0)
    assert bool(len(shrinks)) == turns
    wanted = radius[shrinks[0]] if turns else np.inf
    np.testing.assert_allclose(np.sqrt(Lens(model, coefficients).reach), wanted, atol=2e-4)


def test_points_behind_the_camera_have_no_pixel(tmp_path: Path) -> None:
    for model in ("PINHOLE", "OPENCV"):
        photo = read(tmp_path, model).photos[0]
        pose = photo.camera.camera_to_world
        pixels, depth = photo.project(np.array([[0.1, 0.1, -2.0]]) @ pose[:3, :3].T + pose[:3, 3])
        assert np.isnan(pixels).all()
        np.testing.assert_allclose(depth, -2)


@pytest.mark.parametrize("model", ["OPENCV_FISHEYE", "FOV", "EUCM", "THIN_PRISM_FISHEYE"])
def test_other_lenses_are_refused_by_name(tmp_path: Path, model: str) -> None:
    with pytest.raises(DataError, match=f"model {model}.*image_undistorter"):
        read(tmp_path, model)


def test_a_model_without_points_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "PINHOLE", points=0).cloud.points.shape == (0, 3)


def test_photos_of_a_rig_with_two_cameras_have_their_own_poses(tmp_path: Path) -> None:
    model = pycolmap.Reconstruction()
    rig = pycolmap.Rig(rig_id=1)
    beside = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-0.5, 0, 0]))
    for index in (1, 2):
        params = [100, 80, 60]
        camera = pycolmap.Camera(camera_id=index, model="SIMPLE_PINHOLE", params=params, **SIZE)
        model.add_camera(camera)
        if index == 1:
            rig.add_ref_sensor(camera.sensor_id)
        else:
            rig.add_sensor(camera.sensor_id, beside)
    model.add_rig(rig)
    frame = pycolmap.Frame(frame_id=1, rig_id=1, rig_from_world=pycolmap.Rigid3d())
    images = [pycolmap.Image(name=f"{i}.jpg", camera_id=i, image_id=i) for i in (1, 2)]
    for image in images:
        frame.add_data_id(image.data_id)
    model.add_frame(frame)
    for image in images:
        image.frame_id = 1
        model.add_image(image)
    model.register_frame(1)
    for kind in ("bin", "txt"):
        found = read_colmap(written(tmp_path / kind, kind, model))
        places = [photo.camera.camera_to_world[:3, 3] for photo in found.photos]
        np.testing.assert_allclose(places, [[0, 0, 0], [0.5, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("name", FILES)
def test_a_binary_file_cut_off_anywhere_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path, "bin", built())
    path = folder / f"{name}.bin"
    whole = path.read_bytes()
    for kept in (*range(0, len(whole), 31), len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(DataError, match=rf"{name}\.bin: truncated or corrupt"):
            read_colmap(folder)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DataError, match=rf"{name}\.bin: truncated or corrupt"):
        read_colmap(folder)


@pytest.mark.parametrize("name", FILES)
def test_noise_is_refused(tmp_path: Path, name: str) -> None:
    for kind in ("bin", "txt"):
        folder = written(tmp_path / kind, kind, built())
        path = folder / f"{name}.{kind}"
        path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))
        with pytest.raises(DataError, match="truncated or corrupt"):
            read_colmap(folder)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_a_text_file_that_holds_fewer_lines_than_it_states_is_refused(
    tmp_path: Path, name: str
) -> None:
    folder = written(tmp_path, "txt", built())
    path = folder / f"{name}.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: -2 if name == "images" else -1]))
    with pytest.raises(DataError, match=r"truncated or corrupt|was cut off"):
        read_colmap(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no COLMAP model; .*sparse/0"):
        read_colmap(tmp_path)
    folder = written(tmp_path / "m", "bin", built())
    (folder / "points3D.bin").unlink()
    with pytest.raises(DataError, match="no COLMAP model"):
        read_colmap(folder)
    shutil.rmtree(folder)
    with pytest.raises(DataError, match="no COLMAP model"):
        read_colmap(folder)


def test_a_model_in_which_no_photo_has_a_pose_is_refused(tmp_path: Path) -> None:
    model = built()
    for frame in list(model.frames):
        model.deregister_frame(frame)
    with pytest.raises(DataError, match="run COLMAP's mapper"):
        read_colmap(written(tmp_path, "txt", model))


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "a/../../b.jpg"])
def test_a_photo_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="lies outside"):
        read(tmp_path, "PINHOLE", names=("1.jpg", name, "2.jpg"))


@pytest.mark.parametrize(
    ("params", "message"),
    [([np.nan, 90, 81, 62], "not finite"), ([0, 90, 81, 62], "positive focal length")],
)
def test_a_camera_that_shows_nothing_is_refused(
    tmp_path: Path, params: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, "PINHOLE", params=params)


@pytest.mark.parametrize("width", [0, 2**40])
def test_a_camera_of_no_pixels_or_of_more_than_there_are_is_refused(
    tmp_path: Path, width: int
) -> None:
    model = built()
    model.cameras[7].width = width
    with pytest.raises(DataError, match=f"120×{width} pixels"):
        read_colmap(written(tmp_path, "bin", model))


def test_points_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = built()
    model.add_point3D(np.array([0, np.nan, 0]), pycolmap.Track(), np.zeros(3, np.uint8))
    with pytest.raises(DataError, match="a point of points3D is not finite"):
        read_colmap(written(tmp_path, "bin", model))
