"""Jobs → worker processes → predictions → the scorer → records. All writing happens here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from bench.executors import local
from bench.jobs import Job, digest
from bench.overlap import refuse_overlap
from bench.plan import Plan
from bench.plugins import Registry
from bench.predicting import Predictor, stale
from bench.recording import Recorder
from bench.store import Store
from bench.work import Opened, Progress, Settings, Work, open_split


class Runner:
    """Carries out a plan in one run's folder, which its caller has locked.

    Attributes:
        unstored: what could not be written, with its cause; it is missing still.
    """

    def __init__(
        self, plan: Plan, registry: Registry, store: Store, settings: Settings, progress: Progress
    ) -> None:
        self._plan, self._registry, self._store = plan, registry, store
        self._settings, self._progress = settings, progress
        self._stop = threading.Event()
        self._mine = threading.local()
        self._recorders: list[Recorder] = []
        self._splits: dict[tuple[str, str, str], Opened] = {}
        self.unstored: list[str] = []

    def work(self) -> list[Work]:
        """What every job lacks.

        Raises:
            DataError: where a dataset cannot be opened.
            ConfigError: where a method's weights were trained on what it is to be tested on.
        """
        return [self._work(job) for job in self._plan.jobs]

    def _work(self, job: Job) -> Work:
        where = (job.dataset.name, job.split, digest(dict(job.dataset_options)))
        if where not in self._splits:
            self._splits[where] = open_split(job, self._settings.limit)
        opened = self._splits[where]
        refuse_overlap(job, opened.dataset)
        work = Work(job, opened, job.key(opened.fingerprint))
        if job.kind in ("oracle", "noise"):
            return work
        for key in opened.keys:
            status = self._store.status(job.name, key)
            if stale(status, work.key, self._settings.retry_failed):
                work.predict.append(key)
                if status is not None and status.key == work.key:
                    # What was unavailable has not been tried.
                    work.attempts[key] = status.attempt - (status.kind == "unavailable")
        return work

    def run(self, work: Sequence[Work]) -> None:
        """Predict and score. Raises what ends a run; everything finished is kept.

        Raises:
            KeyboardInterrupt: after the workers have been killed.
            StoreError: where what is stored cannot be read.
        """
        self._progress.total(sum(len(w.predict) + len(w.opened.keys) for w in work))
        try:
            tasks = [partial(self._job, each) for each in work]
            local.run(tasks, self._settings.jobs, self._stop)
        finally:
            for recorder in self._recorders:
                recorder.close()
                self.unstored += recorder.unstored

    def _job(self, work: Work) -> None:
        self._progress.describe(work.job.name)
        if work.predict:
            predictor = Predictor(
                work.job, work.opened.dataset, work.key, self._store, self._stop, self._progress
            )
            self.unstored += predictor.run(work.predict, work.attempts)
        self._recorder().score(work)

    def _recorder(self) -> Recorder:
        """The calling thread's own: a scorer process serves one call at a time."""
        if not hasattr(self._mine, "recorder"):
            self._mine.recorder = Recorder(
                self._plan,
                self._registry,
                self._store,
                self._stop,
                self._progress,
                self._settings.retry_failed,
            )
            self._recorders.append(self._mine.recorder)
        recorder: Recorder = self._mine.recorder
        return recorder
