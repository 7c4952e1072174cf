"""SSIM in the settings of specs/metrics.md §7.3; `batched` holds their twins on a device."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.api import MetricCard
from bench.metrics.images.metric import FrameMetric
from bench.protocol import Comparison, Window
from bench.protocol.apply import Float64, Mask, Prepared

if TYPE_CHECKING:
    from torch import Tensor

    from bench.protocol.batched import PreparedBatch

STABILISERS = (0.01, 0.03)

# Windows at a time, so that what is computed of them stays in the processor's cache.
_TILE = 64, 512

# The window that is wide enough for single precision, twice as fast, to agree to 1e-6.
_SINGLE = 11

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Setting:
    """What tells the implementations in use apart.

    Attributes:
        taps: how many the separable window has.
        sigma: of the Gaussian; None for a uniform window.
        border: how the frame goes on, in NumPy's words; "" for whole windows only.
        sample: variances are those of a sample, by 1 ÷ (n − 1).
        slack: added to the denominator, and each value is held in [−1, 1]; None for neither.
    """

    taps: int
    sigma: float | None
    border: Literal["", "constant", "reflect"] = ""
    sample: bool = False
    slack: float | None = None

    def kernel(self) -> Float64:
        """The taps, which sum to 1."""
        if self.sigma is None:
            return np.full(self.taps, 1 / self.taps)
        offsets = np.arange(self.taps) - self.taps // 2
        kernel = np.exp(-0.5 * (offsets / self.sigma) ** 2)
        return np.asarray(kernel / kernel.sum())

    def spread(self) -> float:
        """What a variance of the whole window is multiplied by."""
        pixels = self.taps**2
        return pixels / (pixels - 1) if self.sample else 1.0


SETTINGS: Mapping[Window, Setting] = {
    "gauss11": Setting(11, 1.5),
    "gauss11-zero": Setting(11, 1.5, "constant"),
    "uniform7": Setting(7, None, sample=True),
    "gauss3": Setting(3, 1.5, "reflect", slack=1e-12),
}


def metric(card: MetricCard) -> FrameMetric:
    """SSIM over the frame, the background outside the mask, or its map averaged inside.

    Undefined for frames smaller than the window.
    """
    return FrameMetric(card, _measure, _measure_batch, _smallest)


def dissimilarity(card: MetricCard) -> FrameMetric:
    """DSSIM, (1 − SSIM) ÷ 2, of intrinsic images (specs/metrics.md §5.2)."""
    return FrameMetric(
        card,
        lambda prepared, comparison: (1 - _measure(prepared, comparison)) / 2,
        lambda prepared: (1 - _measure_batch(prepared)) / 2,
        _smallest,
    )


def ssim(
    first: Float64,
    second: Float64,
    window: Window = "gauss11",
    peak: float = 1.0,
    inside: Mask | None = None,
) -> float:
    """Mean SSIM of H×W×C images (Wang et al. 2004) whose data range is `peak`, in [−1, 1].

    The mean is over windows and channels; with `inside` H×W over the windows around those pixels,
    the frame mirrored (its border repeated) where the setting has no border of its own.
    """
    setting = SETTINGS[window]
    border = setting.border or ("symmetric" if inside is not None else "")
    if border:
        first, second = (_framed(image, setting.taps // 2, border) for image in (first, second))
    rows, columns = _touched(first, second, setting)
    height, width, channels = first.shape
    windows = (height - setting.taps + 1) * (width - setting.taps + 1)
    count = others = windows if inside is None else int(np.count_nonzero(inside))
    total = 0.0
    for tile in itertools.product(_cut(rows, _TILE[0]), _cut(columns, _TILE[1])):
        reached = tuple(slice(s.start, s.stop + setting.taps - 1) for s in tile)
        similarity = _similarities(first[reached], second[reached], setting, peak)
        if inside is not None:
            similarity = similarity[inside[tile]]  # N×C
        total += float(similarity.sum(dtype=np.float64)) / channels
        others -= similarity.size // channels
    # All other windows hold the same in both images: their similarity is 1.
    return (total + others) / count


def _measure(prepared: Prepared, comparison: Comparison) -> float:
    inside = prepared.inside if comparison.averaged == "inside" else None
    return ssim(*prepared.frames(), comparison.window, comparison.peak, inside)


def _measure_batch(prepared: PreparedBatch) -> Tensor:
    from bench.metrics.images import batched

    values: Tensor = batched.ssim(prepared)  # B
    return values


def _smallest(comparison: Comparison) -> int:
    setting = SETTINGS[comparison.window]
    return setting.taps // 2 + 1 if setting.border else setting.taps


def _similarities(first: Float64, second: Float64, setting: Setting, peak: float) -> Array:
    """SSIM of every whole window and channel of H×W×C images: (H−k+1)×(W−k+1)×C for k taps."""
    # With s = x + y and d = x − y, each factor is 1 − (what differs) ÷ (what there is): in single
    # precision nothing cancels where the images agree.
    dtype = np.float32 if setting.taps == _SINGLE else np.float64
    both: Array = (first + second).astype(dtype)  # H×W×C
    apart: Array = (first - second).astype(dtype)  # H×W×C
    kernel, spread = setting.kernel(), setting.spread()
    mean, gap = _blur(both, kernel) ** 2, _blur(apart, kernel) ** 2
    variance = spread * (_blur(both * both, kernel) - mean)
    noise = spread * (_blur(apart * apart, kernel) - gap)
    c1, c2 = ((stabiliser * peak) ** 2 for stabiliser in STABILISERS)
    brightness, contrast = (mean + gap) / 2 + c1, (variance + noise) / 2 + c2
    similarity = (1 - gap / brightness) * (1 - noise / contrast)
    if setting.slack is None:
        return np.asarray(similarity)
    product = brightness * contrast
    return np.clip(similarity * (product / (product + setting.slack)), -1, 1)


def _blur(image: Array, kernel: Float64) -> Array:
    """Weighted means of H×W×C over whole windows, (H−k+1)×(W−k+1)×C."""
    blurred = cv2.sepFilter2D(image, -1, kernel, kernel).reshape(image.shape)  # C of 1 was dropped
    reach = len(kernel) // 2
    return np.asarray(blurred[reach:-reach, reach:-reach])


def _framed(image: Float64, width: int, border: Any) -> Float64:
    return np.pad(image, ((width, width), (width, width), (0, 0)), mode=border)


def _touched(first: Float64, second: Float64, setting: Setting) -> tuple[slice, slice]:
    """Rows and columns of the windows that hold a pixel in which the images differ.

    Around an object most windows do not. All of them, where windows that agree are not 1.
    """
    height, width, _ = first.shape
    differ = (first != second).reshape(height, -1)  # H×WC
    if setting.slack is not None:
        differ |= True
    rows, columns = differ.any(axis=1), differ.any(axis=0).reshape(width, -1).any(axis=1)
    return _reach(rows, setting.taps), _reach(columns, setting.taps)


def _reach(filled: Mask, taps: int) -> slice:
    """The whole windows along one axis that touch a filled pixel, by their first pixel."""
    where = np.flatnonzero(filled)
    if not where.size:
        return slice(0, 0)
    last = filled.size - taps
    return slice(max(int(where[0]) - taps + 1, 0), min(int(where[-1]), last) + 1)


def _cut(windows: slice, length: int) -> list[slice]:
    starts = range(windows.start, windows.stop, length)
    return [slice(start, min(start + length, windows.stop)) for start in starts]
