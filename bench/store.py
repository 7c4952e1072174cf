"""A run's folder: manifest, predictions renamed into place, append-only records, and its lock."""

from __future__ import annotations

import io
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import filelock

from bench.api import Key, Prediction
from bench.errors import DataError, StoreError
from bench.graphics.value_files import read_value, write_value
from bench.plugins import nearest
from bench.quantities import VOCABULARY


@dataclass(frozen=True)
class ItemStatus:
    """What became of one item's prediction; stands as item.json beside it.

    Attributes:
        key: digest of all that decides the prediction; another key means it is stale.
        kind: "value", "failed" or "unavailable".
        seconds: time of predict, per item of its batch.
        memory: peak bytes of the worker.
        attempt: how often it has been tried under this key.
    """

    key: str
    kind: str
    reason: str = ""
    message: str = ""
    seconds: float = 0.0
    memory: float = 0.0
    attempt: int = 1
    size: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)


def slug(name: str) -> str:
    """A file name for any text; never a path, never hidden."""
    quoted = quote(name, safe=" ")
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted or "%"


class Store:
    """Reads and writes one run's folder. One process writes, under `locked`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the lock is the operating system's and dies with its process.

        Raises:
            StoreError: where another process holds it, or the folder cannot be written.
        """
        lock = filelock.FileLock(self.path / "lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise StoreError(
                f"{self.path}: another run is writing here; wait for it, or choose another --out"
            ) from error
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {_cause(error)}") from error
        try:
            self._sweep()
            yield
        finally:
            lock.release()

    def _sweep(self) -> None:
        for left in self.path.glob(".partial-*"):
            shutil.rmtree(left)

    def read_manifest(self) -> dict[str, Any]:
        """The manifest; empty where the run has not begun. Raises `StoreError` if unreadable."""
        file = self.path / "manifest.json"
        if not file.exists():
            return {}
        try:
            manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{file}: {error}; remove it and run again") from error
        return manifest

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace the manifest in one step. Raises `StoreError`."""
        replace_text(self.path / "manifest.json", json.dumps(manifest, indent=1))

    def job_folder(self, job: str) -> Path:
        """Where the predictions of one row ("label/dataset/split") lie."""
        return self.path.joinpath("predictions", *(slug(part) for part in job.split("/")))

    def item_folder(self, job: str, key: Key) -> Path:
        """predictions/<label>/<dataset>/<split>/<scene>/<id>."""
        return self.job_folder(job) / slug(key.scene) / slug(key.id)

    def status(self, job: str, key: Key) -> ItemStatus | None:
        """What became of one item, None where it was not tried. Raises `StoreError`."""
        file = self.item_folder(job, key) / "item.json"
        try:
            return ItemStatus(**json.loads(file.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError) as error:
            raise StoreError(f"{file}: {error}; remove its folder and run again") from error

    def write_item(
        self, job: str, key: Key, status: ItemStatus, prediction: Prediction | None = None
    ) -> None:
        """Store an item whole or not at all. Raises `StoreError`; nothing half-written stays."""
        target = self.item_folder(job, key)
        partial = self.path / f".partial-{uuid.uuid4().hex}"
        try:
            partial.mkdir(parents=True)
            size = _write_prediction(partial, prediction or {}, status.answers)
            body = json.dumps(asdict(status) | {"size": size})
            (partial / "item.json").write_text(body, encoding="utf-8")
            _swap(partial, target, self.path)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise StoreError(
                f"{target}: the prediction cannot be stored: {_cause(error)}; earlier results are "
                "kept, make room and run again"
            ) from error
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def prediction(self, job: str, key: Key) -> Prediction:
        """What was predicted for one item; empty where nothing was. Raises `DataError`."""
        return read_prediction(self.item_folder(job, key))

    def fit_folder(self, label: str, job_key: str, scene: str) -> Path:
        """A folder, made here, for the fit of one scene. Raises `StoreError`."""
        return _made(self.path / "fits" / slug(label) / job_key / slug(scene))

    def log_file(self, name: str) -> Path:
        """Where a worker's output goes; its folder is made here. Raises `StoreError`."""
        return _made(self.path / "logs") / ("--".join(map(slug, name.split("/"))) + ".log")

    def records_file(self, job: str) -> Path:
        """The append-only records of one row."""
        return self.path / "records" / ("--".join(slug(part) for part in job.split("/")) + ".jsonl")

    def records(self, job: str) -> Iterator[dict[str, Any]]:
        """Every whole line ever appended for one row, oldest first. Raises `StoreError`."""
        file = self.records_file(job)
        if not file.exists():
            return
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return  # the writer died within this line; the next append removes it
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise StoreError(f"{file}:{number}: {error}; remove the line") from error

    def append(self, job: str, records: list[dict[str, Any]]) -> None:
        """Append whole lines or nothing. Raises `StoreError`."""
        file = self.records_file(job)
        body = "".join(json.dumps(record) + "\n" for record in records).encode()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: closing would write again what could not be written.
            with file.open("ab", buffering=0) as out:
                end = _whole_lines(file)
                out.truncate(end)
                try:
                    _write_all(out, body)
                except BaseException:
                    out.truncate(end)
                    raise
        except OSError as error:
            raise StoreError(
                f"{file}: records cannot be appended: {_cause(error)}; earlier ones are intact"
            ) from error


