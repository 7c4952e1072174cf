"""What the commands share: where they compute, and folders that are written whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from bench.errors import ConfigError, UnavailableError


def device_named(name: str) -> str:
    """A device of torch; "auto" is a GPU where there is one.

    Raises:
        UnavailableError: it is not here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UnavailableError(f"--device {name}: {error}; --device cpu works anywhere") from error
    return name


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
