"""Chamfer distances against §4 of specs/metrics.md, all pairs by scipy, and geometry."""

from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

from bench.api import Item, Key
from bench.errors import InvalidValueError
from bench.metrics.meshes import metric
from bench.metrics.meshes.metric import (
    ChamferDistance,
    DtuDistance,
    sample,
    spread,
    squared_chamfer,
    thin,
)
from bench.metrics.meshes.plugin import CHAMFER, DTU
from bench.protocol import Comparison
from bench.quantities import Mesh

Array = NDArray[np.floating[Any]]


def square(side: float, height: float = 0.0) -> Mesh:
    """A square of two triangles at z = height."""
    x, y = np.array([[0, side, side, 0], [0, 0, side, side]])
    corners = np.stack([x, y, np.full(4, height)], axis=-1)  # 4×3
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


def grid(side: float, count: int) -> Mesh:
    """The square at z = 0 with count² vertices; its faces do not matter."""
    steps = np.linspace(0, side, count)
    x, y = np.meshgrid(steps, steps)
    vertices = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=-1)  # count²×3
    return Mesh(vertices, np.array([[0, 1, count]]))


def chamfer(prediction: Mesh, target: Mesh) -> float:
    item = Item(Key("a", "b"), None, {"mesh": prediction}, {"mesh": target})
    return ChamferDistance(CHAMFER)([item], Comparison())["mesh.chamfer"]


def dtu(prediction: Mesh, target: Mesh) -> tuple[float, ...]:
    item = Item(Key("a", "b"), None, {"mesh": prediction}, {"mesh": target})
    found = DtuDistance(DTU)([item], Comparison())
    return tuple(found[score.id] for score in DTU.scores)


def test_the_example_of_the_specification() -> None:
    """From the truth 1 and 2, from the prediction 1 and 3."""
    prediction, target = np.array([[1.0, 0, 0], [6, 0, 0]]), np.array([[0.0, 0, 0], [3, 0, 0]])
    assert squared_chamfer(prediction, target) == 3.75


def test_nearest_distances_are_the_least_of_all_pairs() -> None:
    first, second = np.random.default_rng(11).normal(size=(2, 300, 3))
    second = second[:200]
    pairs = cdist(first, second)
    expected = (np.mean(pairs.min(axis=0) ** 2) + np.mean(pairs.min(axis=1) ** 2)) / 2
    assert squared_chamfer(first, second) == pytest.approx(expected)


def test_samples_are_uniform_by_area_and_lie_on_the_surface() -> None:
    mesh = Mesh(
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 5], [3, 0, 5], [0, 3, 5]], float),
        np.array([[0, 1, 2], [3, 4, 5]]),
    )
    points = sample(mesh, 20_000)
    high = points[:, 2] > 2
    assert chisquare([high.sum(), (~high).sum()], [18_000, 2_000]).pvalue > 1e-3
    assert set(np.unique(points[:, 2])) == {0.0, 5.0}
    low = points[~high]
    assert (low >= 0).all() and (low[:, 0] + low[:, 1] <= 1).all()
    quarter = (low[:, 0] + low[:, 1] < 0.5).sum()
    assert chisquare([quarter, len(low) - quarter], [len(low) / 4, 3 * len(low) / 4]).pvalue > 1e-3


def test_chamfer_is_from_the_true_vertices_to_30_000_samples() -> None:
    """A plane at distance 2 above a dense grid: both ways 4, and the grid's own spacing."""
    found = chamfer(square(10, 2), grid(10, 101))
    assert found == pytest.approx(4, rel=1e-3)
    halves = cdist(sample(square(10, 2), 30_000)[:500], grid(10, 101).vertices).min(axis=1)
    assert np.mean(halves**2) == pytest.approx(4, rel=1e-3)


def test_chamfer_is_squared_in_the_unit() -> None:
    """Nothing is scaled or moved."""
    first, second = square(1, 0.5), grid(1, 30)
    twice = [Mesh(2 * mesh.vertices, mesh.faces) for mesh in (first, second)]
    assert chamfer(*twice) == pytest.approx(4 * chamfer(first, second))
    assert chamfer(square(1, 1.0), second) > 3 * chamfer(first, second)


