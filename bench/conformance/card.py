"""What can be said of a method's card without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.api import MethodCard, Option
from bench.config import resolve_options
from bench.conformance import Finding
from bench.errors import ConfigError
from bench.plugins import ABSENT, nearest, source_hash
from bench.quantities import QUERY_QUANTITIES, VOCABULARY

_REFERENCE = "reference_"


def check_card(card: MethodCard) -> list[Finding]:
    """Words, answers, scope, options, and whether the implementation's module exists."""
    return [
        _finding("card", [*_words(card), *_answers(card), *_scope(card)]),
        _finding("options", [*option_faults(card.options), *_weights(card)]),
        _finding("module", list(_module(card))),
    ]


def option_faults(options: Sequence[Option]) -> Iterator[str]:
    """Options that contradict themselves: default, choices, bounds, names."""
    names = [option.name for option in options]
    for option in options:
        if names.count(option.name) > 1:
            yield f"{option.name} is there twice"
        if not option.name.isidentifier():
            yield f"{option.name!r} can be no keyword argument"
        low, high = option.bounds
        if low is not None and high is not None and low > high:
            yield f"{option.name}: bounds [{low}, {high}] hold nothing"
        for value in (option.default, *option.choices):
            yield from _option_faults(option, value)


def condition_quantity(condition: str) -> str:
    """The quantity of a query's condition: `reference_mask` is the mask of the reference photo."""
    return condition if condition in VOCABULARY else condition.removeprefix(_REFERENCE)


def _option_faults(option: Option, value: Any) -> Iterator[str]:
    if value is None:
        return
    try:
        resolve_options((option,), {option.name: value}, "options", Path())
    except ConfigError as error:
        yield str(error)


def _words(card: MethodCard) -> Iterator[str]:
    named: Mapping[str, Sequence[str]] = {
        "needs": card.needs,
        "uses": card.uses,
        "predicts": card.predicts,
    }
    quantities = VOCABULARY.keys() - set(QUERY_QUANTITIES)
    for attribute, words in named.items():
        for word in words:
            if word not in quantities:
                yield f"{attribute}: {word!r} is no quantity{nearest(word, quantities)}"
        if len(set(words)) < len(words):
            yield f"{attribute} names a quantity twice"
    for word in sorted(set(card.needs) & set(card.uses)):
        yield f"{word} is in needs and in uses; what is needed is always handed over"
    if not card.predicts and not card.answers:
        yield "it predicts nothing and answers nothing"


def _answers(card: MethodCard) -> Iterator[str]:
    for quantity, alternatives in card.answers.items():
        if quantity not in QUERY_QUANTITIES:
            yield f"answers: {quantity!r} is no query{nearest(quantity, QUERY_QUANTITIES)}"
        if isinstance(alternatives, str) or not alternatives:
            yield f"answers[{quantity!r}] must be a tuple of conditions"
            continue
        for condition in (part for text in alternatives for part in text.split("+")):
            if condition_quantity(condition) not in VOCABULARY:
                yield f"answers[{quantity!r}]: {condition!r} is no condition"


def _scope(card: MethodCard) -> Iterator[str]:
    if card.batch < 1:
        yield f"batch is {card.batch}, less than one"
    if card.scope not in ("image", "scene"):
        yield f"scope {card.scope!r} is neither 'image' nor 'scene'"
    if (card.views == "many") != (card.scope == "scene"):
        yield f"views {card.views!r} does not go with scope {card.scope!r}"


def _weights(card: MethodCard) -> Iterator[str]:
    if card.weights is not None:
        paths = [option.name for option in card.options if option.type is Path]
        if card.weights.option not in paths:
            yield f"weights: {card.weights.option!r} is no Path option of the card"
        if card.training == "none":
            yield "weights are named, but training is 'none'"


def _module(card: MethodCard) -> Iterator[str]:
    if source_hash(card.implementation) == ABSENT:
        yield f"{card.implementation}: no such module, or its package cannot be imported"


def _finding(check: str, faults: Sequence[str]) -> Finding:
    return Finding(check, not faults, "; ".join(faults))
