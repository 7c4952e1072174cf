"""The dataset `vases`: the committed split, its adapter, and what bad data gets."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from bench.api import Key
from bench.datasets.vases import layout, lights, profiles, shapes, textures
from bench.datasets.vases.adapter import EMBEDDED, Vases
from bench.datasets.vases.plugin import bench_datasets
from bench.datasets.vases.scenes import MINI, OTHERS
from bench.errors import DataError
from bench.graphics.cameras import project, unproject
from bench.graphics.colour import srgb_encode
from bench.graphics.environments import irradiance
from bench.graphics.image_files import read_image
from bench.graphics.normals import (
    angular_error_degrees,
    normals_from_depth,
    world_from_camera,
)
from bench.quantities import validate

MINI_FINGERPRINT = "68e7441cfaf6f70374f9793c4477c4a5773d9f5368d80669e6086bac8ba5060b"
TARGETS = ("shading.exr", "noise.png", "normal.exr", "albedo.exr", "depth.exr")


@pytest.fixture
def mini() -> Vases:
    return Vases({})


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """One scene's worth of the committed split, free to be damaged."""
    shutil.copytree(EMBEDDED / "mini", tmp_path / "mini")
    return tmp_path


def all_samples(dataset: Vases) -> list[Key]:
    return list(dataset.samples("mini"))


def test_mini_is_the_split_that_was_fixed(mini: Vases) -> None:
    assert mini.fingerprint("mini") == f"{MINI_FINGERPRINT}-context1"
    manifest = layout.read_json(EMBEDDED / "mini" / layout.MANIFEST)
    for name, sha256 in manifest["scenes"].items():
        path = EMBEDDED / "mini" / name / layout.SCENE
        assert layout.digest(path) == sha256
        for file, expected in layout.read_scene(path).files.items():
            assert layout.digest(path.parent / file) == expected, file
    for name, sha256 in manifest["environments"].items():
        assert layout.digest(EMBEDDED / "mini" / layout.environment_file(name)) == sha256


def test_mini_is_as_large_as_it_must_be_and_no_larger(mini: Vases) -> None:
    keys = all_samples(mini)
    assert len({key.scene for key in keys}) >= 12
    assert len(keys) == len({key.scene for key in keys}) * 4 * 3
    files = [path for path in (EMBEDDED / "mini").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16_000_000
    manifest = layout.read_json(EMBEDDED / "mini" / layout.MANIFEST)
    assert manifest["settings"]["samples"] >= 1024
    assert manifest["noise_psnr"]["min"] > 30


def test_a_quarter_of_minis_scenes_are_not_surfaces_of_revolution() -> None:
    recipes = [
        json.loads(path.read_text())["recipe"] for path in (EMBEDDED / "mini").glob("*/scene.json")
    ]
    assert sum(recipe["form"] != "revolution" for recipe in recipes) * 4 == len(recipes)
    assert {recipe["texture"] for recipe in recipes} == set(textures.MINI)


def test_a_sample_offers_and_knows_what_the_card_says(mini: Vases) -> None:
    (card,) = bench_datasets()
    key = all_samples(mini)[4]
    sample, targets = mini.inputs("mini", key), mini.targets("mini", key)
    assert set(sample.inputs) == set(card.inputs)
    assert set(targets.quantities) == set(card.targets)
    for quantity, value in {**sample.inputs, **targets.quantities}.items():
        validate(quantity, value)
    for query in sample.queries:
        assert set(query.condition) == set(card.queries[query.quantity])
        answer = targets.queries[query.id]
        assert set(answer) == {query.quantity, "mask"}
        validate(query.quantity, answer[query.quantity])
    assert {query.id for query in sample.queries} == set(targets.queries)


def test_every_map_of_mini_is_a_valid_quantity(mini: Vases) -> None:
    for key in all_samples(mini)[::12]:
        for quantity, value in mini.targets("mini", key).quantities.items():
            validate(quantity, value)


def test_queries_ask_for_the_other_lights_and_the_views_that_were_not_given(mini: Vases) -> None:
    key = Key(all_samples(mini)[0].scene, "view3_light1")
    sample = mini.inputs("mini", key)
    assert [query.id for query in sample.queries] == ["light0", "light2", "view1", "view2"]
    next_view = mini.inputs("mini", Key(key.scene, "view0_light1"))
    np.testing.assert_array_equal(sample.context[0]["image"], next_view.inputs["image"])
    environment = sample.queries[0].condition["environment"]
    other = mini.targets("mini", Key(key.scene, "view3_light0"))
    np.testing.assert_array_equal(environment.radiance, other.quantities["environment"].radiance)
    relit = mini.targets("mini", key).queries["light0"]["relit"]
    np.testing.assert_array_equal(
        relit, mini.inputs("mini", Key(key.scene, "view3_light0")).inputs["image"]
    )


def test_the_option_context_says_how_many_views_are_given() -> None:
    for count in range(4):
        dataset = Vases({"context": count})
        sample = dataset.inputs("mini", all_samples(dataset)[0])
        assert len(sample.context) == count
        assert sum(query.quantity == "view" for query in sample.queries) == 3 - count


def test_inputs_need_no_target_file(copied: Path) -> None:
    reference = Vases({})
    for path in copied.rglob("*"):
        if path.name in (*TARGETS, "roughness.png", "specular.png"):
            path.unlink()
    dataset = Vases({"root": copied})
    for key in all_samples(dataset)[:12]:
        sample, whole = dataset.inputs("mini", key), reference.inputs("mini", key)
        np.testing.assert_array_equal(sample.inputs["image"], whole.inputs["image"])
        with pytest.raises(DataError):
            dataset.targets("mini", key)


def test_reading_one_sample_takes_milliseconds(mini: Vases) -> None:
    keys = all_samples(mini)[:48]
    mini.inputs("mini", keys[0])
    seconds = []
    for key in keys:
        start = time.perf_counter()
        mini.inputs("mini", key)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) <= 3e-3


