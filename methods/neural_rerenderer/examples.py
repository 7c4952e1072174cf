"""Training batches out of decoded pictures, in an order that the seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .decoding import Pictures
from .encoding import from_bytes
from .pictures import Bytes

Indices = NDArray[np.int64]


class Crops(NamedTuple):
    """A batch of stages 2 and 3, uint8 as stored.

    Attributes:
        conditions: B×h×w×C, framebuffers cut to the crop.
        targets: B×h×w×3, photos cut at the same places.
        appearances: B, which appearance each is to have.
        seen: B×H×W×(3+C), those appearances, never cut; B×0 where they were not asked for.
    """

    conditions: Tensor
    targets: Tensor
    appearances: Tensor
    seen: Tensor


@dataclass(frozen=True, eq=False)
class Examples:
    """What is trained on: all pictures, or a share of them.

    Attributes:
        framebuffers, targets: N, into the pictures.
        appearances: N, into `pairs`.
        pairs: A×2, every distinct pair of an appearance photo and its framebuffer.
        photos: the distinct appearance photos, for stage 1.
    """

    pictures: Pictures
    framebuffers: Indices
    targets: Indices
    appearances: Indices
    pairs: Indices
    photos: Indices

    def __len__(self) -> int:
        return len(self.framebuffers)

    def appearance(self, index: int) -> Bytes:
        """H×W×(3+C): a photo and its framebuffer."""
        photo, framebuffer = self.pairs[index]
        parts = (self.pictures.photos[photo], self.pictures.framebuffers[framebuffer])
        return np.concatenate(parts, axis=-1)


def examples_of(pictures: Pictures, share: float = 1.0, seed: int = 0) -> Examples:
    """The examples of a share of the samples; a smaller share is part of a larger one."""
    samples = np.unique(pictures.samples)
    order = np.random.default_rng((seed, 1)).permutation(samples)
    kept = order[: max(1, round(share * len(samples)))]
    rows = pictures.examples[np.isin(pictures.samples, kept)]  # N×4
    pairs, appearances = np.unique(rows[:, 2:], axis=0, return_inverse=True)  # A×2, N
    return Examples(
        pictures, rows[:, 0], rows[:, 1], appearances.ravel(), pairs, np.unique(pairs[:, 0])
    )


def normalised(stored: Tensor) -> Tensor:
    """uint8 B×H×W×C → float32 B×C×H×W in [-1, 1], channels last in memory."""
    return from_bytes(stored).permute(0, 3, 1, 2)


class Order:
    """Endless batches of (item, seed) from batch `start` on: each epoch a new permutation."""

    def __init__(self, count: int, batch: int, seed: tuple[int, ...], start: int) -> None:
        self._count, self._batch, self._seed, self._start = count, batch, seed, start
        self._epoch = -1

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self._start
        while True:
            yield [self._entry(step * self._batch + place) for place in range(self._batch)]
            step += 1

    def _entry(self, position: int) -> tuple[int, int]:
        epoch, place = divmod(position, self._count)
        if epoch != self._epoch:
            self._order = np.random.default_rng((*self._seed, epoch)).permutation(self._count)
            self._epoch = epoch
        item = int(self._order[place])
        return item, int(np.random.SeedSequence((*self._seed, epoch, item)).generate_state(1)[0])


class _Cropped(Dataset[Crops]):
    def __init__(self, examples: Examples, crop: tuple[int, int], with_appearance: bool) -> None:
        self._examples, self._crop, self._seen = examples, crop, with_appearance

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: tuple[int, int]) -> Crops:
        item, seed = index
        examples, stored = self._examples, self._examples.pictures
        rng = np.random.default_rng(seed)
        free = np.subtract(stored.size, self._crop)  # 2
        top, left = rng.integers(0, free, endpoint=True)
        window = np.s_[top : top + self._crop[0], left : left + self._crop[1]]
        appearance = int(examples.appearances[item])
        return Crops(
            _tensor(stored.framebuffers[examples.framebuffers[item]][window]),
            _tensor(stored.photos[examples.targets[item]][window]),
            torch.tensor(appearance),
            _tensor(examples.appearance(appearance)) if self._seen else torch.empty(0),
        )


class _Triplets(Dataset[Tensor]):
    def __init__(self, examples: Examples, positives: Indices, negatives: Indices) -> None:
        self._examples, self._positives, self._negatives = examples, positives, negatives
        self._pairs = [np.flatnonzero(examples.pairs[:, 0] == each) for each in examples.photos]

    def __len__(self) -> int:
        return len(self._examples.photos)

    def __getitem__(self, index: tuple[int, int]) -> Tensor:
        anchor, seed = index
        rng = np.random.default_rng(seed)
        photos = (anchor, rng.choice(self._positives[anchor]), rng.choice(self._negatives[anchor]))
        chosen = [int(rng.choice(self._pairs[photo])) for photo in photos]
        return _tensor(np.stack([self._examples.appearance(each) for each in chosen]))


def crops(
    examples: Examples,
    crop: tuple[int, int],
    with_appearance: bool,
    batch: int,
    seed: tuple[int, ...],
    start: int,
    workers: int,
) -> Iterator[Crops]:
    """Batches without end for stages 2 and 3, from batch number `start` on.

    Condition and target are cut at one place (the original's can go out of step, spec §2.4).
    """
    return _batches(_Cropped(examples, crop, with_appearance), batch, seed, start, workers)


def triplets(
    examples: Examples,
    positives: Indices,
    negatives: Indices,
    batch: int,
    seed: tuple[int, ...],
    start: int,
    workers: int,
) -> Iterator[Tensor]:
    """Batches without end for stage 1: B×3×H×W×(3+C) uint8; anchor, positive, negative.

    Args:
        positives, negatives: P×k, for each of `examples.photos` numbers of such photos.
    """
    return _batches(_Triplets(examples, positives, negatives), batch, seed, start, workers)


def _batches(
    items: Dataset[Any], batch: int, seed: tuple[int, ...], start: int, workers: int
) -> Iterator[Any]:
    order = Order(len(items), batch, seed, start)  # type: ignore[arg-type]
    loader = DataLoader(
        items, batch_sampler=order, num_workers=workers, persistent_workers=workers > 0
    )
    return iter(loader)


def _tensor(array: Bytes) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: the pictures are read-only
