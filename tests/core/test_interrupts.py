"""A run that is interrupted, killed, or joined by another in its folder."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
THIRD = "scene1/item0"


def options(mode: str = "good", on: str = "", log: Path | str = "") -> str:
    return f'[methods.options]\nmode = "{mode}"\non = "{on}"\nlog = "{log}"'


def seen(log: Path) -> list[str]:
    if not log.exists():
        return []
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    return [entry["sample"] for entry in entries if "sample" in entry]


@pytest.fixture
def hanging(plain: Any, tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A run whose third item never ends, once it has got there."""
    log = tmp_path / "calls"
    file = plain.write(tmp_path, f'name = "tiny"\n{options("hang", THIRD, log)}')
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "--no-report", "--config", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that starts tests in the background has Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and len(seen(log)) < 3:
        time.sleep(0.01)
    yield tmp_path, process
    process.kill()
    process.communicate()


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_an_interrupt_is_status_130_keeps_what_is_done_and_ends_the_workers(
    hanging: tuple[Path, subprocess.Popen[str]], command: Command
) -> None:
    folder, process = hanging
    workers = workers_of(process)
    assert workers
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; what is finished is kept, run again to go on" in errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    run = folder / "runs" / "trial"
    assert len(list(run.glob("predictions/tiny/tiny/all/*/*/item.json"))) == 2
    assert not list(run.glob(".partial*"))
    plan = json.loads(command("plan", "--config", folder / "bench.toml", "--json").stdout)
    assert [job["missing"] for job in plan["jobs"]] == [4]


def test_a_second_run_in_one_folder_is_refused_by_name(
    hanging: tuple[Path, subprocess.Popen[str]], command: Command
) -> None:
    folder, process = hanging
    shown = command("run", "--config", folder / "bench.toml", "--no-report")
    assert shown.returncode == 2
    assert f"{folder / 'runs' / 'trial'}: another run is writing here" in shown.stderr
    assert process.poll() is None


def test_a_run_that_is_killed_leaves_no_worker_and_no_lock(
    plain: Any, hanging: tuple[Path, subprocess.Popen[str]], command: Command
) -> None:
    folder, process = hanging
    workers = workers_of(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    plain.write(folder, f'name = "tiny"\n{options("good", "", folder / "calls")}')
    assert command("run", "--config", folder / "bench.toml", "--no-report").returncode == 0
