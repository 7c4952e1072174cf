"""What the averaged weights make of held-out examples, as numbers and as a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from .encoding import padded, to_bytes
from .examples import Examples, normalised
from .pictures import Bytes
from .trainer import Trainer

_BATCH = 8
_SHOWN = 9
EXACT = 100.0
"""PSNR (dB) that an exact picture counts as."""


def validate(
    trainer: Trainer, examples: Examples, most: int
) -> tuple[Mapping[str, float], NDArray[np.float32]]:
    """Mean L1 (0–255) and PSNR (dB) over 8-bit pictures (spec §9), and a sheet of some.

    Of at most so many examples, spread evenly, as inference makes them. Where an example's photo is
    its own appearance, as of `aligned`, the target is given; `bench vary` judges without.

    Returns:
        The numbers, and rows of framebuffer, result and photo, H×W×3 in [0, 1], sRGB-encoded.
    """
    l1: list[float] = []
    psnr: list[float] = []
    rows: list[Bytes] = []
    for shown, made, photo in _rerendered(trainer, examples, most):
        error = made.astype(np.float64) - photo
        mean_square = float(np.square(error).mean())
        l1.append(float(np.abs(error).mean()))
        psnr.append(10 * np.log10(255**2 / mean_square) if mean_square else EXACT)
        if len(rows) < _SHOWN:
            rows.append(np.concatenate([shown, made, photo], axis=1))  # H×3W×3
    sheet = np.divide(np.concatenate(rows), 255, dtype=np.float32)
    return {"l1": float(np.mean(l1)), "psnr": float(np.mean(psnr))}, sheet


def _rerendered(
    trainer: Trainer, examples: Examples, most: int
) -> Iterator[tuple[Bytes, Bytes, Bytes]]:
    """Of each example the framebuffer's colours, the result and the photo, H×W×3 each."""
    chosen = np.unique(np.linspace(0, len(examples) - 1, most).astype(int))
    stored = examples.pictures
    for numbers in np.split(chosen, range(_BATCH, len(chosen), _BATCH)):
        conditions = stored.framebuffers[examples.framebuffers[numbers]]  # B×H×W×C
        seen = np.stack([examples.appearance(each) for each in examples.appearances[numbers]])
        made = _made(trainer, conditions, seen)
        photos = stored.photos[examples.targets[numbers]]  # B×H×W×3
        yield from zip(conditions[..., :3], made, photos, strict=True)


@torch.no_grad()
def _made(trainer: Trainer, conditions: Bytes, seen: Bytes) -> Bytes:
    def here(array: Bytes) -> torch.Tensor:
        return normalised(torch.from_numpy(np.ascontiguousarray(array)).to(trainer.device))

    height, width = conditions.shape[1:3]
    codes = trainer.averages["encoder"](here(seen))  # B×8
    made = trainer.averages["generator"](padded(here(conditions)), codes)[..., :height, :width]
    stored: Bytes = to_bytes(made).permute(0, 2, 3, 1).cpu().numpy()  # B×H×W×3
    return stored