def read_prediction(folder: Path) -> Prediction:
    """The quantities and query answers in one item's folder, in anybody's accepted formats.

    `<quantity>.<ext>` is a quantity, `<quantity>/<query>.<ext>` the answer to a query.

    Raises:
        DataError: naming the file that cannot be read.
    """
    found: dict[str, Any] = {}
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.name == "item.json" or entry.name.startswith("."):
            continue
        quantity = entry.name.partition(".")[0]
        if quantity not in VOCABULARY:
            raise DataError(f"{entry}: {quantity!r} is no quantity{nearest(quantity, VOCABULARY)}")
        if entry.is_dir():
            answers = {unquote(file.stem): file for file in sorted(entry.iterdir())}
            found |= {query: read_value(file, quantity) for query, file in answers.items()}
        elif quantity in found:
            raise DataError(f"{entry}: {quantity} is given twice in this folder; keep one file")
        else:
            found[quantity] = read_value(entry, quantity)
    return found


def _write_prediction(folder: Path, prediction: Prediction, answers: Mapping[str, str]) -> int:
    size = 0
    for name, value in prediction.items():
        quantity = answers.get(name, name)
        stem = folder / quantity
        if name in answers:
            stem.mkdir(exist_ok=True)
            stem /= slug(name)
        size += write_value(stem, quantity, value).stat().st_size
    return size


def _swap(partial: Path, target: Path, root: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.rename(target)
        return
    stale = root / f".partial-{uuid.uuid4().hex}"
    target.rename(stale)
    try:
        partial.rename(target)
    except OSError:
        stale.rename(target)
        raise
    shutil.rmtree(stale)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {_cause(error)}") from error
    return folder


def _write_all(out: io.RawIOBase, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[out.write(view) or 0 :]


def _cause(error: OSError) -> str:
    return error.strerror or str(error)


def _whole_lines(file: Path) -> int:
    # A line is written in one call, so at most the last one can be torn.
    data_end = file.stat().st_size
    if data_end == 0:
        return 0
    with file.open("rb") as data:
        step = 1
        while True:
            data.seek(data_end - step)
            newline = data.read(step).rfind(b"\n")
            if newline >= 0:
                return data_end - step + newline + 1
            if step == data_end:
                return 0
            step = min(data_end, step * 64)


def replace_text(file: Path, text: str) -> None:
    """Write a file beside its place and rename it there. Raises `StoreError`."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        with suppress(OSError):  # what stopped the writing may stop this too
            partial.unlink(missing_ok=True)
        raise StoreError(f"{file}: cannot be written: {_cause(error)}") from error
