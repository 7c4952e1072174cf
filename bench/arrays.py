"""`bench.score`: a user's own arrays, compared as a run would compare them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from bench.api import Item, Key, MetricCard, Sample
from bench.errors import ConfigError, InvalidValueError, UnavailableError
from bench.plugins import load, nearest, registry
from bench.protocol import Comparison, Protocol, written
from bench.protocol.named import PROTOCOLS
from bench.quantities import VOCABULARY, Values, validate
from bench.scoring import Cell, calls
from bench.units import at_target_size

Names: TypeAlias = Mapping[Cell, str]
"""Score id and column → the name that they are returned by."""


def score(
    prediction: Mapping[str, Any],
    target: Mapping[str, Any],
    protocol: str = "neutral",
    inputs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score a user's own arrays, of one item or of a batch.

    An item's arrays are H×W×C NumPy (H×W accepted for one-channel quantities). A batch's are
    B×H×W×C, NumPy or torch, on any device; of what is no array (an environment, judgements) it has
    a list of B. Image metrics are computed where the tensors are, the others on the CPU.

    Args:
        prediction: quantity → array.
        target: quantity → truth, with `mask` where there is one, and `judgements` for WHDR.
        protocol: name of a protocol; see `bench list protocols`.
        inputs: quantity → value, for metrics that read them (camera, image).

    Returns:
        Metric id → value, a second column's as "albedo.psnr/single". Of a batch B values: a tensor
        on the tensors' device, or an array. Each item is a unit of its own: no scale is shared.

    What is not a good pair of images:
        - A prediction of another size is resized to its truth's as the protocol says. A mask, or
          items of a batch, of unlike sizes are refused.
        - Where the mask is empty, or the frame smaller than a metric's window, the metric is not
          defined: its id is absent, in a batch NaN.
        - NaN and ∞, and values that leave a quantity's range, are refused. An albedo or image may
          be negative: no metric clips but where its protocol does.
        - A prediction of zeros fits any scale and is scored unscaled.
        - A metric whose weights or library cannot be had is left out. So is a quantity without a
          truth; where nothing predicted has one, that is refused.

    Raises:
        ConfigError: where the protocol is unknown.
        InvalidValueError: where an array breaks the contract of its quantity: of kind "shape",
            "range", "non-finite" or "missing". Of a batch the message names the item.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {protocol!r}{nearest(protocol, PROTOCOLS)}")
    chosen = PROTOCOLS[protocol]
    if any(map(_is_batch, [*prediction.values(), *target.values()])):
        from bench.batches import score_batch

        return score_batch(prediction, target, chosen, inputs or {})
    return score_item(prediction, target, chosen, inputs or {})


def score_item(
    prediction: Values,
    target: Values,
    protocol: Protocol,
    inputs: Values,
    done: Container[str] = (),
) -> dict[str, float]:
    """`score` of one item's NumPy arrays, but for the names that are `done`."""
    given, truth, offered = _shaped(prediction), _shaped(target), _shaped(inputs)
    for name, value in [*given.items(), *truth.items(), *offered.items()]:
        validate(name, value)
    if "mask" in offered:
        truth = {"mask": offered["mask"], **truth}
    values: dict[str, float] = {}
    for metric, comparison, names in work((given, truth, offered), protocol):
        if all(name in done for name in names.values()):
            continue
        sized = at_target_size(given, truth, comparison, [])
        item = Item(Key("", ""), None, sized, truth, Sample("", "", offered))
        values |= {name: float(value) for name, value in call(metric, names, [item], comparison)}
    return values


def call(
    metric: Callable[..., Mapping[str, Any]], names: Names, *arguments: Any
) -> list[tuple[str, Any]]:
    """(name, value) for each cell that the metric fills; none where it is unavailable."""
    try:
        found = metric(*arguments)
    except UnavailableError:
        return []  # stated in `score`: a number that cannot be had is not there
    return [(name, found[score]) for (score, _), name in names.items() if score in found]


def work(
    parts: Sequence[Mapping[str, Any]], protocol: Protocol
) -> Iterator[tuple[Any, Comparison, Names]]:
    """Each metric that applies, made, with each comparison and the names of what that fills.

    Raises:
        InvalidValueError: of kind "missing" where no metric applies.
    """
    prediction, target, inputs = parts
    known = {*target, *inputs}
    cards = [c for c in registry().metrics.values() if _applies(c, set(prediction), known, inputs)]
    if not cards:
        raise InvalidValueError(
            "missing",
            f"nothing to compare: of what is predicted ({_listed(prediction)}) no metric finds its "
            f"truth in the target ({_listed(target)})",
        )
    for card in cards:
        metric: Any = load(card.implementation)(card)
        for comparison, cells in calls(card, protocol):
            yield metric, comparison, {cell: written(*cell) for cell in cells}


def one_channel(name: str) -> bool:
    """Whether a quantity's arrays are H×W×1."""
    return name in VOCABULARY and VOCABULARY[name].shape[2:] == (1,)


def _applies(
    card: MetricCard, predicted: set[str], known: set[str], inputs: Mapping[str, Any]
) -> bool:
    wanted = {card.quantity, *card.also} - {""}
    return (
        card.over == "item"
        and bool(wanted)
        and wanted <= predicted
        and set(card.targets) <= known
        and set(card.inputs) <= set(inputs)
    )


def _shaped(values: Values) -> dict[str, Any]:
    return {
        name: value[..., None]  # H×W×1
        if isinstance(value, np.ndarray) and value.ndim == 2 and one_channel(name)
        else value
        for name, value in values.items()
    }


def _is_batch(value: object) -> bool:
    # Whoever has a tensor has imported torch; nobody else needs it.
    torch = sys.modules.get("torch")
    return getattr(value, "ndim", 0) == 4 or (torch is not None and isinstance(value, torch.Tensor))


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(sorted(values)) or "nothing"
