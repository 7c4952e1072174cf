"""The dataset `iiw`, on a set that is written here in the documented layout."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from bench.api import Key
from bench.conformance.dataset import check_dataset
from bench.datasets.iiw.adapter import Iiw
from bench.datasets.iiw.plugin import bench_datasets
from bench.errors import DataError
from bench.graphics.colour import srgb_encode

H, W = 6, 8
(CARD,) = bench_datasets()
IDS = (54, 141, 1000, 10331, 100010, 100014, 20117, 227, 24770, 55338, 61897)
FIRST = Key("1000", "image")
Judgements = dict[str, Any]


def photo(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (H, W, 3), np.uint8)


def judgements() -> Judgements:
    points = [
        {"id": 7, "x": 0.1, "y": 0.2, "opaque": True, "sRGB": "a0b0c0"},
        {"id": 9, "x": 1.0, "y": 0.0, "opaque": True},
        {"id": 11, "x": 0.5, "y": 0.5, "opaque": None},
    ]
    comparisons = [
        {"id": 1, "point1": 7, "point2": 9, "darker": "E", "darker_score": 0.75},
        {"id": 2, "point1": 9, "point2": 11, "darker": "1", "darker_score": None},
        {"id": 3, "point1": 9, "point2": 7, "darker": None, "darker_score": None},
    ]
    return {"photo": 1000, "intrinsic_points": points, "intrinsic_comparisons": comparisons}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in IDS:
        PIL.Image.fromarray(photo(name)).save(tmp_path / f"data/{name}.png")
        (tmp_path / f"data/{name}.json").write_text(json.dumps(judgements()))
    return tmp_path


def opened(root: Path, **options: Any) -> Iiw:
    return Iiw({"root": root, "ids": None, **options})


def scenes(dataset: Iiw, split: str) -> list[str]:
    return [key.scene for key in dataset.samples(split)]


def test_the_test_split_is_the_first_of_every_five_by_name(root: Path) -> None:
    dataset = opened(root)
    names = sorted(str(name) for name in IDS)
    assert names[:3] == ["1000", "100010", "100014"]  # by name, not by number
    assert scenes(dataset, "all") == names
    assert scenes(dataset, "test") == [names[0], names[5], names[10]]
    assert sorted(scenes(dataset, "test") + scenes(dataset, "train")) == names


@pytest.mark.parametrize("form", ["txt", "npy"])
def test_a_list_of_ids_takes_its_place(root: Path, tmp_path: Path, form: str) -> None:
    chosen = [24770, 54]
    if form == "npy":
        np.save(tmp_path / "ids.npy", np.array(chosen, np.int64))
    else:
        (tmp_path / "ids.txt").write_text("24770\n54\n")
    dataset = opened(root, ids=tmp_path / f"ids.{form}")
    assert scenes(dataset, "test") == ["24770", "54"]
    assert len(scenes(dataset, "train")) == len(IDS) - 2
    assert dataset.fingerprint("test") != opened(root).fingerprint("test")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ids.txt", b"54\n../x\n", r"ids\.txt: entry 2 is '\.\./x', which is no id"),
        ("ids.txt", b"54\n54\n", r"ids\.txt: holds no id, or one of them twice"),
        ("ids.txt", b"", r"ids\.txt: holds no id"),
        ("ids.txt", b"\xff\xfe", r"ids\.txt: not a list of ids"),
        ("ids.npy", b"\x93NUMPY\x01\x00", r"ids\.npy: not a list of ids"),
        ("ids.txt", b"54\n3\n", r"1 files are missing; `bench fetch iiw`(?s:.*)data/3\.png"),
    ],
)
def test_a_list_that_is_none_is_refused(
    root: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        opened(root, ids=tmp_path / name).samples("test")


def test_pickled_ids_are_not_unpickled(root: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array([54, "x"], object))
    with pytest.raises(DataError, match=r"ids\.npy: not a list of ids"):
        opened(root, ids=tmp_path / "ids.npy").samples("test")


@pytest.mark.parametrize("split", CARD.splits)
def test_the_card_keeps_its_promises(root: Path, split: str) -> None:
    findings = check_dataset(CARD, {"root": root, "ids": None}, split)
    assert [finding for finding in findings if not finding.ok] == []


def test_the_photo_is_decoded_from_srgb_and_fills_its_mask(root: Path) -> None:
    inputs = opened(root).inputs("test", FIRST).inputs
    np.testing.assert_allclose(srgb_encode(inputs["image"]) * 255, photo(1000), atol=1e-3)
    np.testing.assert_array_equal(inputs["mask"], np.ones((H, W, 1)))


def test_the_judgements_come_as_they_are_stored(root: Path) -> None:
    assert opened(root).targets("test", FIRST).quantities == {"judgements": judgements()}


def test_inputs_work_with_every_target_removed(root: Path) -> None:
    for path in root.rglob("*.json"):
        path.unlink()
    dataset = opened(root)
    for key in dataset.samples("test"):
        dataset.inputs("test", key)
    with pytest.raises(DataError, match=r"missing; `bench fetch iiw`(?s:.*)1000\.json"):
        dataset.targets("test", FIRST)


def changed(*path: Any, value: Any = None, remove: bool = False) -> str:
    """The judgements with one entry exchanged or removed, as JSON."""
    body = judgements()
    inner: Any = body
    for step in path[:-1]:
        inner = inner[step]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(body)


POINTS, COMPARISONS = "intrinsic_points", "intrinsic_comparisons"
MALFORMED = {
    "truncated": (changed("photo", value=1)[:-9], "missing or malformed JSON"),
    "a list": ("[]", "holds a list instead of an object"),
    "deep": ("[" * 100_000, "missing or malformed JSON"),
    "no points": (changed(POINTS, remove=True), "key 'intrinsic_points' is missing"),
    "points no list": (changed(POINTS, value={}), "key 'intrinsic_points' is missing, or no list"),
    "a point that is text": (
        changed(POINTS, 1, value="x"),
        r"intrinsic_points\[1\]: is a str",
    ),
    "no x": (changed(POINTS, 1, "x", remove=True), r"intrinsic_points\[1\]\.x: is missing"),
    "x beyond": (changed(POINTS, 2, "x", value=1.5), r"points\[2\]\.x: 1\.5 is not between"),
    "y nan": (changed(POINTS, 0, "y", value=float("nan")), r"points\[0\]\.y: nan is no finite"),
    "y huge": (changed(POINTS, 0, "y", value=10**400), r"points\[0\]\.y: 1000.* is no finite"),
    "x text": (changed(POINTS, 0, "x", value="0.1"), r"points\[0\]\.x: '0\.1' is of the wrong"),
    "opaque text": (changed(POINTS, 0, "opaque", value="no"), r"points\[0\]\.opaque: 'no'"),
    "one id twice": (changed(POINTS, 0, "id", value=9), r"points\[1\]\.id: 9 comes twice"),
    "an id that is true": (changed(POINTS, 0, "id", value=True), r"points\[0\]\.id: True"),
    "no such point": (
        changed(COMPARISONS, 0, "point2", value=8),
        r"comparisons\[0\]\.point2: 8 is the id of no point",
    ),
    "no score": (
        changed(COMPARISONS, 0, "darker_score", value=None),
        r"comparisons\[0\]\.darker_score: None is of the wrong kind",
    ),
    "a negative score": (
        changed(COMPARISONS, 0, "darker_score", value=-1),
        r"comparisons\[0\]\.darker_score: -1 is no weight",
    ),
    "a verdict that is a number": (
        changed(COMPARISONS, 0, "darker", value=1),
        r"comparisons\[0\]\.darker: 1 is of the wrong kind",
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_judgements_are_named_by_file_and_key(root: Path, kind: str) -> None:
    text, message = MALFORMED[kind]
    (root / "data/1000.json").write_text(text)
    dataset = opened(root)
    dataset.inputs("test", FIRST)
    with pytest.raises(DataError, match=rf"1000\.json: .*{message}"):
        dataset.targets("test", FIRST)


def test_a_truncated_photo_is_named(root: Path) -> None:
    path = root / "data/1000.png"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"1000\.png: truncated or corrupt"):
        opened(root).inputs("test", FIRST)


def test_a_root_that_is_something_else_says_what_to_do(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no .*png; `bench fetch iiw`"):
        opened(tmp_path / "empty").samples("test")
    (tmp_path / "iiw-dataset").mkdir()
    (root / "data").rename(tmp_path / "iiw-dataset/data")
    assert len(opened(tmp_path).samples("all")) == len(IDS)


def test_unknown_splits_and_samples_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="no split 'val'; it has test, train, all"):
        opened(root).samples("val")
    for key in (Key("../1000", "image"), Key("1000", "x"), Key("141", "image")):
        with pytest.raises(DataError, match="has no sample"):
            opened(root).inputs("test", key)


def test_the_fingerprint_follows_photos_and_judgements(root: Path) -> None:
    prints = [opened(root).fingerprint("test")]
    (root / "data/1000.json").write_text(changed("photo", value=2))
    prints.append(opened(root).fingerprint("test"))
    PIL.Image.fromarray(photo(1)).save(root / "data/1000.png")
    prints.append(opened(root).fingerprint("test"))
    assert len(set(prints)) == 3
    assert set(opened(root).scene_digests("test")) == set(scenes(opened(root), "test"))
