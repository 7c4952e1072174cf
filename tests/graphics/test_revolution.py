"""Surfaces of revolution against specs/vase_derenderer.md §3.8, golden values and geometry."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation
from torch import Tensor

from bench.graphics import revolution

EXTENT = 5 * math.tan(math.radians(5))


@pytest.fixture
def golden(shared: Path) -> dict[str, Tensor]:
    with np.load(shared / "golden" / "vase_derenderer.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored}


def posed(
    radius: Tensor, half: Tensor, pitch: Tensor, roll: Tensor, shift: Tensor, columns: int = 96
) -> Tensor:
    """Vertices B×H×T×3; radius B×H and half height B in units of the extent."""
    height = torch.linspace(-1, 1, radius.shape[1]) * half[:, None]
    points = revolution.vertices(radius * EXTENT, height * EXTENT, columns)
    turn = revolution.rotation(pitch, torch.zeros_like(pitch), roll)
    moved = torch.cat([shift, torch.zeros(len(shift), 1)], dim=1)
    return points @ turn.mT[:, None] + moved[:, None, None]


def specified() -> Tensor:
    radius = 0.5 + 0.3 * torch.sin(0.3 * torch.arange(32))[None]
    angles = torch.deg2rad(torch.tensor([[10.0], [5.0]]))
    return posed(radius, torch.tensor([0.8]), *angles, torch.tensor([[0.02, -0.03]]))


@pytest.mark.parametrize(
    ("quad", "vertex", "centre", "normal"),
    [
        (
            (0, 0),
            (-0.167852, -0.392389, -0.060769),
            (-0.188002, -0.381635, -0.066477),
            (0.427190, 0.888664, 0.166257),
        ),
        (
            (5, 10),
            (-0.239195, -0.249933, -0.250771),
            (-0.231859, -0.236761, -0.256551),
            (0.784022, -0.175479, 0.595251),
        ),
        (
            (15, 24),
            (0.019600, -0.025431, -0.091024),
            (0.021558, -0.014329, -0.087765),
            (-0.008126, -0.280207, 0.959512),
        ),
        (
            (30, 47),
            (0.262816, 0.317989, 0.039277),
            (0.243499, 0.325796, 0.050631),
            (-0.437315, -0.889424, -0.132454),
        ),
    ],
)
def test_the_specified_surface_has_the_specified_vertices_and_quads(
    quad: tuple[int, int],
    vertex: tuple[float, ...],
    centre: tuple[float, ...],
    normal: tuple[float, ...],
) -> None:
    points = specified()
    centres, normals = revolution.quads(points)
    assert centres.shape == normals.shape == (1, 31, 96, 3)
    for found, expected in ((points, vertex), (centres, centre), (normals, normal)):
        np.testing.assert_allclose(found[0, *quad], expected, atol=2e-6)


def test_vertices_and_normals_are_the_published_codes(golden: dict[str, Tensor]) -> None:
    points = posed(*(golden[name] for name in ("rad_col", "hscale", "rx", "rz", "txy")))
    _, normals = revolution.quads(points)
    for found, expected in (
        (points, golden["sor_vertices"]),
        (normals, golden["quad_normals"]),
    ):
        difference = (found[:, ::4, ::8] - expected).abs().max() / expected.abs().max()
        assert difference < 1e-5


def test_faces_are_the_published_codes(golden: dict[str, Tensor]) -> None:
    faces = revolution.faces(32)
    assert faces.shape == (5952, 3)
    assert faces.sum() == golden["faces_sum"]
    table = faces.reshape(2, 31, 96, 3)
    assert torch.equal(table[:, :2, :3].int()[0], golden["faces_first"][0])
    assert torch.equal(table[:, :2, :3].int()[1], golden["faces_first"][1])


def test_the_tube_is_closed_around_and_its_faces_look_outward() -> None:
    points = specified()[0]
    mesh = trimesh.Trimesh(points.reshape(-1, 3), revolution.faces(32), process=False)
    assert mesh.is_winding_consistent
    _, uses = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    assert np.count_nonzero(uses == 1) == 2 * 96  # the mouth and the foot
    outward = mesh.face_normals.reshape(2, 31, 96, 3)
    _, inward = revolution.quads(points[None])
    cosines = -(outward * inward.numpy()).sum(-1)
    assert cosines.min() > 0.8


@pytest.mark.parametrize("front", [None, slice(8, 40)])
def test_texture_coordinates_are_the_closed_form_at_any_point_of_a_face(
    front: slice | None,
) -> None:
    rows, columns = 5, 48
    faces = revolution.faces(rows, columns, front)
    corners = revolution.corner_coordinates(rows, columns, front)
    first, last = (0, columns) if front is None else (front.start, front.stop)
    assert corners.shape == (len(faces), 3, 2) == (2 * 4 * (last - first), 3, 2)
    rng = np.random.default_rng(0)
    for face in rng.integers(len(faces), size=50):
        second, quad = divmod(int(face), len(faces) // 2)
        i, j = divmod(quad, last - first)
        weights = rng.dirichlet(np.ones(3))
        _, w1, w2 = weights
        u, v = (j + 1 - w2, i + 1 - w1) if second else (j + w2, i + w1)
        expected = u / (last - first), v / (rows - 1)
        np.testing.assert_allclose(weights @ corners[face].numpy(), expected, atol=1e-6)


def test_texture_coordinates_belong_to_the_vertices_of_the_faces() -> None:
    rows, columns = 4, 12
    faces, corners = (f(rows, columns) for f in (revolution.faces, revolution.corner_coordinates))
    row, column = faces // columns, faces % columns
    np.testing.assert_allclose(corners[..., 1], row / (rows - 1), atol=1e-6)
    np.testing.assert_allclose((corners[..., 0] * columns) % columns, column, atol=1e-4)


def test_rotation_applies_pitch_then_yaw_then_roll() -> None:
    angles = torch.tensor(np.random.default_rng(1).uniform(-3, 3, (3, 4)))
    found = revolution.rotation(*angles)
    for index in range(4):
        expected = Rotation.from_euler("xyz", angles[:, index].numpy()).as_matrix()
        np.testing.assert_allclose(found[index], expected, atol=1e-12)


def test_positive_pitch_tips_the_top_towards_the_camera() -> None:
    zero = torch.zeros(1)
    turn = revolution.rotation(zero + 0.2, zero, zero)[0]
    assert (turn @ torch.tensor([0.0, -1.0, 0.0]))[2] < 0


def test_a_cylinders_normals_point_at_its_axis() -> None:
    radius, height = torch.full((1, 8), 0.3), torch.linspace(-1, 1, 8)[None]
    centres, normals = revolution.quads(revolution.vertices(radius, height, 24))
    towards_axis = -centres * torch.tensor([1.0, 0.0, 1.0])
    expected = towards_axis / towards_axis.norm(dim=-1, keepdim=True)
    np.testing.assert_allclose(normals, expected, atol=1e-5)


def test_normals_of_tiny_quads_are_a_little_short_as_published() -> None:
    radius, height = torch.full((1, 4), 1e-4), torch.linspace(-1e-3, 1e-3, 4)[None]
    _, normals = revolution.quads(revolution.vertices(radius, height, 96))
    points = revolution.vertices(radius, height, 96).double()[0]
    a = points[0, 1] - points[1, 0]
    b = points[1, 1] - points[0, 0]
    area = torch.linalg.cross(a, b).norm()
    assert normals[0, 0, 0].norm().item() == pytest.approx(float(area / (area + 1e-7)), rel=1e-3)
    assert normals[0, 0, 0].norm() < 0.9


def test_a_collapsed_quad_has_a_finite_gradient() -> None:
    radius = torch.zeros(1, 4, requires_grad=True)
    _, normals = revolution.quads(revolution.vertices(radius, torch.zeros(1, 4), 12))
    normals.sum().backward()
    assert radius.grad is not None and radius.grad.isfinite().all()
