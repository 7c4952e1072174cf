"""A run's folder: nothing half-written is ever seen, and one process writes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import Key
from bench.errors import DataError, StoreError
from bench.store import ItemStatus, Store, read_prediction, slug

JOB, KEY = "method/data/split", Key("scene", "item")
STATUS = ItemStatus("key", "value", answers={"lamp": "relit"})
PREDICTION = {"albedo": np.ones((2, 3, 3), np.float32), "lamp": np.zeros((2, 3, 3), np.float32)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "run")


def test_an_item_comes_back_as_it_was_stored(store: Store) -> None:
    store.write_item(JOB, KEY, STATUS, PREDICTION)
    status = store.status(JOB, KEY)
    assert status is not None
    assert (status.key, status.kind, status.answers) == ("key", "value", {"lamp": "relit"})
    assert status.size == sum(
        path.stat().st_size for path in store.path.rglob("*.npy") if path.is_file()
    )
    found = store.prediction(JOB, KEY)
    assert found.keys() == PREDICTION.keys()
    np.testing.assert_array_equal(found["lamp"], PREDICTION["lamp"])


def test_what_was_never_stored_is_absent(store: Store) -> None:
    assert store.status(JOB, KEY) is None
    assert store.prediction(JOB, KEY) == {}
    assert list(store.records(JOB)) == []
    assert store.read_manifest() == {}


def test_storing_again_replaces_the_whole_item(store: Store) -> None:
    store.write_item(JOB, KEY, STATUS, PREDICTION)
    store.write_item(JOB, KEY, ItemStatus("new", "failed", "crash"), {})
    assert store.prediction(JOB, KEY) == {}
    assert not list(store.path.glob(".partial*"))


@pytest.mark.parametrize("broken", ["write_value", "_swap"])
def test_an_item_that_cannot_be_written_leaves_the_earlier_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    store.write_item(JOB, KEY, STATUS, PREDICTION)

    def full(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(f"bench.store.{broken}", full)
    with pytest.raises(StoreError, match="scene/item: the prediction cannot be stored: No space"):
        store.write_item(JOB, KEY, ItemStatus("new", "value"), PREDICTION)
    status = store.status(JOB, KEY)
    assert status is not None and status.key == "key"
    assert store.prediction(JOB, KEY).keys() == PREDICTION.keys()
    assert not list(store.path.glob(".partial*"))


def test_an_item_that_cannot_be_renamed_leaves_the_earlier_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_item(JOB, KEY, STATUS, PREDICTION)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.startswith(".partial") and (self / "item.json").exists():
            body = json.loads((self / "item.json").read_text())
            if body["key"] == "new":
                raise OSError(28, os.strerror(28))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="No space"):
        store.write_item(JOB, KEY, ItemStatus("new", "value"), PREDICTION)
    status = store.status(JOB, KEY)
    assert status is not None and status.key == "key"


def test_an_interrupt_while_writing_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.store.write_value", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write_item(JOB, KEY, STATUS, PREDICTION)
    assert list(store.path.iterdir()) == []


def test_what_a_killed_writer_left_is_swept_by_the_next(store: Store) -> None:
    left = store.path / ".partial-1234"
    left.mkdir(parents=True)
    (left / "albedo.npy").write_bytes(b"half")
    with store.locked():
        assert not left.exists()


def test_records_are_appended_line_by_line(store: Store) -> None:
    store.append(JOB, [{"n": 0}, {"n": 1}])
    store.append(JOB, [{"n": 2}])
    store.append(JOB, [])
    assert [record["n"] for record in store.records(JOB)] == [0, 1, 2]


@pytest.mark.parametrize("torn", ['{"n": 2', '{"n": 2}', "x" * 3_000_000])
def test_a_torn_last_record_is_ignored_and_then_removed(store: Store, torn: str) -> None:
    store.append(JOB, [{"n": 0}, {"n": 1}])
    with store.records_file(JOB).open("a") as file:
        file.write(torn)
    assert [record["n"] for record in store.records(JOB)] == [0, 1]
    store.append(JOB, [{"n": 3}])
    assert [record["n"] for record in store.records(JOB)] == [0, 1, 3]


def test_a_file_that_is_all_torn_starts_anew(store: Store) -> None:
    store.append(JOB, [])
    store.records_file(JOB).write_text("torn")
    store.append(JOB, [{"n": 0}])
    assert store.records_file(JOB).read_text() == '{"n": 0}\n'


def test_records_that_cannot_be_appended_leave_the_earlier_ones(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(JOB, [{"n": 0}])

    def full(out: Any, body: bytes) -> None:
        out.write(body[:5])
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("bench.store._write_all", full)
    with pytest.raises(StoreError, match=r"method--data--split\.jsonl: records cannot .* No space"):
        store.append(JOB, [{"n": 1}, {"n": 2}])
    assert store.records_file(JOB).read_text() == '{"n": 0}\n'


def test_a_damaged_record_is_named_by_file_and_line(store: Store) -> None:
    store.append(JOB, [{"n": 0}])
    store.records_file(JOB).write_text('{"n": 0}\n{"n": \n{"n": 2}\n')
    with pytest.raises(StoreError, match=r"method--data--split\.jsonl:2: .*remove the line"):
        list(store.records(JOB))


@pytest.mark.parametrize("text", ["{", '{"wrong": 1}', ""])
def test_a_damaged_item_is_named(store: Store, text: str) -> None:
    store.write_item(JOB, KEY, STATUS, PREDICTION)
    (store.item_folder(JOB, KEY) / "item.json").write_text(text)
    with pytest.raises(StoreError, match=r"item\.json: .*remove its folder and run again"):
        store.status(JOB, KEY)


def test_a_damaged_manifest_is_named(store: Store) -> None:
    store.path.mkdir()
    (store.path / "manifest.json").write_text('{"rows": [')
    with pytest.raises(StoreError, match=r"manifest\.json: .*remove it and run again"):
        store.read_manifest()


def test_a_manifest_that_cannot_be_written_leaves_the_earlier_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_manifest({"n": 0})

    def full(self: Path, text: str, **_: Any) -> None:
        with self.open("w") as file:
            file.write(text[:2])
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StoreError, match=r"manifest\.json: cannot be written: No space"):
        store.write_manifest({"n": 1})
    assert store.read_manifest() == {"n": 0}
    assert [path.name for path in store.path.iterdir()] == ["manifest.json"]


HOLDER = """
import sys, time
from pathlib import Path
from bench.store import Store
with Store(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_refused_by_name_and_dies_with_its_process(store: Store) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match="run: another run is writing here"), store.locked():
        pass
    holder.kill()
    holder.communicate()
    with store.locked():
        pass


