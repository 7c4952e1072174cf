from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics import cameras
from bench.graphics.point_clouds import PointCloud, PosedView, checked, fused, thinned
from bench.quantities import Camera

Array = NDArray[Any]


def view(position: tuple[float, float, float], seed: int = 0) -> PosedView:
    """The plane z = 0 (normal +z, coloured by place) from above it, with no depth in one corner."""
    rng = np.random.default_rng(seed)
    intrinsics = np.array([[9.0, 0, 5.5], [0, 8, 4.1], [0, 0, 1]])
    camera = Camera(intrinsics, cameras.look_at(position, (0.1, 0.2, 0)), 8, 10)
    rays = cameras.pixel_rays(camera)  # 8×10×3
    along = -position[2] / rays[..., 2:]  # 8×10×1
    places = np.array(position) + along * rays
    depth = along * (rays @ camera.camera_to_world[:3, 2])[..., None]
    depth[:2, :3] = 0
    normal = np.zeros((8, 10, 3)) + camera.camera_to_world[2, :3] * cameras.FLIP_YZ
    return PosedView(painted(places), depth, camera, rng.random((8, 10, 1)), normal)


def painted(places: Array) -> Array:
    return np.abs(np.sin(places + 0.5)).astype(np.float32)


def test_fused_points_lie_on_the_surface_with_its_colours_and_normals() -> None:
    views = [view((1, 2, 3)), view((-1, 0.5, 2))]
    cloud = fused(views)
    assert len(cloud.points) == 2 * (80 - 6)
    np.testing.assert_allclose(cloud.points[:, 2], 0, atol=1e-12)
    np.testing.assert_allclose(cloud.colours, painted(cloud.points), atol=1e-6)
    assert cloud.normals is not None
    np.testing.assert_allclose(cloud.normals, np.tile([0, 0, 1], (148, 1)), atol=1e-6)
    assert (cloud.points.dtype, cloud.colours.dtype) == (np.float64, np.float32)


def test_each_point_falls_back_into_its_pixel() -> None:
    given = view((1, 2, 3))
    pixels, depth = cameras.project(fused([given]).points, given.camera)
    known = given.depth[..., 0] > 0
    np.testing.assert_allclose(pixels, np.argwhere(known)[:, ::-1] + 0.5, atol=1e-9)
    np.testing.assert_allclose(depth, given.depth[known])


def test_pixels_of_little_confidence_are_left_out_where_a_view_has_one() -> None:
    sure, silent = view((1, 2, 3)), replace(view((-1, 0.5, 2)), confidence=None)
    assert sure.confidence is not None
    kept = np.count_nonzero((sure.confidence >= 0.6) & (sure.depth > 0))
    assert 10 < kept < 60
    assert len(fused([sure, silent], least_confidence=0.6).points) == kept + 74


def test_normals_are_kept_where_every_view_has_them() -> None:
    assert fused([view((1, 2, 3)), replace(view((0, 1, 3)), normal=None)]).normals is None


def test_depth_that_is_not_finite_is_unknown() -> None:
    given = view((1, 2, 3))
    given.depth[7, 9], given.depth[7, 8] = np.nan, np.inf
    assert len(fused([given]).points) == 72


def test_thinning_leaves_the_mean_of_each_voxel() -> None:
    rng = np.random.default_rng(0)
    points, colours = rng.normal(size=(300, 3)), rng.random((300, 3)).astype(np.float32)
    normals = rng.normal(size=(300, 3)).astype(np.float32)
    found = thinned(PointCloud(points, colours, normals), 0.7)
    voxels: dict[tuple[int, ...], list[int]] = {}
    for index, point in enumerate(points):
        voxels.setdefault(tuple(int(np.floor(part / 0.7)) for part in point), []).append(index)
    assert len(found.points) == len(voxels) < 200
    assert found.normals is not None
    for row, (_, members) in enumerate(sorted(voxels.items())):
        np.testing.assert_allclose(found.points[row], points[members].mean(axis=0))
        np.testing.assert_allclose(found.colours[row], colours[members].mean(axis=0), rtol=1e-5)
        mean = normals[members].mean(axis=0)
        np.testing.assert_allclose(found.normals[row], mean / np.linalg.norm(mean), atol=1e-5)


def test_thinning_does_not_depend_on_the_order_of_the_points() -> None:
    rng = np.random.default_rng(1)
    points, colours = rng.normal(size=(200, 3)), rng.random((200, 3)).astype(np.float32)
    shuffled = rng.permutation(200)
    one = thinned(PointCloud(points, colours), 0.5)
    other = thinned(PointCloud(points[shuffled], colours[shuffled]), 0.5)
    np.testing.assert_allclose(other.points, one.points, rtol=1e-12)


def test_a_cloud_of_no_points_is_thinned_to_itself() -> None:
    none = PointCloud(np.zeros((0, 3)), np.zeros((0, 3), np.float32))
    assert len(thinned(none, 1).points) == 0


@pytest.mark.parametrize("voxel", [0, -1, np.nan, np.inf])
def test_a_voxel_without_extent_is_refused(voxel: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        thinned(fused([view((1, 2, 3))]), voxel)


def test_a_voxel_too_small_to_count_is_refused() -> None:
    with pytest.raises(DataError, match="larger"):
        thinned(fused([view((1, 2, 3))]), 1e-9)


def test_views_that_know_no_depth_are_refused() -> None:
    given = view((1, 2, 3))
    for views in ([], [replace(given, depth=np.zeros((8, 10, 1)))]):
        with pytest.raises(DataError, match="no pixel has a depth"):
            fused(views)
    with pytest.raises(DataError, match="lower least_confidence"):
        fused([given], least_confidence=2)


@pytest.mark.parametrize("name", ["image", "depth", "confidence", "normal"])
def test_maps_of_unlike_sizes_are_refused(name: str) -> None:
    given = view((1, 2, 3))
    with pytest.raises(DataError, match=f"view 1: its {name} is 7×10×.*asks for 8×10"):
        fused([given, replace(given, **{name: getattr(given, name)[1:]})])


def test_a_cloud_of_nan_and_one_of_no_points_are_refused_by_the_name_of_their_source() -> None:
    points, colours = np.zeros((4, 3)), np.zeros((4, 3), np.float32)
    cloud = PointCloud(points, colours)
    assert checked(cloud, "a.ply") is cloud
    points[2, 1] = np.nan
    with pytest.raises(DataError, match=r"a.ply: positions of 1 of 4 points .* point 2"):
        checked(cloud, "a.ply")
    colours[:] = np.inf
    with pytest.raises(DataError, match=r"colours of 4 of 4 points .* point 0"):
        checked(PointCloud(np.zeros((4, 3)), colours), "a.ply")
    with pytest.raises(DataError, match=r"a.ply: holds no points"):
        checked(PointCloud(np.zeros((0, 3)), np.zeros((0, 3), np.float32)), "a.ply")


def test_a_photo_of_nan_is_refused_by_the_number_of_its_view() -> None:
    given = view((1, 2, 3))
    bad = replace(given, image=np.full((8, 10, 3), np.nan))
    with pytest.raises(DataError, match="view 1: colours of 74 of 74"):
        fused([given, bad])
