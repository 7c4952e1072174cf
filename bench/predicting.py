"""One job's predictions: batches through a worker process, each item's outcome stored at once."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby
from typing import Any

from bench.api import Dataset, Key, Prediction, Sample
from bench.child import Child, ChildError, interpreter
from bench.errors import BenchError, InvalidValueError, StoreError
from bench.fits import read_state, state_file, write_state
from bench.handover import hand_over, seed_of
from bench.jobs import Job
from bench.quantities import validate
from bench.store import ItemStatus, Store
from bench.work import Progress
from bench.writing import Writer

_START_TIMEOUT = 300.0
TRIED_AGAIN = ("crash", "timeout", "memory")


class Predictor:
    """Runs one job's missing items and stores what becomes of each."""

    def __init__(
        self,
        job: Job,
        dataset: Dataset,
        key: str,
        store: Store,
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._job, self._dataset, self._key, self._store = job, dataset, key, store
        self._stop, self._progress = stop, progress
        self._child: Child | None = None
        self._unavailable: ChildError | None = None
        self._attempts: dict[Key, int] = {}
        self._writer = Writer(store, job.name, progress)

    def run(self, keys: Sequence[Key], attempts: Mapping[Key, int]) -> list[str]:
        """Predict `keys`; `attempts` counts earlier tries. Raises `Stopped`.

        Returns:
            What could not be stored, with its cause; those items stay missing.
        """
        self._attempts = dict(attempts)
        try:
            if self._job.method.scope == "scene":
                for scene, members in groupby(keys, key=lambda key: key.scene):
                    self._scene(scene, list(members))
            else:
                with closing(self._ahead(keys)) as batches:
                    for samples in batches:
                        self._batch(samples)
        finally:
            self._close()
            self._writer.close()
        return self._writer.unstored

    def _ahead(self, keys: Sequence[Key]) -> Generator[list[Sample]]:
        """What could be read of each batch; the next one is read while this one is predicted."""
        size = self._job.method.batch
        batches = [keys[start : start + size] for start in range(0, len(keys), size)]
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, batches[0])
            for following in [*batches[1:], []]:
                found, coming = coming.result(), reader.submit(self._read, following)
                yield self._readable(found)

    def _read(self, keys: Sequence[Key]) -> list[tuple[Key, Sample | Exception]]:
        return [(key, self._sample_or_error(key)) for key in keys]

    def _sample_or_error(self, key: Key) -> Sample | Exception:
        try:
            return hand_over(self._dataset, self._job, key)
        except Exception as error:  # whatever an adapter raises is its item's outcome
            return error

    def _readable(self, found: Iterable[tuple[Key, Sample | Exception]]) -> list[Sample]:
        """The samples; each error becomes its item's outcome."""
        samples = []
        for key, sample in found:
            if isinstance(sample, Exception):
                self._fail(key, *_unreadable(sample))
            else:
                samples.append(sample)
        return samples

    def _batch(self, samples: Sequence[Sample]) -> None:
        if not samples:
            return
        try:
            self._predict(samples)
        except ChildError as error:
            if len(samples) == 1 or error.kind == "unavailable":
                for sample in samples:
                    self._fail(Key(sample.scene, sample.id), error.kind, str(error))
                return
            for sample in samples:
                self._alone(sample)

    def _alone(self, sample: Sample) -> None:
        try:
            self._predict([sample])
        except ChildError as error:
            self._fail(Key(sample.scene, sample.id), error.kind, str(error))

    def _predict(self, samples: Sequence[Sample]) -> None:
        timeout = self._job.timeout * len(samples)
        answer = self._call("predict", [samples], samples[0].seed, timeout)
        predictions = answer["result"]
        if not isinstance(predictions, list) or len(predictions) != len(samples):
            found = len(predictions) if isinstance(predictions, list) else "no list"
            text = f"predict returned {found} for {len(samples)} samples"
            raise ChildError("shape", text, alive=True)
        seconds = answer["seconds"] / len(samples)
        for sample, prediction in zip(samples, predictions, strict=True):
            self._finish(sample, prediction, seconds, answer["memory"])

    def _scene(self, scene: str, keys: list[Key]) -> None:
        samples = self._readable(self._read(keys))
        if not samples:
            return
        try:
            state = self._fitted(scene)
        except (ChildError, InvalidValueError) as error:
            for sample in samples:
                self._fail(Key(sample.scene, sample.id), error.kind, f"fit: {error}")
            return
        except StoreError as error:
            self._writer.give_up(str(error), len(samples))
            return
        for sample in samples:
            try:
                answer = self._call("predict", [state, sample], sample.seed, self._job.timeout)
            except ChildError as error:
                self._fail(Key(sample.scene, sample.id), error.kind, str(error))
                continue
            self._finish(sample, answer["result"], answer["seconds"], answer["memory"])

    def _fitted(self, scene: str) -> Mapping[str, Any]:
        """The state of one scene, fitted on all its samples unless it is stored already."""
        folder = self._store.fit_folder(self._job.label, self._key, scene)
        if not state_file(folder).exists():
            samples = self._members(scene)
            seed = seed_of(self._job.seed, Key(scene, ""))
            answer = self._call("fit", [samples, folder.resolve()], seed, self._job.fit_timeout)
            write_state(folder, answer["result"], answer["seconds"], answer["memory"])
        return read_state(folder)

    def _members(self, scene: str) -> list[Sample]:
        keys = [key for key in self._dataset.samples(self._job.split) if key[0] == scene]
        try:
            return [hand_over(self._dataset, self._job, Key(*key)) for key in keys]
        except Exception as error:  # whatever an adapter raises is its items' outcome
            kind, text = _unreadable(error)
            raise ChildError(kind, text, alive=True) from error

    def _call(
        self, name: str, arguments: Sequence[Any], seed: int, timeout: float
    ) -> Mapping[str, Any]:
        if self._unavailable is not None:
            raise self._unavailable
        try:
            return self._worker().call(name, arguments, seed, timeout, self._job.memory)
        except ChildError as error:
            if not error.alive:
                self._close()
            raise

    def _worker(self) -> Child:
        if self._child is None:
            log = self._store.log_file(self._job.name)
            python = interpreter(self._job.python)
            try:
                child = Child(python, self._job.threads, log, self._stop)
            except OSError as error:
                text = f"{python}: {error.strerror}; the key `python` must name an interpreter"
                raise ChildError("crash", text, alive=False) from error
            try:
                child.start(
                    self._job.method.implementation,
                    [dict(self._job.options), self._job.device],
                    _START_TIMEOUT,
                )
            except ChildError as error:
                child.close()
                raise self._start_error(error) from error
            self._child = child
        return self._child

    def _start_error(self, error: ChildError) -> ChildError:
        if self._job.python and "No module named" in str(error):
            hint = f"{self._job.python} -m pip install --no-deps invrender-bench numpy pluggy"
            error = ChildError("unavailable", f"{error}; run: {hint}", alive=False)
        # Every item would wait for the same import to fail.
        self._unavailable = ChildError(error.kind, f"at start: {error}", alive=False)
        return self._unavailable

    def _close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _finish(self, sample: Sample, prediction: object, seconds: float, memory: float) -> None:
        key = Key(sample.scene, sample.id)
        answers = {query.id: query.quantity for query in sample.queries}
        try:
            kept = _checked(prediction, self._job.method.predicts, answers)
        except InvalidValueError as error:
            self._fail(key, error.kind, str(error), seconds, memory)
            return
        self._write(key, ItemStatus(self._key, "value", "", "", seconds, memory), kept, answers)

    def _fail(
        self, key: Key, kind: str, message: str, seconds: float = 0.0, memory: float = 0.0
    ) -> None:
        outcome = "unavailable" if kind == "unavailable" else "failed"
        reason = "" if kind == "unavailable" else kind
        status = ItemStatus(self._key, outcome, reason, message, seconds, memory)
        self._write(key, status, {}, {})

    def _write(
        self, key: Key, status: ItemStatus, prediction: Prediction, answers: Mapping[str, str]
    ) -> None:
        attempt = self._attempts.get(key, 0) + 1
        body = {**vars(status), "attempt": attempt, "answers": answers}
        self._writer.write(key, ItemStatus(**body), prediction)


