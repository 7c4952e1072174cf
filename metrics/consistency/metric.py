"""Does a prediction agree with its input, and with itself in another view?"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.api import Item, MetricCard
from bench.graphics.cameras import project, unproject
from bench.protocol import Comparison
from bench.protocol.apply import Float64, Mask, inside_mask, match, prepare, psnr, resize
from bench.quantities import Camera

OCCLUSION = 0.02
"""Largest relative difference between the depth a point has and the depth seen where it lands."""

# A scale fitted to fewer pixels says more about the pixels than about the albedo.
FEWEST_PIXELS = 64


class RerenderedError:
    """PSNR of albedo × shading against the input image, inside the input mask where there is one.

    A painting of the input scores best, so it is no measure of quality. A prediction of another
    size is resized to the input by the comparison's rule.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        assert item.inputs is not None
        image, mask = np.asarray(item.inputs.inputs["image"]), item.inputs.inputs.get("mask")
        height, width, _ = image.shape
        albedo, shading = (
            resize(np.asarray(item.prediction[name]), height, width, comparison.resize)
            for name in ("albedo", "shading")
        )
        prepared = prepare(albedo * shading, image, mask, comparison)
        return {} if prepared is None else {"consistency.psnr": psnr(prepared, comparison)}


class AcrossViews:
    """Relative RMS difference of two views' albedo where both see the same point.

    Each view's albedo is warped into the other with the true depth and cameras, scaled as the
    comparison says, and its RMS difference divided by the RMS of the other's albedo: 0 is perfect,
    1 is what black would get. Both directions are averaged; one with an overlap under 64 pixels is
    left out. One constant albedo everywhere scores best, so it is no measure of quality.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        first, second = (_View(item, comparison) for item in items)
        errors = [
            error
            for here, there in ((first, second), (second, first))
            if (error := _relative_error(here, there, comparison)) is not None
        ]
        return {"consistency.albedo": math.fsum(errors) / len(errors)} if errors else {}


class _View:
    """Albedo H×W×3, true depth H×W×1, camera, and the inside pixels H×W whose depth is known."""

    def __init__(self, item: Item, comparison: Comparison) -> None:
        assert item.inputs is not None
        self.albedo = np.asarray(item.prediction["albedo"])
        self.depth = np.asarray(item.target["depth"])
        self.camera = cast(Camera, item.inputs.inputs["camera"])
        mask = item.target.get("mask")
        inside = inside_mask(mask, self.depth.shape[:2], comparison)
        self.known: Mask = inside & (self.depth[..., 0] > 0)


def _relative_error(here: _View, there: _View, comparison: Comparison) -> float | None:
    warped, seen = warp(here, there)
    if len(warped) < FEWEST_PIXELS:
        return None
    prediction, reference = match(warped, here.albedo[seen].astype(np.float64), comparison)
    power = float(np.mean(reference**2))
    return math.sqrt(float(np.mean((prediction - reference) ** 2)) / power) if power else None


def warp(here: Any, there: Any) -> tuple[Float64, Mask]:
    """The albedo of `there` at the pixels of `here` that it shows: N×3, and which pixels, H×W.

    Bilinear; a pixel counts where its point lands among four known pixels of the other view, at a
    depth within 2 % of what that view has there.
    """
    points = unproject(here.depth, here.camera)[here.known]  # N×3
    pixels, depth = project(points, there.camera)  # N×2, N×1
    height, width = there.known.shape
    lands = np.all((pixels >= 0.5) & (pixels <= [width - 0.5, height - 0.5]), axis=1)
    layers = np.concatenate([there.albedo, there.depth, there.known[..., None]], axis=-1)
    found = bilinear(layers, pixels[lands])  # M×(C+2)
    visible = found[:, -1] > 1 - 1e-6
    # A point behind the other camera has a negative depth and never passes.
    visible &= np.abs(found[:, -2] - depth[lands, 0]) < OCCLUSION * depth[lands, 0]
    lands[lands] = visible
    seen = np.zeros_like(here.known)
    seen[here.known] = lands
    return found[visible, :-2], seen


def bilinear(image: NDArray[Any], pixels: Float64) -> Float64:
    """Values of H×W×C at N×2 positions (x, y; centres at +0.5) between the outer centres, N×C."""
    height, width, channels = image.shape
    corner = np.minimum(np.floor(pixels - 0.5).astype(np.intp), [width - 2, height - 2])  # N×2
    across, down = (pixels - 0.5 - corner).T[..., None]  # N×1 each
    flat, first = image.reshape(-1, channels), corner[:, 1] * width + corner[:, 0]
    above = flat.take(first, axis=0) * (1 - across) + flat.take(first + 1, axis=0) * across
    first += width
    below = flat.take(first, axis=0) * (1 - across) + flat.take(first + 1, axis=0) * across
    return np.asarray(above * (1 - down) + below * down)
