"""The fitted de-renderer: an outline moved to a given mask, and values on all of that mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.api import MethodCard, Query, Sample
from bench.config import resolve_options
from bench.errors import DataError
from bench.graphics.rasterisers import rasteriser
from bench.methods.vase_derenderer import losses
from bench.methods.vase_derenderer.configuration import MINI
from bench.methods.vase_derenderer.derender import Shape, shape_of
from bench.methods.vase_derenderer.fitting import fit_outline, nearest_covered
from bench.plugins import load, registry
from bench.quantities import Environment

REFERENCE = rasteriser("reference", "cpu")


def outputs(waist: float) -> tuple[Tensor, Tensor]:
    """What a shape network might say, 1×32 and 1×5: a vase with a waist, tilted by 8°."""
    rows = torch.linspace(0, np.pi, 32)
    column = 0.45 + waist * torch.cos(2 * rows)[None]  # 1×32
    return column, torch.tensor([[0.5, 0.4, 0.5, 0.5, 0.5]])


def silhouette(shape: Shape) -> NDArray[np.float32]:
    """Its coverage 128×128×1."""
    return losses.silhouettes(shape, REFERENCE, MINI)[0].permute(1, 2, 0).detach().numpy()


def overlap(first: NDArray[Any], second: NDArray[Any]) -> float:
    return float(((first > 0.5) & (second > 0.5)).sum() / ((first > 0.5) | (second > 0.5)).sum())


def test_an_outline_is_moved_to_the_mask_and_the_tilt_stays() -> None:
    wanted = shape_of(*outputs(0.15), MINI)
    column, scalars = outputs(-0.05)
    begun = shape_of(column, scalars, MINI)
    found = fit_outline(column, scalars, silhouette(wanted)[None], REFERENCE, MINI, steps=40)
    assert overlap(silhouette(begun), silhouette(wanted)) < 0.85
    assert overlap(silhouette(found), silhouette(wanted)) > 0.97
    assert (found.radius - wanted.radius).abs().mean() < 0.3 * (
        begun.radius - wanted.radius
    ).abs().mean()
    torch.testing.assert_close(found.pitch, begun.pitch)
    torch.testing.assert_close(found.roll, begun.roll)


def test_what_is_missed_takes_the_nearest_covered_value() -> None:
    rng = np.random.default_rng(2)
    covered, wanted = rng.random((9, 11)) < 0.2, rng.random((9, 11)) < 0.6
    rows, columns = nearest_covered(covered, wanted)
    for row, column in np.ndindex(covered.shape):
        source = np.array([rows[row, column], columns[row, column]])
        if covered[row, column] or not wanted[row, column]:
            assert tuple(source) == (row, column)
        else:
            distances = np.hypot(*(np.argwhere(covered) - [row, column]).T)
            assert covered[tuple(source)]
            assert np.hypot(*(source - [row, column])) == pytest.approx(distances.min())


def test_without_anything_covered_nothing_is_moved() -> None:
    rows, columns = nearest_covered(np.zeros((2, 3), bool), np.ones((2, 3), bool))
    np.testing.assert_array_equal(rows, [[0, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(columns, [[0, 1, 2], [0, 1, 2]])


@pytest.fixture(scope="module")
def method() -> Any:
    card: MethodCard = registry().methods["vase-derenderer-fitted"]
    options = resolve_options(card.options, {"steps": 5}, card.name, Path())
    return load(card.implementation)(options, "cpu")


def vase(identity: str, handle: bool = False) -> Sample:
    """A shaded photo of a cylinder, perhaps with a bar that no surface of revolution has."""
    y, x = np.mgrid[:96, :96]
    mask = ((abs(x - 48) < 20) & (abs(y - 48) < 34)).astype(np.float32)[..., None]
    if handle:
        mask[40:44, 68:92] = 1
    image = mask * np.float32([0.6, 0.4, 0.2]) * (0.4 + 0.6 * (x / 96))[..., None]
    light = Environment(np.full((8, 16, 3), 0.5, np.float32), "camera")
    query = Query("soft", "relit", {"environment": light})
    inputs = {"image": image.astype(np.float32), "mask": mask}
    return Sample("scene", identity, inputs, queries=(query,))


def test_all_of_the_mask_is_explained(method: Any) -> None:
    sample = vase("a", handle=True)
    (found,) = method.predict([sample])
    inside = np.asarray(sample.inputs["mask"])[..., 0] > 0
    assert found["mask"][..., 0][41:43, 88].max() == 0
    for name in ("normal", "albedo", "depth", "soft"):
        assert found[name][inside].any(axis=-1).all()
    assert not found["soft"][~inside].any()
    np.testing.assert_allclose(np.linalg.norm(found["normal"][inside], axis=-1), 1, atol=1e-4)


def test_a_batch_gives_what_single_photos_give(method: Any) -> None:
    samples = [vase("a"), vase("b", handle=True)]
    together = method.predict(samples)
    for sample, found in zip(samples, together, strict=True):
        (alone,) = method.predict([sample])
        for name in ("normal", "albedo", "mask", "soft"):
            np.testing.assert_allclose(found[name], alone[name], atol=1e-5)


def test_an_empty_mask_and_one_of_another_size_are_named(method: Any) -> None:
    sample = vase("a")
    empty = {**sample.inputs, "mask": np.zeros((96, 96, 1), np.float32)}
    with pytest.raises(DataError, match="scene/a: the mask is empty"):
        method.predict([Sample("scene", "a", empty)])
    small = {**sample.inputs, "mask": np.ones((48, 48, 1), np.float32)}
    with pytest.raises(DataError, match=r"scene/a: the mask is \(48, 48\), the image \(96, 96\)"):
        method.predict([Sample("scene", "a", small)])
