"""The cards of the built-in reports."""

import importlib
import subprocess
import sys
from typing import Any

import pytest

NAMES = ("markdown", "latex", "csv", "html", "figures")


@pytest.mark.parametrize("name", NAMES)
def test_each_report_offers_its_card(name: str) -> None:
    (card,) = importlib.import_module(f"bench.reports.{name}.plugin").bench_reports()
    assert card.name == name
    module, _, implementation = card.implementation.partition(":")
    assert hasattr(importlib.import_module(module), implementation)


@pytest.mark.parametrize("name", NAMES)
def test_the_files_on_the_card_are_those_that_are_written(name: str, files: Any) -> None:
    card = importlib.import_module(f"bench.reports.{name}.plugin").CARD
    written = files(name).values()
    for pattern in card.files:
        assert any(file.match(pattern) for file in written)
    for file in written:
        assert any(file.match(pattern) for pattern in card.files) and file.stat().st_size


def test_cards_need_the_standard_library_only() -> None:
    heavy = "numpy", "pandas", "matplotlib", "jinja2", "seaborn"
    lines = [f"import bench.reports.{name}.plugin" for name in NAMES]
    lines += ["import sys", f"print([m for m in {heavy} if m in sys.modules])"]
    found = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
