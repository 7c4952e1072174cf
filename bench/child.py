"""The harness's end of a worker process: bounded in time and memory, killed as a group."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from bench import wire

_POLL = 0.05
_LAST = 2.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class ChildError(Exception):
    """A call that came to nothing.

    Attributes:
        kind: "crash", "timeout", "memory", "unavailable", or "shape" of what cannot be sent.
        alive: whether the process can take another call.
    """

    def __init__(self, kind: str, message: str, alive: bool) -> None:
        super().__init__(message)
        self.kind = kind
        self.alive = alive


class Stopped(Exception):
    """The run was interrupted while a call was under way."""


class Child:
    """One worker process; see `bench.worker` for what it answers."""

    def __init__(self, python: str, threads: int, log: Path, stop: threading.Event) -> None:
        self._stop = stop
        self._log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._closed = False
        self._channel, theirs = socket.socketpair()
        try:
            with theirs, log.open("ab") as stderr:
                self._process = subprocess.Popen(
                    [python, "-m", "bench.worker", str(theirs.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    env=_environment(threads),
                )
        except OSError:
            self._channel.close()
            raise
        self._channel.setblocking(False)

    def start(self, implementation: str, arguments: Sequence[Any], timeout: float) -> None:
        """Import and construct the implementation. Raises `ChildError`, `Stopped`."""
        self._exchange({"import": implementation, "arguments": arguments}, timeout, None)

    def call(
        self, name: str, arguments: Sequence[Any], seed: int, timeout: float, memory: int | None
    ) -> Mapping[str, Any]:
        """Call a method of the implementation; returns "result", "seconds" and "memory" (bytes).

        Raises:
            ChildError: of kind "timeout" or "memory" where a bound was passed (the process is then
                dead), "crash" where it raised (alive) or died.
            Stopped: where the run was interrupted.
        """
        message = {"call": name, "arguments": arguments, "seed": seed}
        return self._exchange(message, timeout, memory)

    def close(self) -> None:
        """Kill the process and all it started."""
        if self._closed:  # by now the number may be another process's
            return
        self._closed = True
        self._channel.close()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has already ended by itself
        self._process.wait()

    def _exchange(self, message: Any, timeout: float, memory: int | None) -> Mapping[str, Any]:
        bounds = _Bounds(self._process.pid, time.monotonic() + timeout, timeout, memory)
        try:
            for chunk in wire.encode(message):
                self._send(chunk, bounds)
            answer = wire.receive(lambda count: self._receive(count, bounds))
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise ChildError("crash", self._last_words(), alive=False) from error
        except wire.GarbledError as error:
            self.close()
            raise ChildError("crash", f"the worker's answer: {error}", alive=False) from error
        except (ChildError, Stopped):
            self.close()
            raise
        if "failure" in answer:
            raise ChildError(answer["failure"], answer["message"], alive=True)
        return answer  # type: ignore[no-any-return]

    def _send(self, chunk: bytes | memoryview, bounds: _Bounds) -> None:
        view = memoryview(chunk)
        while view:
            if self._wait(bounds, write=True):
                view = view[self._channel.send(view) :]

    def _receive(self, count: int, bounds: _Bounds) -> bytearray:
        buffer = bytearray(count)
        view = memoryview(buffer)
        while view:
            if self._wait(bounds, write=False):
                received = self._channel.recv_into(view)
                if not received:
                    raise EOFError
                view = view[received:]
        return buffer

    def _wait(self, bounds: _Bounds, write: bool) -> bool:
        ours = [self._channel]
        ready = select.select([] if write else ours, ours if write else [], [], _POLL)
        if self._stop.is_set():
            raise Stopped
        if ready[0] or ready[1]:
            return True
        if self._process.poll() is not None:
            raise EOFError  # its end of the channel may live on in a process it started
        bounds.check()
        return False

    def _last_words(self) -> str:
        try:
            code = self._process.wait(_LAST)
        except subprocess.TimeoutExpired:
            return f"the worker closed its channel; its output is in {self._log}"
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").strip().splitlines()
        cause = _signal(-code) if code < 0 else f"exit status {code}"
        said = f": {lines[-1]}" if lines else ""
        return f"the worker died ({cause}){said}; its output is in {self._log}"


def _signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
    # Nothing here kills a worker and then asks how it ended.
    return f"{name}, as the system does when memory runs out" if name == "SIGKILL" else name


class _Bounds:
    """What one call may take; memory is looked at no more often than the poll."""

    def __init__(self, pid: int, deadline: float, timeout: float, memory: int | None) -> None:
        self._pid, self._deadline, self._timeout, self._memory = pid, deadline, timeout, memory
        self._next = time.monotonic() + _POLL

    def check(self) -> None:
        now = time.monotonic()
        if now > self._deadline:
            raise ChildError("timeout", f"no answer within {self._timeout:g} s", alive=False)
        if self._memory is not None and now > self._next:
            self._next = now + _POLL
            used = _resident(self._pid)
            if used > self._memory:
                text = f"{used / 1e9:.2f} GB in use, {self._memory / 1e9:.2f} GB allowed"
                raise ChildError("memory", text, alive=False)


def _resident(pid: int) -> int:
    total = 0
    try:
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # a process that has just ended holds nothing
    return total


def _environment(threads: int) -> dict[str, str]:
    return os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))


def interpreter(python: str) -> str:
    """The interpreter a method asks for, or the one that is running."""
    return python or sys.executable
