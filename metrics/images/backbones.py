"""The files of LPIPS backbones that torch.hub keeps, found and checked without importing torch."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bench.api import Diagnosis
from bench.errors import UnavailableError


@dataclass(frozen=True)
class Backbone:
    """A trunk of LPIPS.

    Attributes:
        model: its name in torchvision.
        files: torchvision's file and the one it replaced, if any; the digits in a name are the
            first of the file's SHA-256.
        smallest: the least side in pixels of an image that it can take (specs/metrics.md §7.4).
        weights: torchvision's name of them.
    """

    model: str
    files: tuple[str, ...]
    smallest: int
    weights: str = "IMAGENET1K_V1"

    @property
    def command(self) -> str:
        """What brings the file into torch.hub's cache."""
        call = f"torchvision.models.{self.model}(weights='{self.weights}')"
        return f'python -c "import torchvision; {call}"'


BACKBONES: Mapping[str, Backbone] = {
    "alex": Backbone("alexnet", ("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth"), 33),
    "vgg": Backbone("vgg16", ("vgg16-397923af.pth",), 16),
    "squeeze": Backbone(
        "squeezenet1_1", ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-f364aa15.pth"), 17
    ),
}


FEATURES = Backbone("vgg16", ("vgg16_features-amdegroot-88682ab5.pth",), 16, "IMAGENET1K_FEATURES")
"""VGG-16 with Caffe's scale of activations, of the loss of Neural Rerendering in the Wild."""


def diagnose_features() -> list[Diagnosis]:
    """What `bench doctor` says of VGG-16's features, of which training profits, too."""
    return [looked_for("VGG16 features", FEATURES)]


def diagnose() -> list[Diagnosis]:
    """What `bench doctor` says of each backbone."""
    return [looked_for(f"LPIPS {name} weights", backbone) for name, backbone in BACKBONES.items()]


def looked_for(title: str, backbone: Backbone) -> Diagnosis:
    """Whether a backbone's file is here, and the command that brings it."""
    try:
        return Diagnosis(title, True, str(find(backbone)))
    except UnavailableError as error:
        text = str(error).partition(". The command")[0]
        return Diagnosis(title, False, text, backbone.command)


def find(backbone: Backbone) -> Path:
    """The first of the backbone's files that exists and whose SHA-256 starts as its name ends.

    Raises:
        UnavailableError: with the command that brings the file; nothing is ever downloaded.
    """
    folder = checkpoints()
    found = [folder / name for name in backbone.files if (folder / name).is_file()]
    for path in found:
        if _promised(path) == sha256(path, path.stat().st_mtime_ns)[: len(_promised(path))]:
            return path
    problem = (
        f"{found[0]} is damaged: its SHA-256 does not start with {_promised(found[0])}; delete it"
        if found
        else f"no weights of {backbone.model} in {folder}"
    )
    raise UnavailableError(f"{problem}. The command that brings them: {backbone.command}")


def checkpoints() -> Path:
    """Where torch.hub keeps downloaded weights."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{cache}/torch"))
    return home.expanduser() / "hub" / "checkpoints"


def _promised(path: Path) -> str:
    digits = re.search(r"-([0-9a-f]{8,64})\.pth$", path.name)
    if digits is None:
        raise ValueError(f"{path.name} does not end in digits of its SHA-256")
    return digits[1]


@lru_cache(maxsize=8)
def sha256(path: Path, modified: int) -> str:
    """Hexadecimal digest of a file, remembered until its modification time changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
