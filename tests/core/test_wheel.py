"""The wheel: one import root, everything in it, and nobody else's package in its way."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("methods", "datasets", "metrics", "reports")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed where Hugging Face's `datasets` was before it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "datasets").mkdir()
    (folder / "datasets" / "__init__.py").write_text("whose = 'somebody else'\n")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True)
    return folder


def python(code: str, site: Path, cwd: Path) -> str:
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(site)},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.strip()


def test_one_import_root_and_no_generic_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.partition("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"bench"}
    for kind in KINDS:
        assert f"bench/{kind}/__init__.py" not in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_every_source_file_is_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        ("bench/" if kind in KINDS else "") + path.relative_to(ROOT).as_posix()
        for kind in ("bench", *KINDS)
        for path in (ROOT / kind).rglob("*.py")
    }
    assert sources <= names
    assert "bench/datasets/vases/data/mini/manifest.json" in names


def test_it_lists_its_plugins_from_another_directory(site: Path, tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['bench', 'list']; from bench.cli import main; main()"
    shown = python(code, site, tmp_path)
    for name in ("inverse-shading", "vases", "albedo", "neutral", "markdown"):
        assert name in shown
    where = "import bench, bench.methods.floors.plugin as p; print(*bench.__path__, p.__file__)"
    root, plugin = python(where, site, tmp_path).split()
    assert Path(root) == site / "bench"
    assert Path(plugin) == site / "bench/methods/floors/plugin.py"


@pytest.mark.parametrize("first", ["datasets", "bench.datasets.vases.plugin"])
def test_somebody_elses_datasets_stays_theirs(site: Path, tmp_path: Path, first: str) -> None:
    code = f"import {first}, datasets, bench.datasets.vases.plugin as ours"
    for folder in (tmp_path, ROOT):
        shown = python(f"{code}; print(datasets.whose, ours.__name__)", site, folder)
        assert shown == "somebody else bench.datasets.vases.plugin"
