"""`bench render synthetic-vases`: distributions, textures, the official layout, resumption."""

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from filelock import FileLock

from bench.datasets.sord import layout, patterns, render, textures
from bench.datasets.sord.geometry import EXTENT
from bench.datasets.sord.plugin import bench_datasets
from bench.datasets.sord.recipes import profile, recipe
from bench.datasets.sord.synthetic import SyntheticVases
from bench.datasets.vases.textures import MINI, OTHERS
from bench.errors import ConfigError, DataError

OFFICIAL = """sor_curve.txt pitch.txt sg_lights.txt ambient.txt spec_albedo.txt spec_alpha.txt
env_map_ambient.txt depth_rendered.png mask_rendered.png im_rendered.png normal_rendered.png
albedo_rendered.png diffuse_rendered.png specular_rendered.png normal_map.png albedo_map.png
texture_map.png diffuse_map.png specular_map.png env_map.png""".split()
"""The items that specs/datasets.md §3 lists."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Fixed:
    """A generator that hands out given uniform numbers."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers = numbers

    def random(self, count: int) -> np.ndarray:
        return self.numbers[:count]


def test_a_profile_is_two_waves_over_a_constant() -> None:
    u = np.random.default_rng(0).random(7)
    curve = profile(Fixed(u))  # type: ignore[arg-type]
    radii = []
    for step in range(32):
        t = step / 31
        first = (1 - t) * (math.pi * u[0] - math.pi) + t * (1.5 * math.pi * u[1] + 0.5 * math.pi)
        begin = 2 * math.pi * u[2]
        second = (1 - t) * begin + t * (begin + 1.5 * math.pi * u[3] + 0.5 * math.pi)
        wave = 0.3 * u[4] * (math.sin(first) + 1) + 0.1 * u[5] * (math.sin(second) + 1)
        radii.append(wave + 0.1 + 0.2 * u[6])
    extent = 5 * math.tan(math.radians(5))
    np.testing.assert_allclose(curve[:, 0], np.array(radii) / max(radii) * 0.75 * extent)
    np.testing.assert_allclose(curve[:, 1], np.linspace(-0.75, 0.75, 32) * extent)


def uniform_on(values: np.ndarray, low: float, high: float) -> None:
    """Kolmogorov and Smirnov's distance to a uniform distribution, at the 0.1 % level."""
    ordered = (np.sort(values.ravel()) - low) / (high - low)
    steps = np.arange(1, ordered.size + 1) / ordered.size
    assert ordered[0] >= 0
    assert ordered[-1] <= 1
    assert np.abs(ordered - steps).max() < 1.95 / math.sqrt(ordered.size)


def test_recipes_follow_the_published_distributions() -> None:
    drawn = [recipe(np.random.default_rng(seed)) for seed in range(2000)]
    uniform_on(np.array([one.pitch for one in drawn]), 0, 20)
    uniform_on(np.array([one.ambient for one in drawn]), 0, 0.03)
    uniform_on(np.array([one.specular_albedo for one in drawn]), 0.1, 1)
    uniform_on(np.sqrt([one.shininess for one in drawn]), 1, 14)
    lobes = np.stack([one.lobes for one in drawn])  # 2000×3×5
    uniform_on(lobes[..., 3], 10, 40)
    uniform_on(lobes[..., 4] / np.sqrt(lobes[..., 3]), 0.1, 0.4)
    np.testing.assert_allclose(np.linalg.norm(lobes[..., :3], axis=-1), 1)
    assert (lobes[..., 1:3] <= 0).all()  # from above, and from the camera's side
    cube = lobes[..., :3] / np.abs(lobes[..., :3]).max(-1, keepdims=True)
    # Of directions drawn in a cube a third leaves by each pair of faces, evenly over the face.
    uniform_on(cube[..., 0][np.abs(cube[..., 0]) < 1], -1, 1)
    assert np.mean(np.abs(cube[..., 0]) == 1) == pytest.approx(1 / 3, abs=0.02)


def rendered(root: Path, count: int = 2, **given: object) -> Path:
    render.render(**{"count": count, "split": "train", "seed": 0, "out": root, **given})
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file but locks and notes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in ("rendering", "image_mask")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rendered(tmp_path_factory.mktemp("once"), count=6)


def test_the_layout_is_the_official_one(once: Path) -> None:
    folders = sorted((once / "rendering/train").iterdir())
    assert [path.name[:4] + path.name[-3:] for path in folders] == [
        *(f"0000_{repeat:02d}" for repeat in range(5)),
        "0001_00",
    ]
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {
            f"{folder.name}_{item}" for item in OFFICIAL
        }
        for kind, item in (("images", "im_rendered"), ("masks", "mask_rendered")):
            copy = once / f"image_mask/train/{kind}/{folder.name}_{item}.png"
            assert copy.read_bytes() == (folder / f"{folder.name}_{item}.png").read_bytes()
    assert not list(once.rglob("*.partial"))


