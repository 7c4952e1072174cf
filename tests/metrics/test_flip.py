"""FLIP in LDR and HDR: the authors' package computes it, and what surrounds it is ours."""

import builtins
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Item, Key
from bench.errors import InvalidValueError, UnavailableError
from bench.graphics.colour import srgb_encode
from bench.metrics.images.flip import exposures
from bench.plugins import load, registry
from bench.protocol import Comparison

Array = NDArray[np.floating[Any]]

SHOWN = Comparison(space="srgb", clip=(0, 1), mask="zero-outside")
LINEAR = Comparison(mask="zero-outside")


@pytest.fixture
def pair() -> tuple[Array, Array]:
    """A prediction and a target, linear, up to about 1.5."""
    rng = np.random.default_rng(3)
    row, column = np.mgrid[:48, :56] / 20
    target = (0.8 + 0.6 * np.sin(row[..., None] + column[..., None] * [1, 1.3, 0.7])).clip(0)
    return (target * [1, 0.8, 1.1] + 0.1 * rng.random(target.shape)), target


def flip(name: str, prediction: Array, target: Array, said: Comparison, **more: Any) -> float:
    card = registry().find("metric", name)
    metric: Any = load(card.implementation)(card)
    item = Item(Key("", ""), None, {"relit": prediction}, {"relit": target, **more})
    (value,) = metric([item], said).values()
    return float(value)


def package(first: Array, second: Array, kind: str, srgb: bool) -> Array:
    """The map of the authors' package, reference first."""
    evaluator = pytest.importorskip("flip_evaluator")
    images = (np.ascontiguousarray(i, np.float32) for i in (second, first))
    return np.asarray(evaluator.evaluate(*images, kind, srgb, False, True, {})[0])[..., 0]


def test_ldr_is_the_packages_of_what_is_shown(pair: tuple[Array, Array]) -> None:
    shown = [srgb_encode(np.clip(image, 0, 1)) for image in pair]
    expected = package(*shown, "LDR", True).mean()
    assert 0.01 < expected < 0.9
    assert flip("relit-flip", *pair, SHOWN) == pytest.approx(expected, abs=1e-6)
    linear = Comparison(clip=(0, 1))
    assert flip("relit-flip", *pair, linear) == pytest.approx(expected, abs=1e-4)


def test_hdr_is_the_packages_of_linear_images(pair: tuple[Array, Array]) -> None:
    expected = package(*pair, "HDR", False).mean()
    assert 0.01 < expected < 0.9
    assert flip("relit-flip-hdr", *pair, LINEAR) == pytest.approx(expected, abs=1e-6)


def test_the_exposures_are_those_of_the_object_and_not_of_the_black_around_it(
    pair: tuple[Array, Array],
) -> None:
    pair[0][20:28, 20:40], pair[1][20:28, 20:40] = 1e-4, 0  # seen at an exposure of 2²⁴ alone
    prediction, target = (np.pad(image, ((40, 40), (40, 40), (0, 0))) for image in pair)
    mask = np.pad(np.ones((48, 56, 1)), ((40, 40), (40, 40), (0, 0)))
    inside = Comparison(mask="zero-outside", averaged="inside")
    found = flip("relit-flip-hdr", prediction, target, inside, mask=mask)
    assert found == pytest.approx(package(*pair, "HDR", False).mean(), abs=0.02)
    black = package(prediction, target, "HDR", False)[mask[..., 0] > 0].mean()
    assert abs(found - black) > 0.05


def test_the_same_image_is_at_zero_and_the_reference_matters_in_hdr_alone(
    pair: tuple[Array, Array],
) -> None:
    for name, said in (("relit-flip", SHOWN), ("relit-flip-hdr", LINEAR)):
        assert flip(name, pair[1], pair[1], said) == 0
    there, back = (flip("relit-flip", *images, SHOWN) for images in (pair, pair[::-1]))
    assert there == pytest.approx(back, abs=1e-6)
    bright = 3 * pair[0], pair[1]
    there, back = (flip("relit-flip-hdr", *images, LINEAR) for images in (bright, bright[::-1]))
    assert abs(there - back) > 1e-3


def test_inside_a_mask_the_map_is_averaged_there(pair: tuple[Array, Array]) -> None:
    mask = np.zeros((48, 56, 1))
    mask[10:30, 20:50] = 1
    shown = [srgb_encode(np.clip(image, 0, 1)) * mask for image in pair]
    errors = package(*shown, "LDR", True)
    whole = flip("relit-flip", *pair, SHOWN, mask=mask)
    assert whole == pytest.approx(errors.mean(), abs=1e-6)
    inside = Comparison("srgb", clip=(0, 1), mask="zero-outside", averaged="inside")
    found = flip("relit-flip", *pair, inside, mask=mask)
    assert found == pytest.approx(errors[mask[..., 0] > 0].mean(), abs=1e-6)


def test_one_channel_stands_for_three(pair: tuple[Array, Array]) -> None:
    grey = Comparison("srgb", clip=(0, 1), channels="grey")
    means = [np.repeat(image.mean(-1, keepdims=True), 3, axis=-1) for image in pair]
    assert flip("relit-flip", *pair, grey) == pytest.approx(flip("relit-flip", *means, SHOWN))


def test_what_flip_is_not_defined_for_is_refused(pair: tuple[Array, Array]) -> None:
    prediction, target = pair
    for name, images, said, match in (
        ("relit-flip", pair, Comparison(), r"images in \[0, 1\], these hold"),
        ("relit-flip", (-prediction, target), Comparison(), r"these hold \[-"),
        ("relit-flip-hdr", (-prediction, target), LINEAR, "without negative values"),
        ("relit-flip-hdr", (prediction, 0 * target), LINEAR, "the target is black"),
    ):
        with pytest.raises(InvalidValueError, match=match) as caught:
            flip(name, *images, said)
        assert caught.value.kind == "range"


def test_without_the_package_it_is_unavailable_with_the_command(
    pair: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "flip_evaluator":
            raise ImportError("No module named 'flip_evaluator'")
        return honest(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    for name, said in (("relit-flip", SHOWN), ("relit-flip-hdr", LINEAR)):
        with pytest.raises(UnavailableError, match="pip install flip-evaluator"):
            flip(name, *pair, said)


@pytest.mark.parametrize("size", [(8, 8, 3), (7, 9, 3), (1, 2, 3)])
def test_the_exposures_are_the_packages_for_those_pixels(size: tuple[int, ...]) -> None:
    evaluator = pytest.importorskip("flip_evaluator")
    image = np.random.default_rng(4).gamma(1, 1, size).astype(np.float32)
    _, _, expected = evaluator.evaluate(image, image, "HDR", False, False, True, {})
    for name, value in exposures(image.reshape(-1, 3)).items():
        assert value == pytest.approx(expected[name], abs=1e-5), name
