"""VGG16's features, fixed: what the perceptual loss and the style distance look through.

Specs: specs/neural_rerendering.md §5.4. Weights are torchvision's IMAGENET1K_FEATURES, whose inputs
are 0…255 less a mean, as those of the original's Caffe file are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import DataError

FILE = "vgg16_features-amdegroot-88682ab5.pth"
"""torchvision's name of the file."""

COMMAND = (
    "python -c \"import torchvision; torchvision.models.vgg16(weights='IMAGENET1K_FEATURES')\""
)
"""What brings it into torch.hub's cache."""

MEANS = (0.48235, 0.45882, 0.40784)
"""Of R, G and B, ÷ 255, as the file was trained with; the original's are the same within 0.003."""

OTHER_SCALES = {"397923af": "IMAGENET1K_V1"}
"""First digits of the SHA-256 of VGG16s whose features are of another magnitude."""

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512))
"""Channels of the convolutions between poolings, up to conv5_2."""


class Vgg16(nn.Module):
    """The features after conv1_2, 2_2, 3_2, 4_2 and 5_2, each rectified; nothing here learns."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        self._taps: list[list[str]] = []
        place, before = 0, 3
        for block in BLOCKS:
            names = []
            for channels in block:
                self.features[str(place)] = nn.Conv2d(before, channels, 3, padding=1)
                names.append(str(place))
                place, before = place + 2, channels
            self._taps.append(names)
            place += 1
        self.requires_grad_(False).eval()

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """B×3×H×W in −1…1, sRGB-encoded → five B×c×h×w: 64 at H×W to 512 at H/16×W/16."""
        means = 255 * picture.new_tensor(MEANS)[:, None, None]  # 3×1×1
        features = (picture + 1) * 127.5 - means  # B×3×H×W
        tapped = []
        for index, names in enumerate(self._taps):
            if index:
                features = F.max_pool2d(features, 2)
            for depth, name in enumerate(names):
                features = F.relu(self.features[name](features))
                if depth == 1:
                    tapped.append(features)
        return tuple(tapped)


def find(path: Path | None = None) -> Vgg16 | None:
    """VGG16 from a file, or from torch.hub's cache; None where no path is given and none is cached.

    Nothing is ever downloaded: `COMMAND` brings the file.

    Raises:
        DataError: the file is missing, damaged, not VGG16's, or of `OTHER_SCALES`.
    """
    if path is None:
        path = Path(torch.hub.get_dir()) / "checkpoints" / FILE
        if not path.is_file():
            return None
    return read(path)


def read(path: Path) -> Vgg16:
    """VGG16 from a file of torchvision's names (features.0.weight, …).

    Raises:
        DataError: the file is missing, damaged, not VGG16's, or of `OTHER_SCALES`.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file. {COMMAND} brings {FILE}")
    with path.open("rb") as file:
        digits = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    if digits in OTHER_SCALES:
        raise DataError(
            f"{path}: {OTHER_SCALES[digits]}, whose features are of another magnitude than the "
            f"loss weights are for. {COMMAND} brings {FILE}"
        )
    vgg = Vgg16()
    wanted = vgg.state_dict()
    held = _tensors(path)
    wrong = [
        name
        for name, tensor in wanted.items()
        if name not in held or held[name].shape != tensor.shape
    ]
    if wrong:
        raise DataError(f"{path}: not VGG16: {wrong[0]} is missing or of another shape")
    vgg.load_state_dict({name: held[name] for name in wanted})
    return vgg


def _tensors(path: Path) -> dict[str, Any]:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what a damaged file happens to cause
        raise DataError(f"{path}: cannot be read as weights: {error}") from error
    return held if isinstance(held, dict) else {}
