"""The perceptual loss of Neural Rerendering in the Wild, on VGG-16 features of this machine."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.api import MetricCard
from bench.metrics.images.backbones import FEATURES, find
from bench.metrics.images.metric import FrameMetric
from bench.protocol import Comparison
from bench.protocol.apply import Prepared

if TYPE_CHECKING:
    from torch import Tensor

    from bench.protocol.batched import PreparedBatch

MEAN = (0.48235, 0.45882, 0.40784)
LAYERS = {3: 1 / 32, 8: 1 / 16, 13: 1 / 8, 20: 1 / 4, 27: 1.0}
"""Index in torchvision's `features`, after the ReLU of conv1_2 … conv5_2, and its weight."""


def metric(card: MetricCard) -> FrameMetric:
    """Σ weight · mean (0.1 · difference of features)² over five layers (specs/metrics.md §11).

    Frames as the comparison shows them, in [0, 1], go in on VGG's scale of 255. Raises
    `UnavailableError` where the weights are absent; nothing is ever downloaded.
    """
    return FrameMetric(card, _measure, _measure_batch, lambda _: FEATURES.smallest)


def loss(network: Any, first: Tensor, second: Tensor) -> Tensor:
    """The loss between B×3×H×W images in [0, 1], B values.

    Args:
        network: torchvision's `features` of VGG-16, with Caffe's scale of activations.
    """
    import torch

    mean = first.new_tensor(MEAN)[:, None, None]
    maps = [255 * (images - mean) for images in (first, second)]
    total = first.new_zeros(len(first))
    with torch.inference_mode():
        for index, layer in enumerate(network):
            maps = [layer(values) for values in maps]
            if index in LAYERS:
                squares = (0.1 * (maps[0] - maps[1])) ** 2  # B×C×h×w
                total = total + LAYERS[index] * squares.mean((1, 2, 3))
    return total


@lru_cache(maxsize=2)
def load(path: Path, modified: int, device: str) -> Any:
    """VGG-16 to conv5_2 from a file of torchvision's, kept while the file is unchanged."""
    import torch
    from torchvision.models import vgg16

    weights = torch.load(path, map_location="cpu", weights_only=True)
    kept = {name: values for name, values in weights.items() if name.startswith("features.")}
    trunk = vgg16(weights=None).features
    trunk.load_state_dict({name.partition(".")[2]: values for name, values in kept.items()})
    for layer in trunk:
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False
    return trunk[: max(LAYERS) + 1].eval().to(device)


def network(device: str = "cpu") -> Any:
    """The features of this machine. Raises `UnavailableError` where they cannot be had."""
    path = find(FEATURES)
    return load(path, path.stat().st_mtime_ns, device)


def _measure(prepared: Prepared, comparison: Comparison) -> float:
    import torch

    frames = np.stack(prepared.frames()).transpose(0, 3, 1, 2).astype(np.float32)  # 2×3×H×W
    pair = torch.from_numpy(frames)
    return float(loss(network(), pair[:1], pair[1:])[0])


def _measure_batch(prepared: PreparedBatch) -> Tensor:
    first, second = (
        frames.permute(0, 3, 1, 2).float()  # B×3×H×W
        for frames in (prepared.prediction, prepared.target)
    )
    return loss(network(str(first.device)), first, second).double()
