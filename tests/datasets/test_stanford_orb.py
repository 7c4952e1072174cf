"""The dataset `stanford-orb`, on a small set in the documented layout (specs/datasets.md §1)."""

import importlib.util
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.api import DatasetCard, Key
from bench.conformance.dataset import check_dataset
from bench.datasets.stanford_orb.adapter import CAPTURE, StanfordOrb
from bench.datasets.stanford_orb.captures import CAPTURES, LIGHT
from bench.datasets.stanford_orb.plugin import bench_datasets
from bench.errors import DataError
from bench.graphics.cameras import camera_rotation, project
from bench.graphics.environments import lookup
from bench.graphics.image_files import write_exr, write_png
from bench.quantities import Value, validate


def _load(name: str) -> Any:
    """A module beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made_up = _load("stanford_orb_set")
ANGLE, FIRST, STORED, TRAIN = made_up.ANGLE, made_up.FIRST, made_up.STORED, made_up.TRAIN
coverage, pose, radiance, rng = made_up.coverage, made_up.pose, made_up.radiance, made_up.rng
SIZE = STORED // 2
CARD: DatasetCard = bench_datasets()[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("orb")
    made_up.write_set(folder)
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def opened(root: Path, **options: object) -> StanfordOrb:
    defaults = {option.name: option.default for option in CARD.options}
    return StanfordOrb({**defaults, "root": root, "size": SIZE, **options})


def area(stored: np.ndarray) -> np.ndarray:
    """Mean over 2×2 blocks: what halving by area is."""
    return stored.reshape(SIZE, 2, SIZE, 2, -1).mean((1, 3))


def decoded(encoded: np.ndarray) -> np.ndarray:
    """specs/metrics.md §0.1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def everything(dataset: StanfordOrb, split: str = "test") -> list[Mapping[str, Value]]:
    """All inputs, contexts and conditions of a split, read."""
    samples = [dataset.inputs(split, key) for key in dataset.samples(split)]
    return [
        dict(values)
        for s in samples
        for values in (s.inputs, *s.context, *(query.condition for query in s.queries))
    ]


def test_there_are_42_captures_of_14_objects_and_the_light_split_has_one_of_each_place() -> None:
    assert len(set(CAPTURES)) == 42
    assert len({name.partition("_")[0] for name in CAPTURES}) == 14
    assert set(LIGHT) <= set(CAPTURES)
    assert sorted(name[-1] for name in LIGHT) == list("1234567")


def test_the_card_is_kept(made: Path) -> None:
    defaults = {option.name: option.default for option in CARD.options}
    findings = check_dataset(CARD, {**defaults, "root": made, "size": SIZE})
    assert [finding for finding in findings if not finding.ok] == []


def test_each_official_image_is_asked_for_once(made: Path) -> None:
    dataset = opened(made)
    keys = dataset.samples("test")
    assert [key.id for key in keys if key.scene == FIRST] == [CAPTURE, "0000", "0007"]
    queries = [q.id for q in dataset.inputs("test", Key(FIRST, CAPTURE)).queries]
    assert queries == [
        "view-0000",
        "view-0007",
        "relit-teapot_scene002-0060",
        "relit-teapot_scene002-0061",
        "relit-teapot_scene006-0061",
    ]
    answers = dataset.targets("test", Key(FIRST, CAPTURE))
    assert set(answers.queries) == set(queries)
    assert set(answers.quantities) == {"mesh"}
    truth = dataset.targets("test", Key(FIRST, "0007"))
    assert set(truth.quantities) == {"normal", "depth", "albedo"}
    assert not truth.queries


def test_what_is_asked_of_a_capture_is_not_shown_to_it(made: Path) -> None:
    sample = opened(made).inputs("test", Key(FIRST, CAPTURE))
    shown = [view["image"] for view in (sample.inputs, *sample.context)]
    assert len(shown) == len(TRAIN)
    for image, name in zip(shown, TRAIN, strict=True):
        np.testing.assert_allclose(image, area(radiance(FIRST, name)), atol=1e-6)


def test_photos_and_masks_are_averaged_over_the_area_of_a_pixel(made: Path) -> None:
    photo = opened(made).inputs("test", Key(FIRST, "0007")).inputs
    np.testing.assert_allclose(photo["image"], area(radiance(FIRST, "0007")), atol=1e-6)
    np.testing.assert_allclose(photo["mask"], area(coverage(FIRST, "0007")), atol=1e-6)


