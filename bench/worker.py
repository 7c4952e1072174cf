"""A child process: imports one implementation and calls its methods as it is told.

Runs under any interpreter that has NumPy, pluggy and this package's light core; it opens no
dataset and sees nothing but what the harness sends.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from bench import wire
from bench.errors import BenchError, UnavailableError
from bench.plugins import load


def main() -> None:
    """Serve the socket whose descriptor is the first argument, until it closes.

    The second argument is the harness's process, without which this one ends.
    """
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    threading.Thread(target=_die_with, args=(int(sys.argv[2]),), daemon=True).start()
    try:
        serve(channel)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _die_with(parent: int) -> None:
    # A parent killed outright cannot end us, and a method that hangs would outlive it.
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def serve(channel: socket.socket) -> None:
    """Answer {"import": …} once, then {"call": name, "arguments": …, "seed": …} until the end."""
    target: Any = None
    while True:
        message = wire.receive(lambda count: _read(channel, count))
        try:
            if "import" in message:
                target = load(message["import"])(*message["arguments"])
                answer = {"result": None}
            else:
                answer = _call(target, message)
        except (Exception, SystemExit) as error:  # whatever a method raises is its item's outcome
            answer = _failure(error)
        for chunk in _encoded(answer):
            channel.sendall(chunk)


def _encoded(answer: dict[str, Any]) -> list[bytes | memoryview]:
    try:
        return wire.encode(answer)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        return wire.encode({"failure": "shape", "message": str(error)})


def _read(channel: socket.socket, count: int) -> bytearray:
    buffer = bytearray(count)
    view = memoryview(buffer)
    while view:
        received = channel.recv_into(view)
        if not received:
            raise EOFError
        view = view[received:]
    return buffer


def _call(target: Any, message: dict[str, Any]) -> dict[str, Any]:
    _seed(message["seed"])
    _reset_peak()
    start = time.perf_counter()
    result = getattr(target, message["call"])(*message["arguments"])
    _synchronise()
    seconds = time.perf_counter() - start
    return {"result": result, "seconds": seconds, "memory": _peak()}


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def _synchronise() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # not Linux, or not allowed here: the peak of the whole process stands in
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int:
    """Peak bytes since the last reset: resident memory plus what torch held on the GPU."""
    peak = _peak_resident()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        peak += torch.cuda.max_memory_allocated()
    return peak


def _peak_resident() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    # Elsewhere only the peak of the whole process is known; macOS counts it in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, UnavailableError):
        return {"failure": "unavailable", "message": str(error)}
    if isinstance(error, ModuleNotFoundError):
        text = f"{error}; install it: {sys.executable} -m pip install {error.name}"
        return {"failure": "unavailable", "message": text}
    traceback.print_exception(error)
    exhausted = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    text = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
    return {"failure": "memory" if exhausted else "crash", "message": text}


if __name__ == "__main__":
    main()
