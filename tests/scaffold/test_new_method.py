import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import scaffold
from bench.api import MethodCard
from bench.errors import ConfigError
from bench.plugins import Registry
from bench.scaffold import new_method

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_installs_and_passes_its_own_tests(tmp_path: Path) -> None:
    package = new_method("slow-light", tmp_path / "new")
    site = tmp_path / "site"
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run("pip", "install", *offline, "--target", str(site), str(package), cwd=tmp_path)
    assert (site / "slow_light" / "method.py").exists()
    passed = run(
        "pytest",
        "-p",
        "bench.conformance.fixture",
        cwd=package,
        PYTHONPATH=os.pathsep.join([str(site), str(ROOT)]),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        OMP_NUM_THREADS="1",
    )
    assert "2 passed" in passed


def test_every_file_of_a_package_is_there_and_nothing_is_left_to_fill_in(tmp_path: Path) -> None:
    package = new_method("slow-light", tmp_path)
    assert package == tmp_path / "slow-light"
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert files == {
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/slow_light/__init__.py",
        "src/slow_light/method.py",
        "src/slow_light/plugin.py",
        "tests/test_slow_light.py",
    }
    assert not any("$" in (package / file).read_text() for file in files)
    assert [path.name for path in tmp_path.iterdir()] == ["slow-light"]


@pytest.mark.parametrize("name", ["slow-light", "m", "a-rather-long-name-for-a-method-of-2024"])
def test_its_code_is_clean_whatever_its_name(tmp_path: Path, name: str) -> None:
    package = new_method(name, tmp_path)
    run("ruff", "check", "--no-cache", cwd=package)
    run("ruff", "format", "--no-cache", "--check", cwd=package)


@pytest.mark.parametrize(
    "name",
    ["", "My-Method", "my_method", "2nd", "-a", "a-", "a--b", "../a", "a/b", "a b", "é", "class"],
)
def test_a_name_that_cannot_be_a_module_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        new_method(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["numpy", "bench", "json"])
def test_a_name_that_would_hide_a_module_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="installed already"):
        new_method(name, tmp_path)


def test_a_name_that_another_method_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Registry()
    known.add("somebody", "method", MethodCard("slow-light", "Slow", "a:B"))
    monkeypatch.setattr(scaffold, "registry", lambda: known)
    with pytest.raises(ConfigError, match="a method 'slow-light' is installed already"):
        new_method("slow-light", tmp_path)


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "slow-light"
    mine.mkdir()
    (mine / "notes").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        new_method("slow-light", tmp_path)
    assert [path.name for path in mine.iterdir()] == ["notes"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def fails(self: Path, text: str, **rest: str) -> int:
        if self.name == "method.py":
            raise OSError(28, "No space left on device")
        return write(self, text, **rest)

    monkeypatch.setattr(Path, "write_text", fails)
    with pytest.raises(ConfigError, match=r"slow-light: cannot be written: No space left"):
        new_method("slow-light", tmp_path)
    assert list(tmp_path.iterdir()) == []
