"""Seconds per image of `inverse-shading`: 256², 40 % coverage, granted normals, CPU, 2 threads."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from bench.api import Sample
from bench.methods.inverse_shading.method import InverseShading

SIZE, COVERAGE = 256, 0.4


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def textured_sphere() -> Sample:
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    radius = 2 * (COVERAGE / np.pi) ** 0.5
    z = np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0))
    mask = (z > 0)[..., None].astype(np.float32)
    normals = (np.stack([x, y, z], -1) / radius * mask).astype(np.float32)
    return Sample("scene", "id", {"image": shown(normals), "mask": mask, "normal": normals})


def shown(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    bands = rng.uniform(0.2, 0.8, (16, 1, 3)).repeat(SIZE // 16, axis=0)
    sun = np.maximum(normals @ np.array([0.6, 0.5, 0.62]), 0)[..., None]
    noise = 1 + 0.02 * rng.normal(size=normals.shape)
    inside = (normals**2).sum(-1, keepdims=True)
    return (bands * (0.3 + 0.7 * sun) * noise * inside).astype(np.float32)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("options", "milliseconds"),
    [
        ({"model": "regular", "iterations": 0}, 15),
        ({"model": "inverse", "iterations": 0}, 15),
        ({"model": "regular"}, 60),
        ({"model": "inverse"}, 60),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_an_image_is_explained_in_time(
    benchmark: BenchmarkFixture, options: dict[str, Any], milliseconds: float
) -> None:
    method, samples = InverseShading(options, "cpu"), [textured_sphere()]
    benchmark.pedantic(method.predict, args=(samples,), rounds=20, warmup_rounds=3)
    assert benchmark.stats.stats.median < milliseconds / 1000
