"""`bench check NAME` for a method: the card against what the method does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.api import MethodCard, Sample
from bench.child import ChildError
from bench.config import resolve_options
from bench.conformance import Finding
from bench.conformance.card import check_card
from bench.conformance.predictions import against_card, deviation, differences, summary
from bench.conformance.samples import SIZES, handed_over, samples_for
from bench.conformance.subject import Explained, Limits, Subject
from bench.errors import BenchError, ConfigError

BATCH_TOLERANCE = 1e-5
"""A batch may differ from single items by rounding, absolute plus relative."""

DEVICE_TOLERANCE = 1e-3
"""Mean absolute difference between devices over the mean absolute value."""

_LIMITS = Limits()


def check_method(
    card: MethodCard,
    options: Mapping[str, Any],
    device: str,
    threads: int = 2,
    extra_samples: Sequence[Sample] = (),
    limits: Limits = _LIMITS,
) -> list[Finding]:
    """Run a method in a worker on small synthetic samples, and say what holds of its card.

    Ends early where a finding makes the rest meaningless. The worker's log and what `fit` left are
    kept, and the message tells where, only if something failed.

    Args:
        options: as in bench.toml; others keep their default. Paths are relative to the working
            directory.
        device: "cpu" or "cuda:N"; the other one is compared where there is one.
        extra_samples: of a dataset, with all the method needs; checked beside the synthetic ones.
        limits: what a call may take.
    """
    findings = check_card(card)
    if not _all_hold(findings):
        return findings
    try:
        resolved = resolve_options(card.options, options, f"{card.name}: options", Path.cwd())
    except ConfigError as error:
        return [*findings, Finding("options", False, str(error))]
    folder = Path(tempfile.mkdtemp(prefix="bench-check-"))
    with Subject(card, resolved, device, threads, limits, folder) as subject:
        findings += _Check(subject).run([*samples_for(card), *extra_samples])
    if _all_hold(findings):
        shutil.rmtree(folder)
        return findings
    return [*findings, Finding("log", True, f"what the method printed is in {folder / 'log'}")]


class _Check:
    def __init__(self, subject: Subject) -> None:
        self._subject, self._card = subject, subject.card

    def run(self, samples: Sequence[Sample]) -> list[Finding]:
        try:
            self._subject.start()
        except ChildError as error:
            return [Finding("constructs", False, f"{error.kind}: {error}")]
        constructs = Finding("constructs", True, f"with options {dict(self._subject.options)}")
        try:
            handed = handed_over(self._card, samples)
            first = self._subject.explain(handed)
        except BenchError as error:
            return [constructs, Finding("runs", False, str(error))]
        except ChildError as error:
            return [constructs, Finding("runs", False, f"{error.kind}: {error}")]
        findings = [constructs, *self._described(handed, first)]
        if first.miscounted or not all(isinstance(p, Mapping) for p in first.predictions):
            return findings
        return [
            *findings,
            self._same_seed(handed, first),
            self._fresh_process(handed, first),
            self._batches(handed, first),
            *self._granted(samples),
            self._devices(handed, first),
        ]

    def _described(self, samples: Sequence[Sample], found: Explained) -> Iterator[Finding]:
        sizes = " and ".join(f"{height}×{width}" for height, width in SIZES)
        text = f"{len(samples)} samples of {sizes}, with what it needs and nothing it only uses"
        yield Finding("runs", True, text)
        yield Finding("one prediction per sample", not found.miscounted, found.miscounted)
        changed = summary(found.changed)
        yield Finding("inputs left alone", not changed, changed and f"written to: {changed}")
        if not found.miscounted:
            yield from against_card(self._card, samples, found.predictions)

    def _same_seed(self, samples: Sequence[Sample], first: Explained) -> Finding:
        return self._compared("same seed, same arrays", samples, first)

    def _fresh_process(self, samples: Sequence[Sample], first: Explained) -> Finding:
        self._subject.close()
        return self._compared("fresh process, same arrays", samples, first)

    def _batches(self, samples: Sequence[Sample], first: Explained) -> Finding:
        check = "batch of one against many"
        if self._card.scope == "scene" or self._card.batch == 1:
            return Finding(check, True, "skipped: the card takes one sample at a time")
        return self._compared(check, samples, first, batch=1, tolerance=BATCH_TOLERANCE)

    def _compared(
        self,
        check: str,
        samples: Sequence[Sample],
        first: Explained,
        batch: int | None = None,
        tolerance: float = 0.0,
    ) -> Finding:
        try:
            again = self._subject.explain(samples, batch)
        except ChildError as error:
            return Finding(check, False, f"{error.kind}: {error}")
        if again.miscounted:
            return Finding(check, False, again.miscounted)
        text = summary(_differing(first, again, tolerance))
        return Finding(check, not text, text)

    def _granted(self, samples: Sequence[Sample]) -> Iterator[Finding]:
        """One finding for each quantity of `uses` by itself, and one for all of them."""
        uses = self._card.uses
        for granted in [(name,) for name in uses] + ([uses] if len(uses) > 1 else []):
            known = [sample for sample in samples if set(granted) <= set(sample.inputs)]
            yield self._with(f"granted {', '.join(granted)}", known, granted)

    def _with(self, check: str, samples: Sequence[Sample], granted: tuple[str, ...]) -> Finding:
        try:
            handed = handed_over(self._card, samples, granted)
            found = self._subject.explain(handed)
        except BenchError as error:
            return Finding(check, False, str(error))
        except ChildError as error:
            return Finding(check, False, f"{error.kind}: {error}")
        failed = [finding for finding in self._described(handed, found) if not finding.ok]
        return Finding(check, not failed, "; ".join(f"{f.check}: {f.message}" for f in failed))

    def _devices(self, samples: Sequence[Sample], first: Explained) -> Finding:
        check = "CPU against GPU"
        try:
            other = "cpu" if self._subject.device != "cpu" else self._subject.cuda()
            if not other:
                return Finding(check, True, "skipped: the worker's torch finds no CUDA device")
            with self._subject.on(other) as twin:
                found = twin.explain(samples)
        except ChildError as error:
            return Finding(check, False, f"{error.kind}: {error}")
        if found.miscounted:
            return Finding(check, False, f"on {other}: {found.miscounted}")
        deviations = deviation(first.predictions, found.predictions)
        far = {name: value for name, value in deviations.items() if value > DEVICE_TOLERANCE}
        texts = [f"{name} differs by {value:.2g} of its mean" for name, value in far.items()]
        return Finding(check, not far, summary(texts))


def _differing(first: Explained, again: Explained, tolerance: float) -> Iterator[str]:
    if not all(isinstance(prediction, Mapping) for prediction in again.predictions):
        yield "a prediction is no mapping this time"
        return
    yield from differences(first.predictions, again.predictions, tolerance)


def _all_hold(findings: Sequence[Finding]) -> bool:
    return all(finding.ok for finding in findings)
