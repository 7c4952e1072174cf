"""What training is watched by: losses, mask overlap and normal error on the validation split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.api import Source
from bench.graphics.normals import angular_error_degrees

from .backgrounds import Backgrounds
from .derender import Explanation
from .examples import Examples, Split
from .losses import seen_from_camera
from .render import look
from .trainer import Step, Trainer

BATCH = 16


def validate(trainer: Trainer, split: Split, source: Source, most: int) -> dict[str, float]:
    """Means over at most `most` pictures, spread over the split: every loss, `iou` of the masks,
    and `normal`, the mean angular error in degrees, where the dataset knows normals."""
    chosen = np.unique(np.linspace(0, len(split.keys) - 1, most).round().astype(int))
    collected: dict[str, list[tuple[float, int]]] = {}
    for indices, step, masks in _steps(trainer, split, chosen):
        found = dict(step.losses) | {"iou": overlap(step.silhouettes, masks)}
        errors = _normal_errors(trainer, split, source, indices, step.explanation)
        if errors:
            found["normal"] = float(np.mean(errors))
        for name, value in found.items():
            collected.setdefault(name, []).append((value, len(indices)))
    means = {}
    for name, parts in collected.items():
        values, counts = zip(*parts, strict=True)
        means[name] = float(np.average(values, weights=counts))
    return means


def overlap(silhouettes: Tensor, masks: Tensor) -> float:
    """Mean intersection over union of B×1×S×S masks at threshold ½."""
    first, second = silhouettes.cpu() > 0.5, masks.cpu() > 0.5
    both = (first & second).flatten(1).sum(1)
    either = (first | second).flatten(1).sum(1).clamp(min=1)
    return float((both / either).mean())


def normal_maps(trainer: Trainer, explanation: Explanation) -> Tensor:
    """Normals B×S×S×3 in the camera frame (x right, y up, z toward the viewer), 0 outside.

    Those of the side of the wall that is seen, as the method predicts them; unit length.
    """
    configuration = trainer.configuration
    vertices = seen_from_camera(explanation, configuration).view_as(explanation.vertices)
    size = (configuration.size, configuration.size)
    intrinsics = configuration.intrinsics.to(vertices)
    views = look(vertices, intrinsics, size, trainer.rasteriser, configuration)
    inward = explanation.normals.permute(0, 3, 1, 2)  # B×3×(H−1)×T, OpenCV axes
    maps = [view.normals(quads) for view, quads in zip(views, inward, strict=True)]  # S×S×3 each
    return torch.stack(maps) * vertices.new_tensor([1.0, -1.0, -1.0])  # B×S×S×3


def _steps(
    trainer: Trainer, split: Split, chosen: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], Step, Tensor]]:
    kept: Backgrounds = "as-is"
    examples = Examples(split, augmented=False, backgrounds=kept)
    for start in range(0, len(chosen), BATCH):
        indices = chosen[start : start + BATCH]
        parts = zip(*(examples[int(index), 0] for index in indices), strict=True)
        images, masks, distances, pitch = (torch.stack(part) for part in parts)
        yield indices, trainer.evaluate(images, masks, distances, pitch), masks


def _normal_errors(
    trainer: Trainer, split: Split, source: Source, indices: NDArray[Any], found: Explanation
) -> list[float]:
    """Mean angular errors over pixels that both know, of the pictures whose size is the nets'."""
    maps = normal_maps(trainer, found).cpu().numpy()
    errors = []
    for index, predicted in zip(indices, maps, strict=True):
        targets = source.dataset.targets(*split.keys[int(index)]).quantities
        truth = targets.get("normal")
        if isinstance(truth, np.ndarray) and truth.shape == predicted.shape:
            degrees = angular_error_degrees(predicted, truth)
            if np.isfinite(degrees).any():
                errors.append(float(np.nanmean(degrees)))
    return errors
