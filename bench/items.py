"""A user's own item: which metrics apply to its arrays, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from bench.api import Item, Key, MetricCard, Sample
from bench.errors import InvalidValueError, UnavailableError
from bench.plugins import load, registry
from bench.protocol import Comparison, Protocol, written
from bench.quantities import VOCABULARY, Values, validate
from bench.scoring import Cell, calls
from bench.units import at_target_size

Wanted: TypeAlias = Callable[[str, str], bool]
"""Whether a score is wanted, by its id and the name that it is returned by."""

Names: TypeAlias = Mapping[Cell, str]
"""Score id and column → the name that they are returned by."""

Call: TypeAlias = tuple[Any, Comparison, Names]
"""A metric, made; how it compares; and what of its scores is wanted."""


def score_item(
    prediction: Values,
    target: Values,
    protocol: Protocol,
    inputs: Values,
    wanted: Wanted,
) -> dict[str, float]:
    """`bench.score` of one item's NumPy arrays."""
    given, truth, offered = _shaped(prediction), _shaped(target), _shaped(inputs)
    for name, value in [*given.items(), *truth.items(), *offered.items()]:
        validate(name, value)
    if "mask" in offered:
        truth = {"mask": offered["mask"], **truth}
    values: dict[str, float] = {}
    for metric, comparison, names in work((given, truth, offered), protocol, wanted):
        sized = at_target_size(given, truth, comparison, [])
        item = Item(Key("", ""), None, sized, truth, Sample("", "", offered))
        found = call(metric, names, [item], comparison)
        values |= {name: float(value) for name, value in found.items()}
    return values


def call(metric: Callable[..., Mapping[str, Any]], names: Names, *arguments: Any) -> dict[str, Any]:
    """Name → value of each cell that the metric fills; none where it is unavailable."""
    try:
        found = metric(*arguments)
    except UnavailableError:
        return {}  # stated in `bench.score`: a number that cannot be had is not there
    return {name: found[score] for (score, _), name in names.items() if score in found}


def work(parts: Sequence[Mapping[str, Any]], protocol: Protocol, wanted: Wanted) -> Iterator[Call]:
    """Each metric that applies and is wanted, with each of its comparisons.

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
            names = {cell: written(*cell) for cell in cells}
            names = {cell: name for cell, name in names.items() if wanted(cell[0], name)}
            if names:
                yield metric, comparison, names


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


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(sorted(values)) or "nothing"
