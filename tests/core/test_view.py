"""A run's folder as reports read it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import Key
from bench.errors import DataError, StoreError
from bench.reporting import summarise
from bench.view import StoredRun

KEY = Key("scene1", "item0")


@pytest.fixture(scope="module")
def run(shared_bench: Any) -> StoredRun:
    run: StoredRun = shared_bench(
        'name = "tiny"',
        'name = "tiny"\nlabel = "sour"\n[methods.options]\nmode = "nan"\non = "scene1/item0"',
        'name = "tiny-granted"\nprivileged = ["normal"]',
        'name = "tiny-mesh"',
    )
    return run


def test_rows_follow_the_benchmark_file(run: StoredRun) -> None:
    assert [(row.label, row.method, row.items) for row in run.rows] == [
        ("tiny", "tiny", 6),
        ("sour", "tiny", 6),
        ("tiny-granted", "tiny-granted", 6),
    ]
    assert [row.ranked for row in run.rows] == [True, True, False]


def test_what_did_not_meet_stands_in_the_manifest(run: StoredRun) -> None:
    (entry,) = run.manifest["impossible"]
    assert (entry["label"], entry["dataset"]) == ("tiny-mesh", "tiny")


def test_the_manifest_says_what_made_a_result(run: StoredRun) -> None:
    assert run.manifest["machine"]["packages"]["numpy"] == np.__version__
    row = run.manifest["rows"][0]
    assert {"key", "version", "source", "options", "device", "threads", "seed"} <= row.keys()
    assert {"fingerprint", "dataset_version", "samples"} <= row.keys()
    assert run.manifest["protocols"]["neutral"]["rules"]


def test_scores_carry_direction_and_range(run: StoredRun) -> None:
    assert run.scores["albedo.tiny-albedo"].direction == "lower"
    assert run.scores["albedo.tiny-albedo"].bounds == (None, None)


def test_samples_truth_and_predictions_are_at_hand(run: StoredRun) -> None:
    tiny, sour, _ = run.rows
    assert len(run.keys("tiny", "all")) == 6
    assert set(run.sample("tiny", "all", KEY).inputs) == {"image", "mask", "camera"}
    assert set(run.targets("tiny", "all", KEY).quantities) == {"normal", "albedo"}
    assert set(run.prediction(tiny, KEY)) == {"normal", "albedo", "lamp"}
    assert run.prediction(sour, KEY) == {}
    with pytest.raises(StoreError, match="no row covers tiny/other"):
        run.keys("tiny", "other")


def test_data_that_is_gone_is_named(
    run: StoredRun, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = StoredRun(run.path)
    monkeypatch.setattr("bench.view.registry", lambda: stranger.registry())
    with pytest.raises(DataError, match="tiny/all: unknown dataset 'tiny'"):
        fresh.sample("tiny", "all", KEY)


def test_the_summary_counts_what_became_of_each_outcome(
    run: StoredRun, of: Callable[..., Any]
) -> None:
    summary = summarise(run)
    assert set(summary.counts) == {"value", "failed", "given"}
    assert summary.failed == sum(summary.failures.values()) == summary.counts["failed"]
    (where,) = summary.failures
    assert where == "sour on tiny/all: non-finite"
    lines = summary.as_text().splitlines()
    assert lines[0].startswith(f"{summary.counts['failed']} failed, ")
    assert lines[1].startswith(f"  † {where}: ") and "albedo: 768 of 768 are NaN" in lines[1]
    assert lines[-1] == f"report: {run.path / 'report' / 'index.html'}"


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no manifest\.json here; this is not a run's folder"):
        StoredRun(tmp_path)