def test_files_are_of_the_official_sizes(once: Path) -> None:
    folder = next((once / "rendering/train").iterdir())
    sizes = {"normal_map": (31, 96), "diffuse_map": (31, 96), "specular_map": (31, 96)}
    sizes |= {"albedo_map": (256, 768), "texture_map": (256, 768), "env_map": (32, 96)}
    for item in OFFICIAL:
        path = folder / f"{folder.name}_{item}"
        if path.suffix == ".png":
            stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert stored.dtype == np.uint8
            assert stored.shape == (*sizes.get(path.stem[len(folder.name) + 1 :], (256, 256)), 3)
    curve = np.loadtxt(folder / f"{folder.name}_sor_curve.txt", delimiter=",")
    assert curve.shape == (32, 2)
    assert curve[:, 0].max() == pytest.approx(0.75 * EXTENT, abs=1e-6)
    assert np.loadtxt(folder / f"{folder.name}_sg_lights.txt", delimiter=",").shape == (3, 5)
    for item in ("pitch", "spec_albedo", "spec_alpha", "env_map_ambient", "ambient"):
        assert np.loadtxt(folder / f"{folder.name}_{item}.txt").shape == ()
    assert np.loadtxt(folder / f"{folder.name}_ambient.txt") == 0


def test_colour_is_mirrored_and_grey_maps_are_grey(once: Path) -> None:
    folder = next((once / "rendering/train").iterdir())
    albedo = cv2.imread(str(folder / f"{folder.name}_albedo_map.png"))
    np.testing.assert_array_equal(albedo, albedo[:, ::-1])
    assert albedo.std() > 10
    for item in ("mask_rendered", "depth_rendered", "diffuse_rendered", "env_map"):
        grey = cv2.imread(str(folder / f"{folder.name}_{item}.png"))
        assert (grey == grey[..., :1]).all()


def test_values_are_cut_down_and_not_rounded(once: Path) -> None:
    masks = [
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in once.rglob("*_mask_rendered.png")
    ]
    assert set(np.unique(masks)) == {0, 63, 127, 191, 255}  # quarters of 255, truncated


def test_a_seed_gives_the_same_bytes_and_another_others(once: Path, tmp_path: Path) -> None:
    again = contents(rendered(tmp_path / "again"))
    expected = {name: content for name, content in contents(once).items() if name in again}
    assert again == expected
    assert len(again) == 2 * (len(OFFICIAL) + 2)
    other = contents(rendered(tmp_path / "other", count=1, seed=1))
    assert not set(other.values()) & {v for k, v in again.items() if "_map.png" in k}


def test_splits_of_one_seed_share_nothing(once: Path, tmp_path: Path) -> None:
    for split in ("val", "test"):
        rendered(tmp_path, count=1, split=split)
    pictures = [
        next((root / "rendering" / split).rglob("*_albedo_map.png")).read_bytes()
        for root, split in ((once, "train"), (tmp_path, "val"), (tmp_path, "test"))
    ]
    assert len(set(pictures)) == 3
    dataset = SyntheticVases({"root": tmp_path})
    assert dataset.fingerprint("val") != dataset.fingerprint("test")
    assert not (tmp_path / "rendering/val").is_symlink()


def test_an_interrupted_rendering_goes_on(tmp_path: Path) -> None:
    rendered(tmp_path, count=2)
    whole = contents(tmp_path)
    first, second = sorted((tmp_path / "rendering/train").iterdir())
    stamp = first.joinpath(f"{first.name}_env_map.png").stat().st_mtime_ns
    for path in second.iterdir():
        path.unlink()
    second.rmdir()
    half = tmp_path / ".train.partial" / second.name
    half.mkdir(parents=True)
    (half / "rubbish.png").write_bytes(b"half")
    (tmp_path / f"image_mask/train/masks/{first.name}_mask_rendered.png").unlink()
    assert contents(rendered(tmp_path, count=2)) == whole
    assert first.joinpath(f"{first.name}_env_map.png").stat().st_mtime_ns == stamp
    assert not half.parent.exists()


def test_more_vases_can_be_added_later(once: Path, tmp_path: Path) -> None:
    rendered(tmp_path, count=1)
    rendered(tmp_path, count=2)
    assert contents(tmp_path).items() <= contents(once).items()
    assert len(SyntheticVases({"root": tmp_path}).samples("train")) == 2


def test_a_failure_stops_and_leaves_no_half_vase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render, "write_vase", full)
    with pytest.raises(OSError, match="No space"):
        rendered(tmp_path, count=12)
    assert not (tmp_path / "rendering/train").exists()
    monkeypatch.undo()
    assert len(contents(rendered(tmp_path, count=1))) == len(OFFICIAL) + 2


