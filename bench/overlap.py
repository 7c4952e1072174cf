"""Trained weights are not tested on what they have seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.api import Dataset, Source
from bench.errors import ConfigError
from bench.jobs import Job

_SUFFIX = ".safetensors"
_LARGEST_HEADER = 100_000_000  # what the format admits
_MOST_NAMED = 3


def refuse_overlap(job: Job, dataset: Dataset) -> None:
    """Check that a job's weights have seen neither its split nor any of its scenes.

    Weights of another format, or that do not tell what they have seen, pass: nothing is known of
    them.

    Raises:
        ConfigError: naming method, file and split, where they have; or where the file's header
            cannot be read.
    """
    file = job.weights
    if file is None or file.suffix != _SUFFIX or not file.exists():
        return
    here = {_digest(entry) for entry in Source(job.dataset.name, {}, dataset).seen(job.split)}
    shared = [entry for entry in trained_on(file) if _digest(entry) in here]
    if shared:
        named = ", ".join(entry.rpartition(":")[0] for entry in shared[:_MOST_NAMED])
        rest = len(shared) - _MOST_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        assert job.method.weights is not None  # or there would be no file
        raise ConfigError(
            f"{job.label} on {job.dataset.name}/{job.split}: {file} was trained on {named}{more}, "
            "which this split holds; test on another split, or give other weights with the option "
            f"{job.method.weights.option!r}"
        )


def trained_on(file: Path) -> list[str]:
    """What a .safetensors file says that it was trained on, as `api.Source.seen` writes it.

    The file starts with the length of its header, 8 bytes little-endian, and the header, a JSON
    object; nothing else is read.

    Raises:
        ConfigError: where the header, or what it says, is not of that form.
    """
    try:
        with file.open("rb") as content:
            length = int.from_bytes(content.read(8), "little")
            if length > _LARGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header: Any = json.loads(content.read(length))
        found = json.loads(header.get("__metadata__", {}).get("trained_on", "[]"))
        if not (isinstance(found, list) and all(isinstance(entry, str) for entry in found)):
            raise ValueError("trained_on is no list of strings")
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ConfigError(f"{file}: not a readable {_SUFFIX} file: {error}") from error
    return found


def _digest(entry: str) -> str:
    return entry.rpartition(":")[2]
