"""Pictures of a dataset for training: decoded once, by several processes, into 8-bit files.

Many examples share pictures: every photo and every framebuffer is stored once, known by a digest of
its bytes, and an example is four numbers of them.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from bench.api import Dataset, Query, Source
from bench.errors import BenchError, DataError
from bench.graphics.colour import srgb_encode
from bench.quantities import Values

from .pictures import Bytes, Example, PictureStore, Place

_FORMAT = 1
_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Pictures:
    """Every example of some splits of a dataset.

    Attributes:
        photos: P×H×W×3 uint8, sRGB-encoded.
        framebuffers: F×H×W×C uint8: sRGB-encoded RGB, depth code, semantic colours; 0 where empty.
        examples: N×4, each the numbers of: framebuffer, target photo, appearance photo, and the
            appearance photo's framebuffer.
        samples: N, which sample an example is of, counted over the splits.
        fingerprints: one text per split, "dataset:split:fingerprint".
        seen: what weights trained on these carry, see `Source.seen`.
    """

    photos: Bytes
    framebuffers: Bytes
    examples: NDArray[np.int64]
    samples: NDArray[np.int64]
    fingerprints: tuple[str, ...]
    seen: tuple[str, ...]

    @property
    def channels(self) -> int:
        """Of a framebuffer: 4, or 7 with semantics."""
        return int(self.framebuffers.shape[3])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        return int(self.photos.shape[1]), int(self.photos.shape[2])


def decode(
    source: Source, splits: Sequence[str], limit: int, workers: int, folder: Path
) -> Pictures:
    """Decode all examples of the splits, going on where an earlier call stopped.

    An example is a query of quantity `reconstruction` of a sample that has such queries, otherwise
    each `view` and `relit` query; its condition holds a framebuffer, and a reference photo with
    another. Queries with a `reference_mask` are tests, not examples.

    Args:
        limit: at most so many samples of each split, 0 for all.
        workers: processes that decode; 0: this one.
        folder: of the decoded pictures; one may serve several trainings, also at once.

    Raises:
        DataError: pictures that cannot be used, listed; or of unlike sizes, naming two.
        OSError: the folder cannot be written; what was decoded is kept.
    """
    seen = [source.seen(split) for split in splits]
    fingerprints = [entries[0] for entries in seen]
    places = [
        Place(split, key)
        for split in splits
        for key in source.dataset.samples(split)[: limit or None]
    ]
    label = hashlib.sha256(json.dumps([_FORMAT, *fingerprints]).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{label}.lock"):  # another training may fill the same folder
        store = PictureStore(folder / label)
        _decode_missing(source, places, workers, store)
    found = [store.examples[place] for place in places]
    if not any(found):
        raise DataError(
            f"{source.name}: the splits {', '.join(splits)} hold no query with a framebuffer, a "
            "reference and its framebuffer; `bench list` tells what a dataset offers"
        )
    return Pictures(
        *store.maps(),
        np.array(list(chain.from_iterable(found)), np.int64),
        np.repeat(np.arange(len(found)), [len(each) for each in found]),
        tuple(fingerprints),
        tuple(chain.from_iterable(seen)),
    )


def _decode_missing(
    source: Source, places: Sequence[Place], workers: int, store: PictureStore
) -> None:
    missing = [place for place in places if place not in store.examples]
    if not missing:
        return
    problems, started = [], time.perf_counter()
    bar = tqdm(total=len(missing), desc="decode", unit="sample", disable=None)
    with bar, store.writing(), _results(source, missing, workers) as results:
        for place, result in zip(missing, results, strict=True):
            if isinstance(result, str):
                problems.append(f"{place.split}/{place.key.scene}/{place.key.id}: {result}")
            elif not problems:
                store.add(place, result)
            bar.update()
    if problems:
        raise DataError(
            f"{len(problems)} of {len(missing)} samples of {source.name} cannot be trained on; "
            "mend or remove them:\n  " + "\n  ".join(problems[:_SHOWN])
        )
    seconds = time.perf_counter() - started
    print(
        f"decoded {len(missing)} samples in {seconds:.0f} s, {len(missing) / seconds:.1f}/s, "
        f"into {store.folder}"
    )


@contextmanager
def _results(
    source: Source, places: Sequence[Place], workers: int
) -> Iterator[Iterator[list[Example] | str]]:
    """For each sample its examples, or what is wrong with it."""
    if not workers or not places:
        yield (_attempt(source.dataset, place) for place in places)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's and numba's locks
    made = (type(source.dataset), dict(source.options))
    with context.Pool(min(workers, len(places)), _start, made) as pool:
        yield pool.imap(_work, places, chunksize=2)


_dataset: Dataset


def _start(kind: type[Dataset], options: Mapping[str, Any]) -> None:
    global _dataset
    _dataset = kind(options)


def _work(place: Place) -> list[Example] | str:
    return _attempt(_dataset, place)


def _attempt(dataset: Dataset, place: Place) -> list[Example] | str:
    try:
        return _examples(dataset, place)
    except BenchError as error:
        return str(error)


def _examples(dataset: Dataset, place: Place) -> list[Example]:
    queries = [query for query in dataset.inputs(*place).queries if _serves(query)]
    own = [query for query in queries if query.quantity == "reconstruction"]
    chosen = own or queries
    answers = dataset.targets(*place).queries if chosen else {}
    return [_example(query, answers[query.id]) for query in chosen]


def _serves(query: Query) -> bool:
    given = set(query.condition)
    return (
        query.quantity in ("reconstruction", "view", "relit")
        and {"framebuffer", "reference", "reference_framebuffer"} <= given
        and "reference_mask" not in given
    )


def _example(query: Query, answer: Values) -> Example:
    pictures = {
        "framebuffer": query.condition["framebuffer"],
        "target": answer[query.quantity],
        "reference": query.condition["reference"],
        "reference_framebuffer": query.condition["reference_framebuffer"],
    }
    stored = {}
    for name, picture in pictures.items():
        if not isinstance(picture, np.ndarray) or not np.isfinite(picture).all():
            raise DataError(f"query {query.id}: {name} is no picture of finite numbers")
        stored[name] = as_bytes(picture)
        if stored[name].shape[:2] != stored["framebuffer"].shape[:2]:
            raise DataError(
                f"query {query.id}: {name} is {_size(stored[name])} pixels, its framebuffer "
                f"{_size(stored['framebuffer'])}; training needs pictures of one size"
            )
    return Example(*stored.values())


def as_bytes(picture: NDArray[Any]) -> Bytes:
    """A photo H×W×3 or framebuffer H×W×(4|7), linear → uint8, RGB sRGB-encoded and clipped."""
    encoded = np.array(picture, np.float32)
    encoded[..., :3] = srgb_encode(encoded[..., :3])
    return np.round(255 * encoded.clip(0, 1)).astype(np.uint8)


def _size(picture: Bytes) -> str:
    return "×".join(str(length) for length in picture.shape[:2])
