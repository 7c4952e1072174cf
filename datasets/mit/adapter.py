"""The dataset `mit`: the MIT intrinsic images in their own layout (specs/datasets.md §4).

    <root>/data/<object>/{mask,original,diffuse,shading,reflectance,specular}.png

16-bit PNGs of linear values; shading is grey, the mask is > 0 on the object. `diffuse` is
reflectance × shading up to one scale per object, and `original` is `diffuse` + `specular`.

Splits: `set1` and `set2`, eight objects each, are the two folds; `all16` is both; `extra` holds the
four objects that the benchmark does not score. A scene is an object with the one sample `image`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Key, Sample, Targets
from bench.errors import DataError
from bench.fetching.layouts import find_folder, require
from bench.graphics.file_digest import digest
from bench.graphics.map_files import read_map
from bench.quantities import Value

_SET1 = ("box", "cup1", "cup2", "dinosaur", "panther", "squirrel", "sun", "teabag2")
_SET2 = ("deer", "frog1", "frog2", "paper1", "paper2", "raccoon", "teabag1", "turtle")
SPLITS: Mapping[str, tuple[str, ...]] = {
    "all16": tuple(sorted(_SET1 + _SET2)),
    "set1": _SET1,
    "set2": _SET2,
    "extra": ("apple", "pear", "phone", "potato"),
}
"""Split → objects, by name."""

_TRUTHS = ("reflectance", "shading", "specular")

ID = "image"
"""The id of every sample; the object is its scene."""

_ADVICE = "`bench fetch mit` brings the images; set the option root of mit to the folder"


class MitIntrinsic:
    """A `TraceableDataset`; keeps no pixels between calls.

    Options:
        root: folder that holds data/, or data/ itself.
        image: "diffuse" or "original", the photo that is the input.

    Values are linear and unscaled: 65535 is 1. The photo is kept outside the mask as it is stored.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._shiny = options.get("image", "diffuse") == "original"

    def samples(self, split: str) -> Sequence[Key]:
        """The split's objects by name. Raises `DataError` naming every missing photo and mask."""
        folders = self._folders(split)
        require((file for folder in folders.values() for file in self._shown(folder)), _ADVICE)
        return [Key(name, ID) for name in folders]

    def fingerprint(self, split: str) -> str:
        """A digest of the split's files, and which photo is the input."""
        folders = self._folders(split)
        files = (path for folder in folders.values() for path in self._present(folder))
        return f"{digest(self._data(), files)}-{self._photo}"

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """A digest of each object's files."""
        return {name: digest(at, self._present(at)) for name, at in self._folders(split).items()}

    def inputs(self, split: str, key: Key) -> Sample:
        """The photo H×W×3 and its mask H×W×1, 0 or 1. Raises `DataError` naming the file."""
        photo, outline = self._shown(self._folder(split, key))
        image = read_map(photo, 3)
        mask = (read_map(outline, 1, image.shape[:2]) > 0).astype(np.float32)
        return Sample(key.scene, key.id, {"image": image, "mask": mask})

    def targets(self, split: str, key: Key) -> Targets:
        """Reflectance as `albedo` and shading, grey repeated, both H×W×3; of the original photo
        also its specular part, the `residual` in the photo's own scale. In the diffuse photo that
        part is zero by construction, and so it is none of its truths.

        Raises:
            DataError: every missing file, or the one that cannot be read or has another size.
        """
        folder = self._folder(split, key)
        albedo, shading, residual = (folder / f"{name}.png" for name in _TRUTHS)
        require((albedo, shading, residual) if self._shiny else (albedo, shading), _ADVICE)
        size = read_map(self._shown(folder)[1], 1).shape[:2]
        grey = read_map(shading, 1, size)  # H×W×1
        known: dict[str, Value] = {"albedo": read_map(albedo, 3, size)}
        known["shading"] = np.repeat(grey, 3, axis=2)  # H×W×3
        if self._shiny:
            known["residual"] = read_map(residual, 3, size)
        return Targets(known)

    @property
    def _photo(self) -> str:
        return "original" if self._shiny else "diffuse"

    def _shown(self, folder: Path) -> tuple[Path, Path]:
        """The photo and the mask."""
        return folder / f"{self._photo}.png", folder / "mask.png"

    @staticmethod
    def _present(folder: Path) -> list[Path]:
        names = ("mask", "diffuse", "original", *_TRUTHS)
        return [path for name in names if (path := folder / f"{name}.png").is_file()]

    def _folder(self, split: str, key: Key) -> Path:
        folders = self._folders(split)
        if key.scene not in folders or key.id != ID:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        return folders[key.scene]

    def _folders(self, split: str) -> dict[str, Path]:
        if split not in SPLITS:
            raise DataError(f"mit has no split {split!r}; it has {', '.join(SPLITS)}")
        return {name: self._data() / name for name in SPLITS[split]}

    def _data(self) -> Path:
        return find_folder(self._root, ("data", "MIT-intrinsic/data"), "*/mask.png", _ADVICE)
