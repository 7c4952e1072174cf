"""Chamfer distances of one item's mesh, in the world frame: nothing is aligned or scaled."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numba
import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bench.api import Item, MetricCard
from bench.errors import InvalidValueError
from bench.protocol import Comparison
from bench.quantities import Mesh

Points = NDArray[np.floating[Any]]

SAMPLES = 30_000

SPACING, FARTHEST = 0.2, 20.0
"""DTU's, in mm: how far apart sampled points are, and from where on a distance is left out."""

_SEED = 0

# Random points per square of one spacing's side; thinned, they cover the surface.
_DENSITY = 4

# So many points of a thinning are looked at together, which bounds its memory.
_CHUNK = 500_000

# Of 0.3 m² of surface: more is a mesh in another unit.
_MOST_SAMPLES = 30_000_000


def distances(points: Points, others: Points) -> NDArray[np.float64]:
    """From each of N points (N×3) to the nearest of M (M×3), N."""
    return np.asarray(cKDTree(others).query(points)[0], np.float64)


def squared_chamfer(prediction: Points, target: Points) -> float:
    """Half the sum of both mean squared nearest distances of N×3 and M×3 points."""
    there, back = distances(target, prediction), distances(prediction, target)
    return float(np.mean(there**2) + np.mean(back**2)) / 2


def sample(mesh: Mesh, count: int, seed: int = _SEED) -> Points:
    """`count` random points of the surface, uniform by area, count×3."""
    return np.asarray(trimesh.sample.sample_surface(_surface(mesh), count, seed=seed)[0])


def thin(points: Points, spacing: float) -> Points:
    """N×3 points without those that lie within `spacing` of an earlier one that stays."""
    kept = points[:0]
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        if len(kept):
            near = cKDTree(kept).query(chunk, distance_upper_bound=spacing)[0]
            chunk = chunk[np.isinf(near)]
        pairs = cKDTree(chunk).query_pairs(spacing, output_type="ndarray")  # P×2, i < j
        pairs = pairs[np.lexsort(pairs.T[::-1])]
        kept = np.concatenate([kept, chunk[_first_come(pairs, len(chunk))]])
    return kept


@numba.njit(cache=True)
def _first_come(pairs: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    """Which of `count` points stay where each that stays removes its later neighbours."""
    stays = np.ones(count, np.bool_)
    for index in range(len(pairs)):
        if stays[pairs[index, 0]]:
            stays[pairs[index, 1]] = False
    return stays


def checked(mesh: Mesh, whose: str) -> Mesh:
    """The mesh itself.

    Raises:
        InvalidValueError: of kind "range" where a face names a vertex that is not there or the
            surface has no area.
    """
    low, high, count = int(mesh.faces.min()), int(mesh.faces.max()), len(mesh.vertices)
    if low < 0 or high >= count:
        wrong = low if low < 0 else high
        raise InvalidValueError(
            "range", f"{whose} mesh: a face names vertex {wrong}; there are {count}, from 0"
        )
    if not _surface(mesh).area > 0:
        raise InvalidValueError("range", f"{whose} mesh: its {len(mesh.faces)} faces have no area")
    return mesh


class ChamferDistance:
    """Stanford-ORB's (specs/metrics.md §4.1): ½ (a + b), in squared scene units.

    a is the mean squared distance from each vertex of the truth to the nearest of 30 000 points
    sampled from the prediction by area, with a fixed seed; b that from those points to the nearest
    vertex. The published table holds 2000 times this. A mesh without a surface is a failure, and
    is not replaced by points at the origin.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        predicted, truth = _meshes(item)
        return {"mesh.chamfer": squared_chamfer(sample(predicted, SAMPLES), truth.vertices)}


class DtuDistance:
    """DTU's (specs/metrics.md §4.2): mean distances in mm, and their mean.

    Accuracy is from the prediction, sampled so that no two points are closer than 0.2 mm, to the
    nearest vertex of the truth, a dense scan; completeness the other way. Distances of 20 mm or
    more are left out. DTU's bounding box, ObsMask and Plane are not applied: what of a prediction
    lies where nothing was scanned must be cut off before. Meshes must be in millimetres.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        predicted, truth = _meshes(item)
        points = spread(predicted)
        accuracy = _mean_near(distances(points, truth.vertices))
        completeness = _mean_near(distances(truth.vertices, points))
        return {
            "mesh.accuracy_dtu": accuracy,
            "mesh.completeness_dtu": completeness,
            "mesh.chamfer_dtu": (accuracy + completeness) / 2,
        }


def spread(mesh: Mesh) -> Points:
    """Points N×3 of the surface in random order, no two closer than 0.2.

    Raises:
        InvalidValueError: of kind "range" for a surface too large to be in millimetres.
    """
    area = float(_surface(mesh).area)
    count = max(1, round(_DENSITY * area / SPACING**2))
    if count > _MOST_SAMPLES:
        raise InvalidValueError(
            "range", f"predicted mesh: {area:.3g} mm² of surface; is it in millimetres?"
        )
    return thin(sample(mesh, count), SPACING)


def _mean_near(values: NDArray[np.float64]) -> float:
    """NaN, a failure, where everything is farther than that."""
    near = values[values < FARTHEST]
    return float(near.mean()) if near.size else float("nan")


def _surface(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def _meshes(item: Item) -> tuple[Mesh, Mesh]:
    predicted, truth = cast(Mesh, item.prediction["mesh"]), cast(Mesh, item.target["mesh"])
    return checked(predicted, "predicted"), truth
