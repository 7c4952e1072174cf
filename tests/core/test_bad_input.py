"""Bad data and bad disks: each a clear message, nothing half-written, the other items done."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from bench.errors import DataError, StoreError
from bench.store import Store

ITEMS = [f"scene{s}/item{i}" for s in range(3) for i in range(2)]

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
    run = bench(bench.table(name=name), dataset=f'on = "scene1/item0"\nfault = "{fault}"')
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
        bench.table(head='privileged = ["normal"]', name="tiny-granted"),
        dataset='on = "scene1/item0"\nfault = "normals"',
    )
    found = of(run, "albedo.tiny-albedo")
    assert {unit for unit, outcome in found.items() if outcome.kind == "failed"} == {"scene1/item0"}
    assert "scene1/item0: input normal: 256 vectors" in found["scene1/item0"].message


def test_a_target_that_cannot_be_read_fails_the_score_of_its_item(
    bench: Any, of: Callable[..., Any]
) -> None:
    run = bench(bench.table(), dataset='on = "scene1/item0"\nfault = "target"')
    found = of(run, "normal.tiny-normal")
    assert found["scene1/item0"].reason == "missing"
    assert "scene1-item0-normal.exr: corrupt" in found["scene1/item0"].message
    assert {found[unit].kind for unit in ITEMS if unit != "scene1/item0"} == {"value"}
    assert of(run, "relit.tiny-relit")["scene1/item0"].kind == "failed"


def test_a_dataset_that_cannot_be_opened_is_named(bench: Any) -> None:
    with pytest.raises(DataError, match="tiny/all: the dataset raised RuntimeError: no such arch"):
        bench(bench.table(), dataset='fault = "cannot open"')


def test_an_unknown_split_is_named(bench: Any) -> None:
    bench.write(bench.table())
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
    run = bench(bench.table())
    (warning,) = bench.warnings
    assert "No space left on device" in warning
    assert "scene0/item1: the prediction cannot be stored" in warning
    assert of(run, "normal.tiny-normal").keys() == set(ITEMS) - {"scene0/item1"}
    # What ranges over the scene waits for the item rather than fail by it.
    assert of(run, "albedo.tiny-over-scene").keys() == {"scene1", "scene2"}
    assert not list(bench.store.path.glob(".partial*"))
    monkeypatch.undo()
    bench.again()
    assert bench.tried() == [*ITEMS, "scene0/item1"]


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
    bench(bench.table())
    (warning,) = bench.warnings
    assert "tiny--tiny--all.jsonl: records cannot be appended: No space left" in warning
    scenes = {json.loads(line)["scene"] for line in bench.lines()}
    assert {"scene0", "scene2"} <= scenes
    monkeypatch.undo()
    bench.again()
    undisturbed = Store(bench.folder / "undisturbed")
    after, bench.store = bench.records(), undisturbed
    bench.again()
    assert after == bench.records()


def test_a_read_only_folder_is_refused_by_name(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, os.strerror(13))

    bench.write(bench.table())
    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(StoreError, match=r"out: cannot be written: Permission denied"):
        bench.again()
