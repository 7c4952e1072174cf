"""What works on this machine, and the command that brings what does not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.environment import cuda_devices, package_version
from bench.plugins import registry


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked for.

    Attributes:
        needed: the default benchmark does not run without it.
        remedy: the command that brings it; empty where nothing is to be done.
    """

    what: str
    works: bool
    found: str
    remedy: str = ""
    needed: bool = False


def examine() -> Iterator[Diagnosis]:
    """Look at interpreter, libraries, devices, renderers, weights, plugins and data."""
    yield Diagnosis("python", True, f"{sys.version.split()[0]} at {sys.executable}")
    yield Diagnosis("processors", True, f"{os.cpu_count()} cores")
    for name in ("numpy", "scipy", "torch", "torchvision", "scikit-image", "pandas"):
        yield _package(name, needed=True)
    yield _cuda()
    yield _package("mitsuba", needed=False)
    yield _llvm()
    yield _package("lpips", needed=False)
    yield _backbone()
    yield _latex()
    for broken in registry().broken:
        yield Diagnosis(f"plugin {broken.plugin}", False, broken.error, "mend or uninstall it")


def _package(name: str, needed: bool) -> Diagnosis:
    found = package_version(name)
    if found is not None:
        return Diagnosis(name, True, found)
    return Diagnosis(name, False, "not installed", f"pip install {name}", needed)


def _cuda() -> Diagnosis:
    count = cuda_devices()
    if count:
        return Diagnosis("CUDA", True, f'{count} device(s); `device = "auto"` takes cuda:0')
    return Diagnosis("CUDA", False, "no device that torch can use; methods run on the CPU")


def _llvm() -> Diagnosis:
    """Mitsuba's LLVM variant is five times faster than its scalar one, and aborts below LLVM 16."""
    from bench.plugins import load

    library = load("bench.datasets.vases.variants:llvm_library")()
    if library is not None:
        return Diagnosis("LLVM for Mitsuba", True, str(library))
    return Diagnosis(
        "LLVM for Mitsuba",
        False,
        "none of version 16 or later; `bench render` uses the slower scalar variant",
        "apt-get install libllvm19",
    )


def _backbone() -> Diagnosis:
    home = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch"))
    folder = home / "hub" / "checkpoints"
    found = sorted(folder.glob("alexnet-owt-*.pth"))
    if found:
        return Diagnosis("LPIPS weights", True, str(found[0]))
    command = (
        "python -c \"import torchvision; torchvision.models.alexnet(weights='IMAGENET1K_V1')\""
    )
    return Diagnosis("LPIPS weights", False, f"no alexnet-owt-*.pth in {folder}", command)


def _latex() -> Diagnosis:
    compiler = shutil.which("pdflatex")
    if compiler:
        return Diagnosis("LaTeX", True, compiler)
    packages = "texlive-latex-base texlive-latex-recommended"
    return Diagnosis(
        "LaTeX",
        False,
        "no pdflatex; tables are written, not compiled",
        f"apt-get install {packages}",
    )
