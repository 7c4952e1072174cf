"""The dataset `vases`: a rendered split, read file by file and checked against its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.api import Key, Prediction, Query, Sample, Targets
from bench.datasets.vases import layout
from bench.datasets.vases.layout import Scene
from bench.datasets.vases.lights import read_stored
from bench.datasets.vases.rerendering import Rerendering
from bench.errors import DataError
from bench.graphics.image_files import read_image
from bench.quantities import Camera, Deferred, Environment, Values

EMBEDDED = Path(__file__).resolve().parent / "data"
_VIEW_MAPS = ("mask", "normal", "albedo", "depth", "roughness", "specular")


@dataclass(frozen=True)
class _Split:
    """A manifest: name → SHA-256 of scene.json files and of environments."""

    folder: Path
    fingerprint: str
    scenes: Mapping[str, str]
    environments: Mapping[str, str]


class Vases:
    """A `RerenderingDataset` and `TraceableDataset`; each file is checked against its SHA-256.

    Options:
        root: folder that holds the split's folder; None for the committed data.
        context: how many of the following views, under the same light, go with a sample.

    Queries are `light<l>`, the view under each other light of the scene, and `view<v>`, each view
    that is neither the sample's nor its context's, under the same light. Both also offer what
    `rerendering` makes.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options.get("root") or EMBEDDED)
        self._context = int(options.get("context", 1))
        self._split = lru_cache(maxsize=8)(self._read_split)
        self._scene = lru_cache(maxsize=8)(self._read_scene)
        self._environment = lru_cache(maxsize=64)(self._read_environment)

    def samples(self, split: str) -> Sequence[Key]:
        """Every view under every light, scene by scene. Raises `DataError` as `inputs`."""
        return [
            Key(name, f"view{view}_light{light}")
            for name in self._split(split).scenes
            for scene in [self._scene(split, name)]
            for view in range(len(scene.cameras))
            for light in range(len(scene.lights))
        ]

    def fingerprint(self, split: str) -> str:
        """The digest over all files' checksums, and how many views are context."""
        return f"{self._split(split).fingerprint}-context{self._context}"

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """The SHA-256 of each scene.json, which lists those of the scene's files."""
        return self._split(split).scenes

    def inputs(self, split: str, key: Key) -> Sample:
        """The image, its mask and camera; the next views; what is asked.

        Raises:
            DataError: a file is missing, truncated, corrupt or not the one of the manifest.
        """
        scene, view, light = self._find(split, key)
        context = [(view + step) % len(scene.cameras) for step in range(1, self._context + 1)]
        read = lru_cache(maxsize=None)(lambda name: self._read(split, scene, name))
        rerendering = Rerendering(scene, light, [view, *context], read)
        return Sample(
            key.scene,
            key.id,
            self._photo(split, scene, view, light),
            tuple(self._photo(split, scene, other, light) for other in context),
            tuple(
                Query(
                    name,
                    quantity,
                    Deferred(
                        self._condition(split, scene, quantity, *where),
                        rerendering.conditions(quantity, *where),
                    ),
                )
                for name, quantity, where in self._asked(scene, view, light)
            ),
        )

    def targets(self, split: str, key: Key) -> Targets:
        """The truth about the view, and the image each query asks for with its mask."""
        scene, view, light = self._find(split, key)
        maps = {
            quantity: self._read(split, scene, layout.view_file(view, quantity))
            for quantity in _VIEW_MAPS
        }
        maps["shading"] = self._read(split, scene, layout.light_file(view, light, "shading"))
        maps["pitch"] = _elevation(scene.cameras[view])
        answers = {
            name: {
                quantity: self._read(split, scene, layout.light_file(*where, "image")),
                "mask": self._read(split, scene, layout.view_file(where[0], "mask")),
            }
            for name, quantity, where in self._asked(scene, view, light)
        }
        return Targets({**maps, "environment": self._lit(split, scene, light)}, answers)

    def rerendered(self, split: str, key: Key) -> Prediction:
        """What each query asks for as another render of as many samples would show it.

        The image is the mean of two halves A and B and its noise is that of (A−B)/2, so that
        image + (A−B)/√2 differs from it as an independent render does.
        """
        scene, view, light = self._find(split, key)
        return {
            name: self._noisy(split, scene, *where)
            for name, _, where in self._asked(scene, view, light)
        }

    def _asked(self, scene: Scene, view: int, light: int) -> list[tuple[str, str, tuple[int, int]]]:
        """Query id, quantity, and the (view, light) that answers it."""
        given = {(view + step) % len(scene.cameras) for step in range(self._context + 1)}
        lights, views = range(len(scene.lights)), range(len(scene.cameras))
        return [
            *((f"light{other}", "relit", (view, other)) for other in lights if other != light),
            *((f"view{other}", "view", (other, light)) for other in views if other not in given),
        ]

    def _condition(self, split: str, scene: Scene, quantity: str, view: int, light: int) -> Values:
        if quantity == "relit":
            return {"environment": self._lit(split, scene, light)}
        return {"camera": deepcopy(scene.cameras[view])}

    def _photo(self, split: str, scene: Scene, view: int, light: int) -> Values:
        return {
            "image": self._read(split, scene, layout.light_file(view, light, "image")),
            "mask": self._read(split, scene, layout.view_file(view, "mask")),
            "camera": deepcopy(scene.cameras[view]),
        }

    def _noisy(self, split: str, scene: Scene, view: int, light: int) -> NDArray[np.float32]:
        image = self._read(split, scene, layout.light_file(view, light, "image"))
        stored = self._read(split, scene, layout.light_file(view, light, "noise"))
        noise = layout.decoded_noise(stored, scene.noise_scale[view][light])
        again: NDArray[np.float32] = np.maximum(image + np.float32(np.sqrt(2)) * noise, 0)
        return again

    def _lit(self, split: str, scene: Scene, light: int) -> Environment:
        """The environment the scene was rendered with, in the world frame."""
        chosen = scene.lights[light]
        return Environment(
            layout.lit(self._environment(split, chosen.environment), chosen), "world"
        )

    def _find(self, split: str, key: Key) -> tuple[Scene, int, int]:
        if key.scene in self._split(split).scenes:
            scene = self._scene(split, key.scene)
            for view in range(len(scene.cameras)):
                for light in range(len(scene.lights)):
                    if key.id == f"view{view}_light{light}":
                        return scene, view, light
        raise DataError(f"{self._root / split}: no sample {key.scene}/{key.id}")

    def _read(self, split: str, scene: Scene, name: str) -> NDArray[np.float32]:
        """One map of a scene. Raises DataError unless it is the file scene.json tells of."""
        path = self._split(split).folder / scene.name / name
        if name not in scene.files:
            raise DataError(f"{path.parents[2] / layout.SCENE}: does not list {name}")
        self._verify(path, scene.files[name])
        return read_image(path)

    def _read_environment(self, split: str, name: str) -> NDArray[np.float32]:
        found = self._split(split)
        path = found.folder / layout.environment_file(name)
        self._verify(path, found.environments.get(name, ""))
        radiance: NDArray[np.float32] = read_stored(path)
        return radiance

    def _read_scene(self, split: str, name: str) -> Scene:
        found = self._split(split)
        path = found.folder / name / layout.SCENE
        self._verify(path, found.scenes[name])
        return layout.read_scene(path)

    def _read_split(self, split: str) -> _Split:
        folder = self._root / split
        path = folder / layout.MANIFEST
        if not path.is_file():
            raise DataError(f"{path}: no such split; {self._advice(folder)}")
        content = layout.read_json(path)
        try:
            scenes, environments = dict(content["scenes"]), dict(content["environments"])
            version, fingerprint = content["format"], str(content["fingerprint"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: not a manifest of a split: {error!r}") from error
        if version != layout.FORMAT:
            raise DataError(
                f"{path}: format {version}, not {layout.FORMAT}; render the split again"
            )
        if layout.fingerprint(environments, scenes) != fingerprint:
            raise DataError(f"{path}: its checksums do not give its fingerprint; {self._remedy()}")
        return _Split(folder, fingerprint, scenes, environments)

    def _verify(self, path: Path, expected: str) -> None:
        try:
            found = layout.digest(path)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read: {error.strerror}; {self._remedy()}"
            ) from error
        if found != expected:
            raise DataError(
                f"{path}: SHA-256 {found[:16]}… is not {expected[:16]}… of the manifest: the file "
                f"is truncated or was changed; {self._remedy()}"
            )

    def _remedy(self) -> str:
        if self._root == EMBEDDED:
            return "restore it: reinstall the package, or `git checkout` in a clone"
        return "remove the scene's folder and manifest.json, and run `bench render vases` again"

    def _advice(self, folder: Path) -> str:
        if (folder / layout.UNFINISHED).exists():
            return "its rendering is unfinished: run the same `bench render vases` again"
        known = sorted(path.parent.name for path in self._root.glob(f"*/{layout.MANIFEST}"))
        return f"{self._root} holds {', '.join(known) or 'none'}; set the options root and split"


def _elevation(camera: Camera) -> NDArray[np.float32]:
    """The camera's elevation in degrees, 1: how far an upright vase's top is tilted towards it."""
    down = -camera.camera_to_world[1, 2]
    return np.degrees(np.arcsin(np.array([down], np.float32)))
