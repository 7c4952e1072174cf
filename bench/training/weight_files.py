"""Weights as .safetensors: the same weights make the same file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], entries: Mapping[str, Any]) -> None:
    """Write contiguous tensors and a JSON header whole or not at all.

    Raises:
        OSError: it cannot be written; an older file is kept.
    """
    header = {key: json.dumps(value, ensure_ascii=False) for key, value in entries.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(_with_ordered_header(safetensors.torch.save(dict(tensors), header)))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _with_ordered_header(stored: bytes) -> tuple[bytes, ...]:
    """The library writes metadata in any order; the same weights shall make the same file."""
    data = 8 + int.from_bytes(stored[:8], "little")
    header = json.loads(stored[8:data])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little"), text, stored[data:]