def test_low_range_photos_are_decoded_and_answers_stay_of_high_range(made: Path) -> None:
    dataset = opened(made, images="LDR")
    photo = dataset.inputs("test", Key(FIRST, "0007")).inputs["image"]
    stored = np.rint(radiance(FIRST, "0007") / 3 * 255) / 255
    np.testing.assert_allclose(photo, decoded(area(stored)), atol=1e-6)
    answer = dataset.targets("test", Key(FIRST, CAPTURE)).queries["view-0007"]
    np.testing.assert_allclose(answer["view"], area(radiance(FIRST, "0007")), atol=1e-6)


def test_relighting_is_answered_by_the_pixels_of_the_other_capture(made: Path) -> None:
    answer = opened(made).targets("test", Key(FIRST, CAPTURE)).queries["relit-teapot_scene006-0061"]
    np.testing.assert_allclose(
        answer["relit"], area(radiance("teapot_scene006", "0061")), atol=1e-6
    )
    np.testing.assert_allclose(answer["mask"], area(coverage("teapot_scene006", "0061")), atol=1e-6)


def test_normals_and_depth_are_of_the_benchs_frame(made: Path) -> None:
    truth = opened(made).targets("test", Key(FIRST, "0007")).quantities
    folder = made / "ground_truth" / FIRST
    stored = area(np.load(folder / "surface_normal" / "0007.npy"))
    length = np.linalg.norm(stored, axis=2, keepdims=True)
    np.testing.assert_allclose(truth["normal"], stored / np.where(length, length, 1), atol=1e-5)
    depth = area(np.load(folder / "z_depth" / "0007.npy"))
    np.testing.assert_allclose(truth["depth"], depth, atol=1e-5)


def test_albedo_is_averaged_as_stored_and_then_decoded(made: Path) -> None:
    path = made / "ground_truth" / FIRST / "pseudo_gt_albedo" / "0007.png"
    stored = cv2.imread(str(path))[..., ::-1] / 255
    albedo = opened(made).targets("test", Key(FIRST, "0007")).quantities["albedo"]
    np.testing.assert_allclose(albedo, decoded(area(stored)), atol=1e-6)


def test_an_albedo_may_be_npy_as_the_readme_has_it(root: Path) -> None:
    path = root / "ground_truth" / FIRST / "pseudo_gt_albedo" / "0007.png"
    linear = rng("albedo").random((STORED, STORED, 3)).astype(np.float32)
    path.unlink()
    np.save(path.with_suffix(".npy"), linear)
    albedo = opened(root).targets("test", Key(FIRST, "0007")).quantities["albedo"]
    np.testing.assert_allclose(albedo, area(linear), atol=1e-6)


def test_cameras_look_where_blender_says(made: Path) -> None:
    camera = opened(made).inputs("test", Key(FIRST, "0007")).inputs["camera"]
    pixel, depth = project(np.zeros((1, 3)), camera)
    np.testing.assert_allclose(pixel, [[SIZE / 2, SIZE / 2]], atol=1e-9)
    np.testing.assert_allclose(depth, [[np.hypot(3, 0.8)]])
    up, _ = project(np.array([[0, 0.1, 0]]), camera)
    assert up[0, 1] < SIZE / 2
    np.testing.assert_allclose(camera.intrinsics[0, 0], 0.5 * SIZE / np.tan(0.5 * ANGLE))


def test_a_novel_view_has_the_angle_of_its_own_frame(made: Path) -> None:
    queries = opened(made).inputs("test", Key(FIRST, CAPTURE)).queries
    camera = next(q for q in queries if q.id == "relit-teapot_scene006-0061").condition["camera"]
    np.testing.assert_allclose(camera.intrinsics[0, 0], 0.5 * SIZE / np.tan(0.25 * ANGLE))


def official_directions(height: int, width: int) -> np.ndarray:
    """specs/datasets.md §1: φ = 2πu − π/2, d = (−cosφ sinθ, cosθ, −sinφ sinθ)."""
    theta = np.pi * (np.arange(height)[:, None] + 0.5) / height
    phi = 2 * np.pi * (np.arange(width) + 0.5) / width - np.pi / 2
    parts = (
        -np.cos(phi) * np.sin(theta),
        np.cos(theta) + 0 * phi,
        -np.sin(phi) * np.sin(theta),
    )
    return np.stack(parts, axis=-1)


def test_a_light_stands_where_the_official_formula_has_it(root: Path) -> None:
    path = root / "ground_truth" / "teapot_scene006" / "env_map" / "0061.exr"
    write_exr(path, (2 + official_directions(64, 128)).astype(np.float32))
    queries = opened(root).inputs("test", Key(FIRST, CAPTURE)).queries
    condition = next(q for q in queries if q.id == "relit-teapot_scene006-0061").condition
    light, camera = condition["environment"], condition["camera"]
    assert light.frame == "world"
    world = rng("directions").normal(size=(200, 3))
    world /= np.linalg.norm(world, axis=1, keepdims=True)
    blender = pose(61 + 2 * len("teapot_scene006"))[:3, :3]
    np.testing.assert_allclose(camera_rotation(camera), blender, atol=1e-9)
    expected = 2 + world @ blender  # rows R_c2wᵀ d
    np.testing.assert_allclose(lookup(light.radiance, world), expected, atol=0.02)


