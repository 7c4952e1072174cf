"""A worker process is bounded, killed with all it started, and never outlives its parent."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench.api import Sample
from bench.child import Child, ChildError, Stopped

OPTIONS = {"mode": "good", "on": "", "log": "", "gain": 1.0, "flavour": "plain"}
SAMPLE = Sample("s", "i", {"image": np.ones((4, 4, 3), np.float32)})


def started(log: Path, stop: threading.Event | None = None, **options: Any) -> Child:
    child = Child(sys.executable, 1, log, stop or threading.Event())
    child.start("tiny_methods:Tiny", [OPTIONS | options, "cpu"], 60)
    return child


def test_a_call_returns_result_seconds_and_memory(tiny: Any, tmp_path: Path) -> None:
    child = started(tmp_path / "log")
    answer = child.call("predict", [[SAMPLE]], 0, 60, None)
    assert set(answer["result"][0]) == {"normal", "albedo"}
    assert 0 <= answer["seconds"] < 10
    assert 1e6 < answer["memory"] < 1e9
    child.close()


def test_a_child_that_raised_takes_another_call(tiny: Any, tmp_path: Path) -> None:
    child = started(tmp_path / "log", mode="raise", on="s/other")
    for name, fails in (("other", True), ("i", False)):
        sample = Sample("s", name, SAMPLE.inputs)
        if fails:
            with pytest.raises(ChildError) as caught:
                child.call("predict", [[sample]], 0, 60, None)
            assert (caught.value.kind, caught.value.alive) == ("crash", True)
        else:
            assert child.call("predict", [[sample]], 0, 60, None)["result"]
    child.close()
    assert "no convergence" in (tmp_path / "log").read_text()


def test_an_interrupted_call_kills_the_child(tiny: Any, tmp_path: Path) -> None:
    stop = threading.Event()
    child = started(tmp_path / "log", stop, mode="hang")
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Stopped):
        child.call("predict", [[SAMPLE]], 0, 60, None)
    assert child._process.poll() is not None


def test_closing_twice_kills_nobody_else(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = started(tmp_path / "log")
    child.close()
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("killed a group of another's"))
    child.close()


def test_threads_are_limited_to_the_stated_number(tiny: Any, tmp_path: Path) -> None:
    child = Child(sys.executable, 3, tmp_path / "log", threading.Event())
    child.start("os:getenv", ["OMP_NUM_THREADS"], 60)
    assert child.call("__str__", [], 0, 60, None)["result"] == "3"
    child.close()


PARENT = """
import json, sys, threading
from pathlib import Path
import numpy as np
from bench.api import Sample
from bench.child import Child
child = Child(sys.executable, 1, Path(sys.argv[1]), threading.Event())
child.start("tiny_methods:Tiny", [json.loads(sys.argv[2]), "cpu"], 60)
print(child._process.pid, flush=True)
child.call("predict", [[Sample("s", "i", {"image": np.ones((2, 2, 3))})]], 0, 600, None)
"""


def test_a_hanging_worker_dies_with_its_parent(tiny: Any, tmp_path: Path) -> None:
    options = json.dumps(OPTIONS | {"mode": "hang", "log": str(tmp_path / "calls")})
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log"), options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    while not (tmp_path / "calls").exists() and parent.poll() is None:
        time.sleep(0.01)
    assert parent.poll() is None
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
