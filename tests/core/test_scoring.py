"""Predictions and truth → outcomes: each metric by itself, in the scorer's process."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from bench.api import MetricCard, Score
from bench.protocol import Comparison, Rule
from bench.protocol.named import NEUTRAL, SORD
from bench.recording import Recorder
from bench.scoring import cells
from bench.view import StoredRun

ITEMS = {"scene0/item0", "scene0/item1"}

# metric → kind, reason, a phrase of the message
FAULTS = {
    "raises": ("failed", "crash", "ZeroDivisionError: nothing inside"),
    "segfaults": ("failed", "crash", "SIGSEGV"),
    "nan": ("failed", "non-finite", "not a number"),
    "text": ("failed", "crash", "must be real number, not str"),
    "fills": ("failed", "memory", "MemoryError"),
    "unavailable": ("unavailable", "", "weights are not here; run: fetch-weights"),
    "infinite": ("value", "", ""),
}


@pytest.fixture(scope="module")
def run(shared_bench: Any) -> StoredRun:
    shared_bench.plugins = ("tiny", "faulty")
    run: StoredRun = shared_bench('name = "tiny"', dataset="scenes = 1")
    return run


@pytest.mark.parametrize("fault", FAULTS)
def test_a_metric_that_fails_says_how(run: StoredRun, of: Callable[..., Any], fault: str) -> None:
    kind, reason, phrase = FAULTS[fault]
    found = of(run, f"normal.tiny-{fault}")
    assert found.keys() == ITEMS
    assert {(outcome.kind, outcome.reason) for outcome in found.values()} == {(kind, reason)}
    assert all(phrase in outcome.message for outcome in found.values())


def test_infinity_is_a_value(run: StoredRun, of: Callable[..., Any]) -> None:
    assert {o.value for o in of(run, "normal.tiny-infinite").values()} == {float("inf")}


@pytest.mark.parametrize("metric", ["normal.tiny-normal", "albedo.tiny-albedo", "cost.tiny-cost"])
def test_a_metric_that_fails_spoils_no_other(
    run: StoredRun, of: Callable[..., Any], metric: str
) -> None:
    found = of(run, metric)
    assert found.keys() == ITEMS
    assert {outcome.kind for outcome in found.values()} == {"value"}


def test_what_was_unavailable_is_asked_again_and_not_written_twice(
    shared_bench: Any, run: StoredRun
) -> None:
    records = shared_bench.store.records_file("tiny/tiny/all")
    before = records.read_bytes()
    shared_bench.again()
    assert records.read_bytes() == before


def test_a_metric_that_crashed_is_asked_again_on_request(
    shared_bench: Any, run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    whole = Recorder._call

    def call(self: Any, work: Any, scene: str, entries: Any, keys: Any) -> Any:
        asked.extend(entry[1] for entry in entries)
        return whole(self, work, scene, entries, keys)

    monkeypatch.setattr(Recorder, "_call", call)
    shared_bench.again()
    assert set(asked) == {"tiny-unavailable"}
    asked.clear()
    shared_bench.again(retry_failed=True)
    assert set(asked) == {
        "tiny-unavailable",
        "tiny-raises",
        "tiny-segfaults",
        "tiny-relit-segfaults",
        "tiny-text",
        "tiny-fills",
    }


def test_each_query_of_a_metric_that_kills_the_scorer_fails(
    run: StoredRun, of: Callable[..., Any]
) -> None:
    found = of(run, "relit.tiny-relit-segfaults")
    assert {unit: outcome.reason for unit, outcome in found.items()} == {
        f"{item}/lamp": "crash" for item in ITEMS
    }


def test_a_metric_that_hangs_is_given_up_for_the_run_and_spoils_no_other(
    bench: Any, of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.recording._TIMEOUT", 0.7)
    bench.plugins = ("tiny", "hanging")
    run = bench('name = "tiny"')
    found = of(run, "normal.tiny-hangs")
    assert len(found) == 6
    assert {outcome.reason for outcome in found.values()} == {"timeout"}
    messages = [found[unit].message for unit in sorted(found)]
    assert messages[0] == "no answer within 0.7 s"
    assert set(messages[1:]) == {
        "no answer within 0.7 s on scene0/item0; not asked again in this run"
    }
    assert {outcome.kind for outcome in of(run, "albedo.tiny-albedo").values()} == {"value"}
    assert {outcome.kind for outcome in of(run, "normal.tiny-normal").values()} == {"value"}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell's background job is started with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_while_scoring_ends_the_scorer(bench: Any, interruptible: None) -> None:
    bench.plugins = ("tiny", "hanging")
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        bench('name = "tiny"')
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [c for c in commands if "bench.worker" in c and c[-1] == str(os.getpid())]


def test_nothing_is_recorded_where_a_protocol_does_not_score_a_metric(bench: Any) -> None:
    bench.write('name = "tiny"', dataset="scenes = 1", run='protocols = ["neutral", "sord"]')
    bench.again()
    found = [json.loads(line) for line in bench.lines()]
    assert {record["protocol"] for record in found} == {"neutral"}
    assert all(record["outcomes"] for record in found)


def test_a_metric_of_one_protocol_fills_no_cell_of_another() -> None:
    score = Score("normal.bound", "bound", "lower")
    bound = MetricCard("bound", "", "m:M", (score,), quantity="normal", protocols=("sord",))
    assert cells(bound, NEUTRAL) == []
    assert cells(replace(bound, protocols=()), NEUTRAL) == [("normal.bound", "")]
    rules = (Rule("normal.*", Comparison()),)
    assert cells(bound, replace(SORD, rules=rules)) == [("normal.bound", "")]
