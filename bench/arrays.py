"""`bench.score`: a user's own arrays, compared as a run would compare them."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.api import Item, Key, MetricCard, Sample
from bench.errors import ConfigError, UnavailableError
from bench.plugins import load, nearest, registry
from bench.protocol import written
from bench.protocol.named import PROTOCOLS
from bench.quantities import VOCABULARY, Values, validate
from bench.scoring import calls
from bench.units import at_target_size


def score(
    prediction: Values,
    target: Values,
    protocol: str = "neutral",
    inputs: Values | None = None,
) -> dict[str, float]:
    """Score a user's own arrays.

    Args:
        prediction: quantity → H×W×C array (H×W accepted for one-channel quantities).
        target: quantity → truth, with `mask` where there is one.
        protocol: name of a protocol; see `bench list protocols`.
        inputs: quantity → value, for metrics that read them (camera, image).

    Returns:
        Metric id → value, a second column's as "albedo.psnr/single". A metric whose weights or
        library cannot be had is left out.

    Raises:
        ConfigError: where the protocol is unknown.
        InvalidValueError: where an array breaks the contract of its quantity.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {protocol!r}{nearest(protocol, PROTOCOLS)}")
    given, truth, offered = _shaped(prediction), _shaped(target), _shaped(inputs or {})
    for name, value in [*given.items(), *truth.items(), *offered.items()]:
        validate(name, value)
    if "mask" in offered:
        truth = {"mask": offered["mask"], **truth}
    sample = Sample("", "", offered)
    values: dict[str, float] = {}
    for card in registry().metrics.values():
        if not _applies(card, given, truth, offered):
            continue
        metric: Any = load(card.implementation)(card)
        for comparison, cells in calls(card, PROTOCOLS[protocol]):
            sized = at_target_size(given, truth, comparison, [])
            try:
                found = metric([Item(Key("", ""), None, sized, truth, sample)], comparison)
            except UnavailableError:
                continue  # stated in Returns: a number that cannot be had is not there
            values |= {written(i, column): float(found[i]) for i, column in cells if i in found}
    return values


def _applies(card: MetricCard, given: Values, truth: Values, offered: Values) -> bool:
    wanted = {card.quantity, *card.also} - {""}
    return (
        card.over == "item"
        and bool(wanted)
        and wanted <= set(given)
        and set(card.targets) <= {*truth, *offered}
        and set(card.inputs) <= set(offered)
    )


def _shaped(values: Values) -> dict[str, Any]:
    return {
        name: value[..., None]  # H×W×1
        if isinstance(value, np.ndarray) and value.ndim == 2 and _one_channel(name)
        else value
        for name, value in values.items()
    }


def _one_channel(name: str) -> bool:
    return name in VOCABULARY and VOCABULARY[name].shape[2:] == (1,)