@pytest.mark.parametrize(
    ("column", "direction"),
    [(0, (0, 0, 1)), (32, (-1, 0, 0)), (64, (0, 0, -1)), (96, (1, 0, 0))],
)
def test_columns_go_from_back_by_left_and_front_to_right(
    root: Path, column: int, direction: Sequence[float]
) -> None:
    stored = np.zeros((64, 128, 3), np.float32)
    stored[24:40, np.arange(column - 4, column + 4) % 128] = 1  # u is between the middle two
    write_exr(root / "ground_truth" / "teapot_scene006" / "env_map" / "0061.exr", stored)
    queries = opened(root).inputs("test", Key(FIRST, CAPTURE)).queries
    condition = next(q for q in queries if q.id == "relit-teapot_scene006-0061").condition
    world = camera_rotation(condition["camera"]) @ np.array(direction)
    found = lookup(condition["environment"].radiance, np.stack([world, -world]))
    np.testing.assert_allclose(found[:, 0], [1, 0], atol=1e-5)


def test_inputs_work_without_any_target_file(root: Path) -> None:
    before = everything(opened(root))
    for kind in ("surface_normal", "z_depth", "pseudo_gt_albedo", "mesh_blender"):
        for folder in root.glob(f"ground_truth/*/{kind}"):
            shutil.rmtree(folder)
    for one, other in zip(before, everything(opened(root)), strict=True):
        for name, value in one.items():
            validate(name, value)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, other[name])


def test_what_a_capture_is_asked_needs_no_test_photo(root: Path) -> None:
    """Methods are handed `capture` where nobody has the photos that answer it."""
    dataset = opened(root)
    dataset.samples("test")
    for folder in root.glob("blender_*/*/test"):
        shutil.rmtree(folder)
    sample = dataset.inputs("test", Key(FIRST, CAPTURE))
    for values in (sample.inputs, *sample.context, *(query.condition for query in sample.queries)):
        dict(values)


@pytest.mark.parametrize(("views", "expected"), [(0, TRAIN), (2, TRAIN[:2]), (9, TRAIN)])
def test_so_many_training_views_go_with_a_sample(
    made: Path, views: int, expected: Sequence[str]
) -> None:
    dataset = opened(made, views=views)
    assert len(dataset.inputs("test", Key(FIRST, CAPTURE)).context) == len(expected) - 1
    assert len(dataset.inputs("test", Key(FIRST, "0000")).context) == len(expected)


def test_a_split_may_be_an_object_or_a_capture(made: Path) -> None:
    dataset = opened(made)
    assert dataset.samples("teapot") == dataset.samples("test")
    assert {key.scene for key in dataset.samples(FIRST)} == {FIRST}


