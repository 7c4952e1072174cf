"""What of a run's folder may go."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.errors import StoreError
from bench.store import Store


def obsolete(run: Path, everything: bool = False) -> list[Path]:
    """Paths of a run that none of its manifest's rows refers to; the run itself if `everything`.

    Raises:
        StoreError: where the folder is no run, so that nothing else is ever removed.
    """
    manifest = Store(run).read_manifest()
    if not manifest:
        raise StoreError(f"{run}: no manifest.json here; this is not a run's folder")
    if everything:
        return [run]
    keys = {row["job"]: row["key"] for row in manifest["rows"]}
    return [*_records(run, keys), *_items(run, keys), *_fits(run, set(keys.values()))]


def remove(run: Path, paths: list[Path]) -> None:
    """Remove what `obsolete` named, while no run writes there. Raises `StoreError`."""
    with Store(run).locked():
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            _remove_empty(path.parent, run)


def _remove_empty(folder: Path, run: Path) -> None:
    while folder != run and run in folder.parents and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _records(run: Path, keys: dict[str, str]) -> Iterator[Path]:
    current = {Store(run).records_file(job) for job in keys}
    yield from sorted(set((run / "records").glob("*.jsonl")) - current)


def _items(run: Path, keys: dict[str, str]) -> Iterator[Path]:
    folders = {Store(run).job_folder(job): key for job, key in keys.items()}
    for job in sorted((run / "predictions").glob("*/*/*")):
        if job not in folders:
            yield job
            continue
        for file in sorted(job.glob("*/*/item.json")):
            if json.loads(file.read_bytes())["key"] != folders[job]:
                yield file.parent


def _fits(run: Path, keys: set[str]) -> Iterator[Path]:
    for folder in sorted((run / "fits").glob("*/*")):
        if folder.name not in keys:
            yield folder
