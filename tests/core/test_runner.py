"""A plan carried out, and carried out again: only what is missing is done."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.api import Key
from bench.errors import ConfigError
from bench.store import Store

ITEMS = [f"scene{s}/item{i}" for s in range(3) for i in range(2)]


def test_every_item_is_predicted_once_scored_and_recorded(
    bench: Any, of: Callable[..., Any]
) -> None:
    run = bench(bench.table())
    assert bench.tried() == ITEMS
    found = of(run, "albedo.tiny-albedo")
    assert [found[item].value for item in ITEMS] == [pytest.approx(0.1)] * 6
    assert of(run, "relit.tiny-relit").keys() == {f"{item}/lamp" for item in ITEMS}
    assert of(run, "albedo.tiny-pair").keys() == {f"scene{s}/item0~item1" for s in range(3)}
    assert of(run, "albedo.tiny-over-scene").keys() == {f"scene{s}" for s in range(3)}
    assert of(run, "albedo.tiny-over-dataset").keys() == {""}
    columns = {outcome.column for outcome in run.outcomes() if outcome.metric.startswith("albedo")}
    assert columns == {"", "single"}


def test_predictions_lie_in_the_one_layout(bench: Any) -> None:
    bench(bench.table())
    folder = bench.store.path / "predictions" / "tiny" / "tiny" / "all" / "scene2" / "item1"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"item.json", "normal.npy", "albedo.npy", "relit/lamp.npy"}
    assert np.load(folder / "relit" / "lamp.npy").dtype == np.float32


def test_a_second_run_does_nothing(bench: Any) -> None:
    bench(bench.table())
    before = bench.lines()
    bench.again()
    assert len(bench.tried()) == 6
    assert bench.lines() == before


def test_only_what_is_missing_is_done_again(bench: Any) -> None:
    bench(bench.table())
    before = bench.lines()
    item = bench.store.item_folder("tiny/tiny/all", Key("scene1", "item1"))
    for file in sorted(item.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    item.rmdir()
    records = bench.store.records_file("tiny/tiny/all")
    records.write_text("\n".join(before[:-3]) + "\n")
    bench.again()
    assert bench.tried() == [*ITEMS, "scene1/item1"]
    assert sorted(bench.lines()) == sorted(before)


def test_another_limit_adds_the_rest(bench: Any, of: Callable[..., Any]) -> None:
    bench.write(bench.table())
    first = bench.again(limit=3)
    assert bench.tried() == ITEMS[:3]
    assert len(of(first, "normal.tiny-normal")) == 3
    assert len(of(bench.again(), "normal.tiny-normal")) == 6
    assert bench.tried() == ITEMS
    assert len(of(bench.again(limit=2), "normal.tiny-normal")) == 2


def test_a_changed_option_predicts_and_scores_anew(bench: Any, of: Callable[..., Any]) -> None:
    first = of(bench(bench.table()), "albedo.tiny-albedo")
    second = of(bench(bench.table("gain = 0.5")), "albedo.tiny-albedo")
    assert bench.tried() == ITEMS * 2
    assert first[ITEMS[0]].value == pytest.approx(0.1)
    assert second[ITEMS[0]].value == pytest.approx(0.3)


def test_a_changed_timeout_or_memory_bound_predicts_nothing_anew(bench: Any) -> None:
    bench(bench.table())
    bench(bench.table(head='timeout = 5\nmemory = "4GB"'))
    assert bench.tried() == ITEMS


def test_an_invalid_output_is_a_result_and_stays(bench: Any, of: Callable[..., Any]) -> None:
    bench(bench.table('mode = "shape"'))
    run = bench.again(retry_failed=True)
    assert len(bench.tried()) == 6
    assert {outcome.reason for outcome in of(run, "normal.tiny-normal").values()} == {"shape"}


def test_a_crash_is_tried_again_on_request_alone(bench: Any, of: Callable[..., Any]) -> None:
    run = bench(bench.table('mode = "once"\non = "scene1/item1"'))
    assert of(run, "normal.tiny-normal")["scene1/item1"].reason == "crash"
    run = bench.again()
    assert of(run, "normal.tiny-normal")["scene1/item1"].reason == "crash"
    assert len(bench.tried()) == 6
    run = bench.again(retry_failed=True)
    assert bench.tried() == [*ITEMS, "scene1/item1"]
    status = bench.store.status("tiny/tiny/all", Key("scene1", "item1"))
    assert status is not None and status.attempt == 2
    assert {outcome.kind for outcome in run.outcomes()} == {"value"}


def test_what_was_unavailable_is_tried_on_every_run(bench: Any, of: Callable[..., Any]) -> None:
    bench(bench.table('mode = "no weights"'))
    before = bench.lines()
    run = bench.again()
    assert {outcome.kind for outcome in of(run, "normal.tiny-normal").values()} == {"unavailable"}
    status = bench.store.status("tiny/tiny/all", Key("scene0", "item0"))
    assert status is not None
    assert status.attempt == 1
    assert bench.lines() == before


def test_a_privileged_quantity_is_given_not_scored(bench: Any, of: Callable[..., Any]) -> None:
    run = bench(bench.table(head='privileged = ["normal"]', name="tiny-granted"))
    assert {outcome.kind for outcome in of(run, "normal.tiny-normal").values()} == {"given"}
    assert {outcome.kind for outcome in of(run, "albedo.tiny-albedo").values()} == {"value"}
    (row,) = run.rows
    assert row.privileged == ("normal",)
    assert row.input_class["geometry"] == "given"
    assert not row.ranked
    assert all(entry["inputs"] == ["image", "mask", "normal"] for entry in bench.seen())


def test_a_scene_is_fitted_once_and_its_state_kept(bench: Any, of: Callable[..., Any]) -> None:
    run = bench(bench.table(name="tiny-scene"))
    assert {outcome.kind for outcome in of(run).values()} == {"value"}
    assert [call["items"] for call in bench.calls("fit")] == [ITEMS[:2], ITEMS[2:4], ITEMS[4:]]
    assert {call["count"] for call in bench.calls()} == {2.0}
    fits = list((bench.store.path / "fits").glob("tiny-scene/*/scene*"))
    assert {path.name for path in fits[0].iterdir()} == {"state.npz", "cost.json", "checkpoint"}
    (fits[0] / "state.npz").unlink()
    item = bench.store.item_folder("tiny-scene/tiny/all", Key(fits[0].name, "item0"))
    (item / "item.json").unlink()
    bench.again()
    assert len(bench.calls("fit")) == 4
    (item / "item.json").unlink()
    bench.again()
    assert len(bench.calls("fit")) == 4


def test_a_limited_run_still_fits_the_whole_scene(bench: Any) -> None:
    bench.write(bench.table(name="tiny-scene"))
    bench.again(limit=1)
    assert [call["items"] for call in bench.calls("fit")] == [ITEMS[:2]]
    assert len(bench.calls()) == 1


@pytest.mark.parametrize(
    ("mode", "reason", "phrase"),
    [
        ("fit raises", "crash", "fit: RuntimeError: diverged"),
        ("fit text", "shape", "fit: the state's 'state' must be an array, not str"),
    ],
)
def test_a_fit_that_fails_fails_each_item_of_its_scene(
    bench: Any, of: Callable[..., Any], mode: str, reason: str, phrase: str
) -> None:
    run = bench(bench.table(f'mode = "{mode}"', name="tiny-scene"))
    found = of(run, "normal.tiny-normal")
    assert found.keys() == set(ITEMS)
    assert {(outcome.reason, phrase in outcome.message) for outcome in found.values()} == {
        (reason, True)
    }


def test_jobs_at_a_time_change_no_record(bench: Any) -> None:
    methods = [bench.table(f"gain = {gain}", f'label = "{gain}"') for gain in (0.5, 1, 2)]
    bench(*methods, jobs=1)
    alone = bench.records()
    bench.store = Store(bench.folder / "two")
    bench.again(jobs=2)
    assert bench.records() == alone
    assert bench.store.read_manifest()["concurrent"] is True


def test_scorers_side_by_side_write_the_same_file(bench: Any) -> None:
    bench.write(bench.table('mode = "nan"\non = "scene1/item0"'))
    text, written = bench.file.read_text(), []
    for threads in (1, 3):
        bench.store = Store(bench.folder / f"{threads}")
        bench.file.write_text(text.replace("threads = 1", f"threads = {threads}"))
        bench.again()
        written.append([json.loads(line) for line in bench.lines()])
    untimed = [[r for r in found if r["metric"] != "tiny-cost"] for found in written]
    assert untimed[0] == untimed[1]


def test_seeds_follow_from_run_seed_and_item(bench: Any) -> None:
    bench(bench.table())
    bench.write(bench.table(), run="seed = 1")
    bench.again()
    first, second = bench.seen()[:6], bench.seen()[6:]
    seeds = {entry["seed"] for entry in [*first, *second]}
    assert len(seeds) == 12
    bench.store = Store(bench.folder / "again")
    bench.again()
    assert bench.seen()[12:] == second  # the drawn number too


@pytest.mark.parametrize(
    ("label", "folder"),
    [("a/b", "a%252Fb"), ("../up", "%2E.%252Fup"), ("..", "%2E."), ("/etc", "%252Fetc")],
)
def test_a_hostile_label_stays_inside_the_run(bench: Any, label: str, folder: str) -> None:
    run = bench(bench.table(head=f'label = "{label}"'))
    assert [path.name for path in (bench.store.path / "predictions").iterdir()] == [folder]
    assert {outcome.kind for outcome in run.outcomes()} == {"value"}
    assert set(run.prediction(run.rows[0], Key("scene0", "item0"))) == {"normal", "albedo", "lamp"}
    assert {path.name for path in bench.folder.iterdir()} == {"bench.toml", "out", "calls.jsonl"}


def test_labels_that_come_twice_are_refused(bench: Any) -> None:
    with pytest.raises(ConfigError, match="'tiny' appears twice; give each its own label"):
        bench(bench.table(), bench.table())


def test_a_limited_run_in_between_leaves_no_number_in_the_whole_one(
    bench: Any, of: Callable[..., Any]
) -> None:
    run = bench(bench.table())
    metrics = ("albedo.tiny-over-scene", "albedo.tiny-over-dataset", "albedo.tiny-pair")
    whole = {metric: of(run, metric) for metric in metrics}
    bench.again(limit=3)
    again = bench.again()
    assert {metric: of(again, metric) for metric in metrics} == whole
    lines = bench.lines()
    bench.again()
    assert bench.lines() == lines
