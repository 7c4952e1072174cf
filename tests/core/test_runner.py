"""A plan carried out, and carried out again: only what is missing is done."""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.api import Key
from bench.errors import ConfigError, DataError, StoreError
from bench.store import Store

METHOD = 'name = "tiny"\n[methods.options]\nlog = "{log}"\n'
ITEMS = [f"scene{s}/item{i}" for s in range(3) for i in range(2)]


def table(bench: Any, options: str = "", head: str = "", name: str = "tiny") -> str:
    return f'name = "{name}"\n{head}\n[methods.options]\nlog = "{bench.log}"\n{options}'


def lines(bench: Any) -> list[str]:
    return sorted((bench.store.path / "records").glob("*.jsonl"))[0].read_text().splitlines()


def tried(bench: Any) -> list[str]:
    return [entry["sample"] for entry in bench.seen()]


def test_every_item_is_predicted_once_scored_and_recorded(
    bench: Any, of: Callable[..., Any]
) -> None:
    run = bench(table(bench))
    assert tried(bench) == ITEMS
    found = of(run, "albedo.tiny-albedo")
    assert [found[item].value for item in ITEMS] == [pytest.approx(0.1)] * 6
    assert of(run, "relit.tiny-relit").keys() == {f"{item}/lamp" for item in ITEMS}
    assert of(run, "albedo.tiny-pair").keys() == {f"scene{s}/item0~item1" for s in range(3)}
    assert of(run, "albedo.tiny-over-scene").keys() == {f"scene{s}" for s in range(3)}
    assert of(run, "albedo.tiny-over-dataset").keys() == {""}
    columns = {outcome.column for outcome in run.outcomes() if outcome.metric.startswith("albedo")}
    assert columns == {"", "single"}


def test_predictions_lie_in_the_one_layout(bench: Any) -> None:
    bench(table(bench))
    folder = bench.store.path / "predictions" / "tiny" / "tiny" / "all" / "scene2" / "item1"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"item.json", "normal.npy", "albedo.npy", "relit/lamp.npy"}
    assert np.load(folder / "relit" / "lamp.npy").dtype == np.float32


def test_a_second_run_does_nothing(bench: Any) -> None:
    bench(table(bench))
    before = lines(bench)
    bench.again()
    assert len(tried(bench)) == 6
    assert lines(bench) == before


