"""The dataset `aligned`: photos beside renders of a point cloud from their cameras.

`root` is one such folder, or holds several; a split is the name of the folders of pictures in them
(`train`, `val`, or a camera path's), a scene is a data set's folder, a sample is one view. What is
handed over is the view's `framebuffer`, never its photo, but in the queries that say so:

- `own` (quantity `reconstruction`): the view again, from its own photo's appearance. This is the
  published protocol; the target is given.
- `half` (quantity `view`): the view from the appearance of its photo's left half; scored is the
  right half, columns ≥ W//2.
- `path` (quantity `view`), where there is no photo, as along a camera path: the view in the
  appearance of the photo that the option `appearance` names. It is not scored.

Source: specs/neural_rerendering.md §1, §2, §9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.api import Key, Query, Sample, Targets
from bench.datasets.aligned import layout
from bench.datasets.aligned.layout import Place
from bench.datasets.aligned.reading import AlignedFolder
from bench.errors import DataError
from bench.graphics.file_digest import digest

Float32 = NDArray[np.float32]

OWN, HALF, PATH = "own", "half", "path"
"""Ids of the queries."""


class Aligned:
    """A `TraceableDataset`; keeps no pixels between calls.

    Options:
        root: one data set's folder, or the folder above several.
        name: the one data set to be read of those; "" for all.
        appearance: the photo for views that have none, "<split>/<id>"; "" for no such queries.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._name = str(options.get("name") or "")
        self._appearance = str(options.get("appearance") or "")
        self._listed: dict[str, dict[Key, Place]] = {}
        self._semantic: dict[Path, bool] = {}

    def samples(self, split: str) -> Sequence[Key]:
        """Views by data set and name. Raises `DataError` where the split holds none."""
        return list(self._list(split))

    def fingerprint(self, split: str) -> str:
        """A digest of the names and contents of the split's pictures, and of options."""
        folders = sorted({place.folder for place in self._list(split).values()})
        pictures = digest(self._root, (path for each in folders for path in each.glob("*.png")))
        # Of a manifest matters that it is there; it changes when a camera path is added.
        prepared = [(each.parent / layout.MANIFEST).exists() for each in folders]
        given = f"{pictures} {prepared}"
        if self._appearance:
            photo = digest(self._root, self._appearance_files(split))
            given = f"{given} {self._appearance} {photo}"
        return hashlib.sha256(given.encode()).hexdigest()[:16]

    def inputs(self, split: str, key: Key) -> Sample:
        """The framebuffer, and what is asked of it.

        Raises:
            DataError: a file that is missing, unreadable, of another size than its fellows, or not
                what it should be.
        """
        place = self._place(split, key)
        seen = self._seen(key.scene, place, self._semantics(place.folder))
        queries = tuple(self._queries(key.scene, place, seen))
        return Sample(key.scene, key.id, {"framebuffer": seen}, queries=queries)

    def targets(self, split: str, key: Key) -> Targets:
        """The photo as the answer of `own` and `half`, and where the framebuffer has a point.

        Raises:
            DataError: as `inputs`.
        """
        place = self._place(split, key)
        photo = self._folders[key.scene].photo(place)
        if photo is None:
            return Targets({})
        depth = self._seen(key.scene, place, False)[..., 3:]  # H×W×1
        shown: Float32 = (depth > 0).astype(np.float32)
        right = np.zeros_like(shown)
        right[:, photo.shape[1] // 2 :] = 1
        return Targets(
            {},
            {
                OWN: {"reconstruction": photo, "mask": np.ones_like(right), "covered": shown},
                HALF: {"view": photo, "mask": right, "covered": shown},
            },
        )

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """ "<scene>/<id>" → a digest of its photo's file, so that a photo is recognised wherever it
        stands, whatever else stands beside it."""
        photos = {
            f"{key.scene}/{key.id}": place.file(layout.REFERENCE)
            for key, place in self._list(split).items()
        }
        return {name: _content(path) for name, path in photos.items() if path.is_file()}

    @cached_property
    def _folders(self) -> dict[str, AlignedFolder]:
        found = layout.data_sets(self._root)
        if self._name and self._name not in found:
            raise DataError(
                f"{self._root}: has no data set {self._name!r}; it has {_joined(found)}"
            )
        chosen = {self._name: found[self._name]} if self._name else found
        return {name: AlignedFolder(path) for name, path in chosen.items()}

    def _list(self, split: str) -> Mapping[Key, Place]:
        if split not in self._listed:
            found = {
                Key(name, place.id): place
                for name, folder in self._folders.items()
                if split in layout.splits(folder.path)
                for place in layout.places(folder.path / split)
            }
            if not found:
                paths = [folder.path for folder in self._folders.values()]
                known = {name for path in paths for name in layout.splits(path)}
                raise DataError(f"{self._root}: has no split {split!r}; it has {_joined(known)}")
            self._listed[split] = found
        return self._listed[split]

    def _place(self, split: str, key: Key) -> Place:
        places = self._list(split)
        if key not in places:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        return places[key]

    def _semantics(self, folder: Path) -> bool:
        if folder not in self._semantic:
            self._semantic[folder] = layout.has_semantics(folder)
        return self._semantic[folder]

    def _seen(self, scene: str, place: Place, semantics: bool) -> Float32:
        seen: Float32 = self._folders[scene].framebuffer(place, semantics)
        return seen

    def _queries(self, scene: str, place: Place, seen: Float32) -> Iterator[Query]:
        photo = self._folders[scene].photo(place)
        if photo is not None:
            half = photo.shape[1] // 2
            yield Query(OWN, "reconstruction", _condition(seen, photo, seen))
            yield Query(HALF, "view", _condition(seen, photo[:, :half], seen[:, :half]))
        elif self._appearance:
            other = self._appearance_place(scene)
            shown = self._folders[scene].photo(other)
            if shown is None:
                raise DataError(f"{other.file(layout.REFERENCE)}: no such photo; set appearance")
            semantics = seen.shape[2] > 4
            yield Query(PATH, "view", _condition(seen, shown, self._seen(scene, other, semantics)))

    def _appearance_place(self, scene: str) -> Place:
        split, _, name = self._appearance.partition("/")
        key = Key(scene, name)
        if not name or split not in layout.splits(self._folders[scene].path):
            raise DataError(
                f"{self._root}: no photo {self._appearance!r}; the option appearance is "
                "<split>/<id>, such as train/0000"
            )
        return self._place(split, key)

    def _appearance_files(self, split: str) -> Iterator[Path]:
        for scene in {key.scene for key in self._list(split)}:
            place = self._appearance_place(scene)
            yield from place.folder.glob(f"{place.id}_*.png")


def _condition(seen: Float32, photo: Float32, photo_seen: Float32) -> dict[str, Float32]:
    values = {"framebuffer": seen, "reference": photo, "reference_framebuffer": photo_seen}
    return {name: np.ascontiguousarray(value) for name, value in values.items()}


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joined(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
