"""The fake run as a fixture: a module without a package cannot be imported by name."""

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
    """A run with rows of every kind on two datasets."""
    return fake.FakeRun()
