"""8-bit pictures on disk, each distinct one once, and which of them a sample's examples are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.api import Key
from bench.errors import DataError

Bytes = NDArray[np.uint8]

PHOTOS, FRAMEBUFFERS, INDEX = "photos.u8", "framebuffers.u8", "index.jsonl"


class Place(NamedTuple):
    """A sample of a split."""

    split: str
    key: Key


class Example(NamedTuple):
    """The pictures of one: H×W×C, H×W×3, H×W×3 and H×W×C uint8."""

    framebuffer: Bytes
    target: Bytes
    photo: Bytes
    photo_framebuffer: Bytes


class PictureStore:
    """Two files of pictures that only grow, and a table with a line per sample.

    A line is written after the pictures that it tells of; what stands behind the last whole line is
    cut off before more is written.

    Attributes:
        examples: of each sample stored, rows of four numbers: of the framebuffer, the target, the
            photo and its framebuffer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.examples: dict[Place, list[list[int]]] = {}
        self._numbers: dict[str, dict[str, int]] = {PHOTOS: {}, FRAMEBUFFERS: {}}
        self._shape: tuple[int, int, int] | None = None
        self._named: Place | None = None
        self._length = 0
        self._files: dict[str, IO[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._read()

    def maps(self) -> tuple[Bytes, Bytes]:
        """All photos P×H×W×3 and framebuffers F×H×W×C."""
        return self._map(PHOTOS), self._map(FRAMEBUFFERS)

    def _map(self, name: str) -> Bytes:
        shape = (len(self._numbers[name]), *self._picture(name))
        return np.memmap(self.folder / name, np.uint8, "r", shape=shape)

    def _picture(self, name: str) -> tuple[int, int, int]:
        assert self._shape is not None, "nothing was decoded"
        height, width, channels = self._shape
        return (height, width, 3 if name == PHOTOS else channels)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within, samples can be added. Raises OSError where the folder cannot be written."""
        lengths = {INDEX: self._length, PHOTOS: 0, FRAMEBUFFERS: 0}
        if self._shape:
            for name, numbers in self._numbers.items():
                lengths[name] = len(numbers) * int(np.prod(self._picture(name)))
        try:
            for name, length in lengths.items():
                self._files[name] = (self.folder / name).open("ab")
                self._files[name].truncate(length)
            yield
        finally:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def add(self, place: Place, examples: Sequence[Example]) -> None:
        """Append a sample's pictures that are new, then its line.

        Raises:
            DataError: pictures of another size or another number of channels than those before.
        """
        for example in examples:
            self._agree(place, example.framebuffer.shape, example.photo_framebuffer.shape)
        new: dict[str, list[str]] = {PHOTOS: [], FRAMEBUFFERS: []}
        rows = [
            [
                self._number(FRAMEBUFFERS, example.framebuffer, new),
                self._number(PHOTOS, example.target, new),
                self._number(PHOTOS, example.photo, new),
                self._number(FRAMEBUFFERS, example.photo_framebuffer, new),
            ]
            for example in examples
        ]
        for name in new:
            self._files[name].flush()
        line = {"place": [place.split, *place.key], "shape": self._shape, "rows": rows, "new": new}
        self._files[INDEX].write(json.dumps(line).encode() + b"\n")
        self._files[INDEX].flush()
        self.examples[place] = rows

    def _agree(self, place: Place, *shapes: tuple[int, ...]) -> None:
        for shape in shapes:
            if self._shape is None:
                self._shape, self._named = (shape[0], shape[1], shape[2]), place
            if shape != self._shape:
                first = self._named or next(iter(self.examples))
                raise DataError(
                    f"{place.split}/{place.key.scene}/{place.key.id} has framebuffers of "
                    f"{'×'.join(map(str, shape))}, {first.split}/{first.key.scene}/{first.key.id} "
                    f"of {'×'.join(map(str, self._shape))}; training needs pictures of one size"
                )

    def _number(self, name: str, picture: Bytes, new: Mapping[str, list[str]]) -> int:
        numbers = self._numbers[name]
        digest = hashlib.blake2b(picture.tobytes(), digest_size=16).hexdigest()
        if digest not in numbers:
            self._files[name].write(picture.tobytes())
            numbers[digest] = len(numbers)
            new[name].append(digest)
        return numbers[digest]

    def _read(self) -> None:
        path = self.folder / INDEX
        content = path.read_bytes() if path.exists() else b""
        sizes = {name: _bytes(self.folder / name) for name in self._numbers}
        for line in content.splitlines(keepends=True):
            if not line.endswith(b"\n") or not self._take(json.loads(line), sizes):
                return
            self._length += len(line)

    def _take(self, line: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
        """Note what a line tells, unless the disk lost its pictures with the power."""
        split, scene, id_ = line["place"]
        shape = tuple(line["shape"]) if line["shape"] else None
        self._shape = self._shape or shape
        for name, numbers in self._numbers.items():
            count = len(numbers) + len(line["new"][name])
            if count and count * int(np.prod(self._picture(name))) > sizes[name]:
                return False
        for name, numbers in self._numbers.items():
            for digest in line["new"][name]:
                numbers[digest] = len(numbers)
        self.examples[Place(split, Key(scene, id_))] = [list(row) for row in line["rows"]]
        return True


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
