"""Whether an outline lies on an edge of the picture."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.methods.vase_derenderer.evidence import outline_evidence

Array = NDArray[np.float32]


def disc(size: int, radius: float, centre: tuple[float, float] = (0.5, 0.5)) -> Array:
    axis = (np.arange(size) + 0.5) / size
    distance = np.hypot(axis[:, None] - centre[0], axis - centre[1])
    return (distance < radius)[..., None].astype(np.float32)


@pytest.mark.parametrize("size", [64, 128, 700])
def test_an_outline_on_an_edge_has_all_evidence(size: int) -> None:
    mask = disc(size, 0.3)
    assert outline_evidence(mask * [0.2, 0.5, 0.3], mask) == pytest.approx(1, abs=0.02)
    assert outline_evidence(1 - 0.4 * mask.repeat(3, -1), mask) == pytest.approx(1, abs=0.02)


def test_an_outline_a_little_beside_its_edge_keeps_its_evidence() -> None:
    image = disc(128, 0.3).repeat(3, -1)
    assert outline_evidence(image, disc(128, 0.32)) > 0.95
    assert outline_evidence(image, disc(128, 0.3, (0.5, 0.6))) < 0.6
    assert outline_evidence(image, disc(128, 0.4)) < 0.1


def noise() -> Array:
    return np.random.default_rng(0).random((128, 128, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "image",
    [
        np.full((128, 128, 3), 0.4),
        noise(),
        np.linspace(0, 1, 128)[:, None, None] * np.ones((128, 3)),
    ],
    ids=["plain", "noise", "gradient"],
)
def test_an_outline_drawn_into_nothing_has_no_evidence(image: Array) -> None:
    assert outline_evidence(image, disc(128, 0.3)) < 0.1


def test_a_pictures_border_is_no_outline() -> None:
    image = disc(128, 0.3).repeat(3, -1)
    assert outline_evidence(image, np.ones((128, 128, 1))) == 0
    assert outline_evidence(image, np.zeros((128, 128, 1))) == 0
    half = disc(128, 0.3, (0.5, 0.0))
    assert outline_evidence(half.repeat(3, -1), half) > 0.9
