"""The dataset `blender`: NeRF-synthetic, NeRFactor, TensoIR-Synthetic, Synthetic4Relight.

`root` is the folder of a download, or one scene of it. What a sample is, and what is asked of it,
the split decides:

| split                              | samples           | queries                             |
|------------------------------------|-------------------|-------------------------------------|
| `train`                            | views of train    | none: they come in one light        |
| `val`, `test`                      | views of the part | `relit-<light>`: the same view in   |
|                                    |                   | each other light                    |
| `val-from-train`, `test-from-train`| views of train    | `view-<frame>` and                  |
|                                    |                   | `relit-<frame>-<light>`: views of   |
|                                    |                   | val or test from their own camera   |

The first are for methods that explain a picture: it is their input, and normals, albedo and
roughness are its truth. The last are what papers on whole scenes do: fit to the training views,
and show others, in the same light and in new ones. There each asked view is asked once, of the
training view whose camera is nearest, which leaves one-view methods the best they can have. In
neither is an input of any sample what a query of another hides, so that methods of scope `scene`
may see all samples of a scene: a picture of val or test under the first light is an input in the
splits that ask only for other lights, and asked for only where training views alone are inputs.

A relit query holds the `environment`, which the pictures do not come with: the option
`environments` names the folder of their maps, <light>.hdr or .exr. Without it nothing could be said
about the light, and no relit query is asked. In the last kind of split it holds the `camera` too,
which is not the sample's.

Truth: of val and test views every map that the preset has must be there; of training views what is
there is handed over. NeRFactor's test views may lack a picture under the first light; such a `view`
is asked and not scored. Pixels, cameras and frames are those of `reading` and `layout`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.api import Key, Query, Sample, Targets
from bench.datasets.blender import layout, reading
from bench.datasets.blender.layout import Frame
from bench.datasets.blender.presets import PRESETS
from bench.datasets.blender.reading import Picture
from bench.datasets.blender.scene import TRAIN, Scene
from bench.errors import DataError
from bench.fetching.layouts import require
from bench.graphics.file_digest import digest
from bench.graphics.image_files import read_image
from bench.quantities import Environment, Value, Values

FROM_TRAIN = "-from-train"


class Blender:
    """A `TraceableDataset`; a scene is an object.

    Options:
        root: folder of the scenes, or of one.
        preset: one of `PRESETS`.
        size: width of all pictures, averaged down by area; 0 for the stored one.
        context: how many of the following views go with a sample.
        environments: folder of the maps of the lights.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._preset = PRESETS[options["preset"]]
        self._width = int(options.get("size", 0))
        self._context = int(options.get("context", 0))
        folder = options.get("environments")
        self._environments = Path(folder).absolute() if folder else None
        self._known: dict[str, Scene] = {}
        self._radiance = lru_cache(maxsize=8)(_read_radiance)

    def samples(self, split: str) -> Sequence[Key]:
        """All views, scene by scene.

        Raises:
            DataError: another layout, or pictures or light maps that are missing: all are named.
        """
        shown, _ = self._parts(split)
        self._lights()
        frames = {name: scene.frames(shown) for name, scene in self._scenes().items()}
        pictures = (
            path
            for name, found in frames.items()
            for frame in found
            for path in self._scenes()[name].picture(frame, shown)
            if path is not None
        )
        require(pictures, f"the preset {self._preset.name}: {self._preset.source}")
        return [Key(name, frame.name) for name, found in frames.items() for frame in found]

    def fingerprint(self, split: str) -> str:
        """A digest of all files that are read, as far as they are there, and of the options."""
        shown, asked = self._parts(split)
        lights = self._lights()
        files = (
            path
            for scene in self._scenes().values()
            for path in scene.files(shown, asked, lights)
            if path.is_file()
        )
        light = digest(self._environments, lights.values()) if self._environments else "unlit"
        options = f"{self._preset.name}-{self._width}-{self._context}"
        return f"{digest(self._root, files)}-{light}-{options}"

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """A digest of each scene's first training picture, or where no training views are there, of
        its first in the split."""
        shown, _ = self._parts(split)
        firsts = {name: scene.first_picture(shown) for name, scene in self._scenes().items()}
        return {name: digest(path.parent, [path]) for name, path in firsts.items()}

    def inputs(self, split: str, key: Key) -> Sample:
        """Image, mask and camera of the view, its context, and what is asked of it.

        Raises:
            DataError: a file that is missing, corrupt or not of the layout.
        """
        shown, _ = self._parts(split)
        scene, index = self._find(split, key)
        frames = scene.frames(shown)
        inputs, *context = (
            self._posed(scene, shown, frames[(index + step) % len(frames)])
            for step in range(self._context + 1)
        )
        size = np.asarray(inputs["mask"]).shape[:2]
        queries = tuple(
            Query(asked.name, asked.quantity, self._condition(asked, size))
            for asked in self._asked(split, key)
        )
        return Sample(key.scene, key.id, inputs, tuple(context), queries)

    def targets(self, split: str, key: Key) -> Targets:
        """Mask and maps of the view, and the picture each query asks for with its mask.

        Raises:
            DataError: a file that is missing, corrupt or not of the layout.
        """
        shown, part = self._parts(split)
        scene, index = self._find(split, key)
        frame = scene.frames(shown)[index]
        picture = self._read(scene, shown, frame)
        known = {"mask": picture.mask, **self._maps(scene, shown, frame, picture)}
        answers = {}
        for asked in self._asked(split, key):
            answer = self._answer(scene, part, asked)
            if answer is None:
                continue
            if answer.mask.shape != picture.mask.shape:
                raise DataError(
                    f"{key.scene}/{key.id}/{asked.name}: {answer.mask.shape[:2]} pixels, and the "
                    f"sample has {picture.mask.shape[:2]}"
                )
            answers[asked.name] = {asked.quantity: answer.image, "mask": answer.mask}
        return Targets(known, answers)

    def _asked(self, split: str, key: Key) -> Iterator[_Asked]:
        shown, part = self._parts(split)
        scene, index = self._find(split, key)
        if part == TRAIN:
            return
        if part == shown:
            frame = scene.frames(shown)[index]
            for light in self._lights():
                yield _Asked(f"relit-{light}", "relit", frame, light, elsewhere=False)
            return
        for frame in scene.asked_of(index, part):
            yield _Asked(f"view-{frame.name}", "view", frame, "", elsewhere=True)
            for light in self._lights():
                yield _Asked(f"relit-{frame.name}-{light}", "relit", frame, light, elsewhere=True)

    def _condition(self, asked: _Asked, size: tuple[int, ...]) -> Values:
        condition: dict[str, Value] = {}
        if asked.elsewhere:
            condition["camera"] = asked.frame.camera(size[0], size[1])
        if asked.light:
            radiance = self._radiance(self._lights()[asked.light])
            condition["environment"] = Environment(radiance.copy(), "world")
        return condition

    def _answer(self, scene: Scene, part: str, asked: _Asked) -> Picture | None:
        if asked.light:
            return reading.read_picture(scene.relit(asked.frame, asked.light), None, self._width)
        path, _ = scene.picture(asked.frame, part)
        if part in self._preset.unpictured and not path.is_file():
            return None
        return self._read(scene, part, asked.frame)

    def _maps(self, scene: Scene, part: str, frame: Frame, view: Picture) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for quantity, path in scene.maps(frame, part).items():
            if quantity == "normal":
                camera = frame.camera(*view.mask.shape[:2])
                found[quantity] = reading.read_normal(
                    path, camera, self._preset.premultiplied, self._width
                )
            else:
                read = reading.read_albedo if quantity == "albedo" else reading.read_roughness
                found[quantity] = read(path, view.mask, self._width)
        return found

    def _posed(self, scene: Scene, part: str, frame: Frame) -> dict[str, Value]:
        image, mask = self._read(scene, part, frame)
        return {"image": image, "mask": mask, "camera": frame.camera(*mask.shape[:2])}

    def _read(self, scene: Scene, part: str, frame: Frame) -> Picture:
        return reading.read_picture(*scene.picture(frame, part), self._width)

    def _parts(self, split: str) -> tuple[str, str]:
        """Whose views are samples, and whose are asked for."""
        part = split.removesuffix(FROM_TRAIN)
        parts = list(self._preset.pictures)
        if part not in parts or split == TRAIN + FROM_TRAIN:
            known = [*parts, *(name + FROM_TRAIN for name in parts if name != TRAIN)]
            raise DataError(
                f"{self._root}: the preset {self._preset.name} has no split {split!r}; it has "
                f"{', '.join(known)}"
            )
        return (part if part == split else TRAIN), part

    def _scenes(self) -> Mapping[str, Scene]:
        if not self._known:
            folders = layout.scenes(self._root, self._preset)
            self._known = {name: Scene(folder, self._preset) for name, folder in folders.items()}
        return self._known

    def _find(self, split: str, key: Key) -> tuple[Scene, int]:
        """The scene of a sample, and which of the shown frames it is."""
        shown, _ = self._parts(split)
        scene = self._scenes().get(key.scene)
        names = [] if scene is None else [frame.name for frame in scene.frames(shown)]
        if scene is None or key.id not in names:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        return scene, names.index(key.id)

    def _lights(self) -> Mapping[str, Path]:
        """Light → its map; none without the option. Raises `DataError` naming all missing ones."""
        if self._environments is None:
            return {}
        found = {name: _map_file(self._environments, name) for name in self._preset.lights}
        missing = [name for name, path in found.items() if path is None]
        if missing:
            raise DataError(
                f"{self._environments}: lacks the maps {', '.join(missing)} (.hdr or .exr) of the "
                f"preset {self._preset.name}; {self._preset.environments}"
            )
        return {name: path for name, path in found.items() if path is not None}


class _Asked(NamedTuple):
    """A query, and what answers it: a frame in a light, "" for the first.

    Attributes:
        elsewhere: the frame is not the sample's own.
    """

    name: str
    quantity: str
    frame: Frame
    light: str
    elsewhere: bool


def _map_file(folder: Path, light: str) -> Path | None:
    paths = (folder / f"{light}{suffix}" for suffix in (".hdr", ".exr"))
    return next((path for path in paths if path.is_file()), None)


def _read_radiance(path: Path) -> NDArray[np.float32]:
    """H×W×3, linear; grey is repeated. Raises `DataError`."""
    stored = read_image(path)
    colour = np.repeat(stored, 3, axis=2) if stored.shape[2] == 1 else stored[..., :3]  # H×W×3
    return np.ascontiguousarray(colour)
