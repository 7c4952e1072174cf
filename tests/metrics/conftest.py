"""A synthetic scene, the deterministic pair of specs/metrics.md §14, and metrics found by score."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from bench.api import Item, Key, MetricCard, Query, Sample
from bench.graphics.cameras import intrinsics_from_fov, look_at, pixel_rays
from bench.graphics.environments import directions
from bench.protocol import Comparison
from bench.quantities import Camera, Environment

PLUGINS = (
    "consistency", "cost", "depth", "images", "intrinsics", "light", "masks", "material",
    "meshes", "normals", "sord",
)  # fmt: skip
SIZE = 48


@pytest.fixture(scope="session")
def cards() -> tuple[MetricCard, ...]:
    """Every card the built-in metric plugins offer."""
    modules = (importlib.import_module(f"bench.metrics.{name}.plugin") for name in PLUGINS)
    return tuple(card for module in modules for card in module.bench_metrics())


@pytest.fixture(scope="session")
def measure(cards: tuple[MetricCard, ...]) -> Callable[..., float | None]:
    """measure(score id, *items, comparison) → the value, through the card that offers the id."""

    def call(score: str, *items: Item, comparison: Comparison) -> float | None:
        (card,) = (card for card in cards if score in {offered.id for offered in card.scores})
        module, _, name = card.implementation.partition(":")
        metric = getattr(importlib.import_module(module), name)(card)
        return metric(iter(items), comparison).get(score)

    return call


@pytest.fixture
def views() -> tuple[Item, Item]:
    """Two views of one textured unit sphere, each predicted perfectly."""
    return _view(0.0), _view(0.35)


@pytest.fixture
def view(views: tuple[Item, Item]) -> Item:
    """One view of the sphere, predicted perfectly."""
    return views[0]


@pytest.fixture
def predicting() -> Iterator[Callable[..., Item]]:
    """predicting(item, quantity=value, …) → the item with these predictions replaced."""

    def replaced(item: Item, **values: object) -> Item:
        return replace(item, prediction={**item.prediction, **values})

    yield replaced


def _view(azimuth: float) -> Item:
    pose = look_at((5 * np.sin(azimuth), 0.6, 5 * np.cos(azimuth)), (0, 0, 0))
    camera = Camera(intrinsics_from_fov(27, SIZE, SIZE), pose, SIZE, SIZE)
    truth = _sphere(camera)
    environment = 1 + 0.5 * directions(16, 32) @ np.array([[0.5, 0, 0], [0, 1, 0], [0.5, 0, 0.2]])
    truth["environment"] = Environment(environment.astype(np.float32), "world")
    image = truth["albedo"] * truth["shading"]
    inputs = {"image": image, "mask": truth["mask"], "camera": camera}
    return Item(
        key=Key("sphere", f"{azimuth}"),
        query=Query("other", "relit", {}),
        prediction={**truth, "relit": 0.9 * image, "view": 0.8 * image},
        target={**truth, "relit": 0.9 * image, "view": 0.8 * image},
        inputs=Sample("sphere", f"{azimuth}", inputs),
        cost={"seconds": 0.25, "memory": 3e6},
    )


def _sphere(camera: Camera) -> dict[str, object]:
    """Truth about the unit sphere at the origin; its albedo is a function of the world point."""
    rays, centre = pixel_rays(camera), camera.camera_to_world[:3, 3]
    along = rays @ centre  # H×W
    hit = along**2 - centre @ centre + 1
    mask = hit > 0
    points = (centre + rays * (-along - np.sqrt(np.maximum(hit, 0)))[..., None]) * mask[..., None]
    rotation = camera.camera_to_world[:3, :3]
    depth = ((points - centre) @ rotation[:, 2:]) * mask[..., None]
    normal = points @ (rotation * [1, -1, -1])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    albedo = (0.5 + 0.3 * np.sin(3 * points + [0, 1, 2])) * mask[..., None]
    arrays = {
        "mask": mask[..., None],
        "normal": normal,
        "depth": depth,
        "albedo": albedo,
        "shading": (0.6 + 0.4 * points[..., 1:2]) * [1, 0.9, 0.8] * mask[..., None],
        "roughness": 0.4 + 0.1 * points[..., :1],
        "specular": 0.05 + 0.01 * points[..., 1:2],
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}
