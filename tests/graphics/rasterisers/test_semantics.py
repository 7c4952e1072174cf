"""Which triangle is seen where, and what is made of it (spec §4.1), by the backend `reference`."""

import pytest
import torch
from torch import Tensor

from bench.errors import InvalidValueError
from bench.graphics import revolution
from bench.graphics.rasterisers import compiled, portable, rasteriser
from bench.graphics.rasterisers.fragments import (
    coverage,
    downsample,
    facing,
    interpolate,
    interpolate_corners,
    sample_texture,
)
from bench.graphics.rasterisers.projection import project

Scene = tuple[Tensor, Tensor, Tensor]

FLAT = torch.tensor([[64.0, 0.0, 32.0], [0.0, 64.0, 32.0], [0.0, 0.0, 1.0]])
"""Intrinsics of a 64² picture that spans [−½, ½] at depth 1."""


def at_depth(corners: list[list[float]], depth: float = 1.0) -> Tensor:
    """Vertices 1×V×3 at pixels (x, y) of the 64² picture of FLAT."""
    plane = (torch.tensor(corners) - 32) / 64 * depth  # V×2
    return torch.cat([plane, torch.full((len(plane), 1), depth)], dim=1)[None]  # 1×V×3


def test_the_vase_of_the_spec_has_its_numbers(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    fragments = rasteriser().rasterise(vertices, faces, intrinsics, (256, 256))
    mask = downsample(coverage(fragments))[0, ..., 0]  # 256×256
    rows, columns = (torch.nonzero(mask.any(dim=d))[:, 0].tolist() for d in (1, 0))
    seen = fragments.face[0] >= 0
    depth = fragments.depth[0][seen]
    inner = seen & ~facing(fragments, vertices, faces)[0]
    assert mask.mean().item() == pytest.approx(0.4924, abs=5e-5)
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (9, 236, 26, 242)
    assert depth.min().item() == pytest.approx(4.6146, abs=5e-5)
    assert depth.max().item() == pytest.approx(5.2476, abs=5e-5)
    assert (inner.sum() / seen.sum()).item() == pytest.approx(0.040, abs=5e-4)


@pytest.mark.parametrize("cull", [False, True])
def test_the_compiled_loops_and_plain_torch_agree_to_the_last_bit(vase: Scene, cull: bool) -> None:
    vertices, faces, intrinsics = vase
    moved = torch.cat([vertices, vertices * 0.9 + torch.tensor([0.1, -0.02, 0.4])])
    points = project(moved, intrinsics)
    ours = compiled.draw(points, faces, (512, 512), cull, 4.7, 5.2)
    twin = portable.draw(points, faces, (512, 512), cull, 4.7, 5.2)
    assert all(torch.equal(a, b) for a, b in zip(ours, twin, strict=True))


def test_plain_torch_works_in_chunks(vase: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces, intrinsics = vase
    points = project(vertices, intrinsics)
    whole = portable.draw(points, faces, (128, 128), False, 0.1, 10.0)
    monkeypatch.setattr(portable, "CHUNK", 5000)
    chunks = portable.draw(points, faces, (128, 128), False, 0.1, 10.0)
    assert all(torch.equal(a, b) for a, b in zip(whole, chunks, strict=True))


def test_samples_lie_at_the_centres_of_the_supersampled_pixels() -> None:
    square = at_depth([[10, 10], [10, 20], [20, 10], [20, 20]])
    faces = torch.tensor([[0, 1, 2], [3, 2, 1]])
    for shift, expected in ((0.2499, 20), (0.2501, 19)):  # centres are at ¼, ¾, … of a pixel
        vertices = square.clone()
        vertices[..., 0] += (square[..., 0] < (15 - 32) / 64) * shift / 64
        fragments = rasteriser().rasterise(vertices, faces, FLAT, (64, 64))
        assert coverage(fragments)[0, 30].sum() == expected


def test_a_sample_on_a_shared_edge_is_always_covered() -> None:
    # a fan around a centre on a sample, with every spoke through samples: each tie must be drawn
    spokes = torch.tensor([[s, t] for s, t in _ring(8)])  # 32×2, in quarter pixels
    corners = [[32.25, 32.25], *(32.25 + spokes * 3).tolist()]
    count = len(spokes)
    faces = torch.tensor([[0, 1 + (i + 1) % count, 1 + i] for i in range(count)])
    vertices = at_depth(corners)
    seen = coverage(rasteriser().rasterise(vertices, faces, FLAT, (64, 64)))[0, ..., 0]
    inside = seen[64 - 40 : 64 + 40, 64 - 40 : 64 + 40]
    assert inside.all()


def _ring(radius: int) -> list[tuple[float, float]]:
    """Lattice points around a square, in order."""
    side = range(-radius, radius)
    return [
        *((float(i), float(-radius)) for i in side),
        *((float(radius), float(i)) for i in side),
        *((float(-i), float(radius)) for i in side),
        *((float(-radius), float(-i)) for i in side),
    ]


def test_a_closed_mesh_in_random_pose_has_no_holes(vase: Scene) -> None:
    intrinsics = vase[2]
    generator = torch.Generator().manual_seed(0)
    angles = torch.rand(3, 6, generator=generator) * 6.28  # 3×6
    radius, height = torch.full((6, 9), 0.2), torch.linspace(-0.2, 0.2, 9).expand(6, 9)
    bent = revolution.vertices(radius, height, 24).reshape(6, -1, 3)  # 6×216×3
    posed = bent @ revolution.rotation(*angles).transpose(1, 2)
    caps = torch.cat([posed[:, :24].mean(1, keepdim=True), posed[:, -24:].mean(1, keepdim=True)], 1)
    rim = torch.arange(24)
    lids = [
        torch.stack([torch.full_like(rim, 216 + end), rim + 192 * end, (rim + 1) % 24 + 192 * end])
        for end in (0, 1)
    ]
    solid = torch.cat([revolution.faces(9, 24), lids[0].T, lids[1].T.flip(1)])
    vertices = torch.cat([posed, caps], dim=1) + torch.tensor([0.0, 0.0, 5.0])
    both = rasteriser().rasterise(vertices, solid, intrinsics, (256, 256))
    front = rasteriser().rasterise(vertices, solid, intrinsics, (256, 256), cull=True)
    assert torch.equal(both.face, front.face)  # nothing behind shows through a closed surface
    assert facing(both, vertices, solid)[both.face >= 0].all()


def test_the_nearer_triangle_is_seen_whatever_the_order() -> None:
    near, far = at_depth([[10, 10], [10, 50], [50, 10]]), at_depth([[0, 0], [0, 64], [64, 0]], 2.0)
    vertices = torch.cat([near, far], dim=1)
    for faces in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        fragments = rasteriser().rasterise(vertices, torch.tensor(faces), FLAT, (64, 64))
        assert fragments.depth[0, 40, 40] == 1.0
        assert fragments.depth[0, 2, 2] == 2.0


def test_of_two_triangles_at_one_place_the_first_is_seen() -> None:
    vertices = at_depth([[10, 10], [10, 50], [50, 10]])
    faces = torch.tensor([[0, 1, 2], [0, 1, 2]])
    assert rasteriser().rasterise(vertices, faces, FLAT, (64, 64)).face.max() == 0


def test_back_faces_are_drawn_unless_culled() -> None:
    vertices = at_depth([[10, 10], [10, 50], [50, 10]])
    front, back = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 2, 1]])
    for faces, is_front in ((front, True), (back, False)):
        both = rasteriser().rasterise(vertices, faces, FLAT, (64, 64))
        culled = rasteriser().rasterise(vertices, faces, FLAT, (64, 64), cull=True)
        assert coverage(both).sum() > 0
        assert bool(facing(both, vertices, faces).any()) == is_front
        assert bool(coverage(culled).any()) == is_front


