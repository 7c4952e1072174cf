"""Milliseconds per image of a vase of 5,952 triangles, 256² with 2× anti-aliasing, batches of 8."""

import math
from collections.abc import Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from bench.errors import UnavailableError
from bench.graphics import revolution
from bench.graphics.cameras import intrinsics_from_fov
from bench.graphics.rasterisers import rasteriser
from bench.graphics.rasterisers.fragments import (
    coverage,
    downsample,
    interpolate_corners,
    sample_texture,
)

SIZE = (256, 256)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def vases(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices B×3072×3 in poses of their own, faces 5952×3, intrinsics."""
    extent, rows = 5 * math.tan(math.radians(5)), torch.arange(32.0)
    waves = torch.linspace(0.2, 0.4, batch)[:, None]  # B×1
    radius = (0.5 + 0.3 * torch.sin(waves * rows)) * extent  # B×32
    height = (torch.linspace(-1, 1, 32) * 0.8 * extent).expand(batch, -1)  # B×32
    pitch = torch.linspace(0, math.radians(20), batch)  # B
    turn = revolution.rotation(pitch, torch.zeros(batch), torch.zeros(batch))  # B×3×3
    vertices = revolution.vertices(radius, height).reshape(batch, -1, 3) @ turn.transpose(1, 2)
    camera = torch.from_numpy(intrinsics_from_fov(10, *SIZE)).float()
    return vertices + torch.tensor([0.0, 0.0, 5.0]), revolution.faces(32), camera


@pytest.mark.usefixtures("two_threads")
def test_a_batch_is_rasterised_in_time(benchmark: BenchmarkFixture) -> None:
    vertices, faces, camera = vases(8)
    backend = rasteriser("reference")
    benchmark.pedantic(
        backend.rasterise, args=(vertices, faces, camera, SIZE), rounds=10, warmup_rounds=2
    )
    assert benchmark.stats.stats.median < 8 * 0.060


@pytest.mark.usefixtures("two_threads")
def test_a_silhouette_and_its_gradient_take_no_longer(benchmark: BenchmarkFixture) -> None:
    vertices, faces, camera = vases(8)
    vertices.requires_grad_()
    backend = rasteriser("reference")

    def step() -> None:
        fragments = backend.rasterise(vertices, faces, camera, SIZE)
        mask = backend.antialias(coverage(fragments), fragments, vertices, faces, camera)
        (downsample(mask) - 0.5).square().mean().backward()

    benchmark.pedantic(step, rounds=10, warmup_rounds=2)
    assert benchmark.stats.stats.median < 8 * 0.150


@pytest.mark.usefixtures("two_threads")
def test_a_textured_picture_and_its_gradients_take_no_longer(benchmark: BenchmarkFixture) -> None:
    vertices, faces, camera = vases(8)
    vertices.requires_grad_()
    corners = revolution.corner_coordinates(32)  # F×3×2
    texture = torch.rand(8, 3, 256, 768, requires_grad=True)
    backend = rasteriser("reference")

    def step() -> None:
        fragments = backend.rasterise(vertices, faces, camera, SIZE)
        mask = coverage(fragments)
        colour = sample_texture(interpolate_corners(fragments, corners), texture)
        image = colour * mask + (1 - mask)
        image = downsample(backend.antialias(image, fragments, vertices, faces, camera))
        (image - 0.5).abs().mean().backward()

    benchmark.pedantic(step, rounds=10, warmup_rounds=2)
    assert benchmark.stats.stats.median < 8 * 0.150


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_nvdiffrast_draws_two_thousand_images_a_second(benchmark: BenchmarkFixture) -> None:
    try:
        backend = rasteriser("nvdiffrast", "cuda")
    except UnavailableError as error:
        pytest.skip(str(error))
    vertices, faces, camera = (each.cuda() for each in vases(32))

    def step() -> None:
        fragments = backend.rasterise(vertices, faces, camera, SIZE)
        downsample(coverage(fragments))
        torch.cuda.synchronize()

    benchmark.pedantic(step, rounds=20, warmup_rounds=5)
    assert benchmark.stats.stats.median < 32 / 2000
