"""Seconds of the vase de-renderer's networks and files on a CPU, 2 threads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.methods.vase_derenderer.checkpoints import load, save_safetensors
from bench.methods.vase_derenderer.configuration import MINI, OFFICIAL_MET, Configuration
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
def test_the_networks_see_an_image_in_time(
    benchmark: BenchmarkFixture, configuration: Configuration, seconds: float
) -> None:
    networks, size = Networks(configuration).eval(), configuration.size
    image, normals = torch.rand(1, 3, size, size), torch.rand(1, 6, size, size)

    def infer() -> None:
        with torch.inference_mode():
            networks.netR(image)
            networks.netT(image)
            networks.netE(normals)

    benchmark.pedantic(infer, rounds=10, warmup_rounds=2)
    assert benchmark.stats.stats.median < seconds


@pytest.mark.usefixtures("two_threads")
def test_a_training_steps_networks_leave_time_for_the_rest(benchmark: BenchmarkFixture) -> None:
    networks, size, patch = Networks(MINI), MINI.size, MINI.patch
    image, normals = torch.rand(16, 3, size, size), torch.rand(16, 6, size, size)
    patches = torch.rand(64, 3, patch, patch)

    def learn() -> None:
        column, scalars = networks.netR(image)
        environment, gloss = networks.netE(normals)
        outputs = (
            column,
            scalars,
            environment,
            gloss,
            networks.netT(image),
            networks.netD(patches),
        )
        torch.stack([output.square().mean() for output in outputs]).sum().backward()

    benchmark.pedantic(learn, rounds=10, warmup_rounds=2)
    assert benchmark.stats.stats.median < 0.2


@pytest.mark.usefixtures("two_threads")
def test_official_sized_weights_load_in_time(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    path = tmp_path / "official.safetensors"
    save_safetensors(path, Networks(OFFICIAL_MET), {})
    benchmark.pedantic(load, args=(path,), rounds=5, warmup_rounds=1)
    assert benchmark.stats.stats.median < 1.0