@pytest.mark.parametrize(("near", "far", "seen"), [(0.5, 3, 1), (1.001, 3, 0), (0.5, 0.999, 0)])
def test_depths_lie_between_near_and_far(near: float, far: float, seen: int) -> None:
    vertices = at_depth([[-100, -100], [-100, 400], [400, -100]])
    faces = torch.tensor([[0, 1, 2]])
    fragments = rasteriser().rasterise(vertices, faces, FLAT, (64, 64), near=near, far=far)
    assert coverage(fragments).mean() == seen


def test_weights_follow_the_surface_and_not_the_screen() -> None:
    slanted = torch.tensor([[[-0.4, -0.4, 1.0], [-0.9, 0.9, 3.0], [0.4, -0.4, 1.0]]])
    faces = torch.tensor([[0, 1, 2]])
    fragments = rasteriser().rasterise(slanted, faces, FLAT, (64, 64))
    points = interpolate(fragments, faces, slanted)[0]  # 128×128×3, on the surface
    row, column = torch.nonzero(fragments.face[0] >= 0, as_tuple=True)
    x, y, z = points[row, column].unbind(dim=1)
    assert len(z) > 1000
    torch.testing.assert_close(z, fragments.depth[0, row, column])
    torch.testing.assert_close(64 * x / z + 32, (column + 0.5) / 2, atol=1e-4, rtol=0)
    torch.testing.assert_close(64 * y / z + 32, (row + 0.5) / 2, atol=1e-4, rtol=0)


