"""`bench run` and its kin as a user calls them."""

import json
import os
import pty
import subprocess
import sys
import termios
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pluggy
import pytest

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


def options(mode: str = "good", on: str = "", log: Path | str = "") -> str:
    return f'[methods.options]\nmode = "{mode}"\non = "{on}"\nlog = "{log}"'


@pytest.fixture(scope="module")
def finished(
    plain: Any, command: Command, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("finished")
    file = plain.write(
        folder,
        'name = "tiny"',
        f'name = "tiny"\nlabel = "sour"\n{options("raise", "scene1/item0")}',
        'name = "tiny-mesh"',
    )
    return folder, command("run", "--config", file, "--no-report")


def test_some_failed_is_status_1_and_the_summary_says_which(finished: Any) -> None:
    _, shown = finished
    assert shown.returncode == 1, shown.stderr
    assert " failed, " in shown.stdout
    assert "† sour on tiny/all: crash:" in shown.stdout
    assert "scene1/item0" in shown.stdout and "RuntimeError: no convergence" in shown.stdout
    assert shown.stderr == ""  # no bar where there is no terminal


def test_the_run_lies_beside_its_file_under_its_name(finished: Any) -> None:
    folder, _ = finished
    assert {path.name for path in (folder / "runs" / "trial").iterdir()} >= {
        "manifest.json",
        "predictions",
        "records",
    }


def test_the_plan_of_a_finished_run_misses_nothing(finished: Any, command: Command) -> None:
    folder, _ = finished
    shown = command("plan", "--config", folder / "bench.toml", "--json")
    plan = json.loads(shown.stdout)
    assert {job["job"]: (job["cached"], job["missing"]) for job in plan["jobs"]} == {
        "tiny/tiny/all": (6, 0),
        "sour/tiny/all": (6, 0),
    }
    (impossible,) = plan["impossible"]
    assert impossible["reason"] == "needs mesh, which tiny does not offer"


def test_a_plan_estimates_from_earlier_runs_and_executes_nothing(
    finished: Any, command: Command
) -> None:
    folder, _ = finished
    other = folder / "runs" / "another"
    arguments = ("plan", "--config", folder / "bench.toml", "--out", other)
    shown = command(*arguments, "--methods", "tiny", "--retry-failed", "--json")
    jobs = json.loads(shown.stdout)["jobs"]
    assert [(job["missing"], job["cached"]) for job in jobs] == [(6, 0), (6, 0)]
    assert all(0 < job["seconds"] < 60 and job["megabytes"] > 0 for job in jobs)
    text = command(*arguments, "--methods", "sour").stdout
    assert "0 cached     6 missing" in text and str(other) in text
    assert not other.exists()


def test_a_failed_item_is_missing_where_it_is_to_be_retried(
    finished: Any, command: Command
) -> None:
    folder, _ = finished
    arguments = ("plan", "--config", folder / "bench.toml", "--retry-failed", "--json")
    jobs = json.loads(command(*arguments).stdout)["jobs"]
    assert [job["missing"] for job in jobs] == [0, 1]


def test_all_values_is_status_0_and_json_is_for_scripts(
    plain: Any, command: Command, tmp_path: Path
) -> None:
    file = plain.write(tmp_path, 'name = "tiny"')
    arguments = ("run", "--config", file, "--limit", 2, "--out", tmp_path / "out", "--json")
    shown = command(*arguments, "--no-report")
    assert shown.returncode == 0, shown.stderr
    summary = json.loads(shown.stdout)
    assert summary["failures"] == {}
    assert set(summary["outcomes"]) <= {"value", "unavailable"}
    assert summary["report"] == str(tmp_path / "out" / "report")


def test_a_terminal_sees_a_bar_with_rate_and_time_left(plain: Any, tmp_path: Path) -> None:
    file = plain.write(tmp_path, 'name = "tiny"')
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    arguments = ["run", "--config", str(file), "--no-report"]
    finished = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], stdout=subprocess.DEVNULL, stderr=theirs
    )
    drawn = os.read(ours, 2**16).decode()
    os.close(theirs)
    os.close(ours)
    assert finished.returncode == 0
    assert "tiny/tiny/all: 100%" in drawn and "12/12" in drawn and "item/s" in drawn


