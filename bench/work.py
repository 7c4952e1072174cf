"""What a run has to do: a job, the dataset it reads, the items it lacks, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.api import Dataset, Key
from bench.errors import BenchError, DataError
from bench.jobs import Job
from bench.plugins import load


@dataclass(frozen=True)
class Settings:
    """How a plan is carried out; none of it changes a value.

    Attributes:
        jobs: jobs at a time.
        limit: samples per dataset, None for all.
        retry_failed: what crashed, timed out or ran out of memory is tried again.
    """

    jobs: int = 1
    limit: int | None = None
    retry_failed: bool = False


@dataclass(frozen=True)
class Opened:
    """A dataset split ready to be read."""

    dataset: Dataset
    keys: tuple[Key, ...]
    fingerprint: str


@dataclass
class Work:
    """What one job lacks."""

    job: Job
    opened: Opened
    key: str
    predict: list[Key] = field(default_factory=list)
    attempts: dict[Key, int] = field(default_factory=dict)


@dataclass
class Progress:
    """Told of work as it is found and done; the command line draws a bar from it."""

    total: Callable[[int], None] = lambda _: None
    advance: Callable[[int], None] = lambda _: None
    describe: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None


def open_split(job: Job, limit: int | None = None) -> Opened:
    """Construct the dataset and list its samples.

    Raises:
        DataError: where the dataset cannot be opened, the split is unknown or empty, or its
            samples are not told apart by scene and id.
    """
    where = f"{job.dataset.name}/{job.split}"
    try:
        made: Any = load(job.dataset.implementation)(dict(job.dataset_options))
        dataset: Dataset = made
        keys = tuple(Key(*key) for key in dataset.samples(job.split))
        fingerprint = dataset.fingerprint(job.split)
    except BenchError:
        raise
    except Exception as error:  # a stranger's adapter may raise anything
        raise DataError(f"{where}: the dataset raised {type(error).__name__}: {error}") from error
    if not keys:
        raise DataError(f"{where}: the split holds no samples")
    if not all(key.scene and key.id for key in keys):
        raise DataError(f"{where}: a sample's scene or id is empty")
    if len(set(keys)) != len(keys):
        raise DataError(f"{where}: two samples share one scene and id")
    return Opened(dataset, keys[:limit], fingerprint)
