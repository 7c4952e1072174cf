"""Small samples of which everything is known: textured ellipsoids under two lights, NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.api import DatasetCard, Key, MethodCard, Query, Sample, Targets
from bench.graphics.cameras import (
    intrinsics_from_fov,
    look_at,
    pixel_rays,
    resize,
)
from bench.graphics.environments import directions, to_frame
from bench.graphics.normals import camera_from_world, normalise
from bench.graphics.shading import lambertian
from bench.graphics.spherical_harmonics import project_environment
from bench.handover import hand_over
from bench.jobs import Job
from bench.quantities import Camera, Environment, Mesh, Value

Float64 = NDArray[np.float64]

SIZES = ((48, 64), (33, 40))
"""Neither is square, and the second has no common divisor with a network's strides."""

SAMPLES = 4
SCENE_VIEWS = 3
_SPLIT = "synthetic"
_AZIMUTH_STEP = 0.35
_SUPERSAMPLING = 4
_NEAR = np.float32(3)  # no object comes nearer to its camera


def samples_for(card: MethodCard) -> list[Sample]:
    """Samples with every quantity among the inputs and a query for every answer of the card.

    For scope scene they are views of one scene; otherwise each shows an object of its own, and
    sizes alternate.
    """
    if card.scope == "scene":
        return [_sample(card, 0, view, SIZES[1]) for view in range(SCENE_VIEWS)]
    return [_sample(card, index, 0, SIZES[index % 2]) for index in range(SAMPLES)]


def handed_over(
    card: MethodCard, samples: Sequence[Sample], granted: tuple[str, ...] = ()
) -> list[Sample]:
    """The samples as a run would hand them to the method. Raises `DataError` like `hand_over`."""
    job = _job(card, samples, granted)
    dataset = _Given(samples)
    return [hand_over(dataset, job, key) for key in dataset.samples(_SPLIT)]


def view_values(seed: int, view: int, light: int, size: tuple[int, int]) -> dict[str, Value]:
    """Every quantity of one view of object `seed`: H×W×C float32, environment in the world frame.

    Soft mask; normal, albedo and depth are known where the pixel's centre shows the object.
    """
    camera, environment = _camera(view, size), _environment(seed, light)
    rng = np.random.default_rng(seed)
    axes, phase = 1 - 0.3 * rng.random(3), 6 * rng.random(3)
    hit, points = _intersect(camera, axes)
    seen = hit[..., None].astype(np.float32)  # H×W×1
    world_normal = (normalise(points / axes**2) * seen).astype(np.float32)
    normal = camera_from_world(world_normal, camera)
    albedo = ((0.5 + 0.3 * np.sin(4 * points + phase)) * seen).astype(np.float32)
    shading = lambertian(world_normal, environment.radiance).astype(np.float32)
    residual = 0.05 * np.maximum(normal[..., 2:], 0) ** 20 * np.ones(3, np.float32)
    mask = _coverage(camera, axes)
    turned = to_frame(environment, "camera", camera).radiance
    centre, forward = camera.camera_to_world[:3, 3], camera.camera_to_world[:3, 2]
    depth = (((points - centre) @ forward)[..., None] * seen).astype(np.float32)
    image = (albedo * shading + residual) * mask
    coded = _NEAR / np.maximum(depth, _NEAR) * seen
    return {
        "image": image,
        "mask": mask,
        "camera": camera,
        "normal": normal,
        "depth": depth,
        "albedo": albedo,
        "basecolor": albedo,
        "metallic": 0 * seen,
        "specular": np.float32(0.04) * seen,
        "roughness": np.float32(0.4) * seen,
        "shading": shading,
        "residual": residual,
        "environment": environment,
        "light_sh": np.asarray(project_environment(turned, 2), np.float32),
        "mesh": _mesh(axes),
        "front": mask,
        "pitch": np.array([10], np.float32),
        "framebuffer": np.concatenate([image * seen, coded], axis=-1),  # H×W×4
        "covered": seen,
        "light_direction": np.array([0.6, 0, 0.8], np.float32),
        "light_intensity": np.array([1, 0.9, 0.8], np.float32),
        "judgements": _judgements(albedo),
    }


def _sample(card: MethodCard, seed: int, view: int, size: tuple[int, int]) -> Sample:
    context = tuple(view_values(seed, view + step, 0, size) for step in (1, 2))
    queries = tuple(
        _query(quantity, alternative, seed, view, size)
        for quantity, alternatives in card.answers.items()
        for alternative in alternatives
    )
    inputs = view_values(seed, view, 0, size)
    return Sample(f"ellipsoid{seed}", f"view{view}", inputs, context, queries)


