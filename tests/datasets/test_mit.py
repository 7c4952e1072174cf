"""The dataset `mit`, on a set that is written here in the documented layout."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.api import Key
from bench.conformance.dataset import check_dataset
from bench.datasets.mit.adapter import SPLITS, MitIntrinsic
from bench.datasets.mit.plugin import bench_datasets
from bench.errors import DataError
from bench.graphics.image_files import write_png

H, W = 6, 8
(CARD,) = bench_datasets()
BOX = Key("box", "image")
STEP = 1 / 65535


def add(folder: Path, seed: int) -> None:
    """One object: original = 0.7 · reflectance × shading + specular, 16 bits each."""
    rng = np.random.default_rng(seed)
    reflectance, shading = rng.random((H, W, 3)), rng.random((H, W, 1))
    specular = 0.2 * rng.random((H, W, 3))
    mask = np.zeros((H, W, 1))
    mask[1:-1, 1:-1] = 0.2  # anything above 0 is the object
    diffuse = 0.7 * reflectance * shading
    folder.mkdir(parents=True)
    maps = {
        "mask": mask,
        "diffuse": diffuse,
        "specular": specular,
        "original": diffuse + specular,
        "reflectance": reflectance,
        "shading": shading,
    }
    for name, values in maps.items():
        write_png(folder / f"{name}.png", values, bits=16)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate((*SPLITS["all16"], *SPLITS["extra"])):
        add(tmp_path / "data" / name, seed)
    return tmp_path


def opened(root: Path, **options: Any) -> MitIntrinsic:
    return MitIntrinsic({"root": root, "image": "diffuse", **options})


def test_the_splits_are_those_of_the_paper(root: Path) -> None:
    dataset = opened(root)
    counts = {split: len(dataset.samples(split)) for split in CARD.splits}
    assert counts == {"all16": 16, "set1": 8, "set2": 8, "extra": 4}
    assert {*dataset.samples("set1"), *dataset.samples("set2")} == {*dataset.samples("all16")}
    with pytest.raises(DataError, match="no split 'test'; it has all16, set1"):
        dataset.samples("test")


@pytest.mark.parametrize("image", ["diffuse", "original"])
@pytest.mark.parametrize("split", CARD.splits)
def test_the_card_keeps_its_promises(root: Path, image: str, split: str) -> None:
    findings = check_dataset(CARD, {"root": root, "image": image}, split)
    assert [finding for finding in findings if not finding.ok] == []


def test_reflectance_times_shading_is_the_diffuse_photo_up_to_one_scale(root: Path) -> None:
    dataset = opened(root)
    for key in dataset.samples("all16"):
        image = dataset.inputs("all16", key).inputs["image"]
        known = dataset.targets("all16", key).quantities
        product = known["albedo"] * known["shading"]
        scale = np.sum(product * image) / np.sum(product**2)
        assert scale == pytest.approx(0.7, rel=1e-4)
        np.testing.assert_allclose(scale * product, image, atol=2 * STEP)


def test_the_original_photo_less_its_specular_part_is_the_diffuse_one(root: Path) -> None:
    original, diffuse = opened(root, image="original"), opened(root)
    image = original.inputs("all16", BOX).inputs["image"]
    residual = original.targets("all16", BOX).quantities["residual"]
    expected = diffuse.inputs("all16", BOX).inputs["image"]
    np.testing.assert_allclose(image - residual, expected, atol=2 * STEP)
    assert "residual" not in diffuse.targets("all16", BOX).quantities


def test_values_are_linear_and_65535_is_one(root: Path) -> None:
    stored = np.arange(H * W * 3, dtype=np.uint16).reshape(H, W, 3) * 400
    cv2.imwrite(str(root / "data/box/diffuse.png"), stored[..., ::-1])
    image = opened(root).inputs("set1", BOX).inputs["image"]
    np.testing.assert_allclose(image, stored / 65535, rtol=1e-6)


def test_the_mask_is_where_the_file_is_above_zero(root: Path) -> None:
    mask = opened(root).inputs("set1", BOX).inputs["mask"]
    expected = np.zeros((H, W, 1))
    expected[1:-1, 1:-1] = 1
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("image", ["diffuse", "original"])
def test_inputs_work_with_every_target_removed(root: Path, image: str) -> None:
    before = opened(root, image=image).inputs("all16", BOX)
    for path in root.rglob("*.png"):
        if path.stem not in (image, "mask"):
            path.unlink()
    dataset = opened(root, image=image)
    assert len(dataset.samples("all16")) == 16
    np.testing.assert_array_equal(
        dataset.inputs("all16", BOX).inputs["image"], before.inputs["image"]
    )
    with pytest.raises(DataError, match=r"files are missing; `bench fetch mit`.*(?s:.*)shading"):
        dataset.targets("all16", BOX)


@pytest.mark.parametrize("inner", ["", "MIT-intrinsic"])
def test_the_root_may_be_the_folder_above_or_below(root: Path, tmp_path: Path, inner: str) -> None:
    at = tmp_path / "elsewhere" / inner
    at.mkdir(parents=True)
    (root / "data").rename(at / "data")
    assert len(opened(tmp_path / "elsewhere").samples("all16")) == 16
    assert len(opened(at / "data").samples("all16")) == 16


def test_all_missing_photos_are_named_at_once(root: Path) -> None:
    (root / "data/box/mask.png").unlink()
    (root / "data/turtle/diffuse.png").unlink()
    with pytest.raises(DataError, match="2 files are missing; `bench fetch mit`") as caught:
        opened(root).samples("all16")
    assert "box/mask.png" in str(caught.value)
    assert "turtle/diffuse.png" in str(caught.value)
    assert len(opened(root).samples("extra")) == 4


def test_a_root_that_is_something_else_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \*/mask\.png; `bench fetch mit`"):
        opened(tmp_path).samples("all16")
    with pytest.raises(DataError, match="nowhere: no such folder; `bench fetch mit`"):
        opened(tmp_path / "nowhere").samples("all16")


@pytest.mark.parametrize("name", ["diffuse", "mask"])
def test_a_truncated_input_is_named(root: Path, name: str) -> None:
    path = root / f"data/box/{name}.png"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(DataError, match=rf"box/{name}\.png: truncated or corrupt"):
        opened(root).inputs("set1", BOX)


@pytest.mark.parametrize("name", ["reflectance", "shading"])
def test_a_truncated_truth_is_named_and_spoils_no_input(root: Path, name: str) -> None:
    path = root / f"data/box/{name}.png"
    path.write_bytes(path.read_bytes()[:-60])
    opened(root).inputs("set1", BOX)
    with pytest.raises(DataError, match=rf"box/{name}\.png: truncated or corrupt"):
        opened(root).targets("set1", BOX)


def test_maps_of_another_size_and_coloured_shading_are_refused(root: Path) -> None:
    write_png(root / "data/box/reflectance.png", np.ones((H, W + 1, 3)), bits=16)
    with pytest.raises(DataError, match=r"reflectance\.png: 6×9 pixels instead of 6×8"):
        opened(root).targets("set1", BOX)
    write_png(root / "data/box/reflectance.png", np.ones((H, W, 3)), bits=16)
    write_png(root / "data/box/shading.png", np.ones((H, W, 3)) * [1, 0.5, 1], bits=16)
    with pytest.raises(DataError, match=r"shading\.png: is coloured"):
        opened(root).targets("set1", BOX)


def test_an_unknown_sample_is_refused(root: Path) -> None:
    for key in (Key("..", "image"), Key("box", "light01"), Key("apple", "image")):
        with pytest.raises(DataError, match=f"no sample {key.scene}/{key.id}"):
            opened(root).inputs("set1", key)


def test_the_fingerprint_follows_the_files_and_the_photo_that_is_given(root: Path) -> None:
    prints = [opened(root).fingerprint("set1"), opened(root, image="original").fingerprint("set1")]
    add(root / "new", 99)
    (root / "new/shading.png").replace(root / "data/box/shading.png")
    prints.append(opened(root).fingerprint("set1"))
    assert len(set(prints)) == 3
    assert opened(root).scene_digests("set1").keys() == set(SPLITS["set1"])
