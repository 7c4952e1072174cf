"""What the harness itself costs: start of the command, seconds and memory per item."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.plugins import GROUP

HERE = Path(__file__).parent
COMMAND = shutil.which("bench", path=str(Path(sys.executable).parent))

# A run of "instant" in argv[1] with argv[2] items: the moments at which items were predicted and
# scored, and the peak of resident memory in bytes.
RUN = """
import json, resource, sys, time
from pathlib import Path
import instant_plugin
from bench.config import parse
from bench.plan import make
from bench.plugins import Registry
from bench.runner import Runner
from bench.store import Store
from bench.work import Progress, Settings
registry = Registry()
for kind in ("method", "dataset", "metric"):
    for card in getattr(instant_plugin, f"bench_{kind}s")():
        registry.add("instant", kind, card)
items = int(sys.argv[2])
dataset = {"name": "instant", "split": "all", "options": {"items": items}}
raw = {"run": {"threads": 1}, "methods": [{"name": "instant"}], "datasets": [dataset]}
plan = make(parse(raw, Path("bench.toml")), registry, "cpu")
store = Store(Path(sys.argv[1]))
done = []
with store.locked():
    progress = Progress(advance=lambda count: done.extend([time.perf_counter()] * count))
    runner = Runner(plan, registry, store, Settings(), progress)
    runner.run(runner.work())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"predicted": done[:items], "scored": done[items:], "peak": peak}))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], dict[str, Any]]]:
    site = tmp_path_factory.mktemp("site")
    info = site / "instant-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: instant\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\ninstant = instant_plugin\n")
    path = os.pathsep.join([str(site), str(HERE / "stranger")])
    # In memory where possible: what a disk needs to make six files is not the harness's, and varies
    # several times over with what has lately been removed from it.
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path_factory.mktemp("runs"))

    def call(items: int) -> dict[str, Any]:
        out = tempfile.mkdtemp(dir=folder)
        shown = subprocess.run(
            [sys.executable, "-c", RUN, out, str(items)],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        shutil.rmtree(out)
        found: dict[str, Any] = json.loads(shown.stdout)
        return found

    yield call
    shutil.rmtree(folder)


def intervals(moments: list[float]) -> list[float]:
    # Over ten items each: two are written at once, and a file system writes back in bursts.
    return [(later - early) / 10 for early, later in zip(moments, moments[10:], strict=False)]


@pytest.mark.parametrize(("arguments", "seconds"), [(["--help"], 0.15), (["list"], 0.25)])
def test_the_command_starts_in_time(
    benchmark: BenchmarkFixture, arguments: list[str], seconds: float
) -> None:
    assert COMMAND is not None, "install the project first"

    def start() -> None:
        subprocess.run([COMMAND, *arguments], stdout=subprocess.DEVNULL, check=True)

    benchmark.pedantic(start, rounds=15, warmup_rounds=2)
    assert benchmark.stats.stats.median <= seconds


def test_an_item_of_five_quantities_costs_the_harness_no_more_than_5_ms(
    benchmark: BenchmarkFixture, run: Callable[[int], dict[str, Any]]
) -> None:
    found: list[float] = []

    def measure() -> None:
        moments = run(200)
        predicting = statistics.median(intervals(moments["predicted"]))
        scoring = (moments["scored"][-1] - moments["scored"][20]) / 180
        found.append(1e3 * (predicting + scoring))

    benchmark.pedantic(measure, rounds=5)
    benchmark.extra_info["milliseconds per item"] = found
    assert min(found) <= 5


def test_a_thousandth_item_costs_what_a_hundredth_does(
    benchmark: BenchmarkFixture, run: Callable[[int], dict[str, Any]]
) -> None:
    growth: list[float] = []

    def measure() -> None:
        moments = run(1000)["predicted"]
        early, late = intervals(moments[100:400]), intervals(moments[700:])
        growth.append(_undisturbed(late) / _undisturbed(early) - 1)

    benchmark.pedantic(measure, rounds=3)
    benchmark.extra_info["growth"] = growth
    assert min(growth) <= 0.05


def _undisturbed(seconds: list[float]) -> float:
    # The lowest twentieth: what other programs add is never negative.
    return statistics.quantiles(seconds, n=20)[0]


def test_memory_does_not_grow_with_the_items(
    benchmark: BenchmarkFixture, run: Callable[[int], dict[str, Any]]
) -> None:
    grown: list[float] = []
    benchmark.pedantic(lambda: grown.append(run(1000)["peak"] - run(100)["peak"]), rounds=1)
    benchmark.extra_info["bytes"] = grown
    assert grown[0] <= 50e6
