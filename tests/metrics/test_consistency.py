"""Self-consistency: re-rendering, and one albedo seen from two views."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from bench.api import Item
from bench.metrics.consistency.metric import bilinear, warp
from bench.protocol import Comparison
from bench.quantities import Camera

Array = NDArray[np.floating[Any]]


SCALAR = Comparison(scale="scalar")


def test_re_rendering_multiplies_albedo_and_shading(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    view.target.clear()
    image, inside = view.inputs.inputs["image"], view.inputs.inputs["mask"][..., 0] > 0
    flat = np.full_like(image, 0.5)
    wrong = predicting(view, albedo=flat)
    error = (flat * view.prediction["shading"] - image)[inside].astype(float)
    expected = -10 * np.log10(np.mean(error**2))
    assert measure("consistency.psnr", wrong, comparison=Comparison()) == pytest.approx(expected)


def test_re_rendering_reads_no_truth(measure: Callable[..., Any], view: Item) -> None:
    view.target.clear()
    assert measure("consistency.psnr", view, comparison=Comparison()) == np.inf


def test_a_smaller_prediction_is_resized_to_the_input(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    halves = {name: view.prediction[name][::2, ::2] for name in ("albedo", "shading")}
    smaller = predicting(view, **halves)
    assert 15 < measure("consistency.psnr", smaller, comparison=Comparison()) < 60


def test_one_texture_seen_twice_agrees(
    measure: Callable[..., Any], views: tuple[Item, Item]
) -> None:
    assert measure("consistency.albedo", *views, comparison=SCALAR) < 0.01


def test_a_texture_that_sticks_to_the_image_disagrees(
    measure: Callable[..., Any], views: tuple[Item, Item], predicting: Callable[..., Item]
) -> None:
    stuck = [predicting(view, albedo=views[0].prediction["albedo"]) for view in views]
    agreed = measure("consistency.albedo", *views, comparison=SCALAR)
    assert measure("consistency.albedo", *stuck, comparison=SCALAR) > 5 * agreed


def test_the_order_of_the_views_does_not_matter(
    measure: Callable[..., Any], views: tuple[Item, Item], predicting: Callable[..., Item]
) -> None:
    rng = np.random.default_rng(3)
    noisy = predicting(views[1], albedo=rng.random((48, 48, 3)).astype(np.float32))
    there = measure("consistency.albedo", views[0], noisy, comparison=SCALAR)
    back = measure("consistency.albedo", noisy, views[0], comparison=SCALAR)
    assert there == pytest.approx(back)
    assert there > 0.3


def test_a_scale_between_views_is_free_and_between_pairs_of_any_brightness(
    measure: Callable[..., Any], views: tuple[Item, Item], predicting: Callable[..., Item]
) -> None:
    first, second = views
    darker = predicting(second, albedo=second.prediction["albedo"] * np.float32(0.1))
    expected = measure("consistency.albedo", first, second, comparison=SCALAR)
    found = measure("consistency.albedo", first, darker, comparison=SCALAR)
    assert found == pytest.approx(expected, rel=1e-3)


def test_warping_a_plane_sideways_shifts_it_by_whole_pixels() -> None:
    rng = np.random.default_rng(1)
    albedo = rng.random((20, 20, 3))
    here, there = plane(albedo, 0.0), plane(albedo, 0.3)
    warped, seen = warp(here, there)
    assert not seen[:, :3].any() and seen[:, 3:].all()
    np.testing.assert_allclose(warped.reshape(20, 17, 3), albedo[:, :17], atol=1e-9)


def test_points_hidden_in_the_other_view_are_left_out() -> None:
    albedo = np.ones((20, 20, 3))
    here, there = plane(albedo, 0.0), plane(albedo, 0.3)
    there.depth[:, 10:] = 0.97
    assert not warp(here, there)[1][:, 13:].any()
    there.depth[:, 10:] = 0.99
    assert warp(here, there)[1][:, 14:].all()


def test_bilinear_values_agree_with_scipy() -> None:
    rng = np.random.default_rng(2)
    image = rng.random((7, 9, 2))
    pixels = np.concatenate([rng.uniform(0.5, [8.5, 6.5], (50, 2)), [[0.5, 0.5], [8.5, 6.5]]])
    expected = [
        map_coordinates(image[..., channel], (pixels - 0.5).T[::-1], order=1) for channel in (0, 1)
    ]
    np.testing.assert_allclose(bilinear(image, pixels), np.stack(expected, axis=-1), atol=1e-12)


def test_too_little_overlap_defines_nothing(
    measure: Callable[..., Any], views: tuple[Item, Item]
) -> None:
    first, second = views
    second.target["mask"] = second.target["mask"].copy()
    second.target["mask"][:, 5:] = 0
    assert measure("consistency.albedo", first, second, comparison=SCALAR) is None


def plane(albedo: Array, right: float) -> SimpleNamespace:
    """A view of the plane z = 1 from `right` beside the axis, 10 pixels to the unit."""
    pose = np.eye(4)
    pose[0, 3] = right
    camera = Camera(np.array([[10.0, 0, 10], [0, 10, 10], [0, 0, 1]]), pose, 20, 20)
    return SimpleNamespace(
        albedo=albedo, depth=np.ones((20, 20, 1)), camera=camera, known=np.ones((20, 20), bool)
    )
