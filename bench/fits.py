"""The fitted state of a scene on disk: arrays by name, renamed into place when whole."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from bench.errors import InvalidValueError, StoreError

if TYPE_CHECKING:
    from bench.quantities import Array


def state_file(folder: Path) -> Path:
    """Where a fit's folder holds its state once it is done."""
    return folder / "state.npz"


def write_state(folder: Path, state: object, seconds: float, memory: float) -> None:
    """Store what `fit` returned, and in cost.json its seconds and peak bytes.

    Raises:
        InvalidValueError: of kind "shape" where it is no mapping of names to arrays.
        StoreError: where it cannot be written.
    """
    arrays = _checked(state)
    buffer = io.BytesIO()
    # Names of arrays are keywords of savez, which has keywords of its own.
    np.savez(buffer, **{f"_{name}": value for name, value in arrays.items()})
    partial = folder / ".state.npz"
    try:
        (folder / "cost.json").write_text(json.dumps({"seconds": seconds, "memory": memory}))
        partial.write_bytes(buffer.getbuffer())
        partial.replace(state_file(folder))
    except OSError as error:
        raise StoreError(f"{state_file(folder)}: cannot be written: {error.strerror}") from error


def read_state(folder: Path) -> Mapping[str, Array]:
    """The state that `write_state` stored. Raises `StoreError` where it is damaged."""
    file = state_file(folder)
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name.removeprefix("_"): stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise StoreError(f"{file}: {error}; remove it and run again") from error


def _checked(state: object) -> Mapping[str, Any]:
    if not isinstance(state, Mapping):
        raise InvalidValueError("shape", f"fit must return a mapping, not {type(state).__name__}")
    for name, value in state.items():
        if not isinstance(value, np.ndarray):
            text = f"fit: the state's {name!r} must be an array, not {type(value).__name__}"
            raise InvalidValueError("shape", text)
    return state
