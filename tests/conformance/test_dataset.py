from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.api import DatasetCard, Key, Query, Sample, Targets
from bench.conformance.dataset import check_dataset
from bench.conformance.samples import view_values

VALUES = view_values(0, 0, 0, (12, 16))
IMAGE = VALUES["image"]


class Honest:
    keys: Sequence[Key] = (Key("a", "0"), Key("a", "1"), Key("b", "0"))

    def __init__(self, options: object) -> None:
        self.decoded = 0

    def samples(self, split: str) -> Sequence[Key]:
        return self.keys

    def fingerprint(self, split: str) -> str:
        return "f00d"

    def inputs(self, split: str, key: Key) -> Sample:
        inputs = {name: VALUES[name] for name in ("image", "mask", "camera")}
        return Sample(key.scene, key.id, inputs, (inputs,), (self.query(),))

    def query(self) -> Query:
        return Query("noon", "relit", {"environment": VALUES["environment"]})

    def targets(self, split: str, key: Key) -> Targets:
        return Targets({"albedo": VALUES["albedo"]}, {"noon": {"relit": IMAGE}})


class Changed(Honest):
    """Changes what `inputs` returns."""

    def inputs(self, split: str, key: Key) -> Sample:
        return self.change(super().inputs(split, key))

    def change(self, sample: Sample) -> Sample:
        raise NotImplementedError


class Repeating(Honest):
    keys = (Key("a", "0"), Key("a", "0"))


class Scattered(Honest):
    keys = (Key("a", "0"), Key("b", "0"), Key("a", "1"))


class Empty(Honest):
    keys = ()


class Unstable(Honest):
    count = 0

    def fingerprint(self, split: str) -> str:
        Unstable.count += 1
        return str(Unstable.count)


class Lacking(Changed):
    def change(self, sample: Sample) -> Sample:
        return replace(sample, inputs={"image": IMAGE})


class WithoutContext(Changed):
    def change(self, sample: Sample) -> Sample:
        return replace(sample, context=())


class NotANumber(Changed):
    def change(self, sample: Sample) -> Sample:
        return replace(sample, inputs={**sample.inputs, "mask": VALUES["mask"] * np.nan})


class Noisy(Changed):
    def change(self, sample: Sample) -> Sample:
        image = IMAGE + np.random.default_rng().random(IMAGE.shape)
        return replace(sample, inputs={**sample.inputs, "image": image})


class Misnamed(Changed):
    def change(self, sample: Sample) -> Sample:
        return replace(sample, id="other")


class NamedAsAQuantity(Honest):
    def query(self) -> Query:
        return replace(super().query(), id="albedo")


class Unlisted(Honest):
    def query(self) -> Query:
        return replace(super().query(), quantity="view")


class OtherCondition(Honest):
    def query(self) -> Query:
        return replace(super().query(), condition={"reference_mask": VALUES["mask"]})


class Undeclared(Honest):
    def targets(self, split: str, key: Key) -> Targets:
        return Targets({"albedo": VALUES["albedo"], "depth": VALUES["depth"]})


class KnowingNothing(Honest):
    def targets(self, split: str, key: Key) -> Targets:
        return Targets({})


class AnsweringUnasked(Honest):
    def targets(self, split: str, key: Key) -> Targets:
        return Targets({"albedo": VALUES["albedo"]}, {"dusk": {"relit": IMAGE}})


class InvalidAnswer(Honest):
    def targets(self, split: str, key: Key) -> Targets:
        return Targets({"albedo": VALUES["albedo"]}, {"noon": {"relit": IMAGE[..., :2]}})


class Raising(Honest):
    def targets(self, split: str, key: Key) -> Targets:
        raise OSError("no such disk")


def failures(monkeypatch: pytest.MonkeyPatch, kind: type, **changes: Any) -> dict[str, str]:
    """Check → message, of what does not hold."""
    monkeypatch.setattr("bench.conformance.dataset.load", lambda implementation: kind)
    card = DatasetCard(
        name="set",
        title="Set",
        implementation="set:Set",
        inputs=("image", "mask", "camera"),
        targets=("albedo",),
        queries={"relit": ("environment",)},
        context=True,
        splits=("all",),
    )
    findings = check_dataset(replace(card, **changes), {})
    return {finding.check: finding.message for finding in findings if not finding.ok}


def test_an_honest_dataset_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failures(monkeypatch, Honest) == {}


@pytest.mark.parametrize(
    ("liar", "caught", "says"),
    [
        (Repeating, "samples", "1 keys come twice"),
        (Scattered, "samples", "do not stand together"),
        (Empty, "samples", "has no samples"),
        (Unstable, "fingerprint", "the first time"),
        (Lacking, "inputs", "a/0: lacks mask"),
        (WithoutContext, "inputs", "has no context"),
        (NotANumber, "inputs", "non-finite: mask"),
        (Noisy, "same inputs again", "a/0: differs when read once more"),
        (Misnamed, "same inputs again", "is called a/other"),
        (NamedAsAQuantity, "queries", "must not be a quantity's name"),
        (Unlisted, "queries", "asks for 'view', which the card does not list"),
        (OtherCondition, "queries", "lack the condition 'reference_mask'"),
        (Undeclared, "targets", "depth is among the targets"),
        (KnowingNothing, "targets", "no sample knows"),
        (AnsweringUnasked, "targets", "answers 'dusk', which is not asked"),
        (InvalidAnswer, "targets", "a/0/noon: shape: relit"),
        (Raising, "targets", "OSError: no such disk"),
    ],
)
def test_a_lie_is_caught(
    monkeypatch: pytest.MonkeyPatch, liar: type, caught: str, says: str
) -> None:
    assert says in failures(monkeypatch, liar)[caught]


def test_a_split_the_card_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.conformance.dataset.load", lambda implementation: Honest)
    card = DatasetCard("set", "Set", "set:Set", splits=("all",))
    (finding, *_) = (f for f in check_dataset(card, {}, "some") if not f.ok)
    assert finding.message == "the card's splits ['all'] lack 'some'"
