"""The dataset `aligned`: the official folders of neural rerendering, and their quirks."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.api import Key, Sample
from bench.conformance.dataset import check_dataset
from bench.datasets.aligned.adapter import Aligned
from bench.datasets.aligned.filtering import covered, too_sparse
from bench.datasets.aligned.plugin import bench_datasets
from bench.errors import DataError
from bench.graphics.colour import srgb_decode

H, W = 64, 65
Pictures = dict[str, np.ndarray]


def pictures(seed: int) -> Pictures:
    """One sample as the official tools write it: points in the left two thirds."""
    rng = np.random.default_rng(seed)
    shown = (np.arange(W) < 44)[None, :, None] * np.ones((H, W, 1), np.uint8)
    colour = rng.integers(1, 256, (H, W, 3)) * shown
    return {
        "reference": rng.integers(0, 256, (H, W, 3)).astype(np.uint8),
        "color": np.concatenate([colour, 255 * shown], axis=2).astype(np.uint8),
        "depth": (rng.integers(1, 256, (H, W)) * shown[..., 0]).astype(np.uint8),
    }


def write(folder: Path, name: str, made: Pictures) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for item, picture in made.items():
        order = {2: None, 3: [2, 1, 0], 4: [2, 1, 0, 3]}[
            2 if picture.ndim == 2 else picture.shape[2]
        ]
        stored = picture if order is None else picture[..., order]
        assert cv2.imwrite(str(folder / f"{name}_{item}.png"), stored)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, split in enumerate(("train", "train", "val")):
        write(tmp_path / "trevi" / split, f"{seed % 2:04d}", pictures(seed))
    return tmp_path


def change(root: Path, edit: Callable[[Pictures], Pictures], split: str = "train") -> Sample:
    """The first sample, its pictures of seed 0 edited before they are written."""
    for path in (root / "trevi" / split).glob("0000_*"):
        path.unlink()
    write(root / "trevi" / split, "0000", edit(pictures(0)))
    return opened(root).inputs(split, Key("trevi", "0000"))


def opened(root: Path, **options: Any) -> Aligned:
    return Aligned({"root": root, **options})


def buffer(sample: Sample) -> np.ndarray:
    return np.asarray(sample.inputs["framebuffer"])


def test_a_framebuffer_is_linear_colour_and_coded_depth(root: Path) -> None:
    stored = pictures(0)
    found = buffer(opened(root).inputs("train", Key("trevi", "0000")))
    np.testing.assert_allclose(
        found[..., :3], srgb_decode(stored["color"][..., :3] / 255), atol=1e-6
    )
    np.testing.assert_allclose(found[..., 3], stored["depth"] / 255, atol=1e-7)
    assert found.shape == (H, W, 4)
    assert found.dtype == np.float32


def test_samples_are_listed_by_data_set_and_split(root: Path) -> None:
    shutil.copytree(root / "trevi", root / "prague")
    assert opened(root).samples("val") == [Key("prague", "0000"), Key("trevi", "0000")]
    assert opened(root, name="trevi").samples("train") == [
        Key("trevi", "0000"),
        Key("trevi", "0001"),
    ]
    assert opened(root / "trevi").samples("val") == [Key("trevi", "0000")]


def test_what_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(DataError, match="no split 'test'; it has train, val"):
        opened(root).samples("test")
    with pytest.raises(DataError, match="no data set 'rome'; it has trevi"):
        opened(root, name="rome").samples("train")
    with pytest.raises(DataError, match="bench prepare aligned"):
        opened(root / "trevi" / "train").samples("train")
    with pytest.raises(DataError, match="no sample trevi/0009"):
        opened(root).inputs("train", Key("trevi", "0009"))


def test_the_photo_is_never_among_the_inputs(root: Path) -> None:
    sample = opened(root).inputs("train", Key("trevi", "0000"))
    assert set(sample.inputs) == {"framebuffer"}


def test_own_gives_the_target_and_half_hides_what_it_scores(root: Path) -> None:
    data, key = opened(root), Key("trevi", "0000")
    own, half = data.inputs("train", key).queries
    targets = data.targets("train", key).queries
    photo = srgb_decode(pictures(0)["reference"] / 255)
    assert (own.id, own.quantity, half.id, half.quantity) == (
        *("own", "reconstruction"),
        *("half", "view"),
    )
    np.testing.assert_allclose(own.condition["reference"], photo, atol=1e-6)
    np.testing.assert_allclose(half.condition["reference"], photo[:, : W // 2], atol=1e-6)
    assert half.condition["reference_framebuffer"].shape == (H, W // 2, 4)
    assert half.condition["framebuffer"].shape == (H, W, 4)
    mask = np.asarray(targets["half"]["mask"])[..., 0]
    assert mask[:, : W // 2].max() == 0
    assert mask[:, W // 2 :].min() == 1
    assert np.min(targets["own"]["mask"]) == 1
    np.testing.assert_allclose(targets["half"]["view"], photo, atol=1e-6)
    np.testing.assert_array_equal(
        np.asarray(targets["half"]["covered"])[..., 0], np.tile(np.arange(W) < 44, (H, 1))
    )


def test_without_a_photo_nothing_is_scored_and_an_appearance_can_be_named(root: Path) -> None:
    write(
        root / "trevi" / "path", "0000", {k: v for k, v in pictures(5).items() if k != "reference"}
    )
    key = Key("trevi", "0000")
    assert opened(root).inputs("path", key).queries == ()
    assert opened(root).targets("path", key).queries == {}
    data = opened(root, appearance="val/0000")
    (query,) = data.inputs("path", key).queries
    photo = srgb_decode(pictures(2)["reference"] / 255)
    np.testing.assert_allclose(query.condition["reference"], photo, atol=1e-6)
    seen = buffer(data.inputs("val", key))
    np.testing.assert_array_equal(query.condition["reference_framebuffer"], seen)
    with pytest.raises(DataError, match="no photo 'somewhere'"):
        opened(root, appearance="somewhere").inputs("path", key)


def test_an_opaque_background_is_told_by_its_black(root: Path) -> None:
    def opaque(made: Pictures) -> Pictures:
        made["color"][..., 3] = 255
        made["depth"][made["depth"] == 0] = 255
        return made

    found = buffer(change(root, opaque))
    assert found[:, :44, 3].min() > 0
    assert found[:, 44:].max() == 0


def test_a_render_without_alpha_is_read(root: Path) -> None:
    found = buffer(change(root, lambda made: made | {"color": made["color"][..., :3]}))
    np.testing.assert_array_equal(found[..., 3] > 0, np.tile(np.arange(W) < 44, (H, 1)))


def test_covered_black_is_a_point_where_alpha_says_so(root: Path) -> None:
    def black(made: Pictures) -> Pictures:
        made["color"][:8, :8, :3] = 0
        made["depth"][:8, :8] = 0
        return made

    found = buffer(change(root, black))
    assert (found[:8, :8, 3] == np.float32(1 / 255)).all()


def deep(made: Pictures, seed: int, top: int) -> Pictures:
    levels = np.random.default_rng(seed).integers(1, top, (H, W)).astype(np.uint16)
    return made | {"depth": np.where(made["color"][..., 3] > 0, levels, 65535).astype(np.uint16)}


def test_deep_depth_is_rescaled_once_over_all_splits(root: Path) -> None:
    every = []
    for seed, split in enumerate(("train", "train", "val")):
        made = deep(pictures(seed), seed, 4000 * (seed + 1))
        write(root / "trevi" / split, f"{seed % 2:04d}", made)
        every.append(made["depth"][:, :44].ravel())
    near, far = np.percentile(np.concatenate(every), (5, 95))
    depth = deep(pictures(2), 2, 12000)["depth"][:, :44].astype(float)
    wanted = np.rint(254 * (1 - np.clip((depth - near) / (far - near), 0, 1))) + 1
    found = buffer(opened(root).inputs("val", Key("trevi", "0000")))
    assert np.abs(found[:, :44, 3] * 255 - wanted).max() <= 1.01  # percentiles are of bins
    assert found[:, 44:, 3].max() == 0


def test_deep_depth_that_fits_8_bits_is_taken_as_it_is(root: Path) -> None:
    found = buffer(change(root, lambda made: deep(made, 7, 256)))
    wanted = deep(pictures(0), 7, 256)["depth"][:, :44] / 255
    np.testing.assert_allclose(found[:, :44, 3], wanted, atol=1e-6)


def test_semantics_are_three_more_channels(root: Path) -> None:
    classes = np.where(np.arange(W) < 20, 2, 3)[None].repeat(H, axis=0).astype(np.uint8)
    colours = np.where(classes[..., None] == 2, (81, 0, 81), (128, 64, 128)).astype(np.uint8)
    write(root / "trevi" / "train", "0000", {"seg_rgb": colours})
    write(root / "trevi" / "train", "0001", {"seg": classes})
    for name in ("0000", "0001"):
        found = buffer(opened(root).inputs("train", Key("trevi", name)))
        np.testing.assert_allclose(found[..., 4:], colours / 255, atol=1e-7)
    assert buffer(opened(root).inputs("val", Key("trevi", "0000"))).shape[2] == 4


def test_semantics_of_some_samples_only_are_refused(root: Path) -> None:
    write(root / "trevi" / "train", "0000", {"seg_rgb": pictures(1)["reference"]})
    with pytest.raises(DataError, match=r"1 of 2 samples .*0001_seg_rgb\.png"):
        opened(root).inputs("train", Key("trevi", "0000"))


@pytest.mark.parametrize("item", ["reference", "depth"])
def test_pictures_of_unlike_sizes_are_refused_naming_both(root: Path, item: str) -> None:
    with pytest.raises(DataError, match=rf"_{item}\.png: 60×65 .*_color\.png has 64×65"):
        change(root, lambda made: made | {item: made[item][:60]})


def test_small_pictures_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="60×65 pixels; the networks take 64"):
        change(root, lambda made: {item: picture[:60] for item, picture in made.items()})


def test_a_missing_or_truncated_picture_is_named(root: Path) -> None:
    path = root / "trevi" / "train" / "0000_depth.png"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"0000_depth\.png"):
        opened(root).inputs("train", Key("trevi", "0000"))
    path.unlink()
    with pytest.raises(DataError, match=r"0000_depth\.png"):
        opened(root).inputs("train", Key("trevi", "0000"))


def test_an_unfinished_folder_is_refused(root: Path) -> None:
    (root / "trevi" / "unfinished.json").write_text("{}")
    with pytest.raises(DataError, match="not prepared to its end"):
        opened(root).samples("train")


def test_the_fingerprint_follows_pictures_and_the_appearance(root: Path) -> None:
    before = opened(root).fingerprint("train")
    assert opened(root).fingerprint("train") == before
    assert opened(root, appearance="val/0000").fingerprint("train") != before
    change(root, lambda made: made | {"depth": made["depth"] // 2})
    assert opened(root).fingerprint("train") != before


def test_a_photo_is_recognised_in_another_data_set(root: Path) -> None:
    write(root / "rome" / "test", "0042", pictures(1))
    here = opened(root, name="trevi").scene_digests("train")
    (there,) = opened(root, name="rome").scene_digests("test").values()
    assert there == here["trevi/0001"]
    assert here["trevi/0000"] != there


@pytest.mark.parametrize(("split", "appearance"), [("train", ""), ("path", "train/0001")])
def test_it_keeps_its_cards_promises(root: Path, split: str, appearance: str) -> None:
    write(
        root / "trevi" / "path", "0000", {k: v for k, v in pictures(5).items() if k != "reference"}
    )
    options = {"root": root, "name": "", "appearance": appearance}
    findings = check_dataset(replace(bench_datasets()[0], published=None), options, split)
    assert [finding.message for finding in findings if not finding.ok] == []


def test_renders_of_15_percent_are_too_sparse_and_of_more_are_not() -> None:
    assert too_sparse(0.15)
    assert not too_sparse(0.151)


def test_coverage_counts_alpha_where_it_varies_and_colour_otherwise() -> None:
    colour = np.zeros((10, 10, 4), np.float32)
    colour[0, :, :3], colour[:2, :, 3] = 0.5, 1
    assert covered(colour).sum() == 20
    colour[..., 3] = 1
    assert covered(colour).sum() == 10
    assert covered(colour, trusted=True).sum() == 100
    assert covered(colour[..., :3]).sum() == 10
