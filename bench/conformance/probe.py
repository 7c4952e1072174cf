"""What stands between the harness and an implementation under test, in the worker."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import wire
from bench.api import Sample
from bench.errors import PluginError
from bench.plugins import load


class Probe:
    """Constructs an implementation and calls it, watching what it does to its inputs.

    Every call returns {"result": …, "changed": names of the inputs that were written to}.
    """

    def __init__(self, implementation: str, options: Mapping[str, Any], device: str) -> None:
        self._target = load(implementation)(options, device)

    def predict(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """`Method.predict`. Raises `PluginError` where the result cannot leave the worker."""
        return self._watched(samples, lambda: self._target.predict(samples))

    def fit(self, samples: Sequence[Sample], folder: str) -> dict[str, Any]:
        """`SceneMethod.fit`."""
        return self._watched(samples, lambda: self._target.fit(samples, Path(folder)))

    def predict_fitted(self, state: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
        """`SceneMethod.predict`."""
        return self._watched([sample], lambda: self._target.predict(state, sample))

    def cuda(self) -> str:
        """The first CUDA device that this interpreter's torch can use; "" without one."""
        if importlib.util.find_spec("torch") is None:
            return ""
        import torch

        return "cuda:0" if torch.cuda.is_available() else ""

    def _watched(self, samples: Sequence[Sample], call: Any) -> dict[str, Any]:
        watched = list(samples)
        before = _digests(watched)
        result = call()
        after = _digests(watched)
        names = before.keys() | after.keys()
        changed = sorted(name for name in names if before.get(name) != after.get(name))
        _check_portable(result)
        return {"result": result, "changed": changed}


def _check_portable(result: object) -> None:
    try:
        wire.encode(result)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"the result cannot leave the worker: {error}; return NumPy arrays and the objects of "
            "bench.quantities"
        ) from error


def _digests(samples: Sequence[Sample]) -> dict[str, str]:
    return {
        f"{sample.scene}/{sample.id} {where}": _digest(value)
        for sample in samples
        for where, value in _values(sample)
    }


def _values(sample: Sample) -> Iterator[tuple[str, object]]:
    yield from sample.inputs.items()
    for index, view in enumerate(sample.context):
        yield from ((f"context[{index}].{name}", value) for name, value in view.items())
    for query in sample.queries:
        yield from ((f"{query.id}.{name}", value) for name, value in query.condition.items())


def _digest(value: object) -> str:
    total = hashlib.sha256()
    for chunk in wire.encode(value):
        total.update(chunk)
    return total.hexdigest()
