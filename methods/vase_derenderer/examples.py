"""Training pictures: decoded once, kept as 8-bit arrays, drawn in an order the seed decides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from bench.api import Key, Source
from bench.errors import BenchError, DataError
from bench.graphics.masks import distance_transform
from bench.quantities import validate

from .backgrounds import Backgrounds, drawn_background
from .framing import framed, framed_mask
from .stretching import Shapes, stretched

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Split:
    """Every picture of some splits of a dataset, decoded.

    Attributes:
        pictures: N×S×S×4 uint8, tone-mapped RGB and mask.
        pitch: N, degrees, as the dataset knows it; NaN where it does not, or was not asked.
        keys: the N samples, (split, key).
        fingerprints: one text per split, "dataset:split:fingerprint".
        seen: what weights trained on these carry, see `Source.seen`.
        over_black: the background is black, but for specks at rims, so that another can be added.
    """

    pictures: Bytes
    pitch: NDArray[np.float32]
    keys: tuple[tuple[str, Key], ...]
    fingerprints: tuple[str, ...]
    seen: tuple[str, ...]
    over_black: bool


def decode_all(
    source: Source,
    parts: Sequence[Sequence[str]],
    size: int,
    limit: int,
    cache: Path,
    with_pitch: bool = False,
) -> list[Split]:
    """`decode` each of several lists of splits.

    Raises:
        DataError: listing every picture of any of them that cannot be used.
    """
    decoded, problems = [], []
    for splits in parts:
        try:
            decoded.append(decode(source, splits, size, limit, cache, with_pitch))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return decoded


def decode(
    source: Source,
    splits: Sequence[str],
    size: int,
    limit: int,
    cache: Path,
    with_pitch: bool = False,
) -> Split:
    """Decode all pictures of the splits, or read what an earlier call left in the folder `cache`.

    Args:
        limit: at most so many pictures of each split, 0 for all.
        with_pitch: read what the dataset knows of the vases' tilt, too.

    Raises:
        DataError: listing every picture that cannot be used, before any training.
    """
    seen = [source.seen(split) for split in splits]
    fingerprints = [entries[0] for entries in seen]
    keys = [(split, key) for split in splits for key in _limited(source, split, limit)]
    if not keys:
        raise DataError(f"{source.name}: the splits {', '.join(splits)} hold no pictures")
    label = hashlib.sha256(json.dumps([fingerprints, size, len(keys)]).encode()).hexdigest()[:16]
    path = cache / f"{label}.npy"
    if not path.exists():
        _write_whole(path, _decoded(source, keys, size))
    told = path.with_suffix(".pitch.npy")
    if with_pitch and not told.exists():
        _write_whole(told, _known_pitch(source, keys))
    pictures = np.load(path, mmap_mode="r")
    pitch = np.load(told) if with_pitch else np.full(len(keys), np.nan, np.float32)
    every = tuple(chain.from_iterable(seen))
    return Split(pictures, pitch, tuple(keys), tuple(fingerprints), every, _over_black(pictures))


def _over_black(pictures: Bytes) -> bool:
    # Not each pixel: a highlight shines out of pixels that the mask covers by less than 1/255.
    outside = np.asarray(pictures[..., 3]) == 0  # N×S×S
    lit = np.asarray(pictures[..., :3]).max(-1) > 0  # N×S×S
    return bool((lit & outside).sum() <= 0.01 * outside.sum())


def _limited(source: Source, split: str, limit: int) -> Sequence[Key]:
    keys = source.dataset.samples(split)
    return keys[:limit] if limit else keys


def _decoded(source: Source, keys: Sequence[tuple[str, Key]], size: int) -> Bytes:
    pictures = np.zeros((len(keys), size, size, 4), np.uint8)
    problems = []
    for index, (split, key) in enumerate(tqdm(keys, desc="decode", unit="picture", disable=None)):
        try:
            pictures[index] = _picture(source, split, key, size)
        except BenchError as error:
            problems.append(f"{split}/{key.scene}/{key.id}: {error}")
    if problems:
        raise DataError(
            f"{len(problems)} of {len(keys)} pictures of {source.name} cannot be trained on; mend "
            "or remove them:\n  " + "\n  ".join(problems)
        )
    return pictures


def _known_pitch(source: Source, keys: Sequence[tuple[str, Key]]) -> NDArray[np.float32]:
    pitch = np.full(len(keys), np.nan, np.float32)
    for index, (split, key) in enumerate(tqdm(keys, desc="tilts", unit="vase", disable=None)):
        known = source.dataset.targets(split, key).quantities.get("pitch")
        if isinstance(known, np.ndarray):
            pitch[index] = known[0]
    return pitch


def _picture(source: Source, split: str, key: Key, size: int) -> Bytes:
    inputs = source.dataset.inputs(split, key).inputs
    image, mask = inputs.get("image"), inputs.get("mask")
    if not isinstance(image, np.ndarray) or not isinstance(mask, np.ndarray):
        raise DataError("has no image or no mask")
    validate("image", image)
    validate("mask", mask)
    if mask.shape[:2] != image.shape[:2]:
        raise DataError(f"its mask is {mask.shape[:2]}, its image {image.shape[:2]} pixels")
    picture = np.concatenate([framed(image, size).pixels, framed_mask(mask, size)], axis=-1)
    stored = np.round(255 * picture).astype(np.uint8)
    if not (stored[..., 3] > 127).any():
        raise DataError("its mask is empty")
    return stored


def _write_whole(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.save(file, array)
    partial.replace(path)


class Examples(Dataset[tuple[Tensor, ...]]):
    """Augmented pictures: image 3×S×S, mask 1×S×S and the mask's distances 1×S×S, in [0, 1]; and
    the pitch in degrees, a scalar, NaN where it is not known.

    The index is (picture, seed); the seed decides flip and background, so that any number of
    workers gives the same batches.
    """

    def __init__(
        self,
        split: Split,
        augmented: bool,
        backgrounds: Backgrounds,
        shapes: Shapes = "as-is",
    ) -> None:
        self._split = split
        self._shapes = shapes
        self._augmented = augmented
        self._backgrounds = backgrounds

    def __len__(self) -> int:
        return len(self._split.keys)

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, ...]:
        picture, seed = index
        rng = np.random.default_rng(seed)
        stored = np.divide(self._split.pictures[picture], 255, dtype=np.float32)  # S×S×4
        pitch = float(self._split.pitch[picture])
        if self._augmented and self._shapes == "stretched":
            stored, pitch = stretched(stored, pitch, rng)
        image, mask = stored[..., :3], stored[..., 3:]
        if self._augmented:
            if rng.random() < 0.5:
                image, mask = image[:, ::-1], mask[:, ::-1]
            if self._backgrounds == "random":
                image = drawn_background(image, mask, self._split.over_black, rng)
        distances = distance_transform(mask)
        maps = (
            torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), np.float32))
            for array in (image, mask, distances)
        )
        return *maps, torch.tensor(pitch)


class Order:
    """Endless batches of (picture, seed) from batch `start` on: each epoch a new permutation."""

    def __init__(self, count: int, batch: int, seed: int, start: int) -> None:
        self._count, self._batch, self._seed, self._start = count, batch, seed, start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self._start
        while True:
            yield [self._entry(step * self._batch + place) for place in range(self._batch)]
            step += 1

    def _entry(self, position: int) -> tuple[int, int]:
        epoch, place = divmod(position, self._count)
        order = self._permutation(epoch)
        picture = int(order[place])
        seed = np.random.SeedSequence((self._seed, epoch, picture)).generate_state(1)[0]
        return picture, int(seed)

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if getattr(self, "_epoch", None) != epoch:
            self._order = np.random.default_rng((self._seed, epoch)).permutation(self._count)
            self._epoch = epoch
        return self._order


def batches(examples: Examples, batch: int, seed: int, start: int, workers: int) -> Iterator[Any]:
    """Batches without end, from batch number `start` on, decoded by `workers` processes."""
    order = Order(len(examples), batch, seed, start)
    loader = DataLoader(
        examples,
        batch_sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return iter(loader)
