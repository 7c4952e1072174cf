"""FLIP through its authors' package: LDR of what is shown, HDR of what is linear."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.api import MetricCard
from bench.errors import InvalidValueError, UnavailableError
from bench.graphics.colour import luminance
from bench.metrics.images.metric import FrameMetric
from bench.protocol import Comparison
from bench.protocol.apply import Float64, Mask, Prepared

Float32 = NDArray[np.float32]

# What encoding and a background may add to a value that was clipped to [0, 1].
_SLACK = 1e-6

COMMAND = "pip install flip-evaluator"


def ldr(card: MetricCard) -> FrameMetric:
    """Mean of the FLIP map (Andersson et al. 2020), over the frame or inside the mask; in [0, 1].

    At the package's own viewing condition, 67.02 pixels per degree: a 0.7 m wide display of 3840
    pixels at 0.7 m. Raises `UnavailableError` without the package, and `InvalidValueError` of kind
    "range" for values beyond [0, 1]: the comparison is to clip.
    """
    return FrameMetric(card, _ldr, lambda prepared: prepared.one_by_one(_ldr))


def hdr(card: MetricCard) -> FrameMetric:
    """Mean of the HDR-FLIP map (Andersson et al. 2021), over the frame or inside the mask.

    The package's own tone mapper (ACES), number of exposures and viewing condition (that of `ldr`);
    the range of exposures is the package's for the pixels inside the mask. The black around them
    would have everything looked at up to 2²⁴ times as bright.

    Raises `UnavailableError` without the package, and `InvalidValueError` of kind "range" for
    negative values and where the target is black, for which no exposure is defined.
    """
    return FrameMetric(card, _hdr, lambda prepared: prepared.one_by_one(_hdr))


def evaluate(
    prediction: Float64, target: Float64, dynamic_range: str, parameters: Any, srgb: bool = False
) -> Float32:
    """The package's error map H×W of images H×W×C; one channel stands for all three.

    Raises:
        UnavailableError: where the package is not installed.
    """
    first, second = (np.ascontiguousarray(_rgb(image)) for image in (prediction, target))
    options = (srgb, False, False, parameters)  # no colour map, no mean
    errors, *_ = _package().evaluate(second, first, dynamic_range, *options)  # H×W×1
    return np.asarray(errors)[..., 0]  # H×W


def _ldr(prepared: Prepared, comparison: Comparison) -> float:
    first, second = prepared.frames()
    lowest, highest = _range(first, second)
    if lowest < -_SLACK or highest > 1 + _SLACK:
        found = f"[{lowest:.4g}, {highest:.4g}]"
        raise InvalidValueError("range", f"FLIP is of images in [0, 1], these hold {found}")
    # Linear images are encoded by the package; any other space is taken for a display's.
    shown = comparison.space != "linear"
    return _mean(evaluate(first, second, "LDR", {}, shown), prepared.inside, comparison)


def _hdr(prepared: Prepared, comparison: Comparison) -> float:
    first, second = prepared.frames()
    lowest, _ = _range(first, second)
    if lowest < 0:
        raise InvalidValueError(
            "range", f"HDR-FLIP is of images without negative values, these hold {lowest:.4g}"
        )
    bounds = exposures(_rgb(prepared.target))
    return _mean(evaluate(first, second, "HDR", bounds), prepared.inside, comparison)


def _range(first: Float64, second: Float64) -> tuple[float, float]:
    return float(min(first.min(), second.min())), float(max(first.max(), second.max()))


def exposures(target: Float32) -> dict[str, float]:
    """Where the package starts and stops for pixels N×3: by their brightest and their median.

    Raises:
        InvalidValueError: of kind "range" where they are black.
    """
    brightness = luminance(target)[:, 0]  # N
    if brightness.max() <= 0:
        raise InvalidValueError("range", "the target is black: HDR-FLIP has no exposure for it")
    order = np.argsort(brightness)
    median, brightest = target[order[len(order) // 2]], target[order[-1]]
    # Three pixels with the same median and maximum; all else the package does not look at.
    three = np.ascontiguousarray(np.stack([median, median, brightest])[None])  # 1×3×3
    found = _package().evaluate(three, three, "HDR", False, False, False, {})[2]
    return {name: found[name] for name in ("startExposure", "stopExposure")}


def _package() -> Any:
    try:
        import flip_evaluator
    except ImportError as error:
        raise UnavailableError(f"FLIP: {error}. The command that brings it: {COMMAND}") from error
    return flip_evaluator


def _rgb(image: Float64) -> Float32:
    colours = image.astype(np.float32)  # …×C
    return np.repeat(colours, 3, axis=-1) if colours.shape[-1] == 1 else colours  # …×3


def _mean(errors: Float32, inside: Mask, comparison: Comparison) -> float:
    chosen = errors[inside] if comparison.averaged == "inside" else errors
    return float(chosen.mean(dtype=np.float64))
