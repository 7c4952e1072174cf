"""A small stranger's plugin, installed for the test process and for the workers it starts."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import plugins
from bench.api import Outcome
from bench.config import read
from bench.manifest import describe_run
from bench.plan import make
from bench.plugins import Registry
from bench.runner import Runner
from bench.store import Store
from bench.view import StoredRun
from bench.work import Progress, Settings

STRANGER = Path(__file__).parent / "stranger"


def install(site: Path, name: str, module: str) -> None:
    """What pip would leave behind for a distribution with one entry point."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\n{name} = {module}\n")


class Stranger:
    """Distributions on the path of this process and of those it starts."""

    def __init__(self, site: Path, patch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.modules: list[str] = []
        site.mkdir(exist_ok=True)
        patch.setenv("PYTHONPATH", f"{site}{os.pathsep}{STRANGER}")
        patch.syspath_prepend(STRANGER)
        patch.syspath_prepend(site)
        plugins.registry.cache_clear()
        plugins.source_hash.cache_clear()

    def add(self, name: str, text: str) -> None:
        """Install a plugin `name` whose module holds `text`."""
        module = f"{name.replace('-', '_')}_module"
        (self.site / f"{module}.py").write_text(text)
        install(self.site, name, module)
        self.modules.append(module)
        plugins.registry.cache_clear()

    @staticmethod
    def write(folder: Path, *methods: str, dataset: str = "") -> Path:
        """A benchmark file of "tiny" in `folder` whose methods are the given texts."""
        file = folder / "bench.toml"
        tables = "".join(f"[[methods]]\n{text}\n" for text in methods)
        file.write_text(
            f'[run]\nthreads = 1\nname = "trial"\ndevice = "cpu"\n\n{tables}'
            f'[[datasets]]\nname = "tiny"\nsplit = "all"\n[datasets.options]\n{dataset}\n'
        )
        return file

    def registry(self, *names: str) -> Registry:
        """The cards of the named plugins alone."""
        points = importlib.metadata.entry_points(group=plugins.GROUP)
        return plugins.collect(point for point in points if point.name in names)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    with pytest.MonkeyPatch.context() as patch:
        installed = Stranger(tmp_path / "site", patch)
        yield installed
    for module in installed.modules:
        sys.modules.pop(module, None)
    plugins.registry.cache_clear()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """The plugins "tiny", "faulty" and "hanging" of the folder `stranger`."""
    with pytest.MonkeyPatch.context() as patch:
        installed = Stranger(tmp_path_factory.mktemp("site"), patch)
        install(installed.site, "tiny", "tiny_plugin")
        install(installed.site, "faulty", "faulty_plugin")
        install(installed.site, "hanging", "hanging_plugin")
        yield installed
    plugins.registry.cache_clear()


class Bench:
    """One benchmark file and its run, carried out in this process with the tiny plugin alone."""

    def __init__(self, folder: Path, stranger: Stranger) -> None:
        self.folder, self.stranger = folder, stranger
        self.file, self.store = folder / "bench.toml", Store(folder / "out")
        self.log = folder / "calls.jsonl"
        self.warnings: list[str] = []
        self.plugins: tuple[str, ...] = ("tiny",)

    def write(self, *methods: str, dataset: str = "", run: str = "") -> None:
        """Each method's text stands under its own [[methods]]."""
        tables = "".join(f"[[methods]]\n{text}\n" for text in methods)
        self.file.write_text(
            f'[run]\nthreads = 1\n{run}\n{tables}[[datasets]]\nname = "tiny"\nsplit = "all"\n'
            f"[datasets.options]\n{dataset}\n"
        )

    def __call__(self, *methods: str, dataset: str = "", **settings: Any) -> StoredRun:
        self.write(*methods, dataset=dataset)
        return self.again(**settings)

    def again(self, **settings: Any) -> StoredRun:
        """Run the file as it stands."""
        benchmark, registry = read(self.file), self.stranger.registry(*self.plugins)
        plan = make(benchmark, registry, "cpu")
        chosen = Settings(**settings)
        with self.store.locked():
            progress = Progress(warn=self.warnings.append)
            runner = Runner(plan, registry, self.store, chosen, progress)
            work = runner.work()
            self.store.write_manifest(describe_run(plan, work, registry, chosen, {}, ()))
            runner.run(work)
        return StoredRun(self.store.path)

    def table(self, options: str = "", head: str = "", name: str = "tiny") -> str:
        """The text of one method that notes its calls."""
        return f'name = "{name}"\n{head}\n[methods.options]\nlog = "{self.log}"\n{options}'

    def lines(self) -> list[str]:
        """The records of the first row, as they stand in its file."""
        return sorted((self.store.path / "records").glob("*.jsonl"))[0].read_text().splitlines()

    def tried(self) -> list[str]:
        """The items that were predicted, in order."""
        return [entry["sample"] for entry in self.seen()]

    def records(self) -> dict[str, Any]:
        """Every record by file and key, but what was measured in seconds."""
        return {
            f"{file.name} {record['key']}": record["outcomes"]
            for file in (self.store.path / "records").iterdir()
            for record in map(json.loads, file.read_text().splitlines())
            if record["metric"] != "tiny-cost"
        }

    def calls(self, kind: str = "predict") -> list[dict[str, Any]]:
        """What the methods noted of their calls."""
        return [entry for entry in self._notes() if entry.get("call") == kind]

    def seen(self) -> list[dict[str, Any]]:
        """What the methods noted of their samples."""
        return [entry for entry in self._notes() if "sample" in entry]

    def _notes(self) -> list[dict[str, Any]]:
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path, tiny: Stranger) -> Bench:
    return Bench(tmp_path, tiny)


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory, tiny: Stranger) -> Bench:
    """For tests that read one run."""
    return Bench(tmp_path_factory.mktemp("run"), tiny)


def outcomes(run: StoredRun, metric: str = "", label: str = "") -> dict[str, Outcome]:
    """Unit → outcome of the first column, of one metric and label."""
    return {
        outcome.unit: outcome
        for outcome in run.outcomes()
        if not outcome.column and metric in ("", outcome.metric) and label in ("", outcome.label)
    }


@pytest.fixture(scope="session")
def of() -> Callable[..., dict[str, Outcome]]:
    """`of(run, metric, label)`: unit → outcome."""
    return outcomes


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """The plugin "tiny" alone: the command line knows all that is installed."""
    with pytest.MonkeyPatch.context() as patch:
        installed = Stranger(tmp_path_factory.mktemp("site"), patch)
        install(installed.site, "tiny", "tiny_plugin")
        yield installed
    plugins.registry.cache_clear()


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`command("run", …)` calls the command line in a process of its own."""

    def call(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bench", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            **settings,
        )

    return call
