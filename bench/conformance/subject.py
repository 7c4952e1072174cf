"""A method under test: a worker that is started anew whenever it has died."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.api import Key, MethodCard, Sample
from bench.child import Child, ChildError, interpreter
from bench.handover import seed_of

_START_TIMEOUT = 300.0


@dataclass(frozen=True)
class Limits:
    """What one call may take: seconds per item, seconds per fit, bytes."""

    timeout: float = 60.0
    fit_timeout: float = 3600.0
    memory: int = 8 * 10**9


@dataclass(frozen=True)
class Explained:
    """What came back.

    Attributes:
        predictions: whatever the method returned, one per sample unless `miscounted`.
        miscounted: in words, where the number of predictions was wrong; "" where it was not.
        changed: inputs that the method wrote to.
    """

    predictions: Sequence[Any]
    miscounted: str
    changed: Sequence[str]


class Subject:
    """Calls the method as a run would, through a probe; every call may raise `ChildError`."""

    def __init__(
        self,
        card: MethodCard,
        options: Mapping[str, Any],
        device: str,
        threads: int,
        limits: Limits,
        folder: Path,
    ) -> None:
        self.card, self.options, self.device, self.folder = card, options, device, folder
        self._threads, self._limits = threads, limits
        self._child: Child | None = None

    def on(self, device: str) -> Subject:
        """The same method on another device."""
        return Subject(self.card, self.options, device, self._threads, self._limits, self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Import and construct the implementation in a fresh process."""
        self.close()
        child = Child(interpreter(""), self._threads, self.folder / "log", threading.Event())
        arguments = [self.card.implementation, dict(self.options), self.device]
        try:
            child.start("bench.conformance.probe:Probe", arguments, _START_TIMEOUT)
        except ChildError:
            child.close()
            raise
        self._child = child

    def close(self) -> None:
        """End the process; the next call starts another."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def explain(self, samples: Sequence[Sample], batch: int | None = None) -> Explained:
        """Predict all samples, at most `batch` (or the card's) at a time."""
        if self.card.scope == "scene":
            return self._explain_scenes(samples)
        size = batch or self.card.batch
        predictions: list[Any] = []
        changed: list[str] = []
        for start in range(0, len(samples), size):
            chunk = samples[start : start + size]
            timeout = self._limits.timeout * len(chunk)
            answer = self._call("predict", [chunk], chunk[0].seed, timeout)
            changed += answer["changed"]
            found = answer["result"]
            if not isinstance(found, list) or len(found) != len(chunk):
                count = len(found) if isinstance(found, list) else f"a {type(found).__name__}"
                text = f"predict returned {count} for {len(chunk)} samples"
                return Explained(predictions, text, changed)
            predictions += found
        return Explained(predictions, "", changed)

    def cuda(self) -> str:
        """The CUDA device the worker's interpreter can use; "" without one."""
        found: str = self._exchange("cuda", [], 0, _START_TIMEOUT)["result"]
        return found

    def _explain_scenes(self, samples: Sequence[Sample]) -> Explained:
        predictions: list[Any] = []
        changed: list[str] = []
        for scene, group in groupby(samples, key=lambda sample: sample.scene):
            members = list(group)
            folder = tempfile.mkdtemp(prefix="fit-", dir=self.folder)
            seed = seed_of(0, Key(scene, ""))
            fitted = self._call("fit", [members, folder], seed, self._limits.fit_timeout)
            changed += fitted["changed"]
            for sample in members:
                arguments = [fitted["result"], sample]
                answer = self._call("predict_fitted", arguments, sample.seed, self._limits.timeout)
                changed += answer["changed"]
                predictions.append(answer["result"])
        return Explained(predictions, "", changed)

    def _call(
        self, name: str, arguments: Sequence[Any], seed: int, timeout: float
    ) -> Mapping[str, Any]:
        result: Mapping[str, Any] = self._exchange(name, arguments, seed, timeout)["result"]
        return result

    def _exchange(
        self, name: str, arguments: Sequence[Any], seed: int, timeout: float
    ) -> Mapping[str, Any]:
        if self._child is None:
            self.start()
        assert self._child is not None
        try:
            return self._child.call(name, arguments, seed, timeout, self._limits.memory)
        except ChildError as error:
            if not error.alive:
                self.close()
            raise