def test_what_a_caller_changes_does_not_reach_the_next(mini: Vases) -> None:
    key = all_samples(mini)[0]
    first = mini.inputs("mini", key)
    first.inputs["camera"].intrinsics[:] = 0
    first.queries[0].condition["environment"].radiance[:] = 0
    second = mini.inputs("mini", key)
    assert second.inputs["camera"].intrinsics[0, 0] > 0
    assert second.queries[0].condition["environment"].radiance.max() > 0


def test_depth_normals_and_cameras_agree(mini: Vases) -> None:
    key = all_samples(mini)[0]
    sample, targets = mini.inputs("mini", key), mini.targets("mini", key).quantities
    camera = sample.inputs["camera"]
    points = unproject(targets["depth"], camera)
    inside = sample.inputs["mask"][..., 0] == 1
    pixels, _ = project(points[inside], camera)
    rows, columns = np.nonzero(inside)
    np.testing.assert_allclose(pixels, np.stack([columns, rows], 1) + 0.5, atol=1e-6)
    error = angular_error_degrees(normals_from_depth(targets["depth"], camera), targets["normal"])
    assert np.nanmedian(error[inside]) < 1


def test_the_views_show_one_object(mini: Vases) -> None:
    """Points of view 0 that view 1 sees too have the same albedo there."""
    scene = all_samples(mini)[0].scene
    one, two = (Key(scene, f"view{view}_light0") for view in (0, 1))
    first, second = (mini.targets("mini", key).quantities for key in (one, two))
    cameras = [mini.inputs("mini", key).inputs["camera"] for key in (one, two)]
    inside = first["mask"][..., 0] == 1
    points = unproject(first["depth"], cameras[0])[inside]
    pixels, depth = project(points, cameras[1])
    column, row = np.floor(pixels).astype(int).T.clip(0, 127)
    seen = np.abs(second["depth"][row, column, 0] - depth[:, 0]) < 0.01
    assert seen.sum() > 300
    error = np.abs(second["albedo"][row, column] - first["albedo"][inside])[seen]
    assert np.median(error) < 0.02


def test_shading_is_the_environments_irradiance_where_nothing_shadows(mini: Vases) -> None:
    scene = next(key.scene for key in all_samples(mini) if key.scene.startswith("moon-jar"))
    for light in range(3):
        key = Key(scene, f"view0_light{light}")
        targets, camera = (
            mini.targets("mini", key).quantities,
            mini.inputs("mini", key).inputs["camera"],
        )
        inside = (targets["mask"][..., 0] == 1) & (targets["normal"][..., 2] > 0.5)
        normals = world_from_camera(targets["normal"], camera)[inside]
        expected = irradiance(targets["environment"].radiance, normals) / np.pi
        ratio = targets["shading"][inside] / expected
        np.testing.assert_allclose(np.median(ratio, axis=0), 1, atol=0.03)


def test_albedo_times_shading_is_the_image_less_reflections(mini: Vases) -> None:
    for key in all_samples(mini)[::7]:
        image = mini.inputs("mini", key).inputs["image"]
        targets = mini.targets("mini", key).quantities
        inside = targets["mask"][..., 0] == 1
        rest = (image - targets["albedo"] * targets["shading"])[inside]
        assert rest.mean() > 0
        assert np.percentile(rest, 1) > -0.1


