"""`bench check NAME` for a dataset: the card against what the adapter hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from bench import wire
from bench.api import Dataset, DatasetCard, Key, Query, Sample, Targets
from bench.conformance import Finding
from bench.conformance.card import condition_quantity, option_faults
from bench.conformance.predictions import summary
from bench.errors import InvalidValueError
from bench.plugins import load
from bench.quantities import VOCABULARY, validate

LIMIT = 8
"""Samples that are decoded, evenly over the split."""


def check_dataset(card: DatasetCard, options: Mapping[str, Any], split: str = "") -> list[Finding]:
    """Open a split and say what holds of the dataset's card.

    Args:
        options: every option of the card with its value, as `resolve_options` gives them.
        split: "" for the first split of the card.
    """
    split = split or (card.splits[0] if card.splits else "")
    findings = [_finding("options", option_faults(card.options))]
    check = _Check(card, options, split)
    for name, look in check.looks().items():
        try:
            findings.append(_finding(name, look()))
        except Exception as error:  # a stranger's adapter may raise anything
            findings.append(Finding(name, False, f"{type(error).__name__}: {error}"))
            if name == "samples":
                break
    return findings


class _Check:
    def __init__(self, card: DatasetCard, options: Mapping[str, Any], split: str) -> None:
        self._card, self._options, self._split = card, options, split
        self._keys: Sequence[Key] = ()

    def looks(self) -> Mapping[str, Callable[[], Iterator[str]]]:
        """Check → what finds its faults; `samples` comes first, for the others need the keys."""
        return {
            "samples": self._samples,
            "fingerprint": self._fingerprint,
            "inputs": self._inputs,
            "same inputs again": self._again,
            "queries": self._queries,
            "targets": self._targets,
        }

    def _open(self) -> Dataset:
        dataset: Any = load(self._card.implementation)(self._options)
        return dataset  # type: ignore[no-any-return]

    def _samples(self) -> Iterator[str]:
        if self._card.splits and self._split not in self._card.splits:
            yield f"the card's splits {list(self._card.splits)} lack {self._split!r}"
        keys = self._open().samples(self._split)
        if not keys:
            yield f"split {self._split!r} has no samples"
        if len(set(keys)) < len(keys):
            yield f"{len(keys) - len(set(keys))} keys come twice"
        changes = sum(one.scene != other.scene for one, other in pairwise(keys))
        if keys and changes + 1 != len({key.scene for key in keys}):
            yield "the samples of a scene do not stand together"
        self._keys = keys[:: max(1, -(-len(keys) // LIMIT))]

    def _fingerprint(self) -> Iterator[str]:
        first, again = (self._open().fingerprint(self._split) for _ in range(2))
        if first != again:
            yield f"{first!r} the first time, {again!r} the second"
        if not first:
            yield "it is empty"

    def _inputs(self) -> Iterator[str]:
        for sample in self._decoded():
            where = f"{sample.scene}/{sample.id}"
            for name in self._card.inputs:
                if name not in sample.inputs:
                    yield f"{where}: lacks {name}, which the card promises"
            for values in (sample.inputs, *sample.context):
                yield from _invalid(where, values)
            if self._card.context and not sample.context:
                yield f"{where}: has no context, which the card promises"

    def _again(self) -> Iterator[str]:
        others = self._decoded()
        for key, sample, other in zip(self._keys, self._decoded(), others, strict=True):
            if Key(sample.scene, sample.id) != key:
                yield f"{key.scene}/{key.id}: the sample is called {sample.scene}/{sample.id}"
            if list(map(bytes, wire.encode(sample))) != list(map(bytes, wire.encode(other))):
                yield f"{key.scene}/{key.id}: differs when read once more"

    def _queries(self) -> Iterator[str]:
        for sample in self._decoded():
            where = f"{sample.scene}/{sample.id}"
            ids = [query.id for query in sample.queries]
            if len(set(ids)) < len(ids):
                yield f"{where}: two queries have one id"
            for query in sample.queries:
                yield from self._query(f"{where}/{query.id}", query)

    def _query(self, where: str, query: Query) -> Iterator[str]:
        if query.id in VOCABULARY:
            yield f"{where}: the id of a query must not be a quantity's name"
        if query.quantity not in self._card.queries:
            yield f"{where}: asks for {query.quantity!r}, which the card does not list"
            return
        for name, value in query.condition.items():
            if name not in self._card.queries[query.quantity]:
                yield f"{where}: the card's queries[{query.quantity!r}] lack the condition {name!r}"
            yield from _invalid(where, {condition_quantity(name): value})

    def _targets(self) -> Iterator[str]:
        dataset, known = self._open(), set[str]()
        for key in self._keys:
            where, targets = f"{key.scene}/{key.id}", dataset.targets(self._split, key)
            known |= targets.quantities.keys()
            yield from _invalid(where, targets.quantities)
            yield from _answers(where, dataset.inputs(self._split, key), targets)
        for name in sorted(known - set(self._card.targets)):
            yield f"{name} is among the targets, but not among those of the card"
        # A split may lack a truth; a card whose promises nothing keeps cannot be planned with.
        if self._card.targets and not known & set(self._card.targets):
            yield "no sample knows any of the card's targets"

    def _decoded(self) -> Iterator[Sample]:
        dataset = self._open()
        for key in self._keys:
            yield dataset.inputs(self._split, key)


def _answers(where: str, sample: Sample, targets: Targets) -> Iterator[str]:
    asked = {query.id: query.quantity for query in sample.queries}
    for name, values in targets.queries.items():
        if name not in asked:
            yield f"{where}: the truth answers {name!r}, which is not asked"
            continue
        if asked[name] not in values:
            yield f"{where}/{name}: the truth lacks {asked[name]}"
        yield from _invalid(f"{where}/{name}", values)


def _invalid(where: str, values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        try:
            validate(name, value)
        except InvalidValueError as error:
            yield f"{where}: {error.kind}: {error}"


def _finding(check: str, faults: Iterator[str]) -> Finding:
    text = summary(faults)
    return Finding(check, not text, text)
