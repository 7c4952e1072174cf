"""PSNR and SSIM of one answered query."""

from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import Float64, Mask, Prepared, prepare, psnr

TAPS, SIGMA = 11, 1.5
STABILISERS = (0.01, 0.03)


class Psnr:
    """PSNR in dB over the comparison's pixels; ∞ for identical images."""

    def __init__(self, card: MetricCard) -> None:
        self.quantity, self.id = card.quantity, card.scores[0].id

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        prepared = prepare_query(items, self.quantity, comparison)
        return {} if prepared is None else {self.id: psnr(prepared, comparison)}


class Ssim:
    """SSIM over the frame, zero outside the mask; undefined for frames smaller than the window."""

    def __init__(self, card: MetricCard) -> None:
        self.quantity, self.id = card.quantity, card.scores[0].id

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        prepared = prepare_query(items, self.quantity, comparison)
        if prepared is None or min(prepared.inside.shape) < TAPS:
            return {}
        return {self.id: ssim(*prepared.frames(), comparison.peak)}


def prepare_query(items: Iterable[Item], quantity: str, comparison: Comparison) -> Prepared | None:
    """The one item's answer and its truth as the comparison wants them."""
    (item,) = items
    mask = item.target.get("mask")
    return prepare(item.prediction[quantity], item.target[quantity], mask, comparison)


def ssim(first: Float64, second: Float64, peak: float = 1.0) -> float:
    """Mean SSIM of H×W×C images (Wang et al. 2004): Gaussian σ 1.5, 11 taps, whole windows only.

    Population variances; the mean is over windows and channels. At least 11×11 pixels.
    """
    first, second, empty = _without_empty_border(first, second)
    # With s = x + y and d = x − y, each factor is 1 − (what differs) ÷ (what there is): in single
    # precision nothing cancels where the images agree.
    both, apart = (first + second).astype(np.float32), (first - second).astype(np.float32)
    mean, gap = _blur(both) ** 2, _blur(apart) ** 2  # (H−10)×(W−10)×C
    variance, noise = _blur(both * both) - mean, _blur(apart * apart) - gap
    c1, c2 = ((stabiliser * peak) ** 2 for stabiliser in STABILISERS)
    similarity = 1 - gap / ((mean + gap) / 2 + c1)
    similarity *= 1 - noise / ((variance + noise) / 2 + c2)
    windows = similarity[..., 0].size
    return float(similarity.mean(dtype=np.float64) * windows + empty) / (windows + empty)


def _blur(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian means of H×W×C over whole windows, (H−10)×(W−10)×C."""
    offsets = np.arange(TAPS) - TAPS // 2
    kernel = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    kernel /= kernel.sum()
    blurred = np.asarray(cv2.sepFilter2D(image, -1, kernel, kernel), np.float32)
    whole = slice(TAPS // 2, -(TAPS // 2))
    return blurred.reshape(image.shape)[whole, whole]  # cv2 drops a single channel's axis


def _without_empty_border(first: Float64, second: Float64) -> tuple[Float64, Float64, int]:
    """Both images without windows in which both are zero everywhere, and how many were cut.

    Such a window has similarity 1 exactly; around an object they are most of the frame.
    """
    height, width, _ = first.shape
    filled: Mask = np.any(first, axis=-1) | np.any(second, axis=-1)  # H×W
    rows, columns = _reach(np.any(filled, axis=1)), _reach(np.any(filled, axis=0))
    first, second = first[rows, columns], second[rows, columns]
    windows = (first.shape[0] - TAPS + 1) * (first.shape[1] - TAPS + 1)
    return first, second, (height - TAPS + 1) * (width - TAPS + 1) - windows


def _reach(filled: Mask) -> slice:
    """The pixels along one axis of all windows that touch a filled one; never fewer than one."""
    where = np.flatnonzero(filled)
    start, stop = (int(where[0]), int(where[-1]) + 1) if where.size else (0, 1)
    start, stop = max(start - TAPS + 1, 0), min(stop + TAPS - 1, filled.size)
    return slice(start, stop)
