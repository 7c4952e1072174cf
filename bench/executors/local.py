"""Jobs on this machine, a stated number at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def run(tasks: Iterable[Callable[[], None]], jobs: int, stop: threading.Event) -> None:
    """Run each task once, `jobs` at a time; every task supervises worker processes of its own.

    The first exception, an interrupt among them, sets `stop`, waits for the others to leave, and
    is raised again.
    """
    if jobs == 1:
        _in_turn(tasks, stop)
        return
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _in_turn(tasks: Iterable[Callable[[], None]], stop: threading.Event) -> None:
    try:
        for task in tasks:
            task()
    except BaseException:
        stop.set()
        raise