def stale(status: ItemStatus | None, key: str, retry: bool) -> bool:
    """Whether an item must be predicted: never tried, tried under another key, or to be retried.

    An unavailable method is always tried again, since what it lacked may have come.
    """
    if status is None or status.key != key or status.kind == "unavailable":
        return True
    return retry and status.kind == "failed" and status.reason in TRIED_AGAIN


def _unreadable(error: Exception) -> tuple[str, str]:
    """Reason and message of a sample that a dataset, perhaps a stranger's, could not give."""
    if isinstance(error, BenchError):
        return "missing", str(error)
    reason = "memory" if isinstance(error, MemoryError) else "crash"
    return reason, f"the dataset raised {type(error).__name__}: {error}"


def _checked(
    prediction: object, predicts: Sequence[str], answers: Mapping[str, str]
) -> dict[str, Any]:
    """The promised part of a prediction. Raises `InvalidValueError`."""
    if not isinstance(prediction, Mapping):
        raise InvalidValueError("shape", f"a prediction must be a mapping, not {type(prediction)}")
    kept: dict[str, Any] = {}
    for name in [*predicts, *answers]:
        if name not in prediction:
            raise InvalidValueError(
                "missing", f"{name} is promised by the card but was not returned"
            )
        quantity = answers.get(name, name)
        try:
            validate(quantity, prediction[name])
        except InvalidValueError as error:
            raise InvalidValueError(error.kind, f"{name}: {error}") from error
        kept[name] = prediction[name]
    return kept