def test_every_image_may_have_its_own_camera(triangle: Scene) -> None:
    vertices, faces, intrinsics = triangle
    wide = torch.tensor([[50.0, 0.0, 32.0], [0.0, 50.0, 32.0], [0.0, 0.0, 1.0]])
    both = rasteriser().rasterise(
        vertices.expand(2, -1, -1), faces, torch.stack([intrinsics, wide]), (64, 64)
    )
    for index, own in enumerate((intrinsics, wide)):
        alone = rasteriser().rasterise(vertices, faces, own, (64, 64))
        assert torch.equal(both.face[index], alone.face[0])
    assert coverage(both)[1].sum() < coverage(both)[0].sum()


def test_a_picture_need_not_be_square(triangle: Scene) -> None:
    vertices, faces, intrinsics = triangle
    square = rasteriser().rasterise(vertices, faces, intrinsics, (64, 64))
    wide = rasteriser().rasterise(vertices, faces, intrinsics, (30, 64))
    assert torch.equal(wide.face, square.face[:, :60])


def test_corners_may_disagree_where_faces_meet() -> None:
    vertices = at_depth([[10, 10], [10, 50], [50, 10], [50, 50]])
    faces = torch.tensor([[0, 1, 2], [3, 2, 1]])
    corners = torch.tensor([[[1.0], [1.0], [1.0]], [[2.0], [2.0], [2.0]]])  # F×3×1
    fragments = rasteriser().rasterise(vertices, faces, FLAT, (64, 64))
    expected = (fragments.face + 1).float()[..., None]
    torch.testing.assert_close(interpolate_corners(fragments, corners), expected)
    torch.testing.assert_close(interpolate_corners(fragments, corners[None]), expected)


