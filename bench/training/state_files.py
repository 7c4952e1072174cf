"""The state of a training, of which the one before stays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

STATE, PREVIOUS = "state.pt", "state.previous.pt"


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write `state.pt`; the one before stays as `state.previous.pt`.

    Raises:
        OSError: the disk is full or cannot be written; the state before is kept.
    """
    partial = folder / f".{STATE}.partial"
    try:
        with partial.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        if (folder / STATE).exists():
            (folder / STATE).replace(folder / PREVIOUS)
        partial.replace(folder / STATE)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        hidden = error.__context__  # torch hides a full disk behind a RuntimeError
        cause = hidden if isinstance(hidden, OSError) else error
        raise OSError(str(cause)) from error
