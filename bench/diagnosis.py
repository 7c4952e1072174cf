"""What works on this machine, and the command that brings what does not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

from bench.api import DatasetCard, Diagnosis, MethodCard, MetricCard
from bench.environment import cuda_devices, package_version
from bench.plugins import load, registry


def examine() -> Iterator[Diagnosis]:
    """Look at interpreter, libraries, devices, renderers, weights, plugins and data."""
    yield Diagnosis("python", True, f"{sys.version.split()[0]} at {sys.executable}")
    yield Diagnosis("processors", True, f"{os.cpu_count()} cores")
    for name in ("numpy", "scipy", "torch", "torchvision", "scikit-image", "pandas"):
        yield _package(name, needed=True)
    yield _cuda()
    yield _package("mitsuba", needed=False)
    yield _package("lpips", needed=False)
    yield _latex()
    yield from _brought()
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


def _brought() -> Iterator[Diagnosis]:
    """What the cards' own `doctor` commands find, each entry asked once."""
    found = registry()
    cards: list[MethodCard | DatasetCard | MetricCard] = [
        *found.methods.values(),
        *found.datasets.values(),
        *found.metrics.values(),
    ]
    entries = {c.entry for card in cards for c in card.commands if c.verb == "doctor"}
    for entry in sorted(entries):
        yield from load(entry)()


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