def test_interpolation_is_the_same_with_and_without_gradients(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    fragments = rasteriser().rasterise(vertices, faces, intrinsics, (64, 64))
    attributes = torch.rand(1, vertices.shape[1], 4, requires_grad=True)
    tracked = interpolate(fragments, faces, attributes)
    torch.testing.assert_close(tracked, interpolate(fragments, faces, attributes.detach()))
    tracked.sum().backward()
    assert attributes.grad is not None
    shares = torch.zeros(vertices.shape[1])
    seen = fragments.face >= 0
    shares.index_add_(0, faces[fragments.face[seen]].flatten(), fragments.weights[seen].flatten())
    torch.testing.assert_close(attributes.grad[0, :, 0], shares)


def test_texels_have_their_centres_at_half_steps() -> None:
    texture = torch.arange(12.0).reshape(1, 1, 3, 4)
    row, column = torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")
    centres = torch.stack([(column + 0.5) / 4, (row + 0.5) / 3], dim=-1)[None]  # 1×3×4×2
    torch.testing.assert_close(sample_texture(centres, texture)[..., 0], texture[0])
    edge = torch.tensor([[[[0.0, 0.5 / 3]]]])
    assert sample_texture(edge, texture).item() == pytest.approx(0, abs=1e-6)
    assert sample_texture(edge, texture + 1, padding="zeros").item() == pytest.approx(0.5)


def test_downsampling_averages_two_by_two() -> None:
    image = torch.rand(2, 6, 4, 3)
    expected = image.reshape(2, 3, 2, 2, 2, 3).mean(dim=(2, 4))
    torch.testing.assert_close(downsample(image), expected)


def test_a_mesh_without_faces_gives_an_empty_picture() -> None:
    nothing = torch.zeros(0, 3, dtype=torch.int64)
    vertices = torch.rand(2, 5, 3, requires_grad=True)
    fragments = rasteriser().rasterise(vertices, nothing, FLAT, (8, 8), through_weights=True)
    image = rasteriser().antialias(coverage(fragments), fragments, vertices, nothing, FLAT)
    assert not image.any()
    assert not facing(fragments, vertices, nothing).any()
    image.sum().backward()
    assert vertices.grad is not None
    assert not vertices.grad.any()


@pytest.mark.parametrize("depth", [-1.0, 0.0])
def test_a_triangle_behind_the_camera_is_not_drawn(depth: float) -> None:
    whole = torch.tensor([[[-0.1, -0.1, depth], [-0.1, 0.1, depth], [0.1, -0.1, depth]]])
    partly = torch.tensor([[[-0.1, -0.1, 1.0], [-0.1, 0.1, 1.0], [0.3, 0.0, depth]]])
    for vertices in (whole, partly):
        vertices.requires_grad_()
        fragments = rasteriser().rasterise(vertices, torch.tensor([[0, 1, 2]]), FLAT, (64, 64))
        faces = torch.tensor([[0, 1, 2]])
        image = rasteriser().antialias(coverage(fragments), fragments, vertices, faces, FLAT)
        image.sum().backward()
        assert not image.any()
        assert vertices.grad is not None
        assert not vertices.grad.any()


def test_a_vertex_without_a_place_is_named(triangle: Scene) -> None:
    vertices, faces, intrinsics = triangle
    broken = vertices.repeat(3, 1, 1)
    broken[1, 2, 0] = torch.nan
    with pytest.raises(InvalidValueError, match="vertex 2 of image 1") as caught:
        rasteriser().rasterise(broken, faces, intrinsics, (8, 8))
    assert caught.value.kind == "non-finite"


@pytest.mark.parametrize(
    ("faces", "words"),
    [
        (torch.tensor([[0, 1, 3]]), "vertices 0 to 3; there are 0 to 2"),
        (torch.tensor([[0, 1, 2]], dtype=torch.int32), "not F×3 int64"),
        (torch.tensor([0, 1, 2]), "not F×3 int64"),
    ],
)
def test_faces_that_cannot_be_drawn_are_refused(triangle: Scene, faces: Tensor, words: str) -> None:
    vertices, _, intrinsics = triangle
    with pytest.raises(InvalidValueError, match=words):
        rasteriser().rasterise(vertices, faces, intrinsics, (8, 8))
    with pytest.raises(InvalidValueError, match="not B×V×3"):
        rasteriser().rasterise(vertices[0], faces, intrinsics, (8, 8))


def test_nothing_seen_has_zeros(triangle: Scene) -> None:
    vertices, faces, intrinsics = triangle
    fragments = rasteriser().rasterise(vertices, faces, intrinsics, (64, 64))
    empty = fragments.face < 0
    assert not fragments.weights[empty].any()
    assert not fragments.depth[empty].any()
    torch.testing.assert_close(
        fragments.weights[~empty].sum(dim=1), torch.ones(int((~empty).sum()))
    )
