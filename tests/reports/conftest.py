"""The fake run as a fixture: a module without a package cannot be imported by name."""

import dataclasses
import functools
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    """tests/reports/fake_run.py."""
    file = Path(__file__).parents[1] / "reports" / "fake_run.py"
    spec = importlib.util.spec_from_file_location("fake_run", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_run"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def run(fake: ModuleType) -> Any:
    """A run with rows of every kind on two datasets, published numbers and claims."""
    plain = fake.FakeRun()
    return dataclasses.replace(plain, manifest=plain.manifest | fake.BESIDE)


@pytest.fixture(scope="session")
def write() -> Any:
    """Write a report by its card: (name, run, folder) → the files' names and paths."""

    def written(name: str, run: Any, folder: Path) -> dict[str, Path]:
        card = importlib.import_module(f"bench.reports.{name}.plugin").CARD
        module, _, implementation = card.implementation.partition(":")
        report = getattr(importlib.import_module(module), implementation)()
        return {file.name: file for file in report.write(run, folder)}

    return written


@pytest.fixture(scope="session")
def files(run: Any, write: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The files of a report on the shared run, written once: name → the files' names and paths."""
    return functools.cache(lambda name: write(name, run, tmp_path_factory.mktemp(name)))
