"""The dataset `folder`: a user's own files, and what is said when they do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import Key
from bench.datasets.folder.adapter import Folder
from bench.datasets.folder.plugin import bench_datasets
from bench.errors import DataError
from bench.graphics.image_files import write_exr, write_png
from bench.graphics.value_files import write_value
from bench.quantities import Camera, Environment, validate

H, W = 6, 8
RNG = np.random.default_rng(1)
IMAGE = RNG.random((H, W, 3)).astype(np.float32)
MASK = (RNG.random((H, W, 1)) > 0.5).astype(np.float32)
NORMAL = np.tile(np.array([0, 0.6, 0.8], np.float32), (H, W, 1))
LIGHT = Environment(RNG.random((4, 8, 3)).astype(np.float32), "world")
CUP = Key("kitchen", "cup")


def camera(height: int = H, width: int = W) -> Camera:
    return Camera(np.array([[9.0, 0, 4], [0, 9, 3], [0, 0, 1]]), np.eye(4), height, width)


def nested(root: Path, **values: Any) -> Folder:
    """The sample kitchen/cup with an image and the given quantities."""
    folder = root / "kitchen" / "cup"
    folder.mkdir(parents=True, exist_ok=True)
    for quantity, value in {"image": IMAGE, **values}.items():
        write_value(folder / quantity, quantity, value)
    return Folder({"root": root})


def test_a_folder_of_photos_is_a_dataset(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_png(tmp_path / f"{name}.png", IMAGE)
    dataset = Folder({"root": tmp_path})
    assert dataset.samples("all") == [Key("a", "image"), Key("b", "image")]
    sample = dataset.inputs("all", Key("a", "image"))
    np.testing.assert_array_equal(sample.inputs["mask"], np.ones((H, W, 1)))
    assert set(sample.inputs) == {"image", "mask"}
    assert sample.queries == ()
    validate("image", sample.inputs["image"])


def test_companions_of_a_photo_share_its_name(tmp_path: Path) -> None:
    write_png(tmp_path / "cup.png", IMAGE)
    write_png(tmp_path / "cup_mask.png", MASK)
    write_exr(tmp_path / "cup_normal.exr", NORMAL)
    write_value(tmp_path / "cup_camera", "camera", camera())
    write_value(tmp_path / "cup_relit-noon.environment", "environment", LIGHT)
    write_value(tmp_path / "cup_relit-noon", "relit", IMAGE)
    dataset = Folder({"root": tmp_path})
    (key,) = dataset.samples("all")
    sample, targets = dataset.inputs("all", key), dataset.targets("all", key)
    np.testing.assert_array_equal(sample.inputs["mask"], MASK)
    assert sample.inputs["camera"].width == W
    np.testing.assert_array_equal(targets.quantities["normal"], NORMAL)
    assert [query.id for query in sample.queries] == ["relit-noon"]
    np.testing.assert_array_equal(targets.queries["relit-noon"]["relit"], IMAGE)


def test_a_photo_named_like_a_companion_of_nothing_is_a_photo(tmp_path: Path) -> None:
    write_png(tmp_path / "street_view.png", IMAGE)
    assert Folder({"root": tmp_path}).samples("all") == [Key("street_view", "image")]


def test_scenes_are_folders_of_samples(tmp_path: Path) -> None:
    for scene, name in (("b", "1"), ("a", "2"), ("a", "1")):
        (tmp_path / scene / name).mkdir(parents=True)
        write_value(tmp_path / scene / name / "image", "image", IMAGE)
    keys = Folder({"root": tmp_path}).samples("all")
    assert keys == [Key("a", "1"), Key("a", "2"), Key("b", "1")]


TRUTH: dict[str, Any] = {
    "normal": NORMAL,
    "depth": np.ones((H, W, 1)),
    "albedo": IMAGE,
    "basecolor": IMAGE,
    "metallic": MASK,
    "specular": MASK,
    "roughness": MASK,
    "shading": IMAGE,
    "residual": IMAGE,
    "environment": LIGHT,
    "light_sh": np.ones((9, 3)),
}


def test_every_truth_of_the_card_is_read(tmp_path: Path) -> None:
    targets = nested(tmp_path, **TRUTH).targets("all", CUP)
    assert set(targets.quantities) == set(TRUTH) == set(bench_datasets()[0].targets) - {"mesh"}
    for name, value in targets.quantities.items():
        validate(name, value)


def test_inputs_work_with_every_target_removed(tmp_path: Path) -> None:
    dataset = nested(tmp_path, mask=MASK, camera=camera(), **TRUTH)
    folder = tmp_path / "kitchen" / "cup"
    write_value(folder / "relit-noon.environment", "environment", LIGHT)
    write_value(folder / "relit-noon", "relit", IMAGE)
    before = dataset.inputs("all", CUP)
    for name in (*TRUTH, "relit-noon"):
        (folder / f"{name}.npy").unlink()
    after = Folder({"root": tmp_path}).inputs("all", CUP)
    assert set(after.inputs) == set(before.inputs) == {"image", "mask", "camera"}
    assert [query.id for query in after.queries] == ["relit-noon"]
    assert after.queries[0].condition["environment"].frame == "world"
    assert dataset.targets("all", CUP).queries == {}


def test_a_view_query_is_asked_by_a_camera_and_may_have_its_own_size(tmp_path: Path) -> None:
    dataset = nested(tmp_path)
    folder = tmp_path / "kitchen" / "cup"
    write_value(folder / "view-left.camera", "camera", camera(3, 4))
    write_value(folder / "view-left", "view", IMAGE[:3, :4])
    write_value(folder / "view-left.mask", "mask", MASK[:3, :4])
    (query,) = dataset.inputs("all", CUP).queries
    assert (query.id, query.quantity, set(query.condition)) == ("view-left", "view", {"camera"})
    answer = dataset.targets("all", CUP).queries["view-left"]
    np.testing.assert_array_equal(answer["view"], IMAGE[:3, :4])
    np.testing.assert_array_equal(answer["mask"], MASK[:3, :4])


def test_a_light_in_the_camera_frame_says_so_in_its_name(tmp_path: Path) -> None:
    dataset = nested(tmp_path)
    base = tmp_path / "kitchen" / "cup" / "relit-noon.environment"
    write_value(base, "environment", Environment(LIGHT.radiance, "camera"))
    (query,) = dataset.inputs("all", CUP).queries
    assert query.id == "relit-noon"
    assert query.condition["environment"].frame == "camera"


def test_asking_for_what_is_not_there_names_the_file(tmp_path: Path) -> None:
    dataset = nested(tmp_path)
    sample = dataset.inputs("all", CUP)
    assert "camera" not in sample.inputs
    with pytest.raises(DataError, match=r"kitchen/cup/camera\.json: this sample has no camera"):
        sample.inputs["camera"]
    with pytest.raises(DataError, match=r"kitchen/cup/albedo.*no albedo file"):
        dataset.targets("all", CUP).quantities["albedo"]


def test_a_folder_without_an_image_is_listed_and_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "kitchen" / "cup").mkdir(parents=True)
    dataset = Folder({"root": tmp_path})
    assert dataset.samples("all") == [CUP]
    with pytest.raises(DataError, match=r"kitchen/cup/image.*has no image"):
        dataset.inputs("all", CUP)


BAD_INPUT: dict[str, tuple[str, dict[str, Any]]] = {
    "a mask of another size": (
        r"mask\.npy: 3×4 pixels, and the image has 6×8",
        {"mask": np.ones((3, 4, 1))},
    ),
    "NaN in an image": (
        r"image\.npy: image: 1 of 144",
        {"image": np.where(IMAGE == IMAGE[1, 2, 0], np.nan, IMAGE)},
    ),
    "a mask beyond one": (r"mask\.npy: mask: values", {"mask": MASK * 255}),
    "a camera of another size": (r"camera\.json: 3×4 pixels", {"camera": camera(3, 4)}),
    "a camera that mirrors": (
        r"camera\.json: camera_to_world is not rigid",
        {"camera": Camera(camera().intrinsics, np.diag([1.0, 1, -1, 1]), H, W)},
    ),
    "a camera that scales": (
        r"camera\.json: camera_to_world is not rigid",
        {"camera": Camera(camera().intrinsics, np.diag([2.0, 2, 2, 1]), H, W)},
    ),
    "a camera without focal length": (
        r"camera\.json: focal lengths",
        {"camera": Camera(np.zeros((3, 3)), np.eye(4), H, W)},
    ),
    "a camera of another shape": (
        r"camera\.json: camera\.intrinsics: shape",
        {"camera": Camera(np.eye(2), np.eye(4), H, W)},
    ),
}


@pytest.mark.parametrize("kind", BAD_INPUT)
def test_bad_input_is_an_error_that_names_file_and_cause(tmp_path: Path, kind: str) -> None:
    message, values = BAD_INPUT[kind]
    with pytest.raises(DataError, match=message):
        nested(tmp_path, **values).inputs("all", CUP)


BAD_TRUTH: dict[str, tuple[str, dict[str, Any]]] = {
    "normals that are not unit": (r"normal\.npy: normal: 48 vectors", {"normal": NORMAL * 2}),
    "depth below zero": (r"depth\.npy: depth: values", {"depth": -np.ones((H, W, 1))}),
    "albedo of another size": (r"albedo\.npy: 3×8 pixels", {"albedo": IMAGE[:3]}),
    "albedo of one channel": (r"albedo\.npy: albedo: shape", {"albedo": IMAGE[..., :1]}),
}


@pytest.mark.parametrize("kind", BAD_TRUTH)
def test_bad_truth_is_an_error_of_the_targets_only(tmp_path: Path, kind: str) -> None:
    message, values = BAD_TRUTH[kind]
    dataset = nested(tmp_path, **values)
    dataset.inputs("all", CUP)
    with pytest.raises(DataError, match=message):
        dataset.targets("all", CUP)


def test_a_truncated_png_spoils_its_own_item_only(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_png(tmp_path / f"{name}.png", RNG.random((64, 64, 3)))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    dataset = Folder({"root": tmp_path})
    first, second = dataset.samples("all")
    with pytest.raises(DataError, match=r"a\.png.*truncated or corrupt"):
        dataset.inputs("all", first)
    dataset.inputs("all", second)


def test_two_images_of_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", IMAGE)
    write_exr(tmp_path / "a.exr", IMAGE)
    dataset = Folder({"root": tmp_path})
    (key,) = dataset.samples("all")
    with pytest.raises(DataError, match=r"a\.exr, a\.png all claim to be the image"):
        dataset.inputs("all", key)


def test_a_light_in_a_format_that_clips_is_an_error(tmp_path: Path) -> None:
    dataset = nested(tmp_path)
    write_png(tmp_path / "kitchen" / "cup" / "relit-noon.environment.png", IMAGE)
    with pytest.raises(DataError, match=r"relit-noon\.environment has a wrong suffix"):
        dataset.inputs("all", CUP)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "holds no sample"),
        (lambda root: root.rmdir(), "no such folder; set the option root"),
    ],
)
def test_a_root_without_samples_says_what_to_do(tmp_path: Path, make: Any, message: str) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    make(root)
    with pytest.raises(DataError, match=f"mine.*{message}"):
        Folder({"root": root}).samples("all")


def test_unknown_splits_and_samples_are_errors(tmp_path: Path) -> None:
    dataset = nested(tmp_path)
    with pytest.raises(DataError, match="one split 'all'"):
        dataset.samples("test")
    with pytest.raises(DataError, match=r"no sample \.\./cup"):
        dataset.inputs("all", Key("..", "cup"))


def test_a_folder_that_clashes_with_an_image_is_an_error(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", IMAGE)
    (tmp_path / "a" / "image").mkdir(parents=True)
    with pytest.raises(DataError, match="clashes with the image a"):
        Folder({"root": tmp_path}).samples("all")


def test_the_fingerprint_follows_names_and_contents(tmp_path: Path) -> None:
    prints = [nested(tmp_path / "a").fingerprint("all"), nested(tmp_path / "b").fingerprint("all")]
    assert prints[0] == prints[1]
    prints.append(nested(tmp_path / "b", image=IMAGE + 1).fingerprint("all"))
    (tmp_path / "a" / "kitchen" / "cup").rename(tmp_path / "a" / "kitchen" / "mug")
    prints.append(Folder({"root": tmp_path / "a"}).fingerprint("all"))
    assert len(set(prints)) == 3
