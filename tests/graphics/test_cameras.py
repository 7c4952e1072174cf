from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bench.graphics import cameras
from bench.quantities import Camera

Array = NDArray[np.floating[Any]]


@pytest.fixture
def camera() -> Camera:
    """A camera of odd aspect, off-centre principal point, seen from a slanted pose."""
    intrinsics = np.array([[90.0, 0, 21.5], [0, 80.0, 13.0], [0, 0, 1]])
    return Camera(intrinsics, cameras.look_at((2, 1, 3), (0.1, 0.2, 0)), 30, 40)


def test_opengl_axes_flip_y_and_z_of_the_camera_and_back() -> None:
    pose = cameras.look_at((1, 2, 3), (0, 0, 0))
    opengl = cameras.opengl_from_opencv(pose)
    np.testing.assert_array_equal(opengl[:3, 0], pose[:3, 0])
    np.testing.assert_array_equal(opengl[:3, 1], -pose[:3, 1])
    np.testing.assert_array_equal(opengl[:3, 2], -pose[:3, 2])
    np.testing.assert_array_equal(opengl[:, 3], pose[:, 3])
    np.testing.assert_array_equal(cameras.opencv_from_opengl(opengl), pose)


def test_blenders_default_camera_looks_down() -> None:
    opencv = cameras.opencv_from_opengl(np.eye(4))
    np.testing.assert_array_equal(opencv[:3, 2], [0, 0, -1])


@pytest.mark.parametrize("seed", range(5))
def test_colmap_quaternions_agree_with_scipy(seed: int) -> None:
    rotation = Rotation.random(random_state=seed)
    x, y, z, w = rotation.as_quat()
    tvec = np.array([0.3, -1.0, 2.5])
    camera = cameras.camera_from_colmap((w, x, y, z), tvec, np.eye(3), 4, 5)
    world_to_camera = np.linalg.inv(camera.camera_to_world)
    np.testing.assert_allclose(world_to_camera[:3, :3], rotation.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(world_to_camera[:3, 3], tvec, atol=1e-12)
    qvec, back = cameras.colmap_from_camera(camera)
    np.testing.assert_allclose(qvec, np.sign(w) * np.array([w, x, y, z]), atol=1e-12)
    np.testing.assert_allclose(back, tvec, atol=1e-12)


@pytest.mark.parametrize("axis", np.eye(3))
def test_colmap_quaternions_survive_half_turns(axis: Array) -> None:
    camera = cameras.camera_from_colmap((0, *axis), (0, 0, 0), np.eye(3), 4, 5)
    qvec, _ = cameras.colmap_from_camera(camera)
    np.testing.assert_allclose(np.abs(qvec), [0, *axis], atol=1e-12)


def test_the_field_of_view_spans_the_width() -> None:
    intrinsics = cameras.intrinsics_from_fov(60, 20, 40)
    camera = Camera(intrinsics, np.eye(4), 20, 40)
    edge = np.array([np.tan(np.radians(30)), 0, 1])
    pixel, _ = cameras.project(edge, camera)
    np.testing.assert_allclose(pixel, [40, 10])


@pytest.mark.parametrize("degrees", [0, 180, -5])
def test_an_impossible_field_of_view_is_refused(degrees: float) -> None:
    with pytest.raises(ValueError, match=str(degrees)):
        cameras.intrinsics_from_fov(degrees, 10, 10)


def test_look_at_puts_the_target_in_the_middle_and_up_above_it(camera: Camera) -> None:
    pixel, depth = cameras.project(np.array([0.1, 0.2, 0]), camera)
    np.testing.assert_allclose(pixel, [21.5, 13.0])
    assert depth == pytest.approx(np.linalg.norm([1.9, 0.8, 3]))
    above, _ = cameras.project(np.array([0.1, 0.3, 0]), camera)
    assert above[1] < 13.0
    rotation = camera.camera_to_world[:3, :3]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("target", [(0, 5, 0), (0, 1, 0)])
def test_looking_along_up_or_nowhere_is_refused(target: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="cannot look"):
        cameras.look_at((0, 1, 0), target)


def test_projection_undoes_unprojection_at_pixel_centres(camera: Camera) -> None:
    depth = np.random.default_rng(0).uniform(1, 5, (30, 40, 1))
    pixels, found = cameras.project(cameras.unproject(depth, camera), camera)
    columns, rows = np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5)
    np.testing.assert_allclose(pixels, np.stack([columns, rows], axis=-1), atol=1e-10)
    np.testing.assert_allclose(found, depth, atol=1e-12)


def test_projection_equals_the_3_by_4_matrix(camera: Camera) -> None:
    point = np.array([0.4, -0.3, 0.2])
    matrix = camera.intrinsics @ np.linalg.inv(camera.camera_to_world)[:3]
    u, v, w = matrix @ np.append(point, 1)
    pixel, depth = cameras.project(point, camera)
    np.testing.assert_allclose(pixel, [u / w, v / w])
    assert depth == pytest.approx(w)


def test_points_behind_or_beside_the_camera_can_be_told() -> None:
    camera = Camera(np.eye(3), np.eye(4), 4, 4)
    pixels, depth = cameras.project(np.array([[1.0, 1, -2], [1.0, 0, 0]]), camera)
    assert depth[0] == -2
    assert np.isnan(pixels[1]).all()


def test_depth_of_another_size_is_refused(camera: Camera) -> None:
    with pytest.raises(ValueError, match="30×40"):
        cameras.unproject(np.ones((40, 30, 1)), camera)


def test_pixel_rays_are_unit_and_meet_the_unprojected_points(camera: Camera) -> None:
    rays = cameras.pixel_rays(camera)
    points = cameras.unproject(np.full((30, 40, 1), 2.0), camera) - (2, 1, 3)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=-1), 1)
    np.testing.assert_allclose(np.cross(rays, points), 0, atol=1e-12)
    assert (np.sum(rays * points, axis=-1) > 0).all()


def test_resizing_keeps_what_lies_where_in_the_image(camera: Camera) -> None:
    small = cameras.resize(camera, 15, 80)
    point = np.array([0.4, -0.3, 0.2])
    before, _ = cameras.project(point, camera)
    after, _ = cameras.project(point, small)
    np.testing.assert_allclose(after / (80, 15), before / (40, 30))
    assert (small.height, small.width) == (15, 80)


def test_the_camera_frame_has_z_toward_the_viewer(camera: Camera) -> None:
    rotation = cameras.camera_rotation(camera)
    toward_viewer = np.array([2, 1, 3]) - (0.1, 0.2, 0)
    toward_viewer /= np.linalg.norm(toward_viewer)
    np.testing.assert_allclose(rotation @ [0, 0, 1], toward_viewer, atol=1e-12)
    assert (rotation @ [0, 1, 0])[1] > 0
    assert np.linalg.det(rotation) == pytest.approx(1)