def test_only_what_is_missing_is_done_again(bench: Any) -> None:
    bench(table(bench))
    before = lines(bench)
    item = bench.store.item_folder("tiny/tiny/all", Key("scene1", "item1"))
    for file in sorted(item.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    item.rmdir()
    records = bench.store.records_file("tiny/tiny/all")
    records.write_text("\n".join(before[:-3]) + "\n")
    bench.again()
    assert tried(bench) == [*ITEMS, "scene1/item1"]
    assert sorted(lines(bench)) == sorted(before)


def test_another_limit_adds_the_rest(bench: Any, of: Callable[..., Any]) -> None:
    bench.write(table(bench))
    first = bench.again(limit=3)
    assert tried(bench) == ITEMS[:3]
    assert len(of(first, "normal.tiny-normal")) == 3
    assert len(of(bench.again(), "normal.tiny-normal")) == 6
    assert tried(bench) == ITEMS
    assert len(of(bench.again(limit=2), "normal.tiny-normal")) == 2


def test_a_changed_option_predicts_and_scores_anew(bench: Any, of: Callable[..., Any]) -> None:
    first = of(bench(table(bench)), "albedo.tiny-albedo")
    second = of(bench(table(bench, "gain = 0.5")), "albedo.tiny-albedo")
    assert tried(bench) == ITEMS * 2
    assert first[ITEMS[0]].value == pytest.approx(0.1)
    assert second[ITEMS[0]].value == pytest.approx(0.3)


def test_a_changed_timeout_or_memory_bound_predicts_nothing_anew(bench: Any) -> None:
    bench(table(bench))
    bench(table(bench, head='timeout = 5\nmemory = "4GB"'))
    assert tried(bench) == ITEMS


def test_an_invalid_output_is_a_result_and_stays(bench: Any, of: Callable[..., Any]) -> None:
    bench(table(bench, 'mode = "shape"'))
    run = bench.again(retry_failed=True)
    assert len(tried(bench)) == 6
    assert {outcome.reason for outcome in of(run, "normal.tiny-normal").values()} == {"shape"}


def test_a_crash_is_tried_again_on_request_alone(bench: Any, of: Callable[..., Any]) -> None:
    run = bench(table(bench, 'mode = "once"\non = "scene1/item1"'))
    assert of(run, "normal.tiny-normal")["scene1/item1"].reason == "crash"
    run = bench.again()
    assert of(run, "normal.tiny-normal")["scene1/item1"].reason == "crash"
    assert len(tried(bench)) == 6
    run = bench.again(retry_failed=True)
    assert tried(bench) == [*ITEMS, "scene1/item1"]
    assert {outcome.kind for outcome in run.outcomes()} == {"value"}


def test_what_was_unavailable_is_tried_on_every_run(bench: Any, of: Callable[..., Any]) -> None:
    bench(table(bench, 'mode = "no weights"'))
    before = lines(bench)
    run = bench.again()
    assert {outcome.kind for outcome in of(run, "normal.tiny-normal").values()} == {"unavailable"}
    status = bench.store.status("tiny/tiny/all", Key("scene0", "item0"))
    assert status is not None
    assert status.attempt == 1
    assert lines(bench) == before


def test_a_privileged_quantity_is_given_not_scored(bench: Any, of: Callable[..., Any]) -> None:
    run = bench(table(bench, head='privileged = ["normal"]', name="tiny-granted"))
    assert {outcome.kind for outcome in of(run, "normal.tiny-normal").values()} == {"given"}
    assert {outcome.kind for outcome in of(run, "albedo.tiny-albedo").values()} == {"value"}
    (row,) = run.rows
    assert row.privileged == ("normal",)
    assert row.input_class["geometry"] == "given"
    assert not row.ranked
    assert all(entry["inputs"] == ["image", "mask", "normal"] for entry in bench.seen())


def test_a_scene_is_fitted_once_and_its_state_kept(bench: Any, of: Callable[..., Any]) -> None:
    run = bench(table(bench, name="tiny-scene"))
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
    bench.write(table(bench, name="tiny-scene"))
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
    run = bench(table(bench, f'mode = "{mode}"', name="tiny-scene"))
    found = of(run, "normal.tiny-normal")
    assert found.keys() == set(ITEMS)
    assert {(outcome.reason, phrase in outcome.message) for outcome in found.values()} == {
        (reason, True)
    }


def test_jobs_at_a_time_change_no_record(bench: Any) -> None:
    methods = [table(bench, f"gain = {gain}", f'label = "{gain}"') for gain in (0.5, 1, 2)]
    bench(*methods, jobs=1)
    alone = records(bench.store)
    bench.store = Store(bench.folder / "two")
    bench.again(jobs=2)
    assert records(bench.store) == alone
    assert bench.store.read_manifest()["concurrent"] is True


def test_scorers_side_by_side_write_the_same_file(bench: Any) -> None:
    bench.write(table(bench, 'mode = "nan"\non = "scene1/item0"'))
    text, written = bench.file.read_text(), []
    for threads in (1, 3):
        bench.store = Store(bench.folder / f"{threads}")
        bench.file.write_text(text.replace("threads = 1", f"threads = {threads}"))
        bench.again()
        written.append([json.loads(line) for line in lines(bench)])
    untimed = [[r for r in found if r["metric"] != "tiny-cost"] for found in written]
    assert untimed[0] == untimed[1]


def records(store: Store) -> dict[str, Any]:
    """Every record by file and key, but what was measured in seconds."""
    return {
        f"{file.name} {record['key']}": record["outcomes"]
        for file in (store.path / "records").iterdir()
        for record in map(json.loads, file.read_text().splitlines())
        if record["metric"] != "tiny-cost"
    }


def test_seeds_follow_from_run_seed_and_item(bench: Any) -> None:
    bench(table(bench))
    bench.write(table(bench), run="seed = 1")
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
    run = bench(table(bench, head=f'label = "{label}"'))
    assert [path.name for path in (bench.store.path / "predictions").iterdir()] == [folder]
    assert {outcome.kind for outcome in run.outcomes()} == {"value"}
    assert set(run.prediction(run.rows[0], Key("scene0", "item0"))) == {"normal", "albedo", "lamp"}
    assert {path.name for path in bench.folder.iterdir()} == {"bench.toml", "out", "calls.jsonl"}


# fault of scene1/item0 → reason, a phrase of the message
FAULTS = {
    "corrupt": ("missing", "scene1-item0.png: truncated"),
    "nan": ("missing", "scene1/item0: input image: 3 of 768 are NaN"),
    "mask": ("missing", "scene1/item0: mask is 8×8 but image is 16×16"),
    "query": ("missing", "scene1/item0: input environment.radiance: 3 of 384 are NaN"),
    "raise": ("crash", "the dataset raised RuntimeError: adapter bug"),
}


@pytest.mark.parametrize("name", ["tiny", "tiny-batch", "tiny-scene"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_unreadable_sample_fails_alone(
    bench: Any, of: Callable[..., Any], fault: str, name: str
) -> None:
    run = bench(table(bench, name=name), dataset=f'on = "scene1/item0"\nfault = "{fault}"')
    found = of(run, "normal.tiny-normal")
    reason, phrase = FAULTS[fault]
    assert found["scene1/item0"].reason == reason
    assert phrase in found["scene1/item0"].message
    # A scene is fitted on all its samples or not at all.
    lost = {"scene1/item0", "scene1/item1"} if name == "tiny-scene" else {"scene1/item0"}
    assert {unit for unit, outcome in found.items() if outcome.kind == "failed"} == lost
    assert found.keys() == set(ITEMS)


def test_granted_normals_that_are_not_unit_fail_their_item(
    bench: Any, of: Callable[..., Any]
) -> None:
    run = bench(
        table(bench, head='privileged = ["normal"]', name="tiny-granted"),
        dataset='on = "scene1/item0"\nfault = "normals"',
    )
    found = of(run, "albedo.tiny-albedo")
    assert {unit for unit, outcome in found.items() if outcome.kind == "failed"} == {"scene1/item0"}
    assert "scene1/item0: input normal: 256 vectors" in found["scene1/item0"].message


def test_a_target_that_cannot_be_read_fails_the_score_of_its_item(
    bench: Any, of: Callable[..., Any]
) -> None:
    run = bench(table(bench), dataset='on = "scene1/item0"\nfault = "target"')
    found = of(run, "normal.tiny-normal")
    assert found["scene1/item0"].reason == "missing"
    assert "scene1-item0-normal.exr: corrupt" in found["scene1/item0"].message
    assert {found[unit].kind for unit in ITEMS if unit != "scene1/item0"} == {"value"}
    assert of(run, "relit.tiny-relit")["scene1/item0"].kind == "failed"


def test_a_dataset_that_cannot_be_opened_is_named(bench: Any) -> None:
    with pytest.raises(DataError, match="tiny/all: the dataset raised RuntimeError: no such arch"):
        bench(table(bench), dataset='fault = "cannot open"')


def test_an_unknown_split_is_named(bench: Any) -> None:
    bench.write(table(bench))
    bench.file.write_text(bench.file.read_text().replace('split = "all"', 'split = "al"'))
    with pytest.raises(DataError, match="no split 'al'"):
        bench.again()


def test_a_full_disk_loses_the_item_it_strikes_and_no_other(
    bench: Any, of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench.store as store

    whole = store._swap

    def full(partial: Any, target: Any, root: Any) -> None:
        if target.parts[-2:] == ("scene0", "item1"):
            raise OSError(28, os.strerror(28))
        whole(partial, target, root)

    monkeypatch.setattr(store, "_swap", full)
    run = bench(table(bench))
    (warning,) = bench.warnings
    assert "No space left on device" in warning
    assert "scene0/item1: the prediction cannot be stored" in warning
    assert of(run, "normal.tiny-normal").keys() == set(ITEMS) - {"scene0/item1"}
    assert not list(bench.store.path.glob(".partial*"))
    monkeypatch.undo()
    bench.again()
    assert tried(bench) == [*ITEMS, "scene0/item1"]


def test_a_full_disk_loses_the_records_it_strikes_and_no_other(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench.store as store

    whole, struck = store._write_all, []

    def full(out: Any, body: bytes) -> None:
        if len(struck) < 1 and b'"scene1"' in body:
            struck.append(out.write(body[: len(body) // 2]))
            raise OSError(28, os.strerror(28))
        whole(out, body)

    monkeypatch.setattr(store, "_write_all", full)
    bench(table(bench))
    (warning,) = bench.warnings
    assert "tiny--tiny--all.jsonl: records cannot be appended: No space left" in warning
    scenes = {json.loads(line)["scene"] for line in lines(bench)}
    assert {"scene0", "scene2"} <= scenes
    monkeypatch.undo()
    bench.again()
    undisturbed = Store(bench.folder / "undisturbed")
    after, bench.store = records(bench.store), undisturbed
    bench.again()
    assert after == records(undisturbed)


def test_a_read_only_folder_is_refused_by_name(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, os.strerror(13))

    bench.write(table(bench))
    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(StoreError, match=r"out: cannot be written: Permission denied"):
        bench.again()


def test_labels_that_come_twice_are_refused(bench: Any) -> None:
    with pytest.raises(ConfigError, match="'tiny' appears twice; give each its own label"):
        bench(table(bench), table(bench))
