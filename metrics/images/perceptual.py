"""LPIPS of one answered query, through the lpips package, from weights already on this machine."""

import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Diagnosis, Item, MetricCard
from bench.errors import UnavailableError
from bench.metrics.images.metric import prepare_query
from bench.protocol import Comparison
from bench.protocol.apply import Float64

# torchvision's file and the one it replaced; the digits are the first of the file's SHA-256.
BACKBONE_FILES = ("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth")
COMMAND = "python -c \"import torchvision; torchvision.models.alexnet(weights='IMAGENET1K_V1')\""

# Below this the last pooling of the backbone has nothing left to pool (specs/metrics.md §7.4).
SMALLEST_SIDE = 33


class Lpips:
    """LPIPS 0.1 with AlexNet on the frame, zero outside the mask, on the CPU.

    Images go in clipped to [0, 1] by the comparison and are mapped to [−1, 1], so that the
    background is −1. Undefined for frames under 33 pixels. Raises `UnavailableError` where the
    backbone's file is absent or not the one its name promises; nothing is ever downloaded.
    """

    def __init__(self, card: MetricCard) -> None:
        self.quantity, self.id = card.quantity, card.scores[0].id

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        path = find_backbone(checkpoints(), BACKBONE_FILES)
        prepared = prepare_query(items, self.quantity, comparison)
        if prepared is None or min(prepared.inside.shape) < SMALLEST_SIDE:
            return {}
        first, second = prepared.frames()
        return {self.id: distance(load(path, path.stat().st_mtime_ns), first, second)}


def diagnose() -> list[Diagnosis]:
    """What `bench doctor` says of the backbone."""
    try:
        found = find_backbone(checkpoints(), BACKBONE_FILES)
    except UnavailableError as error:
        return [Diagnosis("LPIPS weights", False, str(error).partition(". ")[0], COMMAND)]
    return [Diagnosis("LPIPS weights", True, str(found))]


def checkpoints() -> Path:
    """Where torch.hub keeps downloaded weights, found without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{cache}/torch"))
    return home.expanduser() / "hub" / "checkpoints"


def find_backbone(folder: Path, names: Iterable[str]) -> Path:
    """The first of the named files that exists and whose SHA-256 starts as its name ends.

    Raises:
        UnavailableError: with the command that brings the file.
    """
    found = [folder / name for name in names if (folder / name).is_file()]
    for path in found:
        if _promised(path) == sha256(path, path.stat().st_mtime_ns)[: len(_promised(path))]:
            return path
    problem = (
        f"{found[0]} is damaged: its SHA-256 does not start with {_promised(found[0])}; delete it"
        if found
        else f"no AlexNet weights in {folder}"
    )
    raise UnavailableError(f"LPIPS: {problem}. The command that brings them: {COMMAND}")


def _promised(path: Path) -> str:
    digits = re.search(r"-([0-9a-f]{8,64})\.pth$", path.name)
    if digits is None:
        raise ValueError(f"{path.name} does not end in digits of its SHA-256")
    return digits[1]


@lru_cache(maxsize=4)
def sha256(path: Path, modified: int) -> str:
    """Hexadecimal digest of a file, remembered until its modification time changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1)
def load(path: Path, modified: int) -> Any:
    """LPIPS on the backbone of a torchvision AlexNet file, kept while the file is unchanged.

    Raises:
        UnavailableError: where the lpips package is not installed.
    """
    try:
        import lpips
        import torch
    except ImportError as error:
        raise UnavailableError(f"LPIPS: {error}. Install it: pip install lpips") from error
    with warnings.catch_warnings():
        # lpips asks torchvision for an empty network in a way that torchvision has deprecated.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        # A random trunk, replaced below: the package's own loader would download a missing file.
        network = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    weights = torch.load(path, map_location="cpu", weights_only=True)
    trunk = {key: weights[f"features.{key.partition('.')[2]}"] for key in network.net.state_dict()}
    network.net.load_state_dict(trunk, strict=True)
    return network.eval()


def distance(network: Any, first: Float64, second: Float64) -> float:
    """LPIPS between two images H×W×3 in [0, 1]."""
    import torch

    images = np.stack([first, second]).transpose(0, 3, 1, 2).astype(np.float32)  # 2×3×H×W
    tensor = torch.from_numpy(images)
    with torch.inference_mode():
        return float(network(tensor[:1], tensor[1:], normalize=True))
