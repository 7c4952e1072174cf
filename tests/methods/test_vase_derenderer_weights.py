"""What the embedded weights must reach, on one view of each committed scene and on other photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import bench
from bench.api import Key, MethodCard, Prediction, Sample
from bench.config import resolve_options
from bench.errors import DataError
from bench.graphics.colour import srgb_decode
from bench.graphics.image_files import read_linear
from bench.methods.vase_derenderer.checkpoints import EMBEDDED
from bench.methods.vase_derenderer.checkpoints import load as load_weights
from bench.overlap import trained_on
from bench.plugins import load, registry


@pytest.fixture(scope="module")
def method() -> Any:
    return made("vase-derenderer")


def made(name: str) -> Any:
    card: MethodCard = registry().methods[name]
    return load(card.implementation)(resolve_options(card.options, {}, name, Path()), "cpu")


def mini() -> tuple[Any, list[Key]]:
    """The committed dataset, and the first view under the first light of each scene."""
    dataset = load(registry().datasets["vases"].implementation)({"root": None, "context": 0})
    firsts = {key.scene: key for key in reversed(dataset.samples("mini"))}
    return dataset, list(firsts.values())


def normal_errors(method: Any, needs: tuple[str, ...]) -> NDArray[np.float64]:
    dataset, keys = mini()
    errors = []
    for key in keys:
        inputs = dataset.inputs("mini", key).inputs
        (prediction,) = method.predict([Sample(*key, {name: inputs[name] for name in needs})])
        truth = dataset.targets("mini", key).quantities["normal"]
        target = {"normal": truth, "mask": inputs["mask"]}
        errors.append(bench.score({"normal": prediction["normal"]}, target)["normal.mae"])
    return np.array(errors)


def photo(image: NDArray[Any]) -> Sample:
    return Sample("photo", "0", {"image": image.astype(np.float32)})


def test_the_weights_are_small_enough_to_ship() -> None:
    assert EMBEDDED.stat().st_size <= 12e6


def test_normals_err_less_than_those_inflated_from_the_true_mask(method: Any) -> None:
    ours = normal_errors(method, ("image",)).mean()
    inflated = normal_errors(made("inverse-shading"), ("image", "mask")).mean()
    assert ours < inflated


def test_with_that_mask_normals_err_by_a_quarter_less() -> None:
    fitted = normal_errors(made("vase-derenderer-fitted"), ("image", "mask")).mean()
    inflated = normal_errors(made("inverse-shading"), ("image", "mask")).mean()
    assert fitted <= 0.75 * inflated


def test_profiles_are_no_cylinders(method: Any) -> None:
    """The signature of replicate padding: a column that is constant for every photo."""
    _, networks, _ = load_weights(EMBEDDED)
    dataset, keys = mini()
    for key in keys:
        image = dataset.inputs("mini", key).inputs["image"]
        shown = torch.from_numpy(np.clip(image, 0, 1) ** (1 / 2.2)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            column, _ = networks.netR(2 * shown.float() - 1)  # 1×32
        assert column.std() > 0.02


def test_the_weights_have_not_seen_the_committed_split() -> None:
    dataset, _ = mini()
    seen = {entry.rpartition(":")[2] for entry in trained_on(EMBEDDED)}
    assert len(seen) > 100
    assert not seen & {*dataset.scene_digests("mini").values(), dataset.fingerprint("mini")}


def test_the_record_tells_how_the_weights_were_made() -> None:
    record = json.loads((EMBEDDED.parent / "record.json").read_text(encoding="utf-8"))
    _, _, metadata = load_weights(EMBEDDED)
    assert metadata["record"] == record
    assert {"seed", "steps", "data", "configuration", "losses", "validation"} <= set(record)


@pytest.mark.parametrize("kind", ["noise", "grey", "gradient"])
def test_a_picture_without_a_vase_is_a_stated_failure(method: Any, kind: str) -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 128)[None, :, None] * np.ones((128, 1, 3))
    pictures = {
        "noise": rng.random((128, 128, 3)),
        "grey": np.full((128, 128, 3), 0.4),
        "gradient": ramp,
    }
    with pytest.raises(DataError, match="no vase found"):
        method.predict([photo(pictures[kind])])


def test_nine_in_ten_real_photos_without_a_vase_are_stated_failures(
    method: Any, shared: Path
) -> None:
    refused = []
    for path in sorted((shared / "data/hdri").glob("*.hdr")):
        panorama = read_linear(path)
        shown = np.clip(panorama / np.quantile(panorama, 0.95), 0, 1)
        for left in range(0, 768, 128):
            try:
                method.predict([photo(shown[100:356, left : left + 256])])
                refused.append(False)
            except DataError as error:
                assert "no vase found" in str(error)
                refused.append(True)
    assert np.mean(refused) >= 0.9


def test_a_vase_on_white_is_explained_as_one_on_black(method: Any) -> None:
    dataset, keys = mini()
    inputs = dataset.inputs("mini", keys[0]).inputs
    before_white = inputs["image"] + (1 - inputs["mask"]) * srgb_decode(np.float64(1))
    (black,), (white,) = (
        method.predict([photo(image)]) for image in (inputs["image"], before_white)
    )
    assert overlap(black, white) > 0.9


def overlap(first: Prediction, second: Prediction) -> float:
    masks = [np.asarray(each["mask"])[..., 0] > 0.5 for each in (first, second)]
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())
