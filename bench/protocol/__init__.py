"""How predictions and targets are compared, as data: `Comparison`, `Protocol`, the named ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal

Space = Literal["linear", "srgb", "gamma22"]
MaskMode = Literal["inside", "zero-outside", "soft", "full"]
Scale = Literal["none", "scalar", "channel", "affine"]
Fit = Literal["linear", "shown"]
Rounding = Literal["nearest", "down"]
Resize = Literal["bilinear", "area", "nearest"]


@dataclass(frozen=True)
class Comparison:
    """Everything that decides a number besides the two arrays.

    Attributes:
        space: transfer applied to both colour arrays.
        mask: "inside" averages over mask pixels; "zero-outside" zeroes the background in both and
            averages over the frame; "soft" weights each pixel by its coverage; "full" ignores the
            mask.
        threshold: a pixel is inside where the soft mask exceeds this.
        erosion: side of the square the mask is eroded with, in pixels; 0 for none.
        scale: least squares fitted to the prediction inside the mask: "none", one "scalar",
            one per "channel", or "affine" (scale and shift).
        fit: whether the scale is fitted to and applied on "linear" arrays, before all that follows,
            or on what is "shown", after clipping, encoding and rounding.
        clip: range both arrays are clipped to after scaling, before encoding; None for none.
        peak: the signal peak of PSNR and the data range of SSIM.
        levels: both arrays are rounded to this many steps (255 for 8 bit); None for none.
        rounding: to the "nearest" step, or "down" as a cast to integers does.
        resize: how a prediction of another resolution is brought to the target's.
        reduction: "mean" of per-unit values, or "pooled" over all pixels.
    """

    space: Space = "linear"
    mask: MaskMode = "inside"
    threshold: float = 0.5
    erosion: int = 0
    scale: Scale = "none"
    fit: Fit = "linear"
    clip: tuple[float, float] | None = None
    peak: float = 1.0
    levels: int | None = None
    rounding: Rounding = "nearest"
    resize: Resize = "bilinear"
    reduction: Literal["mean", "pooled"] = "mean"

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any attribute."""
        body = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Rule:
    """How metric ids matching `pattern` are compared; `column` names a second column."""

    pattern: str
    comparison: Comparison
    column: str = ""


@dataclass(frozen=True)
class Protocol:
    """A named set of rules; for each column the first rule whose pattern matches holds."""

    name: str
    version: int
    title: str
    rules: tuple[Rule, ...]
    source: str = ""

    def comparisons(self, metric_id: str) -> Iterator[tuple[str, Comparison]]:
        """Yield (column, comparison) for one metric id; none where no pattern matches."""
        seen: set[str] = set()
        for rule in self.rules:
            if rule.column not in seen and fnmatchcase(metric_id, rule.pattern):
                seen.add(rule.column)
                yield rule.column, rule.comparison

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any rule."""
        body = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:12]


def written(metric_id: str, column: str) -> str:
    """The name of a table column: `albedo.psnr`, or `albedo.psnr/single` for a second column."""
    return f"{metric_id}/{column}" if column else metric_id
