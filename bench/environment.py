"""What made a result: machine, interpreter, versions, devices. Imports nothing heavy by itself."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "scipy", "torch", "torchvision", "scikit-image", "lpips", "mitsuba")
_DRIVER_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
_PROBE = "import torch; print(torch.cuda.device_count())"


def describe_machine() -> dict[str, Any]:
    """Platform, processor count, Python and package versions for the manifest."""
    return {
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in ("invrender-bench", *_PACKAGES)},
    }


def package_version(name: str) -> str | None:
    """The installed version, None where the package is absent."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def choose_device(wanted: str) -> str:
    """ "auto" → "cuda:0" where torch finds a GPU, else "cpu"; "cuda" → "cuda:0"."""
    if wanted == "auto":
        return "cuda:0" if cuda_devices() else "cpu"
    return "cuda:0" if wanted == "cuda" else wanted


@cache
def cuda_devices() -> int:
    """How many CUDA devices torch can use; 0 without torch. Asks a process of its own, so that
    the harness itself never loads torch."""
    # Without the driver's device file there is no GPU, and no need to wait for torch to say so.
    if sys.platform == "linux" and not any(file.exists() for file in _DRIVER_FILES):
        return 0
    probe = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False
    )
    return int(probe.stdout) if probe.returncode == 0 else 0
