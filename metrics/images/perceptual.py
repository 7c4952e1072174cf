"""LPIPS, through the lpips package, from weights already on this machine."""

from __future__ import annotations

import threading
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.api import MetricCard
from bench.errors import UnavailableError
from bench.metrics.images.backbones import BACKBONES, find
from bench.metrics.images.metric import FrameMetric
from bench.protocol import Comparison
from bench.protocol.apply import Float64, Mask, Prepared

if TYPE_CHECKING:
    from torch import Tensor

    from bench.protocol.batched import PreparedBatch

_LOADING = threading.Lock()


def metric(card: MetricCard) -> FrameMetric:
    """LPIPS 0.1 over the frame, the background outside the mask, or its map averaged inside.

    Images go in as the comparison shows them and [0, 1] is mapped to [−1, 1], so that a background
    of 0, ½ and 1 is Stanford-ORB's, Objects With Lighting's and TensoIR's (specs/metrics.md §7.4).
    Undefined for frames that the backbone cannot take. Raises `UnavailableError` where the
    backbone's file is absent or not the one its name promises; nothing is ever downloaded.
    """
    return FrameMetric(card, _measure, _measure_batch, _smallest)


def network(comparison: Comparison, device: str = "cpu") -> Any:
    """The LPIPS network of a comparison; a map where that is averaged inside the mask.

    Raises:
        UnavailableError: where the weights or the lpips package cannot be had.
    """
    path = find(BACKBONES[comparison.backbone])
    spatial = comparison.averaged == "inside"
    with _LOADING:  # lpips must be silenced, and silence is the whole process's
        return load(comparison.backbone, path, path.stat().st_mtime_ns, spatial, device)


@lru_cache(maxsize=4)
def load(backbone: str, path: Path, modified: int, spatial: bool, device: str) -> Any:
    """LPIPS on a file of torchvision's, kept while the file is unchanged.

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
        made = lpips.LPIPS(
            net=backbone, version="0.1", pnet_rand=True, spatial=spatial, verbose=False
        )
    weights = torch.load(path, map_location="cpu", weights_only=True)
    trunk = {key: weights[f"features.{key.partition('.')[2]}"] for key in made.net.state_dict()}
    made.net.load_state_dict(trunk, strict=True)
    return made.eval().to(device)


def distance(network: Any, first: Float64, second: Float64, inside: Mask | None = None) -> float:
    """LPIPS between two images H×W×3 in [0, 1]; with `inside` H×W, its map's mean over those."""
    import torch

    images = np.stack([first, second]).transpose(0, 3, 1, 2).astype(np.float32)  # 2×3×H×W
    tensor = torch.from_numpy(images)
    with torch.inference_mode():
        found = network(tensor[:1], tensor[1:], normalize=True)[0, 0]  # H×W, or 1×1
    return float(found.mean() if inside is None else found[torch.from_numpy(inside)].mean())


def _measure(prepared: Prepared, comparison: Comparison) -> float:
    inside = prepared.inside if comparison.averaged == "inside" else None
    return distance(network(comparison), *prepared.frames(), inside)


def _measure_batch(prepared: PreparedBatch) -> Tensor:
    from bench.metrics.images import batched

    made = network(prepared.comparison, str(prepared.target.device))
    values: Tensor = batched.lpips(made, prepared)  # B
    return values


def _smallest(comparison: Comparison) -> int:
    return int(BACKBONES[comparison.backbone].smallest)
