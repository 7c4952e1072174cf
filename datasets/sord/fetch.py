"""`bench fetch met-vases` and `bench fetch synthetic-vases`: the published archives, unpacked."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.datasets.sord.layout import MET, SYNTHETIC
from bench.errors import DataError
from bench.fetching import fetch, unpack


def fetch_met_vases(*, out: Path, url: str) -> None:
    """Bring `met-vases` to `out`/met_vases; see `_fetch`."""
    _fetch(MET, out, url)


def fetch_synthetic_vases(*, out: Path, url: str) -> None:
    """Bring `synthetic-vases` to `out`/syn_vases; see `_fetch`."""
    _fetch(SYNTHETIC, out, url)


def _fetch(name: str, out: Path, url: str) -> None:
    """Download and unpack an archive unless its folder is there; keep the archive and its checksum.

    Raises:
        ConfigError, UnavailableError, DataError, OSError: as `fetch` and `unpack`; `DataError` also
            where the archive holds no image_mask/.
    """
    folder = out / name
    if folder.exists():
        print(f"{folder}: is there already; remove it to unpack it again")
        return
    fetched = fetch(url, out / f"{name}.zip")
    trust = "noted and trusted as the first seen" if fetched.first else "as at the first download"
    print(f"{fetched.path}: SHA-256 {fetched.sha256}, {trust}")
    unpacked = out / f".{name}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    _settle(unpack(fetched.path, unpacked), folder)
    print(f"{folder}: unpacked; set the dataset's option root to it")


def _settle(unpacked: Path, folder: Path) -> None:
    """Give the folder that holds image_mask/ its name, whatever folders were packed around it."""
    found = min(unpacked.rglob("image_mask"), key=lambda path: len(path.parts), default=None)
    if found is not None:
        found.parent.rename(folder)
    shutil.rmtree(unpacked, ignore_errors=True)
    if found is None:
        raise DataError(f"{folder.name}.zip: holds no folder image_mask; is it the right archive?")
