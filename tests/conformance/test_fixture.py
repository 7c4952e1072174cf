import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.conformance import named
from bench.errors import ConfigError
from bench.plugins import Registry

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = """
from bench.api import MethodCard, hookimpl

@hookimpl
def bench_methods():
    def card(name):
        needs = ("image", "mask")
        return MethodCard(
            name.lower(), name, f"liars:{name}", needs=needs, predicts=("albedo", "normal")
        )
    return [card("Honest"), card("Missing")]
"""
TESTS = """
def test_honest(bench_check):
    bench_check("honest")

def test_missing(bench_check):
    bench_check("missing")
"""


def test_a_third_party_test_fails_with_what_does_not_hold(liars: str, tmp_path: Path) -> None:
    (tmp_path / "liar_plugin.py").write_text(PLUGIN)
    information = tmp_path / "liar-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: liar\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[invrender_bench]\nliar = liar_plugin\n")
    (tmp_path / "test_liar.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "bench.conformance.fixture", "test_liar.py"],
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "missing breaks its card:" in done.stdout
    assert "promised quantities: ellipsoid0/view0: normal was not returned" in done.stdout


def test_the_pytest_plugin_imports_nothing_heavy() -> None:
    script = """
import sys
import bench.conformance.fixture
heavy = {"numpy", "torch", "scipy", "pandas", "bench.api"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_met_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.api import MetricCard

    known = Registry()
    known.add("metrics", "metric", MetricCard("sharpness", "Sharpness", "a:B", ()))
    monkeypatch.setattr(named, "registry", lambda: known)
    with pytest.raises(ConfigError, match="'sharpnes'; did you mean 'sharpness'"):
        named.check("sharpnes")