def test_the_root_may_be_the_folder_above(root: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    root.rename(tmp_path / "data" / "stanford_orb")
    assert opened(tmp_path / "data").samples("test")


def test_the_fingerprint_follows_files_and_options(root: Path) -> None:
    prints = [opened(root).fingerprint("test"), opened(root).fingerprint("test")]
    assert prints[0] == prints[1]
    prints.append(opened(root, views=2).fingerprint("test"))
    prints.append(opened(root, images="LDR").fingerprint("test"))
    (root / "ground_truth" / "teapot_scene006" / "env_map" / "0061.exr").write_bytes(b"other")
    prints.append(opened(root).fingerprint(FIRST))
    prints.append(opened(root).fingerprint("test"))
    assert len(set(prints)) == len(prints) - 1


def cameras(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = root / "blender_HDR" / FIRST / "transforms_novel.json"
        body = json.loads(path.read_text())
        change(body)
        path.write_text(json.dumps(body))

    return spoil


def unlink(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


BAD_INPUT: dict[str, tuple[str, Callable[[Path], object]]] = {
    "nothing there": (r"no such folder; `bench fetch stanford-orb", shutil.rmtree),
    "something else there": (
        r"holds no blender_\[HL\]DR; `bench fetch stanford-orb",
        lambda root: [shutil.rmtree(folder) for folder in root.glob("blender_*")],
    ),
    "a photo is missing": (
        r"1 files are missing; `bench fetch.*\n.*blender_HDR/teapot_scene002/train/0002\.exr",
        unlink("blender_HDR/teapot_scene002/train/0002.exr"),
    ),
    "a camera file is missing": (
        r"transforms_test\.json: no such file; `bench fetch",
        unlink(f"blender_HDR/{FIRST}/transforms_test.json"),
    ),
    "a light is missing": (
        r"env_map/0061\.exr: no such image file",
        unlink("ground_truth/teapot_scene006/env_map/0061.exr"),
    ),
    "a light with NaN": (
        r"env_map/0061\.exr: environment.radiance: 1 of 384 are NaN",
        lambda root: write_exr(
            root / "ground_truth/teapot_scene006/env_map/0061.exr",
            np.where(np.arange(384).reshape(8, 16, 3) == 5, np.nan, 1),
        ),
    ),
    "a truncated photo": (
        r"0002\.exr: truncated or corrupt",
        lambda root: (root / f"blender_HDR/{FIRST}/train/0002.exr").write_bytes(b"v/1\x01abc"),
    ),
    "a small mask": (
        r"0002\.png: has 8² pixels, fewer than the option size = 16",
        lambda root: write_png(
            root / f"blender_HDR/{FIRST}/train_mask/0002.png", np.ones((8, 8, 1))
        ),
    ),
    "no frames": (r"novel\.json: frames: expected a list", cameras(lambda b: b.update(frames={}))),
    "a way out": (
        r"frames\[0\]\.file_path: '\.\./test/0000' is not of the form",
        cameras(lambda b: b["frames"][0].update(file_path="../test/0000")),
    ),
    "an absolute path": (
        r"frames\[0\]\.file_path",
        cameras(lambda b: b["frames"][0].update(file_path="/test/0000")),
    ),
    "a stranger": (
        r"frames\[1\]\.scene_name: '\.\./\.\.' is no capture",
        cameras(lambda b: b["frames"][1].update(scene_name="../..")),
    ),
    "no angle": (
        r"frames\[0\]\.camera_angle_x: None",
        cameras(lambda b: b["frames"][0].pop("camera_angle_x")),
    ),
    "a pose that scales": (
        r"frames\[0\]\.transform_matrix: not rigid",
        cameras(lambda b: b["frames"][0].update(transform_matrix=np.diag([2, 2, 2, 1]).tolist())),
    ),
    "a pose of words": (
        r"frames\[0\]\.transform_matrix: not a matrix",
        cameras(lambda b: b["frames"][0].update(transform_matrix=[["a"] * 4] * 4)),
    ),
    "no JSON": (
        r"transforms_novel\.json: not a camera file",
        lambda root: (root / f"blender_HDR/{FIRST}/transforms_novel.json").write_text("{"),
    ),
}


@pytest.mark.parametrize("kind", BAD_INPUT)
def test_bad_input_is_an_error_that_names_file_and_cause(root: Path, kind: str) -> None:
    message, spoil = BAD_INPUT[kind]
    spoil(root)
    with pytest.raises(DataError, match=message):
        everything(opened(root))


BAD_TRUTH: dict[str, tuple[str, str]] = {
    "surface_normal/0007.npy": (r"surface_normal/0007\.npy: truncated or corrupt", "0007"),
    "z_depth/0007.npy": (r"z_depth/0007\.npy: truncated or corrupt", "0007"),
    "pseudo_gt_albedo/0007.png": (r"0007\.png: truncated or corrupt", "0007"),
    "mesh_blender/mesh.obj": (r"mesh\.obj: (no faces|truncated or corrupt)", CAPTURE),
}


@pytest.mark.parametrize("name", BAD_TRUTH)
def test_bad_truth_is_an_error_that_names_the_file(root: Path, name: str) -> None:
    message, item = BAD_TRUTH[name]
    (root / "ground_truth" / FIRST / name).write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=message):
        dict(opened(root).targets("test", Key(FIRST, item)).quantities)


def test_missing_albedo_says_where_it_is_to_be_had(root: Path) -> None:
    (root / "ground_truth" / FIRST / "pseudo_gt_albedo" / "0007.png").unlink()
    with pytest.raises(DataError, match=r"pseudo_gt_albedo/0007.*archive ground_truth"):
        dict(opened(root).targets("test", Key(FIRST, "0007")).quantities)


def test_unknown_splits_and_samples_are_errors(made: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'ball'; it has test, light.*teapot_scene006"):
        opened(made).samples("ball")
    with pytest.raises(DataError, match=r"of the split 'light', grogu_scene002, gnome_scene003"):
        opened(made).samples("light")
    with pytest.raises(DataError, match=r"no sample teapot_scene001/\.\./0007"):
        opened(made).inputs("test", Key(FIRST, "../0007"))


def test_a_method_that_sees_whole_scenes_is_not_admitted() -> None:
    """It would see the test photos, which are what its views are held against."""
    assert CARD.scopes == ("image",)
