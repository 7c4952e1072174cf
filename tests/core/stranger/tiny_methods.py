"""A method that answers at once, and misbehaves on the item it is told to."""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Prediction, Sample
from bench.errors import UnavailableError


class Tiny:
    """`mode` says what happens to the item named by `on`, or to every item where `on` is empty."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        self._options, self._device = options, device
        if options["mode"] == "cannot start":
            raise ValueError("wrong weights")
        if options["mode"] == "no weights":
            raise UnavailableError("weights are not here; run: fetch-weights")

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        self._note({"call": "predict", "items": [_name(sample) for sample in samples]})
        predictions = [self._one(sample) for sample in samples]
        told = [s for s in samples if self._told(s)]
        return predictions[1:] if told and self._options["mode"] == "short" else predictions

    def _one(self, sample: Sample) -> Prediction:
        self._note(_seen(sample))
        height, width, _ = np.shape(sample.inputs["image"])
        albedo = np.full((height, width, 3), 0.4 * self._options["gain"], np.float32)
        normal = np.zeros((height, width, 3), np.float32)
        normal[..., 2] = 1
        prediction: dict[str, Any] = {"normal": normal, "albedo": albedo}
        prediction |= {query.id: albedo * 0.5 for query in sample.queries}
        return self._spoilt(prediction) if self._told(sample) else prediction

    def _spoilt(self, prediction: dict[str, Any]) -> Any:
        mode = self._options["mode"]
        if mode in _DISASTERS:
            _DISASTERS[mode](self)
        elif mode in _WRONG:
            return _WRONG[mode](prediction)
        return prediction

    def _told(self, sample: Sample) -> bool:
        return self._options["on"] in ("", _name(sample))

    def _note(self, entry: Mapping[str, Any]) -> None:
        if self._options["log"]:
            with Path(self._options["log"]).open("a") as log:
                log.write(json.dumps(entry) + "\n")

    def _raise(self) -> None:
        raise RuntimeError("no convergence")

    def _once(self) -> None:
        marker = Path(self._options["log"] + ".once")
        if not marker.exists():
            marker.touch()
            raise RuntimeError("only the first time")

    def _leave_a_child(self) -> None:
        if os.fork() == 0:
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGSEGV)


class TinyScene(Tiny):
    """Fits a scene by counting its samples."""

    def fit(self, samples: Sequence[Sample], folder: Path) -> Mapping[str, Any]:
        self._note({"call": "fit", "items": [_name(sample) for sample in samples]})
        (folder / "checkpoint").touch()
        if self._options["mode"] == "fit raises":
            raise RuntimeError("diverged")
        if self._options["mode"] == "fit text":
            return {"state": "text"}
        return {"count": np.array([len(samples)], np.float32), "file": np.zeros(1)}

    def predict(self, state: Mapping[str, Any], sample: Sample) -> Prediction:  # type: ignore[override]
        self._note({"call": "predict", "count": float(state["count"][0])})
        return self._one(sample)


class Lacking:
    """Needs a library that is not there."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        import no_such_library  # noqa: F401  # type: ignore[import-not-found]


def _fill(_: Tiny) -> None:
    held = []
    while True:
        held.append(np.ones(2**22))
        time.sleep(0.001)


_DISASTERS = {
    "raise": Tiny._raise,
    "once": Tiny._once,
    "hang": lambda _: time.sleep(600),
    "segfault": lambda _: ctypes.string_at(0),
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "fork": Tiny._leave_a_child,
    "fill": _fill,
    "exit": lambda _: sys.exit(3),
    "vanish": lambda _: os._exit(0),
    "print": lambda _: os.write(1, b"\0" * 100_000),
    "close": lambda _: (os.closerange(3, 200), time.sleep(600)),
}
_WRONG = {
    "shape": lambda p: p | {"normal": np.zeros((4, 4, 2), np.float32)},
    "missing": lambda p: {"normal": p["normal"]},
    "nan": lambda p: p | {"albedo": np.full_like(p["albedo"], np.nan)},
    "range": lambda p: p | {"normal": p["normal"] * 3},
    "text": lambda p: p | {"albedo": "bright"},
    "object": lambda p: p | {"albedo": object()},
    "list": lambda p: [1, 2],
    "small": lambda p: p | {"albedo": p["albedo"][::2, ::2]},
}


def _name(sample: Sample) -> str:
    return f"{sample.scene}/{sample.id}"


def _seen(sample: Sample) -> dict[str, Any]:
    lights = {}
    for query in sample.queries:
        light: Any = query.condition["environment"]
        row, column = np.unravel_index(light.radiance.sum(-1).argmax(), light.radiance.shape[:2])
        lights[query.id] = [sorted(query.condition), light.frame, int(row), int(column)]
    return {
        "sample": _name(sample),
        "inputs": sorted(sample.inputs),
        "context": [sorted(view) for view in sample.context],
        "queries": lights,
        "seed": sample.seed,
        "prefix": sys.prefix,
        "random": float(np.random.rand()),
    }
