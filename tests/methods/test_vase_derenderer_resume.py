"""A training that is killed, runs out of disk or finds its state damaged, and goes on."""

import errno
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.errors import ConfigError, DataError
from bench.methods.vase_derenderer.journal import LOG, Journal
from bench.methods.vase_derenderer.trainer import PREVIOUS, STATE, TrainingError

Learned = Callable[[Path], Mapping[str, Any]]

KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch
from bench.api import Source
from bench.datasets.folder.adapter import Folder
from bench.methods.vase_derenderer import losses, train
from bench.methods.vase_derenderer.configuration import Configuration

torch.set_num_threads(1)
given = json.loads(sys.argv[1])
train.CONFIGURATIONS["mini"] = Configuration.from_json(given["configuration"])
genuine_save, genuine_total, calls = torch.save, losses.total, []

def save(state, file):
    genuine_save(state, file)
    if given["during"] == "save" and state["step"] == 4:
        file.truncate(1000)
        os.kill(os.getpid(), signal.SIGKILL)

def total(terms):
    calls.append(None)
    if given["during"] == "step" and len(calls) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return genuine_total(terms)

torch.save, losses.total = save, total
options = {"root": given["photos"]}
source = Source("folder", options, Folder(options))
train.train(dataset=source, out=Path(given["out"]), **given["settings"])
"""


@pytest.fixture(scope="module")
def undisturbed(course: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps in one go; not to be written to."""
    out = tmp_path_factory.mktemp("undisturbed")
    course(out)
    return out