@pytest.mark.parametrize(
    ("change", "arguments", "phrase"),
    [
        ({'"tiny"': '"tinny"'}, [], "methods[0].name: unknown method 'tinny'; did you mean"),
        ({'"all"': '"al"'}, [], "tiny has no split 'al'; valid: all"),
        ({"threads": "thread"}, [], "run: unknown key 'thread'; did you mean 'threads'?"),
        ({"[[methods]]": "[[methods"}, [], "bench.toml: "),
        ({}, ["--methods", "tinny"], "--methods: unknown name 'tinny'; did you mean 'tiny'?"),
        ({}, ["--datasets", "x"], "--datasets: unknown name 'x'; valid: tiny"),
        ({}, ["--out", "/proc/no/such"], "/proc/no/such: cannot be written"),
        ({'"tiny"\n\n[[d': '"tiny-mesh"\n\n[[d'}, [], "nothing to run: tiny-mesh on tiny: needs"),
        ({}, ["--config", "absent.toml"], "absent.toml: no such file; `--config` names another"),
        ({}, ["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_what_cannot_start_is_status_2_with_its_cause(
    plain: Any,
    command: Command,
    tmp_path: Path,
    change: dict[str, str],
    arguments: list[str],
    phrase: str,
) -> None:
    file = plain.write(tmp_path, 'name = "tiny"\n')
    text = file.read_text()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    shown = command("run", "--config", file, "--no-report", *arguments)
    assert shown.returncode == 2
    assert phrase in shown.stderr
    assert "Traceback" not in shown.stderr


def test_an_unknown_verb_comes_with_the_nearest(command: Command) -> None:
    shown = command("rnu")
    assert shown.returncode == 2
    assert "no such command 'rnu'; did you mean 'run'?" in shown.stderr


GREETING = """
from pathlib import Path

from bench.api import Command, MethodCard, Option, hookimpl

OPTIONS = (
    Option("file", Path, required=True, positional=True, help="what is greeted"),
    Option("loud", bool, default=False),
)

def greet(*, file, loud):
    print(f"hello {file}", "!" * loud)

@hookimpl
def bench_methods():
    command = Command("greet", "greeting_module:greet", OPTIONS, help="Say hello.")
    return (MethodCard("greeting", "", "greeting_module:Greeting", commands=(command,)),)
"""


def test_a_positional_option_is_a_word_without_a_name(
    plain: Any, command: Command, tmp_path: Path
) -> None:
    plain.add("greeting", GREETING)
    said = command("greet", "greeting", "--loud", "a.png", cwd=tmp_path)
    lacking = command("greet", "greeting")
    shown = command("greet", "greeting", "--help")
    for left in plain.site.glob("greeting*"):
        left.rename(tmp_path / left.name)
    assert said.stdout == f"hello {tmp_path / 'a.png'} !\n"
    assert lacking.returncode == 2 and "Missing argument 'FILE'" in lacking.stderr
    assert "FILE: what is greeted" in shown.stdout and "Say hello." in shown.stdout


def test_cleaning_removes_what_no_current_row_refers_to(
    plain: Any, command: Command, tmp_path: Path
) -> None:
    file = plain.write(tmp_path, 'name = "tiny"\nlabel = "a/b"', 'name = "tiny-scene"')
    run = ("run", "--no-report", "--limit", 2, "--config", file)
    assert command(*run).returncode == 0
    folder = tmp_path / "runs" / "trial"
    assert command("clean", folder, "--yes").stdout == "nothing to remove\n"
    plain.write(tmp_path, 'name = "tiny"\nlabel = "a/b"\n[methods.options]\ngain = 0.5')
    assert command(*run).returncode == 0
    removed = command("clean", folder, "--yes").stdout.splitlines()
    assert [Path(line).parent.name for line in removed[:2]] == ["records", "tiny"]
    assert [path.name for path in (folder / "predictions").iterdir()] == ["a%252Fb"]
    plan = json.loads(command("plan", "--json", "--limit", 2, "--config", file).stdout)
    assert [job["missing"] for job in plan["jobs"]] == [0]
    assert command("clean", tmp_path, "--yes").returncode == 2
    assert command("clean", folder, "--all", "--yes").returncode == 0
    assert not folder.exists()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True, with_pip=False)
    return folder


def site(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def test_a_method_runs_in_its_own_interpreter_with_the_light_core_alone(
    plain: Any, command: Command, bare: Path, tmp_path: Path
) -> None:
    light = tmp_path / "env"
    venv.create(light, symlinks=True, with_pip=False)
    (site(light) / "bench.pth").write_text(str(ROOT))
    packages = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (packages / name).exists():
            (site(light) / name).symlink_to(packages / name)
    (site(light) / "pluggy").symlink_to(Path(pluggy.__file__).parent)
    log = tmp_path / "calls"
    file = plain.write(
        tmp_path,
        f'name = "tiny"\npython = "env/bin/python"\n{options(log=log)}',
        f'name = "tiny"\nlabel = "bare"\npython = "{bare}/bin/python"',
    )
    shown = command("run", "--config", file, "--no-report", "--limit", 1, "--json")
    assert shown.returncode == 0, shown.stderr
    summary = json.loads(shown.stdout)
    (entry,) = [e for e in map(json.loads, log.read_text().splitlines()) if "sample" in e]
    assert Path(entry["prefix"]) == light
    assert summary["outcomes"]["value"] > 0
    missing = [why for why in summary["unavailable"].values() if "No module named" in why]
    assert missing and all(f"{bare}/bin/python -m pip install" in why for why in missing)


BROKEN_REPORT = """
from bench.api import ReportCard, hookimpl

class Report:
    def write(self, run, folder):
        raise RuntimeError("no ink")

@hookimpl
def bench_reports():
    return (ReportCard("aaa", "", "broken_report_module:Report"),)
"""


def test_a_report_that_raises_spoils_no_other(plain: Any, command: Command, tmp_path: Path) -> None:
    plain.add("broken-report", BROKEN_REPORT)
    shown = command("run", "--config", plain.write(tmp_path, 'name = "tiny"'), "--limit", 1)
    for left in plain.site.glob("broken*"):
        left.rename(tmp_path / left.name)
    assert shown.returncode == 1
    assert "report 'aaa': RuntimeError: no ink" in shown.stderr
    assert (tmp_path / "runs/trial/report/index.html").stat().st_size > 1000