def test_other_settings_in_one_folder_are_refused(tmp_path: Path) -> None:
    rendered(tmp_path, count=1)
    with pytest.raises(ConfigError, match=r"other settings.*image_mask/train"):
        rendered(tmp_path, count=1, seed=1)
    (tmp_path / "rendered_train.json").write_text("{")
    with pytest.raises(DataError, match=r"rendered_train.json: truncated"):
        rendered(tmp_path, count=1)


def test_two_processes_do_not_render_into_one_split(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".train.lock"),
        pytest.raises(ConfigError, match="another process is rendering train"),
    ):
        rendered(tmp_path)


def photos(folder: Path, count: int, suffix: str = ".png") -> Path:
    for number in range(count):
        path = folder / f"Stone{number:03d}" / f"Stone{number:03d}_2K-JPG_Color{suffix}"
        path.parent.mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(path)
        PIL.Image.fromarray(pixels).save(path.with_name(f"{path.parent.name}_Normal{suffix}"))
    return folder


def test_textures_of_ones_own_are_divided_among_the_splits(tmp_path: Path) -> None:
    folder = photos(tmp_path / "textures", 20, ".jpg")
    found = textures.files(folder)
    assert len(found) == 20
    assert all("Color" in path.name for path in found)
    parts = {split: set(textures.share(found, split)) for split in layout.SPLITS}
    assert {split: len(part) for split, part in parts.items()} == {
        "train": 16,
        "val": 2,
        "test": 2,
    }
    assert set.union(*parts.values()) == set(found)
    assert sum(map(len, parts.values())) == 20
    assert parts == {split: set(textures.share(found[::-1], split)) for split in layout.SPLITS}
    root = rendered(tmp_path / "out", count=6, split="test", textures=folder)
    materials = {path.name.split("_")[1] for path in (root / "rendering/test").iterdir()}
    assert materials == {path.parent.name for path in parts["test"]}


def test_a_texture_is_read_as_it_is_and_turned_into_linear_albedo() -> None:
    grey = PIL.Image.new("RGB", (100, 80), (64, 64, 64))
    albedo = textures.albedo(grey, np.random.default_rng(0)).numpy()
    assert albedo.shape == (3, 256, 768)
    brightness = albedo ** (1 / 2.2) * 255 / 64  # contrast and hue do nothing to a flat grey
    assert 1 - 0.02 <= brightness.min() <= brightness.max() <= 1.5
    np.testing.assert_allclose(brightness, brightness.mean(), rtol=0.02)


def test_crops_have_the_published_areas_and_aspects(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = []
    monkeypatch.setattr(textures, "_resized", lambda *box: boxes.append(box[1:]))
    for seed in range(400):
        textures.cropped(PIL.Image.new("RGB", (1000, 1000)), np.random.default_rng(seed))
    left, top, width, height = np.array(boxes, float).T
    assert (left >= 0).all() and (top >= 0).all()
    assert (left + width <= 1000).all() and (top + height <= 1000).all()
    area, aspect = width * height / 1e6, width / height
    assert 0.035 < area.min() < 0.06
    assert 0.9 < area.max() <= 1
    assert 0.74 < aspect.min() < 0.78
    assert 1.28 < aspect.max() < 1.34
    # Most areas fit at once, so that the small ones are as uniform as they were drawn.
    assert np.mean(area[area < 0.5] < 0.27) == pytest.approx(0.5, abs=0.07)
    boxes.clear()
    textures.cropped(PIL.Image.new("RGB", (1000, 10)), np.random.default_rng(0))
    assert boxes == [(493, 0, 13, 10)]  # the middle: no crop of such an aspect fits


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_textures_are_refused(tmp_path: Path, count: int) -> None:
    folder = photos(tmp_path / "textures", 0)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        PIL.Image.new("RGB", (8, 8)).save(folder / f"{number}.png")
    with pytest.raises(ConfigError, match=f"holds {count} pictures"):
        rendered(tmp_path / "out", textures=folder)
    with pytest.raises(ConfigError, match="no such folder"):
        rendered(tmp_path / "out", textures=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_a_damaged_texture_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "textures"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"\d\.png: truncated or corrupt texture"):
        rendered(tmp_path / "out", textures=folder)


@pytest.mark.parametrize("family", patterns.PATTERNS)
def test_every_pattern_has_contrast_and_follows_its_seed(family: str) -> None:
    first, again, other = (
        patterns.pattern(family, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first.shape == (patterns.SIZE, patterns.SIZE, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    for picture in (first, other):
        spread = picture.std(axis=(0, 1)).max()
        assert 8 < spread < 110
    assert 10 < first.mean() < 245


def test_no_pattern_is_one_of_the_dataset_vases() -> None:
    assert not set(patterns.PATTERNS) & {*MINI, *OTHERS}


def test_the_command_and_its_function_agree() -> None:
    card = next(card for card in bench_datasets() if card.name == "synthetic-vases")
    command = next(command for command in card.commands if command.verb == "render")
    wanted = render.render.__annotations__.keys() - {"return"}
    assert {option.name for option in command.options} == wanted
    assert card.splits == layout.SPLITS
