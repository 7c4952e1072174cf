"""Where the files of each sample lie; nothing is opened here."""

import re
from dataclasses import dataclass
from pathlib import Path

from bench.api import Key
from bench.errors import DataError
from bench.graphics.value_files import find_value, suffixes
from bench.quantities import VOCABULARY

FLAT_ID = "image"
"""The id of an image that lies in the root itself; its scene is its name."""

QUERIES = {"relit": "environment", "view": "camera"}
"""Query quantity → the quantity that is its condition."""

_BESIDE = re.compile(rf"(?P<image>.+)_(?:{'|'.join(VOCABULARY)})(?:[-.].*)?")


@dataclass(frozen=True)
class Place:
    """The files of one sample.

    Attributes:
        name: of an image in the root, whose companions are `<name>_<stem>`; "" where the sample
            has a folder of its own.
        companions: the file names of those, listed once for all images of the root.
    """

    folder: Path
    name: str = ""
    companions: tuple[str, ...] = ()

    def find(self, quantity: str, stem: str | None = None) -> Path | None:
        """The file of a quantity, by its stem. Raises `DataError` where two claim to be it."""
        return find_value(self.folder, quantity, self._stem(stem or quantity))

    def expected(self, quantity: str) -> Path:
        """A path at which `find` would look, for messages."""
        return self.folder / (self._stem(quantity) + suffixes(quantity)[-1])

    def query_names(self, quantity: str) -> list[str]:
        """`<name>` of every `<quantity>-<name>.<condition>.<suffix>`, sorted."""
        condition = QUERIES[quantity]
        pattern = re.compile(
            re.escape(self._stem(quantity)) + rf"-(.+?)\.{condition}(\.camera)?\.[A-Za-z]+"
        )
        files = self.companions if self.name else [path.name for path in self.folder.iterdir()]
        return sorted({match[1] for match in map(pattern.fullmatch, files) if match})

    def _stem(self, stem: str) -> str:
        if not self.name:
            return stem
        return self.name if stem == "image" else f"{self.name}_{stem}"


def places(root: Path) -> dict[Key, Place]:
    """Where each sample lies: images in the root by name, then the folders of the scenes.

    Raises:
        DataError: no such folder, no sample in it, or one key for two samples.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; set the option root of folder")
    found = {Key(place.name, FLAT_ID): place for place in _flat(root)}
    for scene in _folders(root):
        for folder in _folders(scene):
            key = Key(scene.name, folder.name)
            if key in found:
                raise DataError(f"{folder}: clashes with the image {scene.name} in the root")
            found[key] = Place(folder)
    if not found:
        raise DataError(f"{root}: holds no sample; put images in it, or <scene>/<id>/image.png")
    return found


def _flat(root: Path) -> list[Place]:
    files = [path for path in root.iterdir() if path.is_file()]
    stems = {path.stem for path in files if path.suffix.lower() in suffixes("image")}
    images, companions = set(stems), dict[str, list[str]]()
    for path in files:
        match = _BESIDE.fullmatch(path.name)
        if match and match["image"] in stems:
            companions.setdefault(match["image"], []).append(path.name)
            images.discard(path.stem)
    return [Place(root, name, tuple(companions.get(name, ()))) for name in sorted(images)]


def _folders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
