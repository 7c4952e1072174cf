"""What every report must bear, and how long they may take together."""

import time
from pathlib import Path
from typing import Any

import pytest

NAMES = ("markdown", "latex", "csv", "html", "figures")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_run_is_no_error(name: str, fake: Any, write: Any, tmp_path: Path) -> None:
    write(name, fake.FakeRun(listed=[]), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_one_row_on_one_item_is_no_error(name: str, fake: Any, write: Any, tmp_path: Path) -> None:
    run = fake.FakeRun(parts=(fake.Part("vases", "mini", 1, 1),), rows=[fake.a_row("only")])
    assert write(name, run, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_which_everything_failed_is_no_error(
    name: str, fake: Any, write: Any, tmp_path: Path
) -> None:
    run = fake.FakeRun(parts=(fake.Part("vases", "mini", 2, 1),), rows=[fake.a_row("a")])
    lines = list(run.outcomes())
    run.listed = [line._replace(kind="failed", value=None, reason="crash") for line in lines]
    assert write(name, run, tmp_path) or name == "figures"


@pytest.mark.slow
def test_a_full_report_takes_ten_seconds(fake: Any, write: Any, tmp_path: Path) -> None:
    part = fake.Part("vases", "mini", 12, 12)
    run = fake.FakeRun(parts=(part,), rows=fake.rows_of("vases", "mini")[:8])
    list(run.outcomes())
    # One thread does all of it, so its processor time is the time on a machine of one's own.
    began = time.process_time()
    for name in NAMES:
        write(name, run, tmp_path)
    assert time.process_time() - began <= 10
