"""`bench.protocol.apply` for B pairs at once, on the device that their tensors are on.

Each pair is a unit of its own. The steps, and what they are called, are those of the NumPy path;
both agree to 1e-5, which a test holds over many comparisons. Arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from bench.errors import InvalidValueError
from bench.graphics.colour import DISPLAY_GAMMA, REC709_LUMINANCE
from bench.protocol import Comparison
from bench.protocol.pixels import scored_mask
from bench.protocol.prepared import Prepared
from bench.protocol.scales import _CONSTANT, _LEAST
from bench.protocol.showing import _STEP_SLACK

_OF_METRICS = (
    "unit", "views", "peak", "floor", "resize", "reduction", "window", "averaged", "backbone",
)  # fmt: skip

Gain: TypeAlias = tuple[Tensor, Tensor]
"""Scale and shift, B×1×1×C each."""


@dataclass(frozen=True, eq=False)
class PreparedBatch:
    """B pairs ready to be measured.

    Attributes:
        prediction: B×H×W×C float64, in the comparison's space, its background outside the mask.
        target: B×H×W×C, likewise.
        inside: B×H×W, the pixels inside the mask.
        weights: B×H×W, the coverage of soft comparisons; None where inside pixels count alike.
        comparison: what they were prepared for.
    """

    prediction: Tensor
    target: Tensor
    inside: Tensor
    weights: Tensor | None
    comparison: Comparison

    def mean(self, values: Tensor) -> Tensor:
        """Means B of B×H×W×C over the comparison's pixels, by their weights, and all channels."""
        shares = self.inside if self.weights is None else self.weights  # B×H×W
        total = (values * shares[..., None]).sum((1, 2, 3))  # B
        if self.comparison.mask == "zero-outside":
            return total / (self.inside[0].numel() * values.shape[-1])
        return total / (shares.sum((1, 2)) * values.shape[-1])

    def mean_squared_error(self) -> Tensor:
        """B numbers, as `Prepared.mean_squared_error`."""
        return self.mean((self.prediction - self.target).square())

    def psnr(self) -> Tensor:
        """B numbers in dB, as `prepared.psnr`; NaN where no pixel is inside."""
        error = self.mean_squared_error()
        if self.comparison.floor is not None:
            grey = self.mean((self.comparison.floor - self.target).square())
            error = torch.minimum(error, grey)
        return self.where_defined(10 * (self.comparison.peak**2 / error).log10())

    def where_defined(self, values: Tensor) -> Tensor:
        """B values, NaN where no pixel is inside."""
        return values.masked_fill(~self.inside.flatten(1).any(1), torch.nan)

    def one_by_one(self, measure: Callable[[Prepared, Comparison], float]) -> Tensor:
        """B values of a measure that only NumPy arrays have; NaN where no pixel is inside."""
        defined = self.inside.flatten(1).any(1).tolist()  # B
        values = [
            measure(self._pair(index), self.comparison) if known else torch.nan
            for index, known in enumerate(defined)
        ]
        return torch.tensor(values, dtype=torch.float64, device=self.target.device)

    def _pair(self, index: int) -> Prepared:
        prediction, target = self.prediction[index], self.target[index]  # H×W×C
        inside = self.inside[index]  # H×W
        whole = self.comparison.mask == "zero-outside"
        return Prepared(
            prediction[inside].cpu().numpy(),  # N×C
            target[inside].cpu().numpy(),  # N×C
            inside.cpu().numpy(),
            inside.numel() if whole else int(inside.sum()),
            None if self.weights is None else self.weights[index][inside].cpu().numpy(),  # N
            self.comparison.background,
        )


