"""The dataset `met-vases`: small sets in the documented layout."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bench.api import Key, TraceableDataset
from bench.datasets.sord.met import MetVases
from bench.datasets.sord.plugin import bench_datasets
from bench.errors import DataError
from bench.quantities import validate

CARD = next(card for card in bench_datasets() if card.name == "met-vases")


def photo(seed: int = 0, size: tuple[int, int] = (12, 10)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def disc(size: tuple[int, int] = (12, 10)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[3:9, 2:8] = 255
    mask[3, 2] = 64
    return mask


def add(root: Path, name: str, image: np.ndarray, mask: np.ndarray, split: str = "train") -> None:
    folder = root / "image_mask" / split
    for kind, pixels in (("images", image), ("masks", mask)):
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path, "b.png", photo(0), disc())
    add(tmp_path, "a.png", photo(1), disc())
    add(tmp_path, "deep/c.png", photo(2), disc())
    add(tmp_path, "d.png", photo(3), disc(), "test")
    return tmp_path


def opened(root: Path) -> MetVases:
    return MetVases({"root": root})


def test_samples_are_the_images_by_name_with_their_folders(root: Path) -> None:
    assert opened(root).samples("train") == [Key(name, "image") for name in ("a", "b", "deep__c")]
    assert opened(root).samples("test") == [Key("d", "image")]


def test_image_and_mask_are_decoded(root: Path) -> None:
    sample = opened(root).inputs("train", Key("b", "image"))
    assert set(sample.inputs) == set(CARD.inputs)
    np.testing.assert_allclose(sample.inputs["image"], (photo(0) / 255) ** 2.2, atol=1e-6)
    np.testing.assert_allclose(sample.inputs["mask"][..., 0], disc() / 255, atol=1e-6)
    known = opened(root).targets("train", Key("b", "image")).quantities
    assert set(known) == set(CARD.targets)
    for name, value in {**sample.inputs, **known}.items():
        validate(name, value)


def test_the_root_may_be_the_folder_above(root: Path, tmp_path: Path) -> None:
    above = tmp_path / "data"
    above.mkdir()
    (tmp_path / "image_mask").rename(tmp_path / "moved")
    (above / "met_vases").mkdir()
    (tmp_path / "moved").rename(above / "met_vases" / "image_mask")
    assert len(opened(above).samples("train")) == 3


def test_listing_opens_no_file(root: Path) -> None:
    (root / "image_mask/train/images/a.png").write_bytes(b"no image")
    assert len(opened(root).samples("train")) == 3


def test_all_missing_masks_are_named_at_once_and_where_to_get_them(root: Path) -> None:
    for name in ("a.png", "deep/c.png"):
        (root / "image_mask/train/masks" / name).unlink()
    with pytest.raises(DataError, match=r"2 of 3 masks .*bench fetch met-vases") as caught:
        opened(root).samples("train")
    assert "masks/a.png" in str(caught.value)
    assert "masks/deep/c.png" in str(caught.value)


def test_every_missing_mask_is_named(tmp_path: Path) -> None:
    for number in range(30):
        add(tmp_path, f"{number}.png", photo(), disc())
        (tmp_path / f"image_mask/train/masks/{number}.png").unlink()
    with pytest.raises(DataError) as caught:
        opened(tmp_path).samples("train")
    assert all(f"masks/{number}.png" in str(caught.value) for number in range(30))


def test_verify_names_every_file_that_is_not_well(root: Path) -> None:
    opened(root).verify("train")
    folder = root / "image_mask/train"
    (folder / "images/a.png").write_bytes(b"no image")
    PIL.Image.fromarray(np.zeros((12, 10), np.uint8)).save(folder / "masks/b.png")
    PIL.Image.fromarray(disc((6, 5))).save(folder / "masks/deep/c.png")
    with pytest.raises(DataError, match="3 files of split 'train'") as caught:
        opened(root).verify("train")
    for words in ("images/a.png", "b.png: the mask is empty", "c.png: 6×5 pixels"):
        assert words in str(caught.value)


def test_a_split_that_is_not_there_says_which_are(root: Path) -> None:
    with pytest.raises(DataError, match=r"val.*has test, train.*bench fetch met-vases"):
        opened(root).samples("val")
    with pytest.raises(DataError, match=r"has no split"):
        opened(root / "nowhere").samples("val")
    (root / "image_mask/val/images").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no image"):
        opened(root).samples("val")


def test_an_unknown_sample_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="no sample d/image"):
        opened(root).inputs("train", Key("d", "image"))


def test_two_images_of_one_name_are_refused(root: Path) -> None:
    add(root, "a.bmp", photo(), disc())
    with pytest.raises(DataError, match="the same name"):
        opened(root).samples("train")


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "ppm", "bmp", "tif", "tiff", "webp"])
def test_every_official_suffix_is_read(tmp_path: Path, suffix: str) -> None:
    flat = np.full((12, 10, 3), 120, np.uint8)
    add(tmp_path, f"a.{suffix}", flat, np.repeat(disc()[..., None], 3, axis=-1))
    sample = opened(tmp_path).inputs("train", Key("a", "image"))
    np.testing.assert_allclose(sample.inputs["image"], (120 / 255) ** 2.2, atol=0.01)
    assert sample.inputs["mask"].shape == (12, 10, 1)


def test_grey_alpha_and_sixteen_bits_become_three_channels(tmp_path: Path) -> None:
    add(tmp_path, "grey.png", photo()[..., 0], disc())
    add(tmp_path, "alpha.png", np.dstack([photo(), disc()]), disc())
    add(tmp_path, "deep.png", photo(), disc())
    deep = photo().astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "image_mask/train/images/deep.png"), deep[..., ::-1])
    expected = {"grey": photo()[..., :1], "alpha": photo(), "deep": photo()}
    for name, pixels in expected.items():
        image = opened(tmp_path).inputs("train", Key(name, "image")).inputs["image"]
        wanted = np.broadcast_to((pixels / 255) ** 2.2, (12, 10, 3))
        np.testing.assert_allclose(image, wanted, atol=1e-5)


def test_a_format_that_loses_bits_is_refused(tmp_path: Path) -> None:
    add(tmp_path, "a.tif", photo(), disc())
    deep = PIL.Image.fromarray(photo()[..., 0].astype(np.uint16) * 257)
    deep.save(tmp_path / "image_mask/train/images/a.tif")
    with pytest.raises(DataError, match=r"a.tif: more than 8 bits"):
        opened(tmp_path).inputs("train", Key("a", "image"))


def test_the_fingerprint_changes_with_a_byte_and_not_with_the_place(root: Path) -> None:
    before = opened(root).fingerprint("train")
    (root / "image_mask/val").symlink_to("train")
    assert opened(root).fingerprint("val") == before
    add(root, "a.png", photo(1), disc() // 2)
    assert opened(root).fingerprint("train") != before


def test_a_photo_is_recognised_in_another_split(root: Path) -> None:
    dataset = opened(root)
    assert isinstance(dataset, TraceableDataset)
    add(root, "a.png", photo(1), disc(), "test")
    train, test = (opened(root).scene_digests(split) for split in ("train", "test"))
    assert set(train) == {"a", "b", "deep__c"}
    assert set(train.values()) & set(test.values()) == {train["a"]}


def test_what_a_caller_changes_does_not_reach_the_next(root: Path) -> None:
    dataset, key = opened(root), Key("a", "image")
    dataset.inputs("train", key).inputs["image"][:] = 0
    assert dataset.inputs("train", key).inputs["image"].any()
