"""Folders of a training: claimed by its settings, written whole."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import ConfigError, DataError

SETTINGS = "settings.json"


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Note what is trained in the folder.

    Raises:
        ConfigError: it holds a training of other settings.
        DataError: what it notes cannot be read.
    """
    path = out / SETTINGS
    wanted = json.loads(json.dumps(settings))
    if not path.exists():
        write_whole(path, wanted)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: cannot be read: {error}; train into another --out") from error
    other = [key for key in wanted if found.get(key) != wanted[key]]
    if other:
        raise ConfigError(
            f"{path}: the folder holds a training with other {', '.join(other)}; give another --out"
        )


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.partial")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A folder whose files come into `out` when all are written.

    Raises:
        ConfigError: `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial = tempfile.TemporaryDirectory(prefix=".partial-", dir=out)
    except OSError as error:
        raise ConfigError(
            f"{out}: cannot be written: {error.strerror}; name another folder with --out"
        ) from error
    with partial as name:
        folder = Path(name)
        yield folder
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            target = out / file.relative_to(folder)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
