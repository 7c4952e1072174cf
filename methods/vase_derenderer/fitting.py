"""A found surface of revolution moved until its outline is that of a given mask.

Not of the paper: the losses are those by which training judges an outline (§5.1), the variables the
shape network's own outputs for this one photo. Pitch and roll stay as found, for an outline tells
a tilted vase from a rounded one no better here than in training.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from bench.graphics.masks import distance_transform
from bench.graphics.rasterisers import Rasteriser

from . import losses
from .configuration import Configuration
from .derender import Shape, shape_of

_RATE = 0.1  # of Adam, falling linearly to 0; in logits
_SMOOTHNESS = 0.1  # weight of the squared steps between rows by which the profile was moved
_LEAST = 1e-4  # keeps the logits of saturated outputs finite
_FITTED = (True, False, False, True, True)  # half height, pitch, roll, shift along x and y


def fit_outline(
    column: Tensor,
    scalars: Tensor,
    masks: NDArray[np.float32],
    rasteriser: Rasteriser,
    configuration: Configuration,
    steps: int,
) -> Shape:
    """The surfaces whose outlines are nearest to masks, starting from the shape network's outputs.

    Each photo is fitted by itself; together they only share what a step costs.

    Args:
        column: B×H in (0, 1), scalars: B×5 in (0, 1), both of `networks.ShapeNetwork`.
        masks: B×S×S×1 in [0, 1], framed like the photos.
        steps: of gradient descent.
    """
    with torch.inference_mode(False), torch.enable_grad():
        found = [_logits(column), _logits(scalars)]
        free = torch.tensor(_FITTED, device=scalars.device)  # 5
        distances = _channels(np.stack([distance_transform(mask) for mask in masks]), scalars)
        wanted = _channels(masks, scalars)  # B×1×S×S
        moved = [torch.zeros_like(each, requires_grad=True) for each in found]
        optimiser = torch.optim.Adam(moved, lr=_RATE)
        for step in range(steps):
            shape = _shape(found, moved, free, configuration)
            silhouette = losses.silhouettes(shape, rasteriser, configuration)  # B×1×S×S
            outlines = losses.total(losses.outline(silhouette, wanted, distances))
            total = outlines + _SMOOTHNESS * moved[0].diff().square().mean()
            # Means over the batch: times its size, the step of one does not depend on the others.
            total = total * len(masks)
            optimiser.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            optimiser.param_groups[0]["lr"] = _RATE * (1 - step / steps)
            optimiser.step()
    with torch.no_grad():
        return _shape(found, moved, free, configuration)


def nearest_covered(
    covered: NDArray[np.bool_], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns H×W from which each pixel takes its value: itself where it is covered or
    not wanted, else the nearest covered pixel."""
    own = np.indices(covered.shape)  # 2×H×W
    if covered.any():
        nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)
        own = np.where(wanted & ~covered, nearest, own)  # 2×H×W
    return own[0], own[1]


def _channels(maps: NDArray[np.float32], like: Tensor) -> Tensor:
    return torch.from_numpy(maps).permute(0, 3, 1, 2).to(like)  # B×1×S×S


def _logits(outputs: Tensor) -> Tensor:
    return torch.logit(outputs.clone(), eps=_LEAST)


def _shape(
    found: list[Tensor], moved: list[Tensor], free: Tensor, configuration: Configuration
) -> Shape:
    column = torch.sigmoid(found[0] + moved[0])  # B×H
    scalars = torch.sigmoid(found[1] + free * moved[1])  # B×5
    return shape_of(column, scalars, configuration)
