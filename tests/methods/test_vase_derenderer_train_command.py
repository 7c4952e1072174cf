"""`bench train vase-derenderer` as a user calls it, and the weights that it leaves."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from click.testing import CliRunner, Result

from bench.cli import cli
from bench.errors import BenchError, UnavailableError
from bench.methods.vase_derenderer.checkpoints import load
from bench.methods.vase_derenderer.derender import derender
from bench.overlap import trained_on


def train(out: Path, photos: Path, *more: str, dataset: str = "folder") -> Result:
    """Two steps on four pictures."""
    splits = {"folder": ("all", "all"), "met-vases": ("train", "val")}[dataset]
    return CliRunner().invoke(
        cli,
        [
            *("train", "vase-derenderer", "--dataset", dataset),
            *("--dataset-option", f"root={photos}"),
            *("--split", splits[0], "--val-split", splits[1], "--out", str(out)),
            *("--limit", "4", "--steps", "2", "--batch", "2", "--workers", "0"),
            *("--device", "cpu", *more),
        ],
    )


@pytest.fixture(scope="module")
def trained(course: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("trained") / "new"
    return out, train(out, course.photos)


def test_a_training_runs_from_photos_to_weights(trained: tuple[Path, Result]) -> None:
    out, shown = trained
    assert shown.exit_code == 0, shown.exception
    assert f"{out / 'weights.safetensors'}: 2 steps, mask " in shown.stdout
    assert {path.name for path in out.iterdir()} == {
        "log.csv",
        "pictures",
        "record.json",
        "settings.json",
        "state.pt",
        "tensorboard",
        "weights.safetensors",
    }


def test_its_weights_load_again(course: Any, trained: tuple[Path, Result]) -> None:
    out, _ = trained
    configuration, networks, metadata = load(out / "weights.safetensors")
    assert configuration == course.configuration
    state = torch.load(out / "state.pt", weights_only=True)["networks"]
    for name, value in networks.state_dict().items():
        if not name.startswith("netD"):
            torch.testing.assert_close(value, state[name], rtol=1e-3, atol=1e-6)
    assert metadata["record"] == json.loads((out / "record.json").read_text())
    found = derender(networks, torch.rand(2, 3, 32, 32), configuration)
    assert bool(found.albedo.isfinite().all())


def test_its_record_tells_seed_data_schedule_and_result(trained: tuple[Path, Result]) -> None:
    record = json.loads((trained[0] / "record.json").read_text())
    assert (record["seed"], record["steps"], record["batch"]) == (0, 2, 2)
    assert record["pictures"] == {"train": 4, "val": 4}
    assert record["data"]["train"][0].startswith("folder:all:")
    assert record["losses"]["mask_distance"] == 100 and record["learning_rate"] == 2e-4
    assert record["torch"] == torch.__version__ and record["rasteriser"] == "reference"
    assert 0 < record["validation"]["iou"] < 1 and 0 < record["validation"]["normal"] < 90


def test_its_weights_say_what_they_have_seen(trained: tuple[Path, Result]) -> None:
    out, _ = trained
    settings = json.loads((out / "settings.json").read_text())
    assert trained_on(out / "weights.safetensors") == settings["data"]["train"]


def test_bad_photos_are_all_named_before_training(course: Any, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(course.photos, tmp_path / "photos"))
    (photos / "vase0.png").write_bytes((photos / "vase0.png").read_bytes()[:200])
    PIL.Image.fromarray(np.zeros((32, 32), np.uint8)).save(photos / "vase2_mask.png")
    PIL.Image.fromarray(np.zeros((32, 16), np.uint8)).save(photos / "vase3_mask.png")
    shown = train(tmp_path / "out", photos)
    text = str(shown.exception)
    assert isinstance(shown.exception, BenchError)
    assert "3 of 4 pictures of folder cannot be trained on" in text
    assert all(f"all/vase{k}/image: " in text for k in (0, 2, 3)) and "vase1" not in text
    assert not (tmp_path / "out").exists()


def test_missing_masks_are_all_named_before_training(course: Any, tmp_path: Path) -> None:
    root = tmp_path / "met"
    for split in ("train", "val"):
        (root / "image_mask" / split / "images").mkdir(parents=True)
        (root / "image_mask" / split / "masks").mkdir()
        for k in range(4):
            folder = root / "image_mask" / split
            shutil.copy(course.photos / f"vase{k}.png", folder / "images" / f"{k}.png")
            shutil.copy(course.photos / f"vase{k}_mask.png", folder / "masks" / f"{k}.png")
    for k in (1, 3):
        (root / "image_mask" / "train" / "masks" / f"{k}.png").unlink()
    (root / "image_mask" / "val" / "masks" / "2.png").unlink()
    shown = train(tmp_path / "out", root, dataset="met-vases")
    text = str(shown.exception)
    assert isinstance(shown.exception, BenchError)
    assert all(name in text for name in ("train/masks/1.png", "train/masks/3.png"))
    assert "val/masks/2.png" in text and "masks/0.png" not in text


def test_a_device_that_is_not_there_is_named(course: Any, tmp_path: Path) -> None:
    shown = train(tmp_path / "out", course.photos, "--device", "cuda:77")
    assert isinstance(shown.exception, UnavailableError)
    assert "--device cuda:77: " in str(shown.exception)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (("--configuration", "huge"), "huge"),
        (("--steps", "0"), "steps"),
        (("--dataset-option", "root"), "KEY=VALUE"),
        (("--dataset-option", "rot=x"), "rot"),
    ],
)
def test_a_wrong_option_is_named(
    course: Any, tmp_path: Path, argument: tuple[str, ...], words: str
) -> None:
    shown = train(tmp_path / "out", course.photos, *argument)
    assert shown.exit_code != 0
    assert words in f"{shown.output} {shown.exception}"


@pytest.mark.slow
def test_the_command_trains_mini_in_a_process_of_its_own(vase_photos: Path, tmp_path: Path) -> None:
    words = ["train", "vase-derenderer", "--dataset", "folder", "--dataset-option"]
    words += [f"root={vase_photos}", "--split", "all", "--val-split", "all", "--limit", "3"]
    words += ["--out", str(tmp_path / "out"), "--steps", "2", "--batch", "2"]
    shown = subprocess.run(
        [sys.executable, "-m", "bench", *words], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert load(tmp_path / "out" / "weights.safetensors").configuration.name == "mini"


MEMORY = """
import resource, torch
from bench.graphics.rasterisers import rasteriser
from bench.methods.vase_derenderer.configuration import OFFICIAL_MET
from bench.methods.vase_derenderer.networks import Networks
from bench.methods.vase_derenderer.trainer import Trainer

torch.set_num_threads(2)
trainer = Trainer(Networks(OFFICIAL_MET), OFFICIAL_MET, rasteriser(None, "cpu"), 0, "cpu")
masks = torch.zeros(8, 1, 256, 256)
masks[:, :, 30:230, 80:180] = 1
for _ in range(2):
    trainer.train(torch.rand(8, 3, 256, 256), masks, torch.rand(8, 1, 256, 256) * (1 - masks))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_an_official_step_of_eight_pictures_fits_six_gigabytes() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert int(shown.stdout) < 6e9
