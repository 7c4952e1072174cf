"""The protocol a run was scored under, as its manifest states it, and its words."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bench.api import RunView
from bench.errors import StoreError
from bench.protocol import Comparison, Protocol, Rule, written
from bench.protocol.bodies import read_protocol

_SPACES = {"linear": "linear", "srgb": "sRGB", "gamma22": "gamma 2.2"}
_MASKS = {
    "inside": "in mask",
    "zero-outside": "zero outside mask",
    "soft": "weighted by soft mask",
    "full": "full frame",
}
_DENOMINATORS = {
    "inside": "mask pixels",
    "zero-outside": "all pixels",
    "soft": "the mask's sum",
    "full": "all pixels",
}
_SCALES = {
    "none": "no scale",
    "scalar": "one least-squares scale",
    "channel": "least-squares scale per channel",
    "affine": "least-squares scale and shift",
    "median": "lower median of ratios per channel",
    "median-red": "lower median of red ratios for all channels",
    "exposure": "exposure and gains of least absolute difference",
}
_WINDOWS = {
    "gauss11": "SSIM: 11 Gaussian taps, whole windows",
    "gauss11-zero": "SSIM: 11 Gaussian taps, zeros beyond the border",
    "uniform7": "SSIM: 7×7 uniform",
    "gauss3": "SSIM: 3 Gaussian taps, mirrored border",
}
_BACKBONES = {"alex": "AlexNet", "vgg": "VGG", "squeeze": "SqueezeNet"}
_TIMES = {2: " twice", 3: " three times"}


class Line(NamedTuple):
    """A rule as a row of a table, in words; the fields are its columns.

    `mask` says what a mean divides by, `scale` what the scale is fitted to.
    """

    metric: str
    space: str
    mask: str
    scale: str
    range: str
    reduction: str
    quirks: str


def stated(run: RunView, name: str) -> Protocol:
    """The protocol `name` from the body in the manifest, `protocols.<name>`.

    Raises:
        StoreError: where the manifest lacks it, or its body is no protocol.
    """
    try:
        body: Mapping[str, object] = run.manifest["protocols"][name]
        return read_protocol(body)
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"{run.path}: the manifest does not state protocol {name!r} ({error}); score the run "
            "again"
        ) from error


def comparison(protocol: Protocol, metric: str, column: str = "") -> Comparison | None:
    """How one column compares; None where the protocol has no rule for it."""
    return dict(protocol.comparisons(metric)).get(column)


def line(rule: Rule) -> Line:
    """A rule in words; the window of SSIM and the backbone of LPIPS where its pattern names one."""
    how = rule.comparison
    quirks = list(_quirks(how))
    if "ssim" in rule.pattern and how.window == "gauss11":
        quirks.append(_WINDOWS[how.window])
    if "lpips" in rule.pattern and how.backbone == "alex":
        quirks.append(f"LPIPS: {_BACKBONES[how.backbone]}")
    return Line(
        metric=written(rule.pattern, rule.column),
        space=_space(how),
        mask="; ".join((f"{_mask(how)} ÷ {_DENOMINATORS[how.mask]}", *_edges(how))),
        scale=_scale(how),
        range="; ".join(_range(how)) or "as it is",
        reduction="; ".join(_reduction(how)) or f"mean per {how.unit}",
        quirks="; ".join(quirks) or "–",
    )


def in_words(comparison: Comparison) -> str:
    """A comparison in one short line, e.g. "linear, in mask, least-squares scale per channel".

    What has its default is left out, but for space, mask and scale.
    """
    how = comparison
    parts = (_space(how), _mask(how), _scale(how))
    rest = (*_edges(how), *_range(how), *_reduction(how), *_quirks(how))
    return ", ".join((*parts, *rest))


def _space(how: Comparison) -> str:
    encoded = "" if how.encoded == 1 else _TIMES.get(how.encoded, f" {how.encoded} times")
    return _SPACES[how.space] + encoded


def _mask(how: Comparison) -> str:
    if how.mask == "zero-outside" and how.background:
        return f"{how.background:g} outside mask"
    return _MASKS[how.mask]


def _edges(how: Comparison) -> Iterator[str]:
    """What is said of the mask's own edge, and of the frame's."""
    if how.mask not in ("full", "soft") and how.threshold != Comparison.threshold:
        yield f"inside where coverage exceeds {how.threshold:g}"
    if how.within == "covered":
        yield "only what points cover"
    if how.erosion:
        yield f"mask eroded by {how.erosion} px"
    if how.crop:
        yield f"cropped to multiples of {how.crop} px"
    if how.unknown == "counted":
        yield "unknown pixels count as wrong"


def _scale(how: Comparison) -> str:
    words = _SCALES[how.scale]
    if how.scale == "none":
        return words
    if how.fit == "shown":
        words += " fitted last"
    if how.fit_threshold is not None:
        words += f" where coverage exceeds {how.fit_threshold:g}"
    if how.unit == "item":
        return words
    many = {0: "all items", 1: "the first item"}.get(how.views, f"{how.views} spaced items")
    return f"{words} over {many} of a {how.unit}"


def _range(how: Comparison) -> Iterator[str]:
    if how.clip:
        yield "clipped to [{:g}, {:g}]".format(*how.clip)
    if how.peak != Comparison.peak or (how.clip and how.clip[1] != how.peak):
        yield f"peak {how.peak:g}"
    if how.levels:
        cut = "rounded down to " if how.rounding == "down" else ""
        yield f"{cut}{how.levels} levels"


def _reduction(how: Comparison) -> Iterator[str]:
    if how.reduction == "pooled":
        yield "pooled over pixels"
        if how.unit != "item":
            yield f"of a {how.unit}"
    if how.averaged == "inside":
        yield "maps averaged inside mask"


def _quirks(how: Comparison) -> Iterator[str]:
    if how.channels == "grey":
        yield "mean of channels"
    if how.channels == "luma":
        yield "Rec. 709 luma of what is shown"
    if how.brightened:
        yield "both brightened as the target by sRGB"
    if how.floor is not None:
        yield f"never below a grey of {how.floor:g} in the mask"
    if how.resize != Comparison.resize:
        yield f"resized by {how.resize}"
    if how.window != Comparison.window:
        yield _WINDOWS[how.window]
    if how.backbone != Comparison.backbone:
        yield f"LPIPS: {_BACKBONES[how.backbone]}"
