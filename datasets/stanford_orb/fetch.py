"""`bench fetch stanford-orb`: the official archives, unpacked side by side under one root."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.datasets.stanford_orb.layout import FOLDER
from bench.errors import ConfigError
from bench.fetching import fetch
from bench.fetching.installing import around
from bench.fetching.tarballs import unpack_tar

MARKERS = {
    "blender_HDR": "*_scene00*/transforms_train.json",
    "blender_LDR": "*_scene00*/transforms_train.json",
    "ground_truth": "*_scene00*/env_map",
    "llff_colmap_HDR": "*_scene00*/train_id.txt",
    "llff_colmap_LDR": "*_scene00*/train_id.txt",
}
"""Archive → what lies in it below the folder that bears its name here."""

MOST_BYTES = 256 * 2**30
"""What one archive may unpack to: the largest has 72 GB packed."""


def fetch_stanford_orb(*, parts: str, out: Path, url: str) -> None:
    """Bring each of `parts`, separated by commas, to `out`/stanford_orb/<part>.

    A download goes on where an earlier one broke off. A folder that is there is left alone; the
    archives and their checksums stay beside the folders.

    Raises:
        ConfigError: no such part; nothing is downloaded. Otherwise as `fetch`.
        UnavailableError, DataError, OSError: as `fetch` and `unpack_tar`; `DataError` also where
            an archive holds something else.
    """
    for part in _chosen(parts):
        _bring(part, out / FOLDER, url)
    print(f"{out / FOLDER}: set the dataset's option root to it")


def _chosen(parts: str) -> Sequence[str]:
    names = [name.strip() for name in parts.split(",")]
    for name in names:
        if name not in MARKERS:
            raise ConfigError(f"--parts: no archive {name!r}; there are {', '.join(MARKERS)}")
    return names


def _bring(part: str, root: Path, url: str) -> None:
    folder, archive = root / part, root / f"{part}.tar.gz"
    if folder.exists():
        print(f"{folder}: is there already; remove it to unpack it again")
        return
    fetched = fetch(f"{url.rstrip('/')}/{archive.name}", archive)
    trust = "noted and trusted as the first seen" if fetched.first else "as at the first download"
    print(f"{archive}: SHA-256 {fetched.sha256}, {trust}")
    unpacked = root / f".{part}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        unpack_tar(archive, unpacked, most_bytes=MOST_BYTES)
        around(archive, unpacked, MARKERS[part])[0].rename(folder)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    print(f"{folder}: unpacked")