def test_images_sit_mostly_between_zero_and_one(mini: Vases) -> None:
    for key in all_samples(mini)[::5]:
        sample = mini.inputs("mini", key)
        inside = sample.inputs["image"][sample.inputs["mask"][..., 0] > 0.5]
        assert 0.85 < np.mean(inside.max(axis=1) < 1) < 1


def test_another_render_differs_by_the_noise_that_is_left(mini: Vases) -> None:
    key = all_samples(mini)[0]
    targets, again = mini.targets("mini", key), mini.rerendered("mini", key)
    assert set(again) == set(targets.queries)
    inside = targets.quantities["mask"][..., 0] >= 0.5
    images = [
        np.clip(image, 0, 1) for image in (targets.queries["light1"]["relit"], again["light1"])
    ]
    difference = np.subtract(*(srgb_encode(image[inside]) for image in images))
    scene = layout.read_scene(EMBEDDED / "mini" / key.scene / layout.SCENE)
    # A difference of two renders has twice the variance of one.
    psnr = -10 * np.log10(np.mean(difference**2) / 2)
    assert psnr == pytest.approx(scene.noise_psnr[0][1], abs=1)


def test_a_light_is_the_stored_map_rolled_and_scaled() -> None:
    base = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    turned = layout.lit(base, layout.Light("any", 1, 0.5))
    np.testing.assert_array_equal(turned[:, 1], base[:, 0] * 0.5)


def test_mini_shares_nothing_with_what_is_rendered_for_others() -> None:
    for kind in ("profiles", "sections", "handles", "textures"):
        mine, theirs = getattr(MINI, kind), getattr(OTHERS, kind)
        assert not set(mine) & set(theirs)
        assert not any(value in list(theirs.values()) for value in mine.values())
    assert profiles.MINI is MINI.profiles
    assert set(shapes.MINI_SECTIONS) == set(MINI.sections)


def test_minis_environments_are_credited_and_reserved() -> None:
    manifest = layout.read_json(EMBEDDED / "mini" / layout.MANIFEST)
    assert set(manifest["environments"]) == set(lights.MINI_SOURCES) == set(manifest["credits"])
    assert all(
        "CC0" in credit and "Poly Haven" in credit for credit in manifest["credits"].values()
    )


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize(
    "name", ["view0/light0/image.exr", "view0/mask.png", "scene.json", "environments"]
)
def test_a_damaged_file_is_named_with_its_cause_and_remedy(
    copied: Path, name: str, damage: object
) -> None:
    key = all_samples(Vases({}))[0]
    folder = copied / "mini"
    path = folder / key.scene / name
    if name == "environments":
        path = sorted((folder / name).iterdir())[1]
    damage(path)
    with pytest.raises(DataError, match=r"run `bench render vases` again") as caught:
        Vases({"root": copied}).inputs("mini", key)
    assert str(path) in str(caught.value)


def test_a_damaged_target_is_named(copied: Path) -> None:
    key = all_samples(Vases({}))[0]
    path = copied / "mini" / key.scene / "view0" / "albedo.exr"
    truncate(path)
    with pytest.raises(DataError, match="truncated or was changed") as caught:
        Vases({"root": copied}).targets("mini", key)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1, "scenes": 3}'])
def test_a_manifest_that_is_none_is_refused(copied: Path, content: str) -> None:
    path = copied / "mini" / layout.MANIFEST
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        Vases({"root": copied}).samples("mini")
    assert str(path) in str(caught.value)


def test_a_manifest_whose_checksums_were_edited_is_refused(copied: Path) -> None:
    path = copied / "mini" / layout.MANIFEST
    content = json.loads(path.read_text())
    content["scenes"].popitem()
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="fingerprint"):
        Vases({"root": copied}).samples("mini")


def test_an_unknown_split_or_sample_says_what_there_is(mini: Vases) -> None:
    with pytest.raises(DataError, match="holds mini"):
        mini.samples("minni")
    with pytest.raises(DataError, match="no sample bowl/view0"):
        mini.inputs("mini", Key("bowl", "view0"))


def test_an_unfinished_split_says_how_to_finish_it(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / layout.UNFINISHED).write_text("{}")
    with pytest.raises(DataError, match="unfinished"):
        Vases({"root": tmp_path}).samples("train")


def test_masks_are_soft(mini: Vases) -> None:
    key = all_samples(mini)[0]
    path = EMBEDDED / "mini" / key.scene / layout.view_file(0, "mask")
    mask = read_image(path)
    assert len(np.unique(mask)) > 50