def test_chamfer_repeats_itself_and_hardly_depends_on_the_seed() -> None:
    sphere = trimesh.creation.icosphere(4)
    truth = Mesh(np.asarray(sphere.vertices), np.asarray(sphere.faces))
    larger = Mesh(1.05 * truth.vertices, truth.faces)
    assert chamfer(larger, truth) == chamfer(larger, truth)
    seeds = [squared_chamfer(sample(larger, 30_000, seed), truth.vertices) for seed in range(3)]
    assert np.ptp(seeds) < 0.01 * np.mean(seeds)


def thin_by_loops(points: Array, spacing: float) -> Array:
    kept: list[Array] = []
    for point in points:
        if all(np.linalg.norm(point - other) > spacing for other in kept):
            kept.append(point)
    return np.array(kept)


@pytest.mark.parametrize("chunk", [10_000, 100])
def test_thinning_keeps_who_comes_first(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(metric, "_CHUNK", chunk)
    points = np.random.default_rng(12).random((600, 3))
    np.testing.assert_array_equal(thin(points, 0.15), thin_by_loops(points, 0.15))


def test_dtu_points_are_no_closer_than_a_fifth_and_leave_no_gap() -> None:
    points = spread(square(6))
    apart = cdist(points, points)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() >= 0.2
    everywhere = sample(square(6), 3000, seed=1)
    assert cdist(everywhere, points).min(axis=1).max() < 0.35


def test_dtu_measures_each_way_in_millimetres_and_not_squared() -> None:
    """A plane 3 mm above the scan; where the scan is twice as wide, its half lies beside."""
    surface, scan = square(10, 3.0), grid(10, 101)
    accuracy, completeness, overall = dtu(surface, scan)
    assert accuracy == pytest.approx(3, abs=2e-3)
    assert completeness == pytest.approx(3, abs=5e-3)
    assert overall == (accuracy + completeness) / 2
    wider = Mesh(scan.vertices * [2, 1, 1], scan.faces)
    beside = np.maximum(wider.vertices[:, 0] - 10, 0)
    expected = np.hypot(3, beside).mean()
    assert dtu(surface, wider)[1] == pytest.approx(expected, abs=0.02)
    assert dtu(surface, wider)[0] == pytest.approx(3, abs=2e-3)


def test_dtu_leaves_out_what_is_twenty_millimetres_off() -> None:
    scan = grid(10, 101)
    surface = square(10, 3.0)
    far = Mesh(
        np.concatenate([surface.vertices, square(10, 33.0).vertices]),
        np.concatenate([surface.faces, surface.faces + 4]),
    )
    assert dtu(far, scan) == pytest.approx(dtu(surface, scan), abs=5e-3)
    assert all(np.isnan(value) for value in dtu(square(10, 30), scan))


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (Mesh(np.eye(3), np.array([[0, 1, 3]])), "names vertex 3; there are 3"),
        (Mesh(np.eye(3), np.array([[0, 1, -1]])), "names vertex -1"),
        (Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), "1 faces have no area"),
    ],
)
def test_a_mesh_without_a_surface_is_a_failure(mesh: Mesh, message: str) -> None:
    for score in (chamfer, dtu):
        with pytest.raises(InvalidValueError, match=message) as caught:
            score(mesh, square(1))
        assert caught.value.kind == "range"


def test_a_mesh_too_large_for_millimetres_is_a_failure() -> None:
    with pytest.raises(InvalidValueError, match="millimetres"):
        dtu(square(1e4), square(1))


def test_a_truth_may_be_vertices_alone() -> None:
    """Faces of a scan are not looked at."""
    scan = grid(10, 11)
    assert chamfer(square(10), scan) == chamfer(
        square(10), Mesh(scan.vertices, np.zeros((1, 3), int))
    )
