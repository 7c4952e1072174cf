"""Framebuffers that vases and landmarks offer: what they show, and what they may not know."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from bench.api import Key, Sample
from bench.datasets.landmarks.adapter import Landmarks
from bench.datasets.vases.adapter import EMBEDDED, Vases
from bench.datasets.vases.rerendering import FARTHEST
from bench.quantities import validate

KEY = Key("amphora_00", "view0_light0")
SCENE = "amphora_00"


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Vases({}).inputs("mini", KEY)


def condition(sample: Sample, query: str) -> Any:
    return {each.id: each.condition for each in sample.queries}[query]


def depths(buffer: Any, camera: Any) -> Any:
    """What the 8-bit code stands for, in scene units."""
    distance = np.linalg.norm(camera.camera_to_world[:3, 3])
    return distance + FARTHEST - (255 * buffer[..., 3:] - 1) / 254 * 2 * FARTHEST


def test_every_query_has_a_valid_framebuffer_and_another_photo(sample: Sample) -> None:
    for query in sample.queries:
        for name in ("framebuffer", "reference", "reference_framebuffer"):
            validate(name.removeprefix("reference_"), query.condition[name])
        assert query.condition["framebuffer"].shape == (128, 128, 4)


def test_a_framebuffer_shows_the_points_where_the_depth_map_has_them(sample: Sample) -> None:
    buffer = condition(sample, "light1")["framebuffer"]
    depth = Vases({}).targets("mini", KEY).quantities["depth"]
    inside = sample.inputs["mask"] == 1
    assert (buffer[..., 3:][inside] > 0).mean() > 0.98
    farther = (depths(buffer, sample.inputs["camera"]) - depth)[inside]
    step, pixel = 2 * FARTHEST / 254, 14.8 / 672  # of the code; at a vase's distance
    assert np.quantile(farther, 0.95) < step, "the nearest point shows"
    assert np.median(np.abs(farther)) < pixel + step / 2
    colours = np.abs(buffer[..., :3] - sample.inputs["image"])[inside[..., 0]]
    assert np.median(colours) < 0.05


def test_the_reference_shows_the_wanted_light_from_elsewhere(sample: Sample) -> None:
    data = Vases({})
    relit = condition(sample, "light1")["reference"]
    shown = data.inputs("mini", Key(SCENE, "view1_light1")).inputs["image"]
    np.testing.assert_array_equal(relit, shown)
    np.testing.assert_array_equal(condition(sample, "view2")["reference"], sample.inputs["image"])


def test_no_condition_shows_the_answer(sample: Sample) -> None:
    answers = Vases({}).targets("mini", KEY).queries
    for query in sample.queries:
        answer = answers[query.id][query.quantity]
        inside = answers[query.id]["mask"][..., 0] > 0.5
        for name in ("framebuffer", "reference", "reference_framebuffer"):
            shown = query.condition[name][..., :3]
            assert np.abs(shown - answer)[inside].mean() > 0.005, (query.id, name)


def test_the_light_that_is_asked_for_does_not_reach_the_points(sample: Sample) -> None:
    one, other = (condition(sample, f"light{light}")["framebuffer"] for light in (1, 2))
    np.testing.assert_array_equal(one, other)


def test_a_framebuffer_needs_no_file_of_the_view_that_it_shows(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED / "mini", tmp_path / "mini")
    shutil.rmtree(tmp_path / "mini" / SCENE / "view2")
    sample = Vases({"root": tmp_path}).inputs("mini", KEY)
    whole = Vases({}).inputs("mini", KEY)
    for name in ("framebuffer", "reference", "reference_framebuffer"):
        np.testing.assert_array_equal(
            condition(sample, "view2")[name], condition(whole, "view2")[name]
        )


def test_more_context_is_more_points() -> None:
    def covered(context: int) -> float:
        sample = Vases({"context": context}).inputs("mini", KEY)
        return float((condition(sample, "view3")["framebuffer"][..., 3] > 0).mean())

    assert covered(0) < covered(1) < covered(2)


def test_without_context_the_points_are_the_samples_own() -> None:
    sample = Vases({"context": 0}).inputs("mini", KEY)
    assert (condition(sample, "light1")["framebuffer"][..., 3] > 0).any()


def test_the_hidden_half_of_a_reference_photo_is_in_no_framebuffer(shared: Path) -> None:
    data = Landmarks({"root": shared / "data" / "landmarks"})
    scene = data.samples("037")[0].scene
    whole = data.inputs("037", Key(scene, "view0"))
    (query,) = (each for each in whole.queries if each.id == "relit-view1-left")
    before = query.condition["framebuffer"]
    bundle = data._bundle
    assert bundle is not None
    bundle.views[1].image[:] = 7.0
    (again,) = (
        each for each in data.inputs("037", Key(scene, "view0")).queries if each.id == query.id
    )
    np.testing.assert_array_equal(again.condition["framebuffer"], before)
    assert again.condition["reference_framebuffer"].max() < 2
    middle = before.shape[1] // 2
    assert not query.condition["reference"][:, middle:].any()


def test_a_photos_points_lie_where_the_photo_shows_them(shared: Path) -> None:
    data = Landmarks({"root": shared / "data" / "landmarks"})
    for key in data.samples("037")[::13]:
        sample = data.inputs("037", key)
        buffer = sample.queries[0].condition["framebuffer"]
        covered = buffer[..., 3] > 0
        assert covered.mean() > 0.15
        depth = data.targets("037", key).quantities["depth"][..., 0]
        both = covered & (depth > 0)
        assert spearmanr(buffer[both][:, 3], depth[both]).statistic < -0.9
