import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIGHT = ("cameras", "colour", "environments", "normals", "shading", "spherical_harmonics")
HEAVY = {"torch", "scipy", "cv2", "OpenEXR", "PIL", "trimesh", "mitsuba", "pandas"}


def test_the_numeric_modules_load_nothing_heavier_than_numpy() -> None:
    code = (
        f"import sys, {', '.join(f'bench.graphics.{name}' for name in LIGHT)}; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(loaded.stdout.split())