HOSTILE = ["../x", "..", ".", "/etc/passwd", "a/b", "", ".hidden", "a\0b", "ü*?", "%2E.", "-rf"]


def test_no_name_leaves_its_folder() -> None:
    for name in HOSTILE:
        assert Path(slug(name)).name == slug(name)
        assert slug(name)[:1] not in ("", ".")


def test_names_that_differ_get_files_that_differ() -> None:
    assert len({slug(name) for name in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_items_and_queries_of_any_name_stay_inside_the_run(store: Store, name: str) -> None:
    key, status = Key(name, name), ItemStatus("key", "value", answers={name: "relit"})
    store.write_item(JOB, key, status, {name: PREDICTION["lamp"]})
    assert store.prediction(JOB, key).keys() == {name}
    assert store.item_folder(JOB, key).resolve().is_relative_to(store.path.resolve())
    assert [path.name for path in store.path.parent.iterdir()] == ["run"]


def test_a_file_that_is_no_quantity_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "albdo.npy").touch()
    with pytest.raises(DataError, match=r"'albdo' is no quantity; did you mean 'albedo'\?"):
        read_prediction(tmp_path)


def test_a_quantity_given_twice_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", np.ones((2, 2, 1), np.float32))
    np.save(tmp_path / "depth.exr.npy", np.ones((2, 2, 1), np.float32))
    with pytest.raises(DataError, match="depth is given twice"):
        read_prediction(tmp_path)
