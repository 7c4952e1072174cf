"""Seconds per photo of `vase-derenderer`, everything predicted: 256², CPU, 2 threads."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.api import Sample
from bench.methods.vase_derenderer.checkpoints import save_safetensors
from bench.methods.vase_derenderer.configuration import MINI, OFFICIAL_MET, Configuration
from bench.methods.vase_derenderer.method import VaseDerenderer
from bench.methods.vase_derenderer.networks import Networks


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("configuration", "seconds"), [(OFFICIAL_MET, 1.0), (MINI, 0.15)], ids=["official", "mini"]
)
def test_a_photo_is_explained_in_time(
    benchmark: BenchmarkFixture, tmp_path: Path, configuration: Configuration, seconds: float
) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "random.safetensors"
    save_safetensors(weights, Networks(configuration), {})
    method = VaseDerenderer({"checkpoint": weights, "least_evidence": 0.0}, "cpu")
    image = np.random.default_rng(0).random((256, 256, 3)).astype(np.float32)
    samples = [Sample("scene", "id", {"image": image})]
    benchmark.pedantic(method.predict, args=(samples,), rounds=10, warmup_rounds=2)
    assert benchmark.stats.stats.median < seconds
