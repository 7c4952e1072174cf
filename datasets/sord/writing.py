"""A rendered vase → its files, as the official generator writes them (spec §5.4, §6).

PNGs hold three equal or RGB channels of 8 bits, truncated; text holds six decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets.sord.layout import MAPS
from bench.datasets.sord.recipes import Recipe
from bench.graphics.image_files import write_png


def write_vase(
    folder: Path, name: str, recipe: Recipe, maps: Mapping[str, NDArray[np.float32]]
) -> None:
    """Write every item of a vase into `folder`, whose files begin with `name`.

    Args:
        maps: item of `layout.MAPS` → H×W×3 or H×W×1; what leaves [0, 1] is clipped.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    for item in MAPS:
        write_png(folder / f"{name}_{item}.png", truncated(maps[item]))
    for item, values in _numbers(recipe).items():
        np.savetxt(folder / f"{name}_{item}.txt", values, fmt="%.6f", delimiter=", ")


def truncated(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Three channels H×W×3 cut down to multiples of 1/255."""
    steps = np.floor(np.clip(values, 0, 1) * np.float32(255))
    return np.repeat(steps / 255, 3 // values.shape[-1], axis=-1).astype(np.float32)  # H×W×3


def _numbers(recipe: Recipe) -> dict[str, NDArray[np.float64]]:
    return {
        "sor_curve": recipe.curve,
        "pitch": np.array([recipe.pitch]),
        "sg_lights": recipe.lobes,
        "ambient": np.zeros(1),
        "spec_albedo": np.array([recipe.specular_albedo]),
        "spec_alpha": np.array([recipe.shininess]),
        "env_map_ambient": np.array([recipe.ambient]),
    }
