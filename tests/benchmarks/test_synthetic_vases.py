"""Vases per second of `bench render synthetic-vases`, and seconds to read one with its truth."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.datasets.sord.render import render
from bench.datasets.sord.synthetic import SyntheticVases


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_five_vases_are_rendered_in_a_second(tmp_path: Path) -> None:
    render(count=2, split="val", seed=0, out=tmp_path)  # compiles and loads
    start = time.perf_counter()
    render(count=110, split="train", seed=0, out=tmp_path)
    rate = 110 / (time.perf_counter() - start)
    print(f"{rate:.1f} vases/s")
    assert rate >= 5


@pytest.mark.usefixtures("two_threads")
def test_a_vase_is_read_in_time(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    render(count=1, split="test", seed=0, out=tmp_path)
    dataset = SyntheticVases({"root": tmp_path})
    (key,) = dataset.samples("test")
    benchmark.pedantic(dataset.targets, args=("test", key), rounds=20, warmup_rounds=3)
    assert benchmark.stats.stats.median < 0.15
