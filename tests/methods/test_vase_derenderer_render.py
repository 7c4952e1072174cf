"""What cameras see of a surface, where queries' cameras stand, and how quads are lit."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from bench.graphics import revolution
from bench.graphics.cameras import intrinsics_from_fov, project
from bench.graphics.phong import to_lat_long
from bench.graphics.rasterisers import rasteriser
from bench.methods.vase_derenderer import render, viewpoints
from bench.methods.vase_derenderer.configuration import MINI
from bench.methods.vase_derenderer.derender import Explanation, posed
from bench.methods.vase_derenderer.framing import framed
from bench.methods.vase_derenderer.lighting import (
    asked_lights,
    diffuse_sides,
    found_lights,
    shaded,
    specular,
)
from bench.quantities import Camera, Environment

SIZE = 64


def orbit(degrees: float, distance: float = 5.0, fov: float = 10.0, size: int = SIZE) -> Camera:
    """A camera turned about the point `distance` before the photo's, sideways and a little down."""
    turn = Rotation.from_euler("yx", [degrees, degrees / 3], degrees=True).as_matrix()
    pose = np.eye(4)
    pose[:3, :3] = turn
    pose[:3, 3] = [0, 0, distance] - turn @ [0, 0, distance]
    return Camera(intrinsics_from_fov(fov, size, size), pose, size, size)


@pytest.mark.parametrize("distance", [0.3, 5.0, 80.0])
def test_the_scenes_unit_follows_from_where_the_axes_cross(distance: float) -> None:
    """Points of the object, as large as the distance says, projected by the query's own camera."""
    camera = orbit(40, distance)
    point = np.random.default_rng(0).uniform(-0.4, 0.4, (50, 3))
    expected, depth = project(point * distance / 5 + [0, 0, distance], camera)
    found = viewpoints.of_query(camera, "q", SIZE, MINI)
    seen = found.to_camera(torch.tensor(point, dtype=torch.float32)).numpy()
    pixels = seen @ found.intrinsics.numpy().T
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], expected, atol=1e-2)
    np.testing.assert_allclose(seen[:, 2:] * distance / 5, depth, rtol=1e-5)
    assert np.linalg.norm(found.position.numpy()) == pytest.approx(5, rel=1e-4)


def test_a_longer_lens_sees_the_same_object_from_farther() -> None:
    camera = orbit(0.1, fov=5)
    found = viewpoints.of_query(camera, "q", SIZE, MINI)
    half = torch.tensor([[MINI.extent, 0, 0]])
    x, _, z = (found.intrinsics @ found.to_camera(half)[0]).tolist()
    assert x / z == pytest.approx(SIZE, rel=5e-3)  # still at the picture's border
    assert -found.position[2].item() == pytest.approx(5 * 2.0038, rel=1e-3)


def test_a_query_of_another_resolution_shows_the_same() -> None:
    small, large = (
        viewpoints.of_query(orbit(20, size=size), "q", SIZE, MINI) for size in (SIZE, 4 * SIZE)
    )
    np.testing.assert_allclose(small.position, large.position, atol=1e-5)
    assert large.size == (4 * SIZE, 4 * SIZE)


def test_framing_is_that_of_the_networks_camera() -> None:
    camera = viewpoints.of_photo(framed(np.zeros((40, 72, 3)), 128), (40, 72), MINI)
    corner = torch.tensor([[MINI.extent, 0.0, 0.0]])  # at the square's right border
    x, y, z = (camera.intrinsics @ camera.to_camera(corner)[0]).tolist()
    assert (x / z, y / z) == (pytest.approx(72), pytest.approx(20))


def cylinder() -> torch.Tensor:
    one = torch.ones(1)
    return posed(0.2 * torch.ones(1, 32), 0.3 * one, 0.2 * one, 0 * one, torch.zeros(1, 2)).vertices


def seen(size: tuple[int, int], offset: float = 5.0) -> render.Seen:
    configuration = dataclasses.replace(MINI, columns=96)
    focal = max(size) / 2 / np.tan(np.radians(5))
    intrinsics = torch.tensor([[focal, 0, size[1] / 2], [0, focal, size[0] / 2], [0, 0, 1]])
    vertices = cylinder() + torch.tensor([0, 0, offset])
    (found,) = render.look(
        vertices, intrinsics.float(), size, rasteriser("reference"), configuration
    )
    return found


def test_pictures_rasterised_in_bands_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = seen((50, 40))
    monkeypatch.setattr(render, "_PIXELS_AT_ONCE", 300)
    parts = seen((50, 40))
    assert torch.equal(whole.where, parts.where)
    assert torch.allclose(whole.coordinates, parts.coordinates, atol=1e-4)
    assert torch.equal(whole.front, parts.front)


