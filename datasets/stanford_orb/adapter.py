"""The dataset `stanford-orb`: 42 captures of real objects, asked as the benchmark asks.

A scene is a capture (`teapot_scene001`). The benchmark hands over the training views and asks for
the capture's ten test views, for the twenty test views of the same object in two other places under
the light there, for geometry and albedo at the ten test poses, and for one mesh. No test photo may
be seen by what answers for it. So a scene has these samples:

- `capture`: a training view, the other training views as its context. Its queries are the ten
  `view-0060` (condition `camera`) and the twenty `relit-teapot_scene002-0060` (conditions
  `environment` and `camera`, both in this capture's world: the answer is from that camera). Its
  target is the `mesh`, in the same world. Whoever answers it has seen no test photo.
- `0060` …, one of each test photo: the photo itself, as the benchmark hands it to single-image
  methods, with the training views as context. Its targets are `normal`, `depth` and `albedo` at its
  pose; it has no queries.

Each official image is thus asked for once: 10 view, 20 light, 10 geometry, 10 albedo and 1 shape
per capture; in two captures one photo less, so 418 and 836 in all. A method that is fitted to all
samples of a scene would see the test photos that `capture` asks for; the card does not admit it,
and its predictions are scored from a folder (`bench score`), made as the official code makes them.

Splits: `test`, every capture that is there (42 in the download); `light`, the official seven; or
the name of an object or of a capture.

Photos, masks and truth are at 512², the benchmark's resolution (`reading` says how). Answers are
the HDR photos whatever a method sees, for PSNR-H is of linear radiance. What lies in files is read
when it is asked for.

Source: specs/datasets.md §1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from bench.api import Key, Query, Sample, Targets
from bench.datasets.stanford_orb.captures import LIGHT
from bench.datasets.stanford_orb.environments import read_environment
from bench.datasets.stanford_orb.layout import ADVICE, Frame, Layout, Part, open_layout
from bench.datasets.stanford_orb.reading import (
    OnDemand,
    read_albedo,
    read_depth,
    read_mask,
    read_normal,
    read_photo,
    read_shape,
)
from bench.errors import DataError
from bench.fetching.layouts import require

CAPTURE = "capture"
"""The id of the sample that is asked for views, relighting and shape."""


def view_query(frame: Frame) -> str:
    """The id of the query for a test view of the same capture."""
    return f"view-{frame.id}"


def light_query(frame: Frame) -> str:
    """The id of the query for a test view of another capture."""
    return f"relit-{frame.capture}-{frame.id}"


class StanfordOrb:
    """A `Dataset`.

    Options:
        root: folder with blender_HDR/ (or blender_LDR/) and ground_truth/, or the one above.
        images: "HDR" or "LDR" photos are handed over; None for HDR where they are there.
        size: pixels per side.
        views: how many training views go with a sample, evenly spaced; 0 for all.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._size = int(options.get("size") or 512)
        self._views = int(options.get("views") or 0)
        self._frames: dict[tuple[str, Part], list[Frame]] = {}

    def samples(self, split: str) -> Sequence[Key]:
        """Of each capture the sample `capture`, then its test photos.

        Raises:
            DataError: naming every file of the inputs that is missing, or a malformed camera file.
        """
        captures = self._captures(split)
        frames = [f for name in captures for part in _OWN for f in self._of(name, part)]
        require(self._layout.missing(frames), ADVICE)
        return [
            Key(name, item)
            for name in captures
            for item in (CAPTURE, *(frame.id for frame in self._of(name, "test")))
        ]

    def fingerprint(self, split: str) -> str:
        """A digest of the options and of name, size and time of each file of the captures and of
        what they are asked for elsewhere: the photos are too many to be read."""
        total = hashlib.sha256(f"{self._size} {self._views} {self._layout.images}\n".encode())
        for path in sorted(set(self._files(self._captures(split)))):
            stamp = path.stat()
            name = path.relative_to(self._layout.root).as_posix()
            total.update(f"{name}\0{stamp.st_size}\0{stamp.st_mtime_ns}\n".encode())
        return total.hexdigest()[:16]

    def inputs(self, split: str, key: Key) -> Sample:
        """The photo, its mask and camera, the training views, and what is asked.

        Raises:
            DataError: no such sample. A file that is missing, unreadable or not what it should be
                raises when its value is first asked for.
        """
        frame = self._find(split, key)
        training = self._training(key.scene)
        if frame is not None:
            return Sample(key.scene, key.id, self._photo(frame), tuple(map(self._photo, training)))
        first, *others = map(self._photo, training)
        asked = (*self._view_queries(key.scene), *self._light_queries(key.scene))
        return Sample(key.scene, key.id, first, tuple(others), asked)

    def targets(self, split: str, key: Key) -> Targets:
        """The truth, each read when it is first asked for, as in `inputs`.

        Raises:
            DataError: likewise.
        """
        frame = self._find(split, key)
        if frame is not None:
            return Targets(self._truth(frame))
        mesh = OnDemand({"mesh": partial(read_shape, self._layout.mesh(key.scene))})
        views = {view_query(f): self._answer("view", f) for f in self._of(key.scene, "test")}
        lights = {light_query(f): self._answer("relit", f) for f in self._of(key.scene, "novel")}
        return Targets(mesh, views | lights)

    @cached_property
    def _layout(self) -> Layout:
        return open_layout(Path(self._options["root"]), self._options.get("images"))

    def _captures(self, split: str) -> list[str]:
        there = self._layout.present()
        if split == "light":
            lacking = [name for name in LIGHT if name not in there]
            if lacking:
                raise DataError(
                    f"{self._layout.root}: of the split 'light', {', '.join(lacking)} are missing; "
                    f"{ADVICE}"
                )
            return list(LIGHT)
        chosen = [c for c in there if split in ("test", c, c.partition("_")[0])]
        if not chosen:
            raise DataError(
                f"{self._layout.root}: has no split {split!r}; it has test, light, and each object "
                f"or capture of {', '.join(there) or 'none'}; {ADVICE}"
            )
        return chosen

    def _of(self, capture: str, part: Part) -> list[Frame]:
        if (capture, part) not in self._frames:
            self._frames[capture, part] = self._layout.frames(capture, part)
        return self._frames[capture, part]

    def _training(self, capture: str) -> list[Frame]:
        frames = self._of(capture, "train")
        count = min(self._views or len(frames), len(frames))
        return [frames[index * len(frames) // count] for index in range(count)]

    def _find(self, split: str, key: Key) -> Frame | None:
        """The test photo of a sample; None for the sample `capture`. Raises `DataError`."""
        if key.scene in self._captures(split):
            frames = {frame.id: frame for frame in self._of(key.scene, "test")}
            if key.id == CAPTURE or key.id in frames:
                return frames.get(key.id)
        raise DataError(f"{self._layout.root}: split {split!r} has no sample {key.scene}/{key.id}")

    def _photo(self, frame: Frame) -> OnDemand:
        return OnDemand(
            {
                "image": partial(read_photo, self._layout.photo(frame), self._size),
                "mask": partial(read_mask, self._layout.mask(frame), self._size),
                "camera": partial(frame.camera, self._size),
            }
        )

    def _view_queries(self, capture: str) -> Iterator[Query]:
        for frame in self._of(capture, "test"):
            yield Query(view_query(frame), "view", {"camera": frame.camera(self._size)})

    def _light_queries(self, capture: str) -> Iterator[Query]:
        for frame in self._of(capture, "novel"):
            camera = partial(frame.camera, self._size)
            light = partial(read_environment, self._layout.environment(frame), camera())
            condition = OnDemand({"environment": light, "camera": camera})
            yield Query(light_query(frame), "relit", condition)

    def _truth(self, frame: Frame) -> OnDemand:
        size, file = self._size, partial(self._layout.truth, frame.capture)
        return OnDemand(
            {
                "normal": partial(read_normal, file("surface_normal") / f"{frame.id}.npy", size),
                "depth": partial(read_depth, file("z_depth") / f"{frame.id}.npy", size),
                "albedo": partial(read_albedo, file("pseudo_gt_albedo"), frame.id, size),
            }
        )

    def _answer(self, quantity: str, frame: Frame) -> OnDemand:
        return OnDemand(
            {
                quantity: partial(read_photo, self._layout.photo(frame, "HDR"), self._size),
                "mask": partial(read_mask, self._layout.mask(frame, "HDR"), self._size),
            }
        )

    def _files(self, captures: Sequence[str]) -> Iterator[Path]:
        for name in captures:
            for pattern in (f"blender_*/{name}", f"ground_truth/{name}"):
                for folder in self._layout.root.glob(pattern):
                    yield from (path for path in folder.rglob("*") if path.is_file())
            for frame in self._of(name, "novel"):
                elsewhere = (
                    self._layout.photo(frame, "HDR"),
                    self._layout.mask(frame, "HDR"),
                    self._layout.environment(frame),
                )
                yield from (path for path in elsewhere if path.is_file())


_OWN: tuple[Part, ...] = ("train", "test")
