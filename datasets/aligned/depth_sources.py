"""Photos, cameras and clouds of a dataset that knows depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter
from tqdm import tqdm

from bench.api import Key, Sample, Source
from bench.datasets.aligned.clouds import Part
from bench.datasets.aligned.shots import Float32, Shot
from bench.errors import ConfigError, DataError
from bench.graphics.point_clouds import PointCloud, PosedView, fused, thinned
from bench.quantities import Camera, Value

LEAST_MASK = 0.5
"""Pixels of a smaller mask are sky, or not the object, and measure no point."""


@dataclass(frozen=True, eq=False)
class Posed:
    """A dataset's sample as a shot, with what is needed to read its depth."""

    shot: Shot
    key: Key


def posed(source: Source, split: str) -> list[Posed]:
    """Every sample of a split, of which image and camera are known.

    Raises:
        ConfigError: the dataset offers no image or no camera.
        DataError: as the dataset.
    """
    found = []
    for key in tqdm(source.dataset.samples(split), desc="cameras", disable=None):
        camera = _value(source, source.dataset.inputs(split, key), "camera")
        read = partial(_photo, source, split, key)
        found.append(Posed(Shot(f"{key.scene}/{key.id}", key.scene, camera, read), key))
    return found


def measured(source: Source, split: str, chosen: Sequence[Posed], voxel: float | None) -> float:
    """The voxel to be used: the one given, or what a pixel spans at the median depth.

    Of at most 100 of the chosen samples the median of depth ÷ focal length is taken, and of those
    the median.
    """
    if voxel is not None:
        return voxel
    spans = []
    for each in chosen[:: max(1, -(-len(chosen) // 100))]:
        depth = _depth(source, split, each.key)
        known = depth[np.isfinite(depth) & (depth > 0)]  # n
        if known.size:
            spans.append(float(np.median(known)) / float(each.shot.camera.intrinsics[0, 0]))
    if not spans:
        raise DataError(f"{source.name}/{split}: no sample has a known depth")
    return float(np.median(spans))


def parts(source: Source, split: str, chosen: Sequence[Posed], voxel: float) -> list[Part]:
    """What the depth maps of the chosen samples measured, thinned to one point per voxel.

    Raises:
        ConfigError: the dataset offers no depth.
        DataError: as the dataset, or where no depth is known at all.
    """
    found = []
    for each in tqdm(chosen, desc="depth maps", disable=None):
        cloud = _cloud(source, split, each)
        if len(cloud.points):
            cloud = thinned(cloud, voxel) if voxel else cloud
            found.append(Part(each.shot.name, each.shot.scene, cloud))
    if not found:
        raise DataError(f"{source.name}/{split}: no sample for training has a known depth")
    return found


def _cloud(source: Source, split: str, each: Posed) -> PointCloud:
    sample = source.dataset.inputs(split, each.key)
    depth = _depth(source, split, each.key)
    known = (depth > 0) & _inner(sample.inputs.get("mask"), depth.shape)  # H×W×1
    if not known.any():
        return PointCloud(np.zeros((0, 3)), np.zeros((0, 3), np.float32))
    image = _value(source, sample, "image")
    return fused([PosedView(image, np.where(known, depth, 0), each.shot.camera)])


def _inner(mask: Value | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a mask is set, but for its outermost pixels: they show part of what lies behind."""
    if not isinstance(mask, np.ndarray):
        return np.ones(shape, np.bool_)
    return np.asarray(minimum_filter(mask, (3, 3, 1)) >= LEAST_MASK)  # H×W×1


def _depth(source: Source, split: str, key: Key) -> Float32:
    known = source.dataset.targets(split, key).quantities
    if "depth" not in known:
        raise ConfigError(
            f"--dataset {source.name}: {key.scene}/{key.id} has no depth; give a dataset that "
            "knows it, or a cloud with --from ply or colmap"
        )
    depth: Float32 = known["depth"]
    return depth


def _photo(source: Source, split: str, key: Key) -> Float32:
    image: Float32 = _value(source, source.dataset.inputs(split, key), "image")
    return image


def _value(source: Source, sample: Sample, name: str) -> Any:
    if name not in sample.inputs:
        raise ConfigError(
            f"--dataset {source.name}: {sample.scene}/{sample.id} has no {name}; give a dataset "
            "whose samples have image and camera"
        )
    value = sample.inputs[name]
    assert name != "camera" or isinstance(value, Camera)
    return value
