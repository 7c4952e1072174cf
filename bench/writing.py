"""Stores items while the next ones are predicted: making files can cost more than a fast method."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from bench.api import Key, Prediction
from bench.errors import StoreError
from bench.store import ItemStatus, Store
from bench.work import Progress

_THREADS = 2
_AHEAD = 2


class Writer:
    """Writes the items of one job, at most a few behind its caller; `close` waits for them.

    Attributes:
        unstored: what could not be stored, with its cause.
    """

    def __init__(self, store: Store, job: str, progress: Progress) -> None:
        self._store, self._job, self._progress = store, job, progress
        self._pool = ThreadPoolExecutor(_THREADS)
        self._pending: deque[Future[None]] = deque()
        self.unstored: list[str] = []

    def write(self, key: Key, status: ItemStatus, prediction: Prediction) -> None:
        """Store an item soon; the prediction must not change meanwhile."""
        write = self._store.write_item
        self._pending.append(self._pool.submit(write, self._job, key, status, prediction))
        while len(self._pending) > _AHEAD:
            self._settle()

    def give_up(self, cause: str, items: int) -> None:
        """Note why that many items stay missing."""
        self.unstored.append(cause)
        self._progress.warn(cause)
        self._progress.advance(items)

    def close(self) -> None:
        """Wait until every item is stored or its failure noted."""
        while self._pending:
            self._settle()
        self._pool.shutdown()

    def _settle(self) -> None:
        try:
            self._pending[0].result()
        except StoreError as error:
            self.unstored.append(str(error))
            self._progress.warn(str(error))
        self._pending.popleft()
        self._progress.advance(1)
