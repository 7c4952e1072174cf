"""A method that misbehaves on one item fails on that item, with its cause; the rest is done."""

import os
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from bench.view import StoredRun

BAD, UNITS = "scene1/item0", {f"scene{s}/item{i}" for s in range(3) for i in range(2)}

# mode → reason, a phrase of the message
FAILURES = {
    "raise": ("crash", "RuntimeError: no convergence"),
    "segfault": ("crash", "SIGSEGV"),
    "kill": ("crash", "SIGKILL, as the system does when memory runs out"),
    "exit": ("crash", "SystemExit: 3"),
    "vanish": ("crash", "exit status 0"),
    "fork": ("crash", "SIGSEGV"),
    "close": ("crash", "closed its channel"),
    "hang": ("timeout", "no answer within 0.5 s"),
    "fill": ("memory", "0.30 GB allowed"),
    "shape": ("shape", "normal: shape (4, 4, 2) is not H×W×3"),
    "missing": ("missing", "albedo is promised by the card but was not returned"),
    "nan": ("non-finite", "albedo: 768 of 768 are NaN"),
    "range": ("range", "256 vectors are neither of unit length nor zero"),
    "text": ("shape", "expected an array, got str"),
    "object": ("shape", "a object cannot be sent"),
    "list": ("shape", "a prediction must be a mapping"),
    "short": ("shape", "predict returned 0 for 1 samples"),
}


def table(mode: str) -> str:
    return (
        f'name = "tiny"\nlabel = "{mode}"\nmemory = "300MB"\n'
        f"timeout = {0.5 if mode == 'hang' else 60}\n"
        f'[methods.options]\nmode = "{mode}"\non = "{BAD}"'
    )


@pytest.fixture(scope="module")
def run(shared_bench: Any) -> StoredRun:
    run: StoredRun = shared_bench(*map(table, [*FAILURES, "print", "small"]), jobs=2)
    return run


@pytest.mark.parametrize(("mode", "expected"), FAILURES.items(), ids=FAILURES)
def test_the_item_fails_with_its_cause(
    run: StoredRun, of: Callable[..., Any], mode: str, expected: tuple[str, str]
) -> None:
    reason, phrase = expected
    outcome = of(run, "normal.tiny-normal", mode)[BAD]
    assert (outcome.kind, outcome.reason, outcome.value) == ("failed", reason, None)
    assert phrase in outcome.message


@pytest.mark.parametrize("mode", FAILURES)
def test_the_other_items_are_done(run: StoredRun, of: Callable[..., Any], mode: str) -> None:
    found = of(run, "normal.tiny-normal", mode)
    assert found.keys() == UNITS
    assert {found[unit].kind for unit in UNITS - {BAD}} == {"value"}


def test_a_failed_item_fails_in_each_column_and_in_each_unit_it_belongs_to(run: StoredRun) -> None:
    failed = {
        (outcome.metric, outcome.column, outcome.unit)
        for outcome in run.outcomes()
        if outcome.label == "raise" and outcome.kind == "failed"
    }
    assert ("albedo.tiny-albedo", "single", BAD) in failed
    assert ("relit.tiny-relit", "aligned", f"{BAD}/lamp") in failed
    assert ("albedo.tiny-pair", "", f"{BAD}~item1") in failed
    assert ("albedo.tiny-over-scene", "", "scene1") in failed
    assert ("albedo.tiny-over-dataset", "", "") in failed
    assert not any(scene in unit for _, _, unit in failed for scene in ("scene0", "scene2"))


def test_what_a_method_prints_disturbs_nothing(run: StoredRun, of: Callable[..., Any]) -> None:
    assert {outcome.kind for outcome in of(run, label="print").values()} == {"value"}
    log = run.path / "logs" / "print--tiny--all.log"
    assert log.read_bytes() == b"\0" * 100_000


def test_a_smaller_prediction_is_resized_and_the_record_says_so(
    run: StoredRun, of: Callable[..., Any]
) -> None:
    found = of(run, "albedo.tiny-albedo", "small")
    assert found[BAD].value == pytest.approx(found["scene0/item0"].value)
    assert found[BAD].message == "albedo resized 8×8 → 16×16 (bilinear)"
    assert found["scene0/item0"].message == ""


def test_no_process_outlives_the_run(run: StoredRun) -> None:
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [c for c in commands if "bench.worker" in c and c[-1] == str(os.getpid())]


def test_a_failed_batch_is_run_again_one_by_one(bench: Any, of: Callable[..., Any]) -> None:
    run = bench(
        f'name = "tiny-batch"\n[methods.options]\nmode = "segfault"\non = "{BAD}"\n'
        f'log = "{bench.log}"'
    )
    found = of(run, "normal.tiny-normal")
    assert {unit for unit in UNITS if found[unit].kind == "failed"} == {BAD}
    sizes = [len(call["items"]) for call in bench.calls()]
    assert sizes == [4, 1, 1, 1, 1, 2]


def test_a_batch_answers_what_batches_of_one_answer(bench: Any) -> None:
    run = bench('name = "tiny"', 'name = "tiny-batch"')
    values: dict[str, list[Any]] = {"tiny": [], "tiny-batch": []}
    for outcome in run.outcomes():
        if outcome.metric != "cost.tiny-cost":
            values[outcome.label].append(outcome[4:10])
    assert values["tiny"] == values["tiny-batch"]


@pytest.mark.parametrize(
    ("mode", "kind", "phrase"),
    [
        ("cannot start", "failed", "at start: ValueError: wrong weights"),
        ("no weights", "unavailable", "weights are not here; run: fetch-weights"),
    ],
)
def test_a_method_that_cannot_start_says_so_on_every_item(
    bench: Any, of: Callable[..., Any], mode: str, kind: str, phrase: str
) -> None:
    run = bench(f'name = "tiny"\n[methods.options]\nmode = "{mode}"')
    found = of(run, "normal.tiny-normal").values()
    assert {outcome.kind for outcome in found} == {kind}
    assert all(phrase in outcome.message for outcome in found)


@pytest.mark.parametrize(
    ("name", "library"), [("tiny-lacking", "no_such_library"), ("tiny-absent", "no_such_module")]
)
def test_a_missing_library_is_unavailable_with_the_command_that_brings_it(
    bench: Any, of: Callable[..., Any], name: str, library: str
) -> None:
    found = of(bench(f'name = "{name}"'), "normal.tiny-normal").values()
    assert {outcome.kind for outcome in found} == {"unavailable"}
    assert all(f"-m pip install {library}" in outcome.message for outcome in found)


def test_an_interpreter_that_is_not_there_is_named(bench: Any, of: Callable[..., Any]) -> None:
    found = of(bench('name = "tiny"\npython = "old/bin/python"'), "normal.tiny-normal").values()
    assert {outcome.kind for outcome in found} == {"failed"}
    assert all(str(bench.folder / "old/bin/python") in outcome.message for outcome in found)