def _query(quantity: str, alternative: str, seed: int, view: int, size: tuple[int, int]) -> Query:
    shown = (view, 1) if quantity == "relit" else (view + 3, 0)
    asked = view_values(seed, *shown, size)
    reference = view_values(seed, view + 1, 1, size)
    known = asked | {f"reference_{name}": value for name, value in reference.items()}
    known["reference"] = reference["image"]
    condition = {name: known[name] for name in alternative.split("+")}
    return Query(f"{quantity}-{alternative}", quantity, condition)


class _Given:
    """A `Dataset` of samples in memory that know everything."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = {Key(sample.scene, sample.id): sample for sample in samples}

    def samples(self, split: str) -> Sequence[Key]:
        return list(self._samples)

    def fingerprint(self, split: str) -> str:
        return split

    def inputs(self, split: str, key: Key) -> Sample:
        return self._samples[key]

    def targets(self, split: str, key: Key) -> Targets:
        return Targets(self._samples[key].inputs)


def _job(card: MethodCard, samples: Sequence[Sample], granted: tuple[str, ...]) -> Job:
    queries: dict[str, tuple[str, ...]] = {}
    for query in (query for sample in samples for query in sample.queries):
        queries[query.quantity] = (*queries.get(query.quantity, ()), *query.condition)
    offered = tuple({name for sample in samples for name in sample.inputs})
    return Job(
        label=card.name,
        kind="method",
        method=card,
        dataset=DatasetCard(_SPLIT, "", "", inputs=offered, queries=queries),
        split=_SPLIT,
        options={},
        dataset_options={},
        granted=granted,
        seed=0,
        device="cpu",
        threads=1,
        timeout=0.0,
        fit_timeout=0.0,
        memory=0,
        python="",
    )


def _camera(view: int, size: tuple[int, int]) -> Camera:
    azimuth = _AZIMUTH_STEP * view
    pose = look_at((5 * np.sin(azimuth), 0.9, 5 * np.cos(azimuth)), (0, 0, 0))
    return Camera(intrinsics_from_fov(36, *size), pose, *size)


def _environment(seed: int, light: int) -> Environment:
    rng = np.random.default_rng([seed, light])
    colour, toward = 1 + rng.random(3), normalise(rng.random(3) - [0.5, -0.2, -0.3])
    lobe = np.exp(8 * (directions(16, 32) @ toward - 1))  # 16×32
    return Environment((0.4 + 3 * lobe[..., None] * colour).astype(np.float32), "world")


def _intersect(camera: Camera, axes: Float64) -> tuple[NDArray[np.bool_], Float64]:
    """Which rays meet the ellipsoid, H×W, and where, H×W×3; other points mean nothing."""
    rays, centre = pixel_rays(camera), camera.camera_to_world[:3, 3]
    ray, start = rays / axes, centre / axes
    squared, along = np.sum(ray**2, axis=-1), ray @ start  # H×W each
    discriminant = along**2 - squared * (start @ start - 1)
    distance = (-along - np.sqrt(np.maximum(discriminant, 0))) / squared
    return discriminant > 0, centre + rays * distance[..., None]


def _coverage(camera: Camera, axes: Float64) -> NDArray[np.float32]:
    factor, (height, width) = _SUPERSAMPLING, (camera.height, camera.width)
    fine, _ = _intersect(resize(camera, height * factor, width * factor), axes)
    blocks = fine.reshape(height, factor, width, factor)
    covered: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)[..., None]
    return covered  # H×W×1


def _judgements(albedo: NDArray[np.float32]) -> dict[str, Any]:
    """What people would say of neighbours in a grid of points, as IIW writes it."""
    height, width = albedo.shape[:2]
    rows, columns = (index.ravel() for index in np.mgrid[2:7, 2:7] / 8.5)  # 25 each
    values = albedo[(rows * height).astype(int), (columns * width).astype(int)].mean(-1)  # 25
    values = np.maximum(values, 1e-10)
    points = [
        {"id": index, "x": float(x), "y": float(y), "opaque": True}
        for index, (x, y) in enumerate(zip(columns, rows, strict=True))
    ]
    comparisons = [
        {
            "point1": index,
            "point2": index + 1,
            "darker": "1" if second > 1.1 * first else "2" if first > 1.1 * second else "E",
            "darker_score": 1.0,
        }
        for index, (first, second) in enumerate(pairwise(values))
    ]
    return {"intrinsic_points": points, "intrinsic_comparisons": comparisons}


def _mesh(axes: Float64) -> Mesh:
    rows, columns = 12, 24
    vertices = (directions(rows, columns) * axes).reshape(-1, 3).astype(np.float32)
    row, column = (index.ravel() for index in np.mgrid[: rows - 1, :columns])
    right = (column + 1) % columns
    corners: list[Any] = [row * columns + column, row * columns + right]
    below = [corner + columns for corner in corners]
    quads = [(corners[0], corners[1], below[0]), (corners[1], below[1], below[0])]
    faces = np.concatenate([np.stack(triangle, axis=-1) for triangle in quads])
    return Mesh(vertices, faces.astype(np.int32))
