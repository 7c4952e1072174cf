"""Relighting by the half of a photo: what is asked, and what the other half shows of the answer.

View A shall be shown in the light of photo B. The method is given one half of B, the columns left
or right of its middle, and is scored on those pixels of A whose surface point B shows in the other
half, so that no scored pixel was given.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from bench.api import Query
from bench.datasets.landmarks.bundle import Bundle, View
from bench.datasets.landmarks.rerendering import Rerendering
from bench.graphics.cameras import project, unproject
from bench.quantities import Camera, Deferred, Value

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Half = Literal["left", "right"]
HALVES: tuple[Half, Half] = ("left", "right")

OCCLUSION = 0.02
"""Two depths of one point that differ by more than this share of them are two surfaces."""

MINIMUM_SHARE = 0.01
"""A query with fewer scored pixels than this share of the frame is not scored."""


class Warped(NamedTuple):
    """What photo B shows at the pixels of view A.

    Attributes:
        colour: H×W×3 float32 linear RGB, zeros where not valid.
        column: H×W, the pixel column of B left of the point, -1 where not valid; the colour is
            mixed from this column and the next.
    """

    colour: Float32
    column: NDArray[np.intp]


def pairs(bundle: Bundle, index: int) -> Iterator[tuple[int, Half, str]]:
    """Every (reference view, half that is given, query id) for view `index`."""
    for other in range(len(bundle.views)):
        if other != index:
            for half in HALVES:
                yield other, half, f"relit-view{other}-{half}"


def queries(
    bundle: Bundle, rerendering: Rerendering, index: int, with_normals: bool
) -> tuple[Query, ...]:
    """All relighting queries of view `index`, decided without any geometry.

    Args:
        with_normals: add the reference's true normals in the given half, `reference_normal`.
    """
    return tuple(
        Query(name, "relit", _condition(bundle, rerendering, index, other, half, with_normals))
        for other, half, name in pairs(bundle, index)
    )


def answers(bundle: Bundle, index: int) -> dict[str, Mapping[str, Value]]:
    """Query id → `relit` H×W×3 and the `mask` H×W×1 of the pixels to be scored, where enough."""
    found: dict[str, Mapping[str, Value]] = {}
    warped: dict[int, Warped] = {}
    for other, given, name in pairs(bundle, index):
        if other not in warped:
            warped[other] = warp(bundle, index, other)
        colour, column = warped[other]
        middle = colour.shape[1] // 2
        hidden = column >= middle if given == "left" else (column >= 0) & (column + 1 < middle)
        mask = hidden[..., None].astype(np.float32)  # H×W×1
        if mask.mean() >= MINIMUM_SHARE:
            found[name] = {"relit": colour * mask, "mask": mask}
    return found


def warp(bundle: Bundle, index: int, other: int) -> Warped:
    """Photo `other` seen at the pixels of view `index`, bilinear in linear RGB.

    Valid are pixels of known depth without sky whose four neighbours in the other photo lie inside
    it, show no sky, and give a depth within `OCCLUSION` of the point's own; an unknown one counts
    as 0 and so spoils it.
    """
    first, second = bundle.views[index], bundle.views[other]
    position, distance = _position(first.camera, bundle.depths[index], second.camera)
    limit = np.array(second.image.shape[1::-1]) - 1  # last column, last row
    valid = ((position > 0) & (position < limit)).all(axis=2) & (distance > 0)  # H×W
    valid &= ((bundle.depths[index] > 0) & (first.mask > 0))[..., 0]
    samples = _sample(second, bundle.depths[other], position[valid])  # N×5
    error = np.abs(samples[:, 3] / distance[valid] - 1)
    good = (error < OCCLUSION) & (samples[:, 4] > 1 - 1e-6)  # N
    valid[valid] = good
    colour, column = np.zeros_like(first.image), np.full(valid.shape, -1)
    colour[valid] = samples[good, :3]
    column[valid] = np.floor(position[valid][:, 0])
    return Warped(colour, column)


def _position(first: Camera, depth: Float32, second: Camera) -> tuple[Float64, Float64]:
    """Where each pixel's point lies in the other photo: array (column, row) H×W×2, depth H×W."""
    points = unproject(depth.astype(np.float64), first)  # H×W×3
    pixels, distance = project(points, second)
    return pixels - 0.5, distance[..., 0]  # the first pixel's centre is at +0.5, its index is 0


def _sample(view: View, depth: Float32, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear colour, depth and share of no sky at N×2 (column, row): N×5."""
    layers = np.concatenate([view.image, depth, view.mask], axis=2)  # H×W×5
    return np.stack(
        [map_coordinates(layer, position.T[::-1], order=1) for layer in np.moveaxis(layers, 2, 0)],
        axis=1,
    )


def _condition(
    bundle: Bundle,
    rerendering: Rerendering,
    index: int,
    other: int,
    half: Half,
    with_normals: bool,
) -> Deferred:
    view = bundle.views[other]
    middle = view.image.shape[1] // 2
    given = np.zeros_like(view.mask)
    given[:, :middle] = half == "left"
    given[:, middle:] = half == "right"
    condition: dict[str, Value] = {
        "reference": view.image * given,
        "reference_mask": view.mask * given,
        "reference_camera": deepcopy(view.camera),
        "camera": deepcopy(bundle.views[index].camera),
    }
    if with_normals:
        condition["reference_normal"] = bundle.normals[other] * given
    made = {
        "framebuffer": lambda: rerendering.framebuffer(index, other),
        "reference_framebuffer": lambda: rerendering.framebuffer(other, other),
    }
    return Deferred(condition, made)
