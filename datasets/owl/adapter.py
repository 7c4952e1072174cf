"""The dataset `owl`: Objects With Lighting in its own layout (specs/datasets.md §7).

    <root>/dataset/<object>/test/
        inputs/{image_%04d.png, mask_%04d.png, camera_%04d.txt, exposure.txt}
        gt_{camera_%04d.txt, env_512_rotated_%04d.hdr}      what is asked
        gt_{image_%04d.png, mask_%04d.png, exposure_%04d.txt}      the answers

A scene is an object with the one sample `object`: the first photo, the others as context. Each of
the nine asked-for photos is a query `relit-<number>`: another camera, and the light of 0–2 is that
of the inputs, of 3–8 a new one. A method that cannot take the camera answers from the wrong place.

Not handed out: `env*.hdr` and `world_to_env.txt`, the light of the inputs, which the authors keep
for debugging; the bounding box, for which there is no quantity.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.api import Key, Query, Sample, Targets
from bench.datasets.owl.reading import (
    read_camera,
    read_environment,
    read_exposure,
    read_photo,
    read_valid,
)
from bench.errors import DataError
from bench.fetching.layouts import find_folder, require
from bench.graphics.file_digest import digest
from bench.graphics.map_files import read_map
from bench.quantities import Values

SPLIT, ID = "test", "object"
"""The only split, and the id of every sample."""

_ADVICE = "`bench fetch owl` brings the data; set the option root of owl to the folder"
_FORBIDDEN = ("env.hdr", "env_512_rotated.hdr", "world_to_env.txt")


class Owl:
    """A `TraceableDataset`; keeps no pixels between calls.

    Options:
        root: folder that holds dataset/, or dataset/ itself.
        exposure: "undone", the answers are radiance in the environment's unit; "kept", they are
            multiplied by 2^exposure, as they were published: at most 1.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._kept = options.get("exposure", "kept") == "kept"

    def samples(self, split: str) -> Sequence[Key]:
        """The objects by name. Raises `DataError` where there is none, naming what is missing."""
        return [Key(name, ID) for name in self._objects(split)]

    def fingerprint(self, split: str) -> str:
        """A digest of all files of the objects, and what became of the exposure."""
        files = (path for folder in self._objects(split).values() for path in _files(folder))
        return f"{digest(self._root, files)}-{'kept' if self._kept else 'undone'}"

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """A digest of each object's input photos."""
        return {
            name: digest(folder, (folder / "inputs").glob("image_*.png"))
            for name, folder in self._objects(split).items()
        }

    def inputs(self, split: str, key: Key) -> Sample:
        """The posed photos with approximate masks, and what is asked. Raises `DataError`."""
        folder = self._folder(split, key)
        exposure = read_exposure(folder / "inputs" / "exposure.txt")
        names = _numbers(folder / "inputs", "image_", ".png")
        first, *others = (_view(folder / "inputs", name, exposure) for name in names)
        queries = tuple(
            Query(f"relit-{name}", "relit", _condition(folder, name)) for name in _asked(folder)
        )
        return Sample(key.scene, key.id, first, tuple(others), queries)

    def targets(self, split: str, key: Key) -> Targets:
        """The asked-for photos with the pixels to be scored. Raises `DataError`."""
        folder = self._folder(split, key)
        return Targets({}, {f"relit-{name}": self._answer(folder, name) for name in _asked(folder)})

    def _answer(self, folder: Path, name: str) -> Values:
        files = [folder / f"gt_{kind}_{name}.png" for kind in ("image", "mask")]
        stated = folder / f"gt_exposure_{name}.txt"
        require([*files, stated], _ADVICE)
        camera = read_camera(folder / f"gt_camera_{name}.txt")
        size = (camera.height, camera.width)
        exposure = 0.0 if self._kept else read_exposure(stated)
        return {"relit": read_photo(files[0], exposure, size), "mask": read_valid(files[1], size)}

    def _folder(self, split: str, key: Key) -> Path:
        objects = self._objects(split)
        if key.scene not in objects or key.id != ID:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        return objects[key.scene]

    def _objects(self, split: str) -> dict[str, Path]:
        """Object → its folder test/, by name."""
        if split != SPLIT:
            raise DataError(f"owl has the one split {SPLIT!r}, not {split!r}")
        folder = find_folder(self._root, ("dataset", "owl/dataset"), "*/test/inputs", _ADVICE)
        found = {path.parts[-3]: path.parent for path in sorted(folder.glob("*/test/inputs"))}
        for test in found.values():
            _check(test)
        return found


def _check(folder: Path) -> None:
    """Raise `DataError` naming every file that an object's inputs and queries lack."""
    inputs = folder / "inputs"
    names, asked = _numbers(inputs, "image_", ".png"), _asked(folder)
    if not names or not asked:
        wanted = "inputs/image_*.png" if not names else "gt_camera_*.txt"
        raise DataError(f"{folder}: holds no {wanted}; {_ADVICE}")
    beside = [inputs / f"{kind}_{name}{end}" for name in names for kind, end in _COMPANIONS]
    lights = [path for name in asked for path in _light_files(folder, name)]
    require([inputs / "exposure.txt", *beside, *lights], _ADVICE)


_COMPANIONS = (("mask", ".png"), ("camera", ".txt"))


def _light_files(folder: Path, name: str) -> list[Path]:
    reduced = folder / f"gt_env_512_rotated_{name}.hdr"
    full = [folder / f"gt_env_{name}.hdr", folder / f"gt_world_to_env_{name}.txt"]
    return full if full[0].is_file() and not reduced.is_file() else [reduced]


def _view(inputs: Path, name: str, exposure: float) -> Values:
    camera = read_camera(inputs / f"camera_{name}.txt")
    size = (camera.height, camera.width)
    return {
        "image": read_photo(inputs / f"image_{name}.png", exposure, size),
        "mask": read_map(inputs / f"mask_{name}.png", 1, size),
        "camera": camera,
    }


def _condition(folder: Path, name: str) -> Values:
    return {
        "environment": read_environment(folder, name),
        "camera": read_camera(folder / f"gt_camera_{name}.txt"),
    }


def _asked(folder: Path) -> list[str]:
    return _numbers(folder, "gt_camera_", ".txt")


def _numbers(folder: Path, prefix: str, suffix: str) -> list[str]:
    """What stands between prefix and suffix of the files that have them, sorted."""
    found = folder.glob(f"{prefix}[0-9]*{suffix}")
    return sorted(path.name.removeprefix(prefix).removesuffix(suffix) for path in found)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name not in _FORBIDDEN]
