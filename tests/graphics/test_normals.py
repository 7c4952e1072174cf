from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bench.graphics import cameras, normals
from bench.quantities import Camera

Array = NDArray[np.floating[Any]]


@pytest.fixture
def camera() -> Camera:
    """A camera 64×80 at a slanted pose, its principal point off centre."""
    intrinsics = np.array([[100.0, 0, 37.0], [0, 95.0, 33.0], [0, 0, 1]])
    return Camera(intrinsics, cameras.look_at((1, 2, 4), (0, 0, 0)), 64, 80)


def intersect_plane(camera: Camera, normal: Array, point: Array) -> Array:
    """Depth along the optical axis at which each pixel's ray meets a world plane."""
    rays, centre = cameras.pixel_rays(camera), camera.camera_to_world[:3, 3]
    distance = (point - centre) @ normal / (rays @ normal)
    return (distance * (rays @ camera.camera_to_world[:3, 2]))[..., None]


def intersect_sphere(camera: Camera, radius: float) -> tuple[Array, Array]:
    """Depth and world normals of a sphere about the origin; depth 0 where rays miss it."""
    rays, centre = cameras.pixel_rays(camera), camera.camera_to_world[:3, 3]
    along = rays @ centre
    discriminant = along**2 - centre @ centre + radius**2
    distance = -along - np.sqrt(np.maximum(discriminant, 0))
    hit = (discriminant > 0)[..., None]
    points = centre + rays * distance[..., None]
    depth = (distance * (rays @ camera.camera_to_world[:3, 2]))[..., None]
    return np.where(hit, depth, 0), np.where(hit, points / radius, 0)


def test_normalise_gives_unit_length_and_keeps_zeros() -> None:
    result = normals.normalise(np.array([[3.0, 0, 4], [0, 0, 0], [0, 1e-30, 0]]))
    np.testing.assert_allclose(result, [[0.6, 0, 0.8], [0, 0, 0], [0, 1, 0]])


def test_a_normal_toward_the_camera_is_z_in_the_camera_frame(camera: Camera) -> None:
    toward = np.array([1.0, 2, 4]) / np.sqrt(21)
    np.testing.assert_allclose(normals.camera_from_world(toward, camera), [0, 0, 1], atol=1e-12)


def test_world_and_camera_frames_undo_each_other(camera: Camera) -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 5, 3))
    there = normals.camera_from_world(vectors, camera)
    np.testing.assert_allclose(normals.world_from_camera(there, camera), vectors, atol=1e-12)


def test_opencv_axes_differ_from_the_camera_frame_in_y_and_z(camera: Camera) -> None:
    np.testing.assert_array_equal(normals.opencv_from_camera(np.array([1.0, 2, 3])), [1, -2, -3])
    vector = np.array([0.6, 0.0, 0.8])
    opencv = normals.opencv_from_camera(normals.camera_from_world(vector, camera))
    np.testing.assert_allclose(camera.camera_to_world[:3, :3] @ opencv, vector, atol=1e-12)


def test_normals_of_a_plane_are_exact_at_any_slant(camera: Camera) -> None:
    plane = np.array([0.8, 0.36, 0.48])
    depth = intersect_plane(camera, plane, np.array([0.1, 0, 0]))
    expected = normals.camera_from_world(plane, camera) * np.ones((64, 80, 1))
    found = normals.normals_from_depth(depth, camera)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_normals_of_a_plane_with_holes_are_exact_or_unknown(camera: Camera) -> None:
    plane = np.array([0.0, 0.6, 0.8])
    depth = intersect_plane(camera, plane, np.zeros(3))
    depth[np.random.default_rng(1).random((64, 80)) < 0.4] = 0
    found = normals.normals_from_depth(depth, camera)
    known = found.any(axis=-1)
    assert 0.3 < known.mean() < 0.6
    assert not known[depth[..., 0] == 0].any()
    expected = normals.camera_from_world(plane, camera)
    np.testing.assert_allclose(found[known], np.tile(expected, (known.sum(), 1)), atol=1e-8)


def test_normals_of_a_sphere_are_within_a_degree_away_from_its_rim(camera: Camera) -> None:
    depth, world = intersect_sphere(camera, 1.2)
    found = normals.normals_from_depth(depth.astype(np.float32), camera)
    assert found.dtype == np.float32
    truth = normals.camera_from_world(world, camera)
    inside = -np.sum(world * cameras.pixel_rays(camera), axis=-1) > 0.4
    error = normals.angular_error_degrees(found, truth)
    assert inside.sum() > 500
    assert error[inside].max() < 1
    assert not found[depth[..., 0] == 0].any()


def test_an_isolated_pixel_has_no_normal(camera: Camera) -> None:
    depth = np.zeros((64, 80, 1))
    depth[5, 5] = depth[20, 20:23] = 1
    assert not normals.normals_from_depth(depth, camera).any()


@pytest.mark.parametrize("degrees", [0, 1e-5, 30, 90, 179.9999, 180])
def test_angular_error_is_accurate_from_0_to_180_degrees(degrees: float) -> None:
    first = np.array([[2.0, 1.0, -0.5]])
    axis = np.cross(first, [0, 0, 1.0])
    turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
    error = normals.angular_error_degrees(first, 3 * turn.apply(first))
    assert error.shape == (1, 1)
    assert error[0, 0] == pytest.approx(degrees, abs=1e-9)


def test_angular_error_to_an_unknown_normal_is_nan() -> None:
    error = normals.angular_error_degrees(np.array([[0.0, 0, 1], [0, 0, 0]]), np.zeros((2, 3)))
    assert np.isnan(error).all()
