"""Environments that light the vases: photographed maps brought to size, and procedural ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.vases.layout import digest
from bench.errors import ConfigError, DataError
from bench.graphics.environments import directions, resample, solid_angles
from bench.graphics.image_files import read_image, write_exr

Radiance = NDArray[np.float32]

HEIGHT, WIDTH = 64, 128
SUFFIXES = (".hdr", ".exr")
LARGEST_SUN = 1e4
"""A map's radiance is held below this multiple of its mean, which leaves the sun in and keeps what
a pixel can receive from one path within what half floats and the sampling can bear."""

MINI_SOURCES: Mapping[str, str] = {
    "autoshop_01": "674b67a3bcb05e180781f476941d2a60d2af5a4df72d241354aa978a0a372543",
    "leadenhall_market": "06d1e27d9c12c1821103fbd83546d63ce5b03392b47e76dc87231aa50933a975",
    "noon_grass": "8aa8cf02f8cc098318efa8668436b9d4b1a106499dce7b26f1a858f0f1091313",
}
"""Name → SHA-256 of the maps that light the committed split; nothing else may use them."""


def normalised(radiance: NDArray[np.floating[Any]]) -> Radiance:
    """A latitude–longitude map of any size as 64×128×3 with a solid-angle mean of 1.

    Each pixel is the mean over its solid angle. The mean is taken over the channels' average; the
    colour stays.
    """
    small = resample(np.maximum(radiance[..., :3], 0).astype(np.float64), HEIGHT, WIDTH)
    mean = float((small.mean(axis=2) * solid_angles(HEIGHT, WIDTH)).sum() / (4 * np.pi))
    held: Radiance = np.minimum(small / mean, LARGEST_SUN).astype(np.float16).astype(np.float32)
    return held


def map_files(folder: Path) -> list[Path]:
    """The .hdr and .exr maps of a folder by name.

    Raises:
        ConfigError: no map in it, two of one name, or one that lights the committed test split.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ConfigError(f"{folder}: no environment map ({' or '.join(SUFFIXES)}) in it")
    reserved = {sha256: name for name, sha256 in MINI_SOURCES.items()}
    stems: set[str] = set()
    for path in paths:
        name = reserved.get(digest(path))
        if name is not None:
            raise ConfigError(
                f"{path}: this map ({name}) lights the test split vases/mini and may serve "
                "nothing else; move it out of the folder"
            )
        if path.stem in stems:
            raise ConfigError(f"{path}: another map has the same name; rename one of them")
        stems.add(path.stem)
    return paths


def read_map(path: Path) -> Radiance:
    """One map, normalised. Raises DataError where it cannot be read, is black or not finite."""
    radiance = read_image(path)
    if not np.isfinite(radiance).all() or not radiance.max() > 0:
        raise DataError(f"{path}: the map is black or not finite everywhere; leave it out")
    return normalised(radiance)


def stored(path: Path, radiance: Radiance) -> None:
    """Write a normalised environment so that it is there whole or not at all."""
    partial = path.with_name(f".partial-{path.name}")
    write_exr(partial, radiance, half=True)
    partial.replace(path)


def read_stored(path: Path) -> Radiance:
    """The environment 64×128×3 as rendered with. Raises DataError where it is not of that size."""
    radiance = read_image(path)
    if radiance.shape != (HEIGHT, WIDTH, 3):
        raise DataError(f"{path}: {radiance.shape} is not {HEIGHT}×{WIDTH}×3; fetch it again")
    return radiance


def procedural(rng: np.random.Generator) -> Radiance:
    """A random sky over a random ground with a few soft boxes or a sun, normalised."""
    toward = directions(HEIGHT, WIDTH)  # H×W×3
    up = toward[..., 1:2]
    sky, horizon, ground = (rng.uniform(0.3, 1) * _tint(rng) * scale for scale in (1.0, 1.2, 0.4))
    radiance = np.where(up > 0, horizon + (sky - horizon) * np.sqrt(np.abs(up)), ground)
    for _ in range(int(rng.integers(1, 5))):
        axis = rng.standard_normal(3) * [1, 0.7, 1] + [0, 0.5, 0]
        sharpness = np.exp(rng.uniform(np.log(5), np.log(400)))
        lobe = np.exp(sharpness * (toward @ (axis / np.linalg.norm(axis)) - 1))[..., None]
        radiance = radiance + rng.uniform(0.05, 0.5) * sharpness * _tint(rng) * lobe
    return normalised(radiance)


def _tint(rng: np.random.Generator) -> NDArray[np.float64]:
    warmth = rng.uniform(-0.35, 0.35)
    return np.array([1 + warmth, 1.0, 1 - warmth])