@pytest.mark.parametrize("offset", [-5.0, 0.0])
def test_what_lies_behind_the_camera_is_not_drawn(offset: float) -> None:
    found = seen((16, 16), offset)
    assert found.coverage.isfinite().all() and found.depth().min() >= 0
    if offset < 0:
        assert not found.coverage.any()


def test_the_inner_wall_is_seen_through_the_mouth_and_turned_to_the_viewer() -> None:
    found = seen((96, 96))
    inner = ~found.outer
    assert 0.01 < inner.float().mean() < 0.2
    _, inward = inward_normals()
    towards = found.normals(inward[0].permute(2, 0, 1))[..., 2]
    whole = found.coverage[..., 0] == 1
    assert towards[whole].max() < 0  # OpenCV's z points away from the viewer
    dimmed = found.dimming(0.5)
    assert set(dimmed.unique().tolist()) == {0.5, 1.0}
    assert (dimmed[inner] == 0.5).all()


def test_the_inner_wall_takes_the_value_of_its_own_side() -> None:
    found = seen((96, 96))
    sides = found.sampled_sides(torch.full((1, 4, 4), 2.0), torch.full((1, 4, 4), 3.0))
    np.testing.assert_allclose(sides[:, 0], torch.where(found.outer, 2.0, 3.0), rtol=1e-5)


def test_lookups_read_no_texel_but_the_touched_ones() -> None:
    found = seen((96, 96))
    sides = found.touched(31, 96)
    unread = [torch.where(side, 1.0, torch.nan)[None] for side in sides]
    assert (found.sampled_sides(*unread) - 1).abs().max() < 1e-5
    assert 0.4 < sides[0].float().mean() < 0.7 and sides[1].float().mean() < 0.5


def inward_normals() -> tuple[torch.Tensor, torch.Tensor]:
    return revolution.quads(cylinder())


def test_coverage_composites_and_averages() -> None:
    found = seen((32, 32))
    ones = torch.ones(len(found.where), 2)
    over_white = found.composited(0 * ones, background=1.0)
    np.testing.assert_allclose(1 - over_white[..., :1], found.coverage, atol=1e-6)
    edge = (found.coverage > 0) & (found.coverage < 1)
    assert edge.any()
    np.testing.assert_allclose(found.averaged(0.3 * ones)[edge[..., 0]], 0.3, rtol=1e-5)


def explanation() -> Explanation:
    torch.manual_seed(0)
    shape = posed(0.2 + 0.1 * torch.rand(1, 32), *torch.full((3, 1), 0.2), torch.zeros(1, 2))
    fields = {f.name: getattr(shape, f.name) for f in dataclasses.fields(shape)}
    return Explanation(
        **fields,
        texture=torch.zeros(1, 3, 8, 8),
        albedo=torch.zeros(1, 3, 8, 8),
        environment=torch.rand(1, 16, 48),
        shininess=torch.tensor([40.0]),
        specular_albedo=torch.ones(1),
    )


def test_asked_and_found_lights_of_one_environment_shade_alike() -> None:
    found = explanation()
    asked = Environment(to_lat_long(found.environment[0]).numpy(), "camera")
    camera = (0.0, 0.0, -5.0)
    own = shaded(found, found_lights(found), camera)
    other = shaded(found, asked_lights(asked, found.albedo), camera)
    for mine, theirs in zip(own, other, strict=True):
        assert mine.shape == (1, 1, 31, 96) and theirs.shape == (1, 3, 31, 96)
        np.testing.assert_allclose(theirs, mine.expand_as(theirs), rtol=1e-3, atol=1e-4)


def test_quads_that_are_asked_for_are_shaded_on_both_sides_of_the_wall() -> None:
    found, lights = explanation(), found_lights(explanation())
    quads = torch.rand(31, 96) < 0.3
    sides = diffuse_sides(found, lights, quads)
    for normals, shaded_side in zip((-found.normals[0], found.normals[0]), sides, strict=True):
        cosines = (normals[quads].double() @ lights.directions.double().T).clamp(min=0)  # Q×K
        expected = cosines @ lights.power.double()  # Q×1
        np.testing.assert_allclose(shaded_side[:, quads].T, expected, rtol=1e-5, atol=1e-4)
        assert not shaded_side[:, ~quads].any()
    whole = specular(found, lights, (0.0, 0.0, -5.0), torch.ones_like(quads))
    part = specular(found, lights, (0.0, 0.0, -5.0), quads)
    np.testing.assert_allclose(part, torch.where(quads, whole, 0), rtol=1e-4, atol=1e-6)
