"""The dataset `iiw`: Intrinsic Images in the Wild in its own layout (specs/datasets.md §5).

    <root>/data/<id>.png      8-bit sRGB photo, decoded to linear
    <root>/data/<id>.json     judgements, see `judgements`

Split `test`: sorted by name, the first of every five photos, 1,046 of 5,230; these are the very ids
that Zhou et al. (2015) and InverseRenderNet publish as lists after Narihira et al. `train` is the
rest, `all` is both. A scene is a photo with the one sample `image`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Key, Sample, Targets
from bench.datasets.iiw.judgements import read_judgements
from bench.errors import DataError
from bench.fetching.layouts import find_folder, require
from bench.graphics.colour import srgb_decode
from bench.graphics.file_digest import digest
from bench.graphics.map_files import read_map

ID = "image"
"""The id of every sample; the photo's own is its scene."""

_ADVICE = "`bench fetch iiw` brings the photos; set the option root of iiw to the folder"
_STEP = 5


class Iiw:
    """A `TraceableDataset`; keeps no pixels between calls.

    Options:
        root: folder that holds data/, or data/ itself.
        ids: file of the ids of split `test`, text or .npy of integers.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._ids = Path(options["ids"]).absolute() if options.get("ids") else None
        self._listed: dict[str, dict[str, Path]] = {}

    def samples(self, split: str) -> Sequence[Key]:
        """The split's photos by name. Raises `DataError` naming those that are missing."""
        return [Key(name, ID) for name in self._photos(split)]

    def fingerprint(self, split: str) -> str:
        """A digest of names and contents of the split's photos and judgements."""
        photos = self._photos(split).values()
        files = [path for photo in photos for path in (photo, photo.with_suffix(".json"))]
        return digest(self._root, (path for path in files if path.is_file()))

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """A digest of each photo."""
        return {name: digest(at.parent, [at]) for name, at in self._photos(split).items()}

    def inputs(self, split: str, key: Key) -> Sample:
        """The photo H×W×3, linear, and a mask of the whole frame. Raises `DataError`."""
        image = srgb_decode(read_map(self._photo(split, key), 3)).astype(np.float32)
        mask = np.ones((*image.shape[:2], 1), np.float32)
        return Sample(key.scene, key.id, {"image": image, "mask": mask})

    def targets(self, split: str, key: Key) -> Targets:
        """The judgements. Raises `DataError` naming file and key."""
        path = self._photo(split, key).with_suffix(".json")
        require([path], _ADVICE)
        return Targets({"judgements": read_judgements(path)})

    def _photo(self, split: str, key: Key) -> Path:
        photos = self._photos(split)
        if key.scene not in photos or key.id != ID:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        return photos[key.scene]

    def _photos(self, split: str) -> dict[str, Path]:
        """Id → photo, by name."""
        if not self._listed:
            self._listed = self._splits()
        if split not in self._listed:
            raise DataError(f"iiw has no split {split!r}; it has {', '.join(self._listed)}")
        return self._listed[split]

    def _splits(self) -> dict[str, dict[str, Path]]:
        inner = ("data", "iiw-dataset/data", "iiw-dataset")
        folder = find_folder(self._root, inner, "[0-9]*.png", _ADVICE)
        photos = {path.stem: path for path in sorted(folder.glob("[0-9]*.png"))}
        names = list(photos)[::_STEP] if self._ids is None else read_ids(self._ids)
        require((folder / f"{name}.png" for name in names if name not in photos), _ADVICE)
        test = {name: photos[name] for name in names}
        train = {name: path for name, path in photos.items() if name not in test}
        return {"test": test, "train": train, "all": photos}


def read_ids(path: Path) -> list[str]:
    """The ids in a file: a .npy of integers, or text with blanks or lines between them.

    Raises:
        DataError: a missing or corrupt file, something that is no id, or an id that comes twice.
    """
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                found = np.lib.format.read_array(file, allow_pickle=False)
            names = [str(int(number)) for number in found.ravel()]
        else:
            names = path.read_text(encoding="ascii").split()
    except Exception as error:  # the header of a .npy is a Python literal, parsed as such
        raise DataError(f"{path}: not a list of ids: {error}") from error
    for index, name in enumerate(names):
        if not name.isdecimal():
            raise DataError(f"{path}: entry {index + 1} is {name!r}, which is no id")
    if len(set(names)) < len(names) or not names:
        raise DataError(f"{path}: holds no id, or one of them twice")
    return names
