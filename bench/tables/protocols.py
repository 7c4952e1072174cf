"""The protocol a run was scored under, as its manifest states it, and its words."""

from collections.abc import Mapping
from typing import Any

from bench.api import RunView
from bench.errors import StoreError
from bench.protocol import Comparison, Protocol, Rule

_SPACES = {"linear": "linear", "srgb": "sRGB", "gamma22": "gamma 2.2"}
_MASKS = {
    "inside": "in mask",
    "zero-outside": "zero outside mask",
    "soft": "weighted by soft mask",
    "full": "full frame",
}
_SCALES = {
    "none": "no scale",
    "scalar": "one least-squares scale",
    "channel": "least-squares scale per channel",
    "affine": "least-squares scale and shift",
}


def stated(run: RunView, name: str) -> Protocol:
    """The protocol `name` from the body in the manifest, `protocols.<name>`.

    Raises:
        StoreError: where the manifest lacks it, or its body is no protocol.
    """
    try:
        return _protocol(run.manifest["protocols"][name])
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"{run.path}: the manifest does not state protocol {name!r} ({error}); score the run "
            "again"
        ) from error


def comparison(protocol: Protocol, metric: str, column: str = "") -> Comparison | None:
    """How one column compares; None where the protocol has no rule for it."""
    return dict(protocol.comparisons(metric)).get(column)


def in_words(comparison: Comparison) -> str:
    """A comparison in one short line, e.g. "linear, in mask, least-squares scale per channel"."""
    scale = _SCALES[comparison.scale]
    if comparison.fit == "shown":
        scale += " fitted last"
    parts = [_SPACES[comparison.space], _MASKS[comparison.mask], scale]
    if comparison.erosion:
        parts.append(f"mask eroded by {comparison.erosion} px")
    if comparison.clip:
        parts.append("clipped to [{:g}, {:g}]".format(*comparison.clip))
    if comparison.levels:
        cut = "rounded down to " if comparison.rounding == "down" else ""
        parts.append(f"{cut}{comparison.levels} levels")
    if comparison.reduction == "pooled":
        parts.append("pooled over pixels")
    return ", ".join(parts)


def _protocol(body: Mapping[str, Any]) -> Protocol:
    rules = tuple(
        Rule(rule["pattern"], _comparison(rule["comparison"]), rule["column"])
        for rule in body["rules"]
    )
    return Protocol(body["name"], body["version"], body["title"], rules, body["source"])


def _comparison(body: Mapping[str, Any]) -> Comparison:
    clip = body["clip"]
    return Comparison(**{**body, "clip": None if clip is None else (clip[0], clip[1])})
