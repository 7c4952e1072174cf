"""Seconds of a prediction of the neural rerenderer on one core."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.api import Query, Sample
from bench.methods.neural_rerenderer.checkpoints import save_weights
from bench.methods.neural_rerenderer.configuration import MINI, OFFICIAL, Configuration
from bench.methods.neural_rerenderer.method import NeuralRerenderer
from bench.methods.neural_rerenderer.networks import AppearanceEncoder, Generator

SIZE, QUERIES = 128, 4


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def query(name: str) -> Query:
    rng = np.random.default_rng(int(name))
    condition = {
        "framebuffer": rng.random((SIZE, SIZE, 4), np.float32),
        "reference": rng.random((SIZE, SIZE, 3), np.float32),
        "reference_framebuffer": rng.random((SIZE, SIZE, 4), np.float32),
    }
    return Query(name, "view", condition)


@pytest.mark.usefixtures("one_thread")
def test_four_queries_of_128_pixels_are_answered_in_60_milliseconds(
    benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    configuration, path = MINI.with_channels(4), tmp_path / "weights.safetensors"
    networks = {"generator": Generator(configuration), "encoder": AppearanceEncoder(configuration)}
    save_weights(path, networks, configuration, {})
    method = NeuralRerenderer({"checkpoint": path}, "cpu")
    sample = Sample("scene", "view", {}, (), tuple(query(str(k)) for k in range(QUERIES)))
    benchmark.pedantic(method.predict, ([sample],), rounds=20, warmup_rounds=3)
    assert benchmark.stats.stats.median < 0.06


@pytest.mark.parametrize(("configuration", "bound"), [(MINI, 0.1), (OFFICIAL, 1.0)])
def test_the_generator_is_fast_at_256_pixels(
    benchmark: BenchmarkFixture, configuration: Configuration, bound: float
) -> None:
    generator = Generator(configuration.with_channels(4)).eval()
    generator = generator.to(memory_format=torch.channels_last)
    framebuffer = torch.zeros(1, 4, 256, 256).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        benchmark.pedantic(generator, (framebuffer, torch.zeros(1, 8)), rounds=15, warmup_rounds=3)
    assert benchmark.stats.stats.median < bound
