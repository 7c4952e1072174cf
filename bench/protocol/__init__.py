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
Scale = Literal["none", "scalar", "channel", "affine", "median", "median-red", "exposure"]
Channels = Literal["rgb", "grey", "luma"]
Within = Literal["mask", "covered"]
Window = Literal["gauss11", "gauss11-zero", "uniform7", "gauss3"]
Fit = Literal["linear", "shown"]
Rounding = Literal["nearest", "down"]
Resize = Literal["bilinear", "area", "nearest"]


@dataclass(frozen=True)
class Comparison:
    """Everything that decides a number besides the two arrays; specs/metrics.md names the users.

    Steps are in this order: crop, channels "grey", mask, brightening, scale, clip, encoding,
    rounding, channels "luma".

    Attributes:
        space: transfer applied to both colour arrays.
        encoded: how often it is applied; twice is Stanford-ORB's LPIPS.
        channels: as they are; "grey", their mean; "luma", Rec. 709 weights on what is shown.
        crop: both are cropped to the largest centred multiple of this; 0 for none.
        mask: "inside" averages over mask pixels; "zero-outside" replaces the background in both
            and averages over the frame; "soft" weights each pixel by its coverage; "full" ignores
            the mask.
        background: what replaces it, as shown, under "zero-outside".
        within: the target's "mask" says what is inside, or of it only what is "covered" by a
            framebuffer's points.
        threshold: a pixel is inside where the soft mask exceeds this.
        erosion: side of the square the mask is eroded with, in pixels; 0 for none.
        unknown: pixels of normals and depth that prediction or target does not know are
            "left-out", or "counted" as the zeros that they are.
        brightened: both are multiplied by mean sRGB(target) ÷ mean target, target clipped to
            [0, 1] (§7.2).
        scale: fitted to the prediction inside the mask: "none"; by least squares one "scalar", one
            per "channel", or "affine" (scale and shift); the lower "median" of the ratios per
            channel, or that of red for all, "median-red"; "exposure", the power of two and then
            three gains in [0.5, 2] that minimise the difference shown (§0.3).
        fit_threshold: the scale is fitted where the soft mask exceeds this; None for all that is
            inside.
        unit: what one scale is fitted to, and what one number is of.
        views: the scale is fitted to so many items of the unit, evenly spaced from the first; 0
            for all.
        fit: whether the scale is fitted to and applied on "linear" arrays, before all that follows,
            or on what is "shown", after clipping, encoding and rounding.
        clip: range both arrays are clipped to after scaling, before encoding; None for none.
        peak: the signal peak of PSNR and the data range of SSIM.
        floor: PSNR is never below that of this constant inside the mask; None for none (§7.2).
        levels: both arrays are rounded to this many steps (255 for 8 bit); None for none.
        rounding: to the "nearest" step, or "down" as a cast to integers does.
        resize: how a prediction of another resolution is brought to the target's.
        reduction: of a unit of several images, "mean" of their values, or "pooled" over all pixels.
        window: of SSIM (§7.3): 11 Gaussian taps and whole windows only, or zeros beyond the border;
            7×7 uniform with sample covariance; 3 Gaussian taps, the border mirrored.
        averaged: maps of SSIM and LPIPS over the "frame" or "inside" the mask.
        backbone: of LPIPS.
    """

    space: Space = "linear"
    encoded: int = 1
    channels: Channels = "rgb"
    crop: int = 0
    mask: MaskMode = "inside"
    background: float = 0.0
    within: Within = "mask"
    threshold: float = 0.5
    erosion: int = 0
    unknown: Literal["left-out", "counted"] = "left-out"
    brightened: bool = False
    scale: Scale = "none"
    fit_threshold: float | None = None
    unit: Literal["item", "scene", "dataset"] = "item"
    views: int = 0
    fit: Fit = "linear"
    clip: tuple[float, float] | None = None
    peak: float = 1.0
    floor: float | None = None
    levels: int | None = None
    rounding: Rounding = "nearest"
    resize: Resize = "bilinear"
    reduction: Literal["mean", "pooled"] = "mean"
    window: Window = "gauss11"
    averaged: Literal["frame", "inside"] = "frame"
    backbone: Literal["alex", "vgg", "squeeze"] = "alex"

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
    """A named set of rules; for each column the first rule whose pattern matches holds.

    Attributes:
        source: where the rules were read.
        notes: what this harness cannot reach, and what is not known, a sentence each.
        base: of a user's own, the named protocol that it starts from.
    """

    name: str
    version: int
    title: str
    rules: tuple[Rule, ...]
    source: str = ""
    notes: tuple[str, ...] = ()
    base: str = ""

    def comparisons(self, metric_id: str) -> Iterator[tuple[str, Comparison]]:
        """Yield (column, comparison) for one metric id; none where no pattern matches."""
        seen: set[str] = set()
        for rule in self.rules:
            if rule.column not in seen and fnmatchcase(metric_id, rule.pattern):
                seen.add(rule.column)
                yield rule.column, rule.comparison

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any rule, and not with what is said of it."""
        said = ("title", "source", "notes")
        rules = {name: value for name, value in asdict(self).items() if name not in said}
        body = json.dumps(rules, sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:12]


def written(metric_id: str, column: str) -> str:
    """The name of a table column: `albedo.psnr`, or `albedo.psnr/single` for a second column."""
    return f"{metric_id}/{column}" if column else metric_id
