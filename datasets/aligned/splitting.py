"""Which photos are for training and which for validation."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from bench.datasets.aligned.layout import TRAIN, VAL
from bench.errors import ConfigError

VAL_SHARE = 0.2


def by_chance(count: int, seed: int) -> list[str]:
    """A split for each of `count` photos: a fifth, at least one, of them for validation."""
    validated = max(1, round(VAL_SHARE * count)) if count > 1 else 0
    chosen = np.random.default_rng(seed).permutation(count)[:validated]
    return [VAL if index in set(chosen.tolist()) else TRAIN for index in range(count)]


def by_scene(scenes: Sequence[str], held_out: Collection[str]) -> list[str]:
    """A split for each photo of scene `scenes[i]`: validation for those of the scenes held out.

    Raises:
        ConfigError: a scene that is not there, or none is left for training.
    """
    unknown = sorted(set(held_out) - set(scenes))
    known = ", ".join(sorted(set(scenes)))
    if unknown:
        raise ConfigError(f"--held-out {', '.join(unknown)}: no such scene; there are {known}")
    if not set(scenes) - set(held_out):
        raise ConfigError(f"--held-out: no scene is left for training of {known}")
    return [VAL if scene in held_out else TRAIN for scene in scenes]
