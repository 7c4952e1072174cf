"""Milliseconds per picture splatted: colour and depth, a plus of 5 pixels per point."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.graphics.cameras import intrinsics_from_fov, look_at
from bench.graphics.point_clouds import PointCloud
from bench.graphics.splatting import splat
from bench.quantities import Camera


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def scene(count: int, size: int) -> tuple[PointCloud, Camera]:
    """Points in no order, nearly all of them in view, that cover nearly every pixel."""
    rng = np.random.default_rng(0)
    colours = rng.random((count, 3)).astype(np.float32)
    camera = Camera(intrinsics_from_fov(60, size, size), look_at((0, 1, -4), (0, 0, 0)), size, size)
    return PointCloud(rng.normal(size=(count, 3)), colours), camera


def test_a_million_points_are_splatted_in_time(benchmark: BenchmarkFixture, threads: int) -> None:
    cloud, camera = scene(1_000_000, 512)
    benchmark.pedantic(splat, args=(cloud, camera), rounds=20, warmup_rounds=3)
    assert benchmark.stats.stats.median < 0.060


@pytest.mark.usefixtures("threads")
def test_a_small_cloud_costs_next_to_nothing(benchmark: BenchmarkFixture) -> None:
    cloud, camera = scene(10_000, 128)
    benchmark.pedantic(splat, args=(cloud, camera), rounds=100, warmup_rounds=3)
    assert benchmark.stats.stats.median < 0.002


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_million_points_are_splatted_on_a_gpu_in_time(benchmark: BenchmarkFixture) -> None:
    cloud, camera = scene(1_000_000, 512)
    benchmark.pedantic(
        splat, args=(cloud, camera), kwargs={"device": "cuda"}, rounds=50, warmup_rounds=5
    )
    assert benchmark.stats.stats.median < 0.002
