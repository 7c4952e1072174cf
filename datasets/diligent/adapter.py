"""The dataset `diligent`: calibrated photometric stereo, DiLiGenT's own layout (datasets.md §6).

    <root>/pmsData/<object>PNG/
        001.png … 096.png  mask.png  light_directions.txt  light_intensities.txt  Normal_gt.mat

A scene is an object with the one sample `object`: its first photo, and the others as context, each
with its light. The camera is orthographic, so there is no `camera`. Directions and normals are
published in the frame of `normal`: x right, y up, z towards the viewer.

The first 20 photos of bear are corrupted and left out unless asked for. Normals come from
Normal_gt.mat alone: normal.txt of harvest is upside down.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from bench.api import Key, Sample, Targets
from bench.datasets.diligent.fetch import ADVICE
from bench.errors import DataError, InvalidValueError
from bench.fetching.layouts import find_folder, require
from bench.graphics.file_digest import digest
from bench.graphics.map_files import Float32, read_map
from bench.graphics.number_files import read_numbers
from bench.quantities import Value, Values, validate

OBJECTS = (
    *("ball", "bear", "buddha", "cat", "cow"),
    *("goblet", "harvest", "pot1", "pot2", "reading"),
)
LIGHTS = 96
CORRUPTED = {"bear": 20}
"""Object → how many of its first photos are no good."""

SPLIT, ID = "test", "object"
"""The only split, and the id of every sample."""

_MASK, _NORMALS = "mask.png", "Normal_gt.mat"
_DIRECTIONS, _INTENSITIES = "light_directions.txt", "light_intensities.txt"


class Diligent:
    """A `TraceableDataset`; keeps no pixels between calls.

    Options:
        root: folder that holds pmsData/, or pmsData/ itself.
        all_of_bear: use its corrupted photos too.

    `image` is linear and already divided by `light_intensity`, per channel: with light l and
    normal n, a Lambertian surface shows k·max(n·l, 0), k the same in all photos.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._corrupted = {} if options.get("all_of_bear") else CORRUPTED

    def samples(self, split: str) -> Sequence[Key]:
        """The ten objects. Raises `DataError` naming every missing file of the inputs."""
        folders = self._folders(split)
        require((path for name in folders for path in self._shown(split, name)), ADVICE)
        return [Key(name, ID) for name in folders]

    def fingerprint(self, split: str) -> str:
        """A digest of all files that are read, which leaves out what is not used of bear."""
        folders = self._folders(split)
        files = [path for name in folders for path in self._shown(split, name)]
        truths = (folder / _NORMALS for folder in folders.values())
        return digest(self._root, [*files, *(path for path in truths if path.is_file())])

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """A digest of each object's photos and lights."""
        folders = self._folders(split)
        return {name: digest(folders[name], self._shown(split, name)) for name in folders}

    def inputs(self, split: str, key: Key) -> Sample:
        """The photos H×W×3 with their lights and the mask H×W×1. Raises `DataError`."""
        folder = self._folder(split, key)
        mask = _read_mask(folder)
        lights = _read_lights(folder)[self._corrupted.get(key.scene, 0) :]
        first, *others = (_view(light, mask) for light in lights)
        return Sample(key.scene, key.id, first, tuple(others))

    def targets(self, split: str, key: Key) -> Targets:
        """The measured normals, zeros outside the mask. Raises `DataError` naming the file."""
        folder = self._folder(split, key)
        require([folder / _NORMALS], ADVICE)
        mask = _read_mask(folder)
        normals = read_normals(folder / _NORMALS, mask.shape[:2])
        return Targets({"normal": np.where(mask > 0, normals, np.float32(0))})

    def _shown(self, split: str, name: str) -> list[Path]:
        """The files of an object's inputs."""
        folder = self._folders(split)[name]
        numbers = range(self._corrupted.get(name, 0) + 1, LIGHTS + 1)
        photos = [_photo(folder, number) for number in numbers]
        return [*photos, *(folder / other for other in (_MASK, _DIRECTIONS, _INTENSITIES))]

    def _folder(self, split: str, key: Key) -> Path:
        folders = self._folders(split)
        if key.scene not in folders or key.id != ID:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        return folders[key.scene]

    def _folders(self, split: str) -> dict[str, Path]:
        if split != SPLIT:
            raise DataError(f"diligent has the one split {SPLIT!r}, not {split!r}")
        inner = ("pmsData", "DiLiGenT/pmsData")
        folder = find_folder(self._root, inner, f"*PNG/{_MASK}", ADVICE)
        return {name: folder / f"{name}PNG" for name in OBJECTS}


class _Light(NamedTuple):
    photo: Path
    direction: NDArray[np.float64]
    intensity: NDArray[np.float64]


def _photo(folder: Path, number: int) -> Path:
    return folder / f"{number:03d}.png"


def _read_lights(folder: Path) -> list[_Light]:
    """All lights of an object. Raises `DataError` naming file and line."""
    directions = read_numbers(folder / _DIRECTIONS, LIGHTS, 3)
    intensities = read_numbers(folder / _INTENSITIES, LIGHTS, 3)
    for number, (direction, intensity) in enumerate(zip(directions, intensities, strict=True), 1):
        if abs(np.linalg.norm(direction) - 1) > 1e-3:
            raise DataError(f"{folder / _DIRECTIONS}: light {number} is no unit vector")
        if intensity.min() <= 0:
            raise DataError(f"{folder / _INTENSITIES}: light {number} has no positive intensity")
    photos = (_photo(folder, number) for number in range(1, LIGHTS + 1))
    return [_Light(*light) for light in zip(photos, directions, intensities, strict=True)]


def _read_mask(folder: Path) -> Float32:
    """H×W×1, 0 or 1."""
    return (read_map(folder / _MASK, 1) > 0).astype(np.float32)


def _view(light: _Light, mask: Float32) -> Values:
    stored = read_map(light.photo, 3, mask.shape[:2])  # H×W×3
    values: dict[str, Value] = {
        "image": np.asarray(stored / light.intensity, np.float32),
        "mask": mask,
        "light_direction": light.direction.astype(np.float32),
        "light_intensity": light.intensity.astype(np.float32),
    }
    return values


def read_normals(path: Path, size: tuple[int, int]) -> Float32:
    """`Normal_gt` H×W×3 of a .mat file, unit vectors and zeros.

    Raises:
        DataError: naming the file, and the key where that is missing or is no such map.
    """
    try:
        found = loadmat(path, variable_names=["Normal_gt"]).get("Normal_gt")
    except Exception as error:  # a corrupt file makes its parser raise whatever it stumbles over
        raise DataError(f"{path}: truncated or corrupt .mat file: {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise DataError(f"{path}: key 'Normal_gt' is missing, or no array of real numbers")
    if found.shape != (*size, 3):
        raise DataError(f"{path}: key 'Normal_gt' is of shape {found.shape} instead of {size} × 3")
    try:
        validate("normal", found)
    except InvalidValueError as error:
        raise DataError(f"{path}: key 'Normal_gt': {error}") from error
    return found.astype(np.float32)
