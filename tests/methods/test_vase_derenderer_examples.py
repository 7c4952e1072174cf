"""Training pictures: decoding, order, augmentation, and what is said about bad ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray

from bench.api import Key, Sample, Source, Targets
from bench.errors import DataError
from bench.graphics.masks import distance_transform
from bench.methods.vase_derenderer.backgrounds import Backgrounds, drawn_background
from bench.methods.vase_derenderer.examples import (
    Examples,
    Order,
    Split,
    batches,
    decode,
    decode_all,
)
from bench.methods.vase_derenderer.framing import framed, framed_mask
from bench.quantities import Values

Array = NDArray[np.float32]
RNG = np.random.default_rng(0)


def photo(height: int = 32, width: int = 32, background: float = 0.0) -> Values:
    """A linear picture of a disc of many colours, and its mask with soft edges."""
    y, x = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(y - height / 2, x - 0.4 * width)
    mask = np.clip(0.3 * height - distance, 0, 1).astype(np.float32)[..., None]
    colour = RNG.random((height, width, 3)).astype(np.float32)
    return {"image": mask * colour + (1 - mask) * np.float32(background), "mask": mask}


@dataclass
class Photos:
    """A dataset in memory: split → id → inputs, or the error that reading them raises."""

    splits: dict[str, dict[str, Values | DataError]]
    asked: list[str] = field(default_factory=list)

    def samples(self, split: str) -> Sequence[Key]:
        return [Key("scene", name) for name in self.splits[split]]

    def fingerprint(self, split: str) -> str:
        return "-".join(self.splits[split])

    def inputs(self, split: str, key: Key) -> Sample:
        self.asked.append(key.id)
        found = self.splits[split][key.id]
        if isinstance(found, DataError):
            raise found
        return Sample(key.scene, key.id, found)

    def targets(self, split: str, key: Key) -> Targets:
        tilt = {"p1": {"pitch": np.array([12.5], np.float32)}}
        return Targets(tilt.get(key.id, {}))


def source(**splits: dict[str, Values | DataError]) -> Source:
    return Source("photos", {}, Photos(splits))


def many(count: int, prefix: str = "p") -> dict[str, Values | DataError]:
    return {f"{prefix}{k}": photo() for k in range(count)}


def split_of(count: int, folder: Path) -> Split:
    return decode(source(train=many(count)), ["train"], 32, 0, folder)


def test_pictures_are_kept_tone_mapped_in_8_bits(tmp_path: Path) -> None:
    shown = photo()
    found = decode(source(train={"a": shown}), ["train"], 32, 0, tmp_path).pictures
    assert found.shape == (1, 32, 32, 4) and found.dtype == np.uint8
    image, mask = (np.asarray(shown[name]) for name in ("image", "mask"))
    np.testing.assert_allclose(found[0, ..., :3] / 255, image ** (1 / 2.2), atol=0.5001 / 255)
    np.testing.assert_allclose(found[0, ..., 3:] / 255, mask, atol=0.5001 / 255)


def test_pictures_are_decoded_once(tmp_path: Path) -> None:
    photos = source(train=many(3), val=many(2, "v"))
    first = decode(photos, ["train", "val"], 32, 0, tmp_path)
    photos.dataset.asked.clear()  # type: ignore[attr-defined]
    again = decode(photos, ["train", "val"], 32, 0, tmp_path)
    assert photos.dataset.asked == []  # type: ignore[attr-defined]
    np.testing.assert_array_equal(first.pictures, again.pictures)
    assert [key.id for _, key in again.keys] == ["p0", "p1", "p2", "v0", "v1"]
    assert again.fingerprints == ("photos:train:p0-p1-p2", "photos:val:v0-v1")
    decode(photos, ["train"], 64, 0, tmp_path)
    assert len(photos.dataset.asked) == 3  # type: ignore[attr-defined]


def test_a_limit_is_of_each_split(tmp_path: Path) -> None:
    found = decode(source(train=many(3), val=many(4, "v")), ["train", "val"], 32, 2, tmp_path)
    assert [key.id for _, key in found.keys] == ["p0", "p1", "v0", "v1"]


def test_every_bad_picture_is_named_at_once(tmp_path: Path) -> None:
    good, unlit = photo(), photo()
    bad: dict[str, Values | DataError] = {
        "truncated": DataError("/data/truncated.png: truncated image"),
        "maskless": {"image": good["image"]},
        "empty": {"image": good["image"], "mask": np.zeros((32, 32, 1), np.float32)},
        "speck": {"image": good["image"], "mask": np.eye(32, dtype=np.float32)[..., None] / 9},
        "narrow": {"image": good["image"], "mask": np.ones((32, 16, 1), np.float32)},
        "grey": {"image": np.ones((32, 32, 1), np.float32), "mask": good["mask"]},
        "blind": {"image": np.full((32, 32, 3), np.nan, np.float32), "mask": good["mask"]},
    }
    photos = source(train={**bad, "good": unlit}, val={"late": DataError("/data/late.png: gone")})
    with pytest.raises(DataError) as error:
        decode_all(photos, [["train"], ["val"]], 32, 0, tmp_path)
    text = str(error.value)
    for name in bad:
        assert f"train/scene/{name}: " in text
    assert "val/scene/late: /data/late.png: gone" in text and "good" not in text
    assert "7 of 8" in text and "1 of 1" in text
    assert list(tmp_path.iterdir()) == []


def test_a_split_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photos: the splits train hold no pictures"):
        decode(source(train={}), ["train"], 32, 0, tmp_path)


@pytest.mark.parametrize("size", [16, 24, 40])
def test_pictures_are_resized_as_pillow_does(size: int) -> None:
    image = RNG.random((32, 32, 3)).astype(np.float32)
    found = framed(image, size).pixels
    encoded = image ** np.float32(1 / 2.2)
    for channel in range(3):
        grey = PIL.Image.fromarray(encoded[..., channel])
        expected = np.asarray(grey.resize((size, size), PIL.Image.Resampling.BILINEAR))
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(48, 20), (20, 48), (31, 32)])
def test_picture_and_mask_are_padded_alike(height: int, width: int) -> None:
    mask = np.ones((height, width, 1), np.float32)
    image = np.tile(np.array([0.2, 0.5, 0.9], np.float32), (height, width, 1))
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = framed_mask(mask, side)
    assert square[top : top + height, left : left + width].all()
    assert square.sum() == height * width
    pixels = framed(image, side).pixels  # the border's colour goes on
    np.testing.assert_allclose(pixels, np.broadcast_to(image[0, 0] ** (1 / 2.2), pixels.shape))


def test_an_epoch_shows_every_picture_once_and_no_two_are_alike() -> None:
    order = iter(Order(count=7, batch=3, seed=5, start=0))
    shown = [entry for _ in range(7) for entry in next(order)]  # 21 = 3 epochs
    epochs = [shown[start : start + 7] for start in (0, 7, 14)]
    for epoch in epochs:
        assert sorted(picture for picture, _ in epoch) == list(range(7))
    assert len({tuple(picture for picture, _ in epoch) for epoch in epochs}) == 3
    assert len({seed for _, seed in shown}) == 21


def test_a_tilt_is_told_where_the_dataset_knows_it_and_it_was_asked_for(tmp_path: Path) -> None:
    photos = source(train=many(3))
    assert bool(np.isnan(decode(photos, ["train"], 32, 0, tmp_path).pitch).all())
    told = decode(photos, ["train"], 32, 0, tmp_path, with_pitch=True)
    np.testing.assert_array_equal(told.pitch, np.array([np.nan, 12.5, np.nan], np.float32))
    examples = Examples(told, augmented=True, backgrounds="random")
    assert [float(examples[k, 0][3]) for k in (1, 0)] == pytest.approx([12.5, np.nan], nan_ok=True)


def taken(examples: Examples, workers: int, start: int, count: int) -> list[torch.Tensor]:
    feed = batches(examples, 3, 5, start, workers)
    return [tensor.nan_to_num(-1) for _ in range(count) for tensor in next(feed)]


def test_any_number_of_workers_and_any_start_give_the_same_batches(tmp_path: Path) -> None:
    examples = Examples(split_of(5, tmp_path), augmented=True, backgrounds="random")
    expected = taken(examples, 0, 0, 6)
    shapes = [(3, 3, 32, 32), (3, 1, 32, 32), (3, 1, 32, 32), (3,)]
    assert [tensor.shape for tensor in expected[:4]] == shapes
    for found in (
        taken(examples, 1, 0, 6),
        taken(examples, 2, 0, 6),
        expected[:8] + taken(examples, 0, 2, 4),
        expected[:16] + taken(examples, 2, 4, 2),
    ):
        assert all(map(torch.equal, found, expected))
    other = Examples(split_of(5, tmp_path), augmented=True, backgrounds="as-is")
    assert not all(map(torch.equal, taken(other, 0, 0, 6), expected))


def test_half_the_pictures_are_flipped_with_mask_and_distances(tmp_path: Path) -> None:
    split = split_of(1, tmp_path)
    plain = Examples(split, augmented=False, backgrounds="random")[0, 3][:3]
    image, mask = np.split(split.pictures[0].astype(np.float32) / 255, [3], axis=-1)
    for tensor, expected in zip(plain, (image, mask, distance_transform(mask)), strict=True):
        np.testing.assert_allclose(tensor.permute(1, 2, 0), expected, atol=1e-6)
    examples = Examples(split, augmented=True, backgrounds="as-is")
    flipped = 0
    for seed in range(200):
        found = examples[0, seed][:3]
        mirrored = [tensor.flip(-1) for tensor in found]
        is_flipped = torch.equal(mirrored[0], plain[0])
        shown = mirrored if is_flipped else found
        assert all(map(torch.equal, shown, plain))
        flipped += is_flipped
    assert 75 < flipped < 125


def test_black_behind_all_pictures_is_noticed(tmp_path: Path) -> None:
    dark = source(train={"a": photo(), "b": photo()})
    light = source(val={"a": photo(), "c": photo(background=0.4)})
    assert decode(dark, ["train"], 32, 0, tmp_path).over_black
    assert not decode(light, ["val"], 32, 0, tmp_path).over_black


def test_specks_that_shine_beside_a_mask_leave_the_background_black(tmp_path: Path) -> None:
    speckled = photo()
    np.asarray(speckled["image"])[0, :3] = 1.0
    assert decode(source(train={"a": speckled}), ["train"], 32, 0, tmp_path).over_black


def backgrounds(over_black: bool, behind: float) -> list[tuple[Array, Array, Array]]:
    """What 400 draws put behind one photo: linear pictures, with the photo and its mask."""
    shown = photo(background=behind)
    image, mask = np.asarray(shown["image"]), np.asarray(shown["mask"])
    encoded = image ** np.float32(1 / 2.2)
    drawn = [
        drawn_background(encoded, mask, over_black, np.random.default_rng(k)) for k in range(400)
    ]
    assert all(found.dtype == np.float32 and found.max() <= 1 for found in drawn)
    return [(found**2.2, image, mask) for found in drawn]


def test_another_background_shows_only_where_the_object_leaves_room() -> None:
    for found, image, mask in backgrounds(over_black=True, behind=0.0):
        solid = mask[..., 0] == 1
        np.testing.assert_allclose(found[solid], image[solid], atol=1e-5)
        behind = np.where(mask < 1, (found - image) / np.where(mask < 1, 1 - mask, 1), 0)
        assert behind.min() > -1e-4 and behind.max() < 1 + 1e-4


def test_backgrounds_are_kept_white_plain_or_clouded() -> None:
    counts = dict.fromkeys(("kept", "white", "plain", "clouds"), 0)
    for found, image, mask in backgrounds(over_black=True, behind=0.0):
        outside = found[mask[..., 0] == 0]
        soft = (mask[..., 0] > 0) & (mask[..., 0] < 1)
        if np.allclose(found, image, atol=1e-5):
            counts["kept"] += 1
        elif np.allclose(outside, 1):
            counts["white"] += 1
            np.testing.assert_allclose(found[soft], (image + 1 - mask)[soft], atol=1e-5)
        elif np.ptp(outside, axis=0).max() < 1e-5:
            counts["plain"] += 1
        else:
            counts["clouds"] += 1
    shares = {"kept": 120, "white": 80, "plain": 100, "clouds": 100}
    assert all(abs(counts[kind] - share) < 40 for kind, share in shares.items())


def test_a_photographed_background_is_mixed_out_of_soft_edges() -> None:
    for found, image, mask in backgrounds(over_black=False, behind=0.4):
        outside = found[mask[..., 0] == 0]
        if np.allclose(outside, 1):
            np.testing.assert_allclose(found, mask * image + 1 - mask, atol=1e-5)
            return
    pytest.fail("no background was white")


@pytest.mark.parametrize("kind", ["as-is", "random"])
def test_validation_pictures_are_as_photographed(kind: Backgrounds, tmp_path: Path) -> None:
    examples = Examples(split_of(2, tmp_path), augmented=False, backgrounds=kind)
    assert all(map(torch.equal, examples[1, 0][:3], examples[1, 99][:3]))