class Batch:
    """Predictions and targets of B items, prepared once for comparisons that look at the same."""

    def __init__(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
        self.prediction, self.target = prediction, target
        self._prepared: dict[tuple[str, Comparison], PreparedBatch] = {}

    def prepared(self, quantity: str, comparison: Comparison) -> PreparedBatch:
        """One quantity, with the `mask` B×H×W×1 among the targets.

        Raises:
            InvalidValueError: as `prepare`.
        """
        seen = (quantity, _seen(comparison))
        if seen not in self._prepared:
            mask = scored_mask(quantity, self.target, comparison)
            pair = self.prediction[quantity], self.target[quantity], mask
            self._prepared[seen] = prepare(*pair, seen[1])
        return replace(self._prepared[seen], comparison=comparison)


def supports(comparison: Comparison) -> bool:
    """Whether `prepare` knows the comparison: all but a search for the exposure."""
    return comparison.scale != "exposure"


def prepare(
    prediction: Tensor, target: Tensor, mask: Tensor | None, comparison: Comparison
) -> PreparedBatch:
    """Two tensors B×H×W×C, linear, and a mask B×H×W×1 in [0, 1] as the comparison wants them.

    Raises:
        InvalidValueError: of kind "shape" where tensors or mask do not fit one another.
    """
    _check_sizes(prediction, target, mask)
    first, second = (_cropped(values.double(), comparison) for values in (prediction, target))
    coverage = None if mask is None else _cropped(mask, comparison)[..., 0]  # B×H×W
    inside = _inside(coverage, second, comparison)
    weights, fitted = None, inside
    if comparison.mask == "soft" and coverage is not None:
        weights = coverage.double() * inside
    if comparison.fit_threshold is not None and coverage is not None:
        fitted = inside & (coverage > comparison.fit_threshold)
    if comparison.channels == "grey":
        first, second = first.mean(-1, keepdim=True), second.mean(-1, keepdim=True)  # B×H×W×1
    if comparison.brightened:
        factor = _brightening(_outside(second, inside))
        first, second = factor * first, factor * second
    first, second = (
        _outside(values, inside, comparison.background)
        for values in _matched(first, second, fitted, weights, comparison)
    )
    return PreparedBatch(first, second, inside, weights, comparison)


def show(values: Tensor, comparison: Comparison) -> Tensor:
    """Linear values of any shape → clipped, encoded and rounded as the comparison says."""
    if comparison.clip is not None:
        values = values.clamp(*comparison.clip)
    for _ in range(comparison.encoded):
        values = _encode(values, comparison.space)
    if comparison.levels is None:
        return values
    steps = values * comparison.levels
    steps = steps.round() if comparison.rounding == "nearest" else (steps + _STEP_SLACK).floor()
    return steps / comparison.levels


def fit_scale(
    prediction: Tensor, target: Tensor, inside: Tensor, weights: Tensor | None, scale: str
) -> Gain:
    """`scales.fit_scale` for B×H×W×C that are zero outside the pixels B×H×W it is fitted to."""
    if scale == "affine":
        return _fit_affine(prediction, target, inside if weights is None else weights * inside)
    if scale in ("median", "median-red"):
        return _fit_median(prediction, target, inside, scale)
    weighted = prediction if weights is None else prediction * weights[..., None]  # B×H×W×C
    cross = (weighted * target).sum((1, 2), keepdim=True)  # B×1×1×C
    power = (weighted * prediction).sum((1, 2), keepdim=True)  # B×1×1×C
    if scale == "scalar":
        cross, power = (sums.sum(-1, keepdim=True).expand_as(sums) for sums in (cross, power))
    return torch.where(power == 0, 1, cross / power), torch.zeros_like(power)


def _fit_affine(prediction: Tensor, target: Tensor, weights: Tensor) -> Gain:
    axes = (1, 2, 3)
    channels = target.shape[-1]
    shares = weights[..., None].double()  # B×H×W×1
    shares = shares / (shares.sum(axes, keepdim=True) * channels)
    mean_prediction = (shares * prediction).sum(axes, keepdim=True)  # B×1×1×1
    mean_target = (shares * target).sum(axes, keepdim=True)  # B×1×1×1
    centred = prediction - mean_prediction
    variance = (shares * centred.square()).sum(axes, keepdim=True)  # B×1×1×1
    slope = (shares * centred * (target - mean_target)).sum(axes, keepdim=True) / variance
    varies = variance > _CONSTANT * (shares * prediction.square()).sum(axes, keepdim=True)
    slope = torch.where(varies, slope, 0)
    shift = mean_target - slope * mean_prediction
    return slope.expand(-1, 1, 1, channels), shift.expand(-1, 1, 1, channels)


def _fit_median(prediction: Tensor, target: Tensor, inside: Tensor, scale: str) -> Gain:
    ratios = target / prediction.clamp(min=_LEAST)  # B×H×W×C
    ratios = ratios.masked_fill(~inside[..., None], torch.nan)
    # Of two middle values this is the lower.
    medians = ratios.flatten(1, 2).nanmedian(1).values[:, None, None]  # B×1×1×C
    if scale == "median-red":
        medians = medians[..., :1].expand_as(medians)
    return medians, torch.zeros_like(medians)


def _matched(
    prediction: Tensor,
    target: Tensor,
    fitted: Tensor,
    weights: Tensor | None,
    comparison: Comparison,
) -> tuple[Tensor, Tensor]:
    """B×H×W×C, linear → the same scaled, clipped, encoded, rounded; or B×H×W×1 where luma."""
    linear = comparison.fit == "linear"
    if not linear:
        prediction, target = show(prediction, comparison), show(target, comparison)
    if comparison.scale != "none":
        chosen = _outside(prediction, fitted), _outside(target, fitted)
        scale, shift = fit_scale(*chosen, fitted, weights, comparison.scale)
        matched = prediction * scale + shift
        # Where there is nothing to fit it to, the prediction stays.
        known = fitted.flatten(1).any(1)[:, None, None, None]  # B×1×1×1
        prediction = torch.where(known, matched, prediction)
    if linear:
        prediction, target = show(prediction, comparison), show(target, comparison)
    if comparison.channels == "luma" and target.shape[-1] == 3:
        weighting = target.new_tensor(REC709_LUMINANCE)[:, None]  # 3×1
        prediction, target = prediction @ weighting, target @ weighting  # B×H×W×1
    return prediction, target


def _outside(values: Tensor, inside: Tensor, background: float = 0) -> Tensor:
    """B×H×W×C with what is not inside B×H×W replaced."""
    return values.masked_fill(~inside[..., None], background)


def _inside(coverage: Tensor | None, target: Tensor, comparison: Comparison) -> Tensor:
    """`apply.inside_mask`, B×H×W."""
    if coverage is None or comparison.mask == "full":
        return torch.ones(target.shape[:3], dtype=torch.bool, device=target.device)
    inside = coverage > (0 if comparison.mask == "soft" else comparison.threshold)
    side = comparison.erosion
    if not side:
        return inside
    outside = (~inside).float()
    before, after = side // 2, side - 1 - side // 2
    # Grown by a square: the largest value along rows, then along columns; no growth from the frame.
    outside = torch.nn.functional.pad(outside, (before, after, before, after))
    for window in ((1, side), (side, 1)):
        outside = torch.nn.functional.max_pool2d(outside, window, stride=1)
    return outside == 0


def _cropped(values: Tensor, comparison: Comparison) -> Tensor:
    """The largest centred multiple of `crop` of B×H×W×C."""
    if not comparison.crop:
        return values
    for axis in (1, 2):
        kept = values.shape[axis] // comparison.crop * comparison.crop
        values = values.narrow(axis, (values.shape[axis] - kept) // 2, kept)
    return values


def _brightening(target: Tensor) -> Tensor:
    """`showing.brightening` of B×H×W×C that is zero outside, B×1×1×1."""
    clipped = target.clamp(0, 1)
    total = clipped.sum((1, 2, 3), keepdim=True)
    encoded = _encode(clipped, "srgb").sum((1, 2, 3), keepdim=True)
    return torch.where(total > 0, encoded / total, 1)


def _encode(values: Tensor, space: str) -> Tensor:
    if space == "srgb":
        power = 1.055 * values.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
        return torch.where(values <= 0.0031308, 12.92 * values, power)
    if space == "gamma22":
        return values.sign() * values.abs() ** (1 / DISPLAY_GAMMA)
    return values


def _seen(comparison: Comparison) -> Comparison:
    """The comparison without what only a metric reads."""
    usual: dict[str, Any] = {name: getattr(Comparison(), name) for name in _OF_METRICS}
    mask = "inside" if comparison.mask == "zero-outside" else comparison.mask
    return replace(comparison, mask=mask, **usual)


def _check_sizes(prediction: Tensor, target: Tensor, mask: Tensor | None) -> None:
    if prediction.shape != target.shape:
        found = f"the prediction is {tuple(prediction.shape)}, the target {tuple(target.shape)}"
        raise InvalidValueError("shape", found)
    expected = (*target.shape[:3], 1)
    if mask is not None and mask.shape != expected:
        raise InvalidValueError("shape", f"the mask is {tuple(mask.shape)}, not {expected}")
