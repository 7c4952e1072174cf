"""A run killed outright at any moment, and run again, ends where an undisturbed one ends."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARK = """
[run]
name = "trial"
threads = 1
device = "cpu"
[[methods]]
name = "tiny"
[methods.options]
mode = "raise"
on = "scene1/item0"
[[methods]]
name = "tiny-batch"
[[methods]]
name = "tiny-scene"
[[datasets]]
name = "tiny"
split = "all"
[datasets.options]
size = 40
"""


def start(folder: Path) -> subprocess.Popen[str]:
    file = folder / "bench.toml"
    file.write_text(BENCHMARK)
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "--no-report", "--config", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder: Path) -> str:
    process = start(folder)
    output, _ = process.communicate()
    assert process.returncode == 1, output  # one item raises
    return output


def kill_after(folder: Path, seconds: float) -> bool:
    """Whether the run was still under way."""
    process = start(folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode < 0


def records(folder: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """What stands for each unit, but for what was measured in seconds and bytes."""
    found = {}
    for file in sorted((folder / "runs/trial/records").iterdir()):
        for record in map(json.loads, file.read_text().splitlines()):
            if record["metric"] not in ("cost", "tiny-cost"):
                where = (file.name, record["key"])
                assert where not in found, "scored twice"
                found[where] = record
    return found


def predictions(folder: Path) -> dict[str, Any]:
    root = folder / "runs/trial/predictions"
    return {path.relative_to(root).as_posix(): np.load(path) for path in root.rglob("*.npy")}


def same(first: Any, second: Any) -> bool:
    """Equal, numbers to 1e-6."""
    if isinstance(first, float) and isinstance(second, float):
        return first == pytest.approx(second, rel=1e-6, abs=1e-6)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


@pytest.fixture(scope="module")
def undisturbed(plain: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    folder = tmp_path_factory.mktemp("undisturbed")
    begun = time.perf_counter()
    finish(folder)
    return folder, time.perf_counter() - begun


@pytest.mark.parametrize(
    "kills", [3, pytest.param(20, marks=pytest.mark.slow)], ids=["three kills", "twenty kills"]
)
def test_a_killed_run_ends_as_an_undisturbed_one(
    undisturbed: tuple[Path, float], tmp_path: Path, kills: int
) -> None:
    expected, seconds = undisturbed
    moments = random.Random(kills)
    struck = 0
    while struck < kills:
        if not kill_after(tmp_path, moments.uniform(0.1 * seconds, 0.9 * seconds)):
            # It came to its end: what is left is to be killed from a new beginning.
            assert_equal(tmp_path, expected)
            (tmp_path / "runs").rename(tmp_path / f"whole-{struck}-{moments.random()}")
            continue
        struck += 1
    finish(tmp_path)
    assert_equal(tmp_path, expected)


def assert_equal(folder: Path, expected: Path) -> None:
    found, wanted = records(folder), records(expected)
    assert found.keys() == wanted.keys()
    assert len(wanted) > 100
    for where, record in wanted.items():
        assert same(found[where]["outcomes"], record["outcomes"]), where
    arrays, others = predictions(folder), predictions(expected)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name])
    assert not list((folder / "runs/trial").glob(".partial*"))
