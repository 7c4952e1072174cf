"""One picture that shows what a training step made of its first few photos."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from bench.graphics import phong

from .trainer import Step

_COLUMNS = 8


def sheet(images: Tensor, masks: Tensor, step: Step) -> NDArray[np.float32]:
    """Rows of photo, mask, silhouette, render, albedo crop, inward normals and light, H×W×3 in
    [0, 1], a column for each of the first eight photos."""
    size = images.shape[-2:]
    found = step.explanation
    rows = [
        images.cpu(),
        masks.cpu().expand(-1, 3, -1, -1),
        step.silhouettes.cpu().expand(-1, 3, -1, -1),
        step.renders[:, :3].cpu(),
        phong.encode(found.albedo.detach().cpu()),
        functional.interpolate(found.normals.detach().cpu().permute(0, 3, 1, 2), size) / 2 + 0.5,
        functional.interpolate(found.environment.detach().cpu()[:, None], size).expand(
            -1, 3, -1, -1
        ),
    ]
    strips = [torch.cat(list(row[:_COLUMNS]), dim=2) for row in rows]  # 3×S×8S
    whole = torch.cat(strips, dim=1).permute(1, 2, 0)  # 7S×8S×3
    shown: NDArray[np.float32] = whole.clamp(0, 1).float().numpy()
    return shown
