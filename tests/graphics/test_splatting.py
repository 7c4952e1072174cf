from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.errors import ConfigError, DataError
from bench.graphics import cameras
from bench.graphics.point_clouds import PointCloud
from bench.graphics.splatting import Splats, compiled, splat, splat_pixels, splat_projected
from bench.quantities import Camera

Array = NDArray[Any]
DEVICES = (
    "cpu",
    "portable",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Every implementation; torch calls its own on the CPU so that it needs no CUDA."""
    return "cpu:0" if request.param == "portable" else str(request.param)


def scene(
    count: int, height: int = 21, width: int = 34, seed: int = 0
) -> tuple[PointCloud, Camera]:
    """Points around, behind and beside a camera with skew and unlike focal lengths, many at one
    depth."""
    rng = np.random.default_rng(seed)
    intrinsics = np.array([[30.0, 0.7, 15.3], [0, 25.0, 11.1], [0, 0, 1]])
    camera = Camera(intrinsics, cameras.look_at((1, 2, 3), (0.2, -0.1, 0.3)), height, width)
    local = rng.normal(size=(count, 3)) * [1.5, 1.5, 2] + [0, 0, 3]
    local[::3, 2] = np.rint(local[::3, 2])
    pose = camera.camera_to_world
    normals = rng.normal(size=(count, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colours = rng.random((count, 3)).astype(np.float32)
    return PointCloud(local @ pose[:3, :3].T + pose[:3, 3], colours, normals), camera


def twin(cloud: PointCloud, camera: Camera, radius: float, footprint: str) -> Splats:
    """Point by point and pixel by pixel, as spec §3 says it, in numbers of Python's."""
    height, width = camera.height, camera.width
    matrix = (camera.intrinsics @ camera.camera_to_world[:3, :3].T).tolist()
    centre = camera.camera_to_world[:3, 3].tolist()
    rotation = cameras.camera_rotation(camera)
    index = np.full((height, width), -1)
    depth = np.zeros((height, width, 1), np.float32)
    colour = np.zeros((height, width, 3), np.float32)
    normal = np.zeros((height, width, 3), np.float32)
    for point, position in enumerate(cloud.points.tolist()):
        x, y, z = (a - b for a, b in zip(position, centre, strict=True))
        h, i, distance = (a * x + b * y + c * z for a, b, c in matrix)
        if not distance > 1e-6:
            continue
        column, row = np.floor(h / distance), np.floor(i / distance)
        if not (0 <= column < width and 0 <= row < height):
            continue
        for down in range(-5, 6):
            for across in range(-5, 6):
                length = down**2 + across**2 if footprint == "disc" else max(down**2, across**2)
                y, x = int(row) + down, int(column) + across
                if length > radius**2 or not (0 <= y < height and 0 <= x < width):
                    continue
                if index[y, x] < 0 or np.float32(distance) < depth[y, x, 0]:
                    index[y, x], depth[y, x, 0] = point, distance
                    colour[y, x] = cloud.colours[point]
                    normal[y, x] = cloud.normals[point] @ rotation
    return Splats(colour, depth, normal, index)


@pytest.mark.parametrize("footprint", ["disc", "square"])
@pytest.mark.parametrize("radius", [0, 1, 1.5, 3])
def test_a_splat_equals_its_twin_to_the_last_bit(
    device: str, radius: float, footprint: Any
) -> None:
    cloud, camera = scene(400)
    wanted = twin(cloud, camera, radius, footprint)
    found = splat(cloud, camera, radius, footprint, device)
    assert 0.05 < np.mean(wanted.index >= 0) < 1
    np.testing.assert_array_equal(found.index, wanted.index)
    np.testing.assert_array_equal(found.depth, wanted.depth)
    np.testing.assert_array_equal(found.colour, wanted.colour)
    assert found.normal is not None
    np.testing.assert_allclose(found.normal, wanted.normal, atol=1e-6)


def test_it_does_so_where_depths_are_mostly_rounding(device: str) -> None:
    # parts of 1e9 cancel to a depth of about 3: the order of the sum shows in the first digits
    cloud, camera = scene(400)
    pose = camera.camera_to_world
    local = (cloud.points - pose[:3, 3]) @ pose[:3, :3] * [1e9, 1e9, 1]
    wide = PointCloud(local @ pose[:3, :3].T + pose[:3, 3], cloud.colours, cloud.normals)
    camera = replace(camera, intrinsics=camera.intrinsics * [1e-9, 1e-9, 1])
    wanted, found = twin(wide, camera, 0, "disc"), splat(wide, camera, 0, device=device)
    assert np.mean(wanted.index >= 0) > 0.05
    np.testing.assert_array_equal(found.index, wanted.index)
    np.testing.assert_array_equal(found.depth, wanted.depth)


def test_parts_of_a_cloud_on_several_threads_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud, camera = scene(400)
    alone = splat(cloud, camera)
    monkeypatch.setattr(compiled, "FEW", 10)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    shared = splat(cloud, camera)
    np.testing.assert_array_equal(shared.index, alone.index)
    np.testing.assert_array_equal(shared.depth, alone.depth)


def test_of_two_points_at_one_depth_the_first_of_the_cloud_is_seen(device: str) -> None:
    camera = Camera(np.diag([4.0, 4, 1]), np.eye(4), 4, 4)
    points = np.tile([[1.0, 1, 2]], (50, 1)) * np.linspace(1, 1 + 1e-9, 50)[:, None]
    # of one depth in float32: 49 is nearest by less than that can tell
    cloud = PointCloud(points[::-1].copy(), np.zeros((50, 3), np.float32))
    assert splat(cloud, camera, device=device).index[2, 2] == 0


def test_the_nearer_point_is_seen_whichever_comes_first(device: str) -> None:
    camera = Camera(np.array([[4.0, 0, 2], [0, 4, 2], [0, 0, 1]]), np.eye(4), 4, 4)
    points = np.array([[0, 0, 3.0], [0, 0, 2.0], [0, 0, 2.5]])
    cloud = PointCloud(points, np.eye(3, dtype=np.float32))
    found = splat(cloud, camera, 0, device=device)
    assert found.index[2, 2] == 1 and found.depth[2, 2, 0] == 2
    np.testing.assert_array_equal(found.colour[2, 2], [0, 1, 0])
    assert np.count_nonzero(found.index >= 0) == 1


def test_a_disc_of_radius_one_is_a_plus_of_five_pixels_and_a_square_has_nine(device: str) -> None:
    camera = Camera(np.array([[4.0, 0, 2], [0, 4, 2], [0, 0, 1]]), np.eye(4), 5, 5)
    cloud = PointCloud(np.array([[0.1, 0.1, 1.0]]), np.ones((1, 3), np.float32))
    plus = splat(cloud, camera, device=device).index >= 0
    np.testing.assert_array_equal(np.argwhere(plus), [[1, 2], [2, 1], [2, 2], [2, 3], [3, 2]])
    square = splat(cloud, camera, 1, "square", device).index >= 0
    np.testing.assert_array_equal(square, np.pad(np.ones((3, 3), bool), 1))


def test_a_point_outside_the_picture_covers_nothing_in_it(device: str) -> None:
    camera = Camera(np.diag([1.0, 1, 1]), np.eye(4), 4, 4)
    points = np.array([[-0.01, 1, 1], [1, 4.0, 1], [1, 1, -1], [1, 1, 0], [0, 0, 1e-7]])
    cloud = PointCloud(points, np.ones((5, 3), np.float32))
    assert (splat(cloud, camera, 2, device=device).index == -1).all()


def test_a_plane_at_a_known_depth_fills_a_turned_camera(device: str) -> None:
    # the plane y = 1.5 in steps of 5 mm, seen from the origin by a camera that looks along +y
    steps = np.arange(-1, 1, 0.005) + 0.0021
    x, z = np.meshgrid(steps, steps)
    points = np.stack([x, np.full_like(x, 1.5), z], axis=-1).reshape(-1, 3)
    cloud = PointCloud(
        points,
        np.ones((len(points), 3), np.float32),
        np.tile(np.float32([[0, -1, 0]]), (len(points), 1)),
    )
    pose = cameras.look_at((0, 0, 0), (0, 1, 0), up=(0, 0, 1))
    camera = Camera(np.array([[40.0, 0, 16], [0, 40, 12], [0, 0, 1]]), pose, 24, 32)
    found = splat(cloud, camera, 0, device=device)
    np.testing.assert_allclose(found.depth, 1.5, rtol=1e-6)
    assert found.normal is not None
    np.testing.assert_allclose(found.normal, np.broadcast_to([0, 0, 1], (24, 32, 3)), atol=1e-6)
    # each pixel shows points of its own frustum: their x, y (here −z) lie within it
    seen = points[found.index]
    np.testing.assert_array_equal(np.floor(seen[..., 0] / 1.5 * 40 + 16), np.indices((24, 32))[1])
    np.testing.assert_array_equal(np.floor(-seen[..., 2] / 1.5 * 40 + 12), np.indices((24, 32))[0])


def test_points_that_are_projected_already_are_seen_alike(device: str) -> None:
    cloud, camera = scene(300)
    pixels, depth = cameras.project(cloud.points, camera)
    wanted = splat(cloud, camera)
    found = splat_projected(cloud, pixels, depth[:, 0], camera, device=device)
    np.testing.assert_array_equal(found.index, wanted.index)
    np.testing.assert_allclose(found.depth, wanted.depth, rtol=1e-6)
    np.testing.assert_array_equal(found.colour, wanted.colour)
    assert found.normal is not None and wanted.normal is not None
    np.testing.assert_allclose(found.normal, wanted.normal, atol=1e-6)
    index = splat_pixels(pixels, depth[:, 0], camera.height, camera.width, device=device)
    np.testing.assert_array_equal(index, wanted.index)


def test_what_is_not_finite_is_seen_nowhere(device: str) -> None:
    camera = Camera(np.array([[4.0, 0, 2], [0, 4, 2], [0, 0, 1]]), np.eye(4), 4, 4)
    bad = [np.nan, np.inf, -np.inf, 1e300, -1e300]
    points = np.array([[a, b, c] for a in (0.0, *bad) for b in (0.0, *bad) for c in (1.0, *bad)])
    cloud = PointCloud(points, np.ones((len(points), 3), np.float32))
    with np.errstate(all="ignore"):
        found = splat(cloud, camera, 0, device=device)
    np.testing.assert_array_equal(np.argwhere(found.index >= 0), [[2, 2]])
    assert found.index[2, 2] == 0
    nowhere = splat_projected(cloud, np.full((len(points), 2), np.nan), points[:, 2], camera)
    assert (nowhere.index == -1).all()


def test_no_points_and_none_in_view_give_an_empty_picture(device: str) -> None:
    cloud, camera = scene(20)
    none = PointCloud(np.zeros((0, 3)), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
    away = PointCloud(cloud.points + np.array([0, 0, 1000]), cloud.colours)
    for given in (none, away):
        found = splat(given, camera, device=device)
        assert (found.index == -1).all()
        assert not found.depth.any() and not found.colour.any()
        assert found.depth.shape == (21, 34, 1) and found.colour.shape == (21, 34, 3)


def test_a_cloud_without_normals_gives_none() -> None:
    cloud, camera = scene(5)
    assert splat(PointCloud(cloud.points, cloud.colours), camera).normal is None


def test_arrays_of_any_order_in_memory_are_read_and_not_written_to(device: str) -> None:
    cloud, camera = scene(200)
    turned = np.flip(np.flip(cloud.colours).copy())
    other = PointCloud(np.asfortranarray(cloud.points), turned)
    pixels, depth = (each.copy(order="F") for each in cameras.project(cloud.points, camera))
    for array in (other.points, turned, pixels, depth):
        array.flags.writeable = False
    wanted = splat(cloud, camera).colour
    np.testing.assert_array_equal(splat(other, camera, device=device).colour, wanted)
    found = splat_projected(other, pixels, depth[:, 0], camera, device=device)
    np.testing.assert_array_equal(found.colour, wanted)


@pytest.mark.parametrize(
    ("radius", "footprint", "message"),
    [(-1, "disc", "not -1"), (np.nan, "disc", "not nan"), (1, "ring", "disc and square")],
)
def test_a_footprint_that_does_not_exist_is_refused(
    radius: float, footprint: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        splat(*scene(3), radius, footprint)


def test_numbers_of_points_that_differ_are_refused() -> None:
    cloud, camera = scene(3)
    with pytest.raises(DataError, match="2 pixels were given for 3 points"):
        splat_projected(cloud, np.zeros((2, 2)), np.ones(2), camera)
    with pytest.raises(DataError, match="3 pixels were given with 2 depths"):
        splat_pixels(np.zeros((3, 2)), np.ones(2), 4, 4)
