"""The floors: what they say, and that their workers stay light."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from bench.api import MethodCard, Query, Sample
from bench.graphics.spherical_harmonics import shade
from bench.methods.floors.methods import CopyInput, Flat, ImageAsAlbedo, MeanColourGain
from bench.methods.floors.plugin import bench_methods
from bench.quantities import Camera, Environment, validate

CARDS: Mapping[str, MethodCard] = {card.name: card for card in bench_methods()}
CLASSES = {
    "flat": Flat,
    "image-as-albedo": ImageAsAlbedo,
    "copy-input": CopyInput,
    "mean-colour-gain": MeanColourGain,
}
RNG = np.random.default_rng(0)
IMAGE = RNG.random((6, 5, 3)).astype(np.float32)
MASK = (np.arange(30).reshape(6, 5, 1) % 4 > 0).astype(np.float32)
INSIDE = MASK[..., 0] > 0.5
CONSTANT = Environment(np.full((8, 16, 3), [1.0, 2.0, 3.0], np.float32), "camera")


def predict(name: str, *queries: Query) -> Mapping[str, Any]:
    sample = Sample("scene", "id", {"image": IMAGE, "mask": MASK}, queries=queries)
    (prediction,) = CLASSES[name]({}, "cpu").predict([sample])
    return prediction


def relit(**condition: Any) -> Query:
    return Query("asked", "relit", condition)


@pytest.mark.parametrize("name", CARDS)
def test_a_floor_predicts_what_its_card_says(name: str) -> None:
    card = CARDS[name]
    assert card.floor
    assert card.implementation == f"bench.methods.floors.methods:{CLASSES[name].__name__}"
    queries = [relit(environment=CONSTANT)] if "relit" in card.answers else []
    prediction = predict(name, *queries)
    assert set(prediction) == {*card.predicts, *(query.id for query in queries)}
    for key, value in prediction.items():
        validate("relit" if key == "asked" else key, value)


def test_the_parts_of_flat_explain_the_mean_colour() -> None:
    prediction = predict("flat")
    product = (prediction["albedo"] * prediction["shading"])[INSIDE]
    np.testing.assert_allclose(product[0], IMAGE[INSIDE].mean(0), rtol=1e-5)
    assert not np.ptp(product, axis=0).any()
    by_light = shade(prediction["normal"].astype(np.float64), prediction["light_sh"])[INSIDE]
    np.testing.assert_allclose(by_light, prediction["shading"][INSIDE], rtol=1e-5)
    np.testing.assert_allclose(
        prediction["environment"].radiance[0, 0], prediction["shading"][INSIDE][0], rtol=1e-6
    )
    assert not prediction["albedo"][~INSIDE].any()


def test_flat_shows_half_the_light_that_falls_on_it() -> None:
    answer = predict("flat", relit(environment=CONSTANT))["asked"]
    np.testing.assert_allclose(answer[INSIDE], [[0.5, 1.0, 1.5]] * INSIDE.sum(), rtol=0.02)
    assert not answer[~INSIDE].any()


def test_the_image_is_the_albedo() -> None:
    prediction = predict("image-as-albedo")
    np.testing.assert_array_equal(prediction["albedo"], IMAGE)
    np.testing.assert_array_equal(prediction["shading"], 1)


def test_copy_input_copies_the_input_for_any_query() -> None:
    camera = Camera(np.eye(3), np.eye(4), 9, 9)
    prediction = predict(
        "copy-input", relit(reference=IMAGE[::-1]), Query("moved", "view", {"camera": camera})
    )
    np.testing.assert_array_equal(prediction["asked"], IMAGE)
    np.testing.assert_array_equal(prediction["moved"], IMAGE)


def test_the_gain_brings_the_mean_to_that_of_the_given_part_of_the_photo() -> None:
    photo = RNG.random((4, 7, 3)).astype(np.float32)
    given = np.zeros((4, 7, 1), np.float32)
    given[:, :3] = 1
    answer = predict("mean-colour-gain", relit(reference=photo * given, reference_mask=given))
    mean = photo[:, :3].mean(axis=(0, 1))
    np.testing.assert_allclose(answer["asked"][INSIDE].mean(0), mean, rtol=1e-4)
    ratio = answer["asked"] / IMAGE
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0, 0], ratio.shape), rtol=1e-4)


def test_the_gain_by_an_environment_is_that_of_a_half_grey_surface() -> None:
    answer = predict("mean-colour-gain", relit(environment=CONSTANT))["asked"]
    np.testing.assert_allclose(answer[INSIDE].mean(0), [0.5, 1.0, 1.5], rtol=0.02)


def test_a_batch_gives_what_batches_of_one_give() -> None:
    samples = [
        Sample("s", str(k), {"image": IMAGE * k, "mask": MASK}, queries=(relit(reference=IMAGE),))
        for k in (1, 2, 3)
    ]
    for name in ("copy-input", "mean-colour-gain"):
        method = CLASSES[name]({}, "cpu")
        together = method.predict(samples)
        for sample, batched in zip(samples, together, strict=True):
            np.testing.assert_array_equal(batched["asked"], method.predict([sample])[0]["asked"])


@pytest.mark.parametrize("name", CARDS)
def test_an_empty_mask_gives_finite_numbers(name: str) -> None:
    inputs = {"image": IMAGE * 0, "mask": MASK * 0}
    queries = (relit(environment=CONSTANT),) if "relit" in CARDS[name].answers else ()
    (prediction,) = CLASSES[name]({}, "cpu").predict([Sample("s", "i", inputs, queries=queries)])
    for key, value in prediction.items():
        validate("relit" if key == "asked" else key, value)


def test_no_floor_imports_torch_and_no_card_imports_numpy() -> None:
    light = "import sys, bench.methods.{}; sys.exit(any(m in sys.modules for m in {!r}))"
    for module, forbidden in (
        ("floors.methods", ["torch", "scipy", "pandas"]),
        ("floors.plugin", ["numpy", "torch"]),
        ("inverse_shading.plugin", ["numpy", "torch"]),
    ):
        command = [sys.executable, "-c", light.format(module, forbidden)]
        assert subprocess.run(command, check=False).returncode == 0, module