@pytest.fixture(scope="module")
def _four_steps(course: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("begun")
    course(out, steps=4)
    return out


@pytest.fixture
def begun(_four_steps: Path, tmp_path: Path) -> Path:
    """Four steps of the six, with states after two and four."""
    return Path(shutil.copytree(_four_steps, tmp_path / "begun"))


def assert_same(out: Path, undisturbed: Path, learned: Learned) -> None:
    assert learned(out) == learned(undisturbed)
    assert (out / LOG).read_bytes() == (undisturbed / LOG).read_bytes()
    first, second = (folder / "weights.safetensors" for folder in (out, undisturbed))
    assert tensors(first) == tensors(second)


def tensors(path: Path) -> bytes:
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def test_a_training_goes_on_to_what_it_would_have_been(
    course: Any, learned: Learned, begun: Path, undisturbed: Path
) -> None:
    course(begun, workers=1)
    assert_same(begun, undisturbed, learned)


def test_a_warm_up_goes_on_to_what_it_would_have_been(
    course: Any, learned: Learned, tmp_path: Path
) -> None:
    whole, broken_off = tmp_path / "whole", tmp_path / "broken off"
    course(whole, warm_up=4, validate_every=2)
    course(broken_off, warm_up=4, validate_every=2, steps=2)
    course(broken_off, warm_up=4, validate_every=2)
    assert_same(broken_off, whole, learned)


def test_a_finished_training_is_left_as_it_is(course: Any, begun: Path) -> None:
    kept = (STATE, LOG, "record.json", "weights.safetensors")
    before = [(begun / name).read_bytes() for name in kept]
    course(begun, steps=4)
    assert [(begun / name).read_bytes() for name in kept] == before


@pytest.mark.parametrize("during", ["save", pytest.param("step", marks=pytest.mark.slow)])
def test_a_killed_training_ends_as_an_undisturbed_one(
    course: Any, learned: Learned, tmp_path: Path, undisturbed: Path, during: str
) -> None:
    out = tmp_path / "out"
    given = {
        "configuration": course.configuration.as_json(),
        "photos": str(course.photos),
        "out": str(out),
        "settings": course.settings,
        "during": during,
    }
    killed = subprocess.run([sys.executable, "-c", KILLED, json.dumps(given)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert learned(out)["step"] == {"save": 2, "step": 4}[during]
    assert not (out / "weights.safetensors").exists()
    course(out)
    assert_same(out, undisturbed, learned)


@pytest.mark.parametrize("damage", ["truncated", "empty", "absent", "foreign"])
def test_without_its_newest_state_it_goes_on_from_the_one_before(
    course: Any,
    learned: Learned,
    begun: Path,
    undisturbed: Path,
    damage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = begun / STATE
    if damage == "absent":  # killed between the two renames of a save
        newest.unlink()
    elif damage == "foreign":
        torch.save({"step": 4}, newest)
    else:
        content = newest.read_bytes()
        newest.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    course(begun)
    assert_same(begun, undisturbed, learned)
    assert (str(newest) in capsys.readouterr().out) == (damage != "absent")


def test_without_any_state_that_can_be_read_it_says_so(course: Any, begun: Path) -> None:
    for name in (STATE, PREVIOUS):
        (begun / name).write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of its states can be read"):
        course(begun)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed")],
    ids=["operating system", "torch"],
)
def test_a_full_disk_keeps_the_last_state_and_says_what_to_do(
    course: Any,
    learned: Learned,
    begun: Path,
    undisturbed: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    before = (begun / STATE).read_bytes()

    def full(state: object, file: Any) -> None:
        file.write(b"the first half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(TrainingError, match=r"step 6: .*; free some space and run the same"):
            course(begun)
    assert (begun / STATE).read_bytes() == before
    assert not list(begun.glob(".*partial"))
    course(begun)
    assert_same(begun, undisturbed, learned)


def test_a_log_that_cannot_be_written_says_what_to_do(
    course: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Journal, "settle", full)
    with pytest.raises(TrainingError, match="No space left on device; free some space"):
        course(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"batch": 3}, "batch"),
        ({"backgrounds": "as-is"}, "backgrounds"),
        ({"precision": "bfloat16"}, "precision"),
        ({"learning_rate": 1e-3}, "learning_rate"),
        ({"decay": 0.5}, "decay"),
        ({"limit": 5}, "pictures"),
        ({"configuration": "official-met"}, "configuration"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(
    course: Any, undisturbed: Path, changes: dict[str, Any], named: str
) -> None:
    before = (undisturbed / STATE).read_bytes()
    with pytest.raises(ConfigError, match=f"with other {named}; give another --out"):
        course(undisturbed, **changes)
    assert (undisturbed / STATE).read_bytes() == before


def test_other_photos_in_the_same_folder_are_refused(course: Any, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(course.photos, photos)
    changed = type(course)(photos, course.configuration)
    changed(tmp_path / "out", steps=2)
    for name in ("vase0.png", "vase0_mask.png"):
        shutil.copy(photos / name.replace("0", "1"), photos / name)
    with pytest.raises(ConfigError, match="with other data"):
        changed(tmp_path / "out")


def test_settings_that_cannot_be_read_are_named(course: Any, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"configuration": ')
    with pytest.raises(DataError, match=r"settings\.json: cannot be read"):
        course(tmp_path)


def test_a_time_bound_ends_training_early_and_a_later_call_goes_on(
    course: Any, learned: Learned, tmp_path: Path
) -> None:
    course(tmp_path, minutes=1e-9)
    assert learned(tmp_path)["step"] == 1
    assert (tmp_path / "weights.safetensors").exists()
    course(tmp_path)
    assert learned(tmp_path)["step"] == 6


def test_rows_of_a_log_that_were_cut_off_or_are_done_again_are_left_out(tmp_path: Path) -> None:
    with Journal(tmp_path, 0) as journal:
        journal.losses(1, {"mask": 1.0})
        journal.losses(2, {"mask": 3.0})
        journal.settle(2)
        journal.settle(2)
        journal.validation(4, {"iou": 0.5})
    with (tmp_path / LOG).open("a", encoding="utf-8") as file:
        file.write("4,val,i")
    with Journal(tmp_path, 2):
        pass
    assert (tmp_path / LOG).read_text().split() == ["step,part,name,value", "2,train,mask,2"]
