"""The dataset `synthetic-vases`: rendered vases with everything known, in the official layout.

What is stored, and what becomes of it (spec §6; datasets.md §3):
- albedo is what is drawn: the inner wall's is darker than the outer's, as in the image.
- normals are stored inward. They are turned outward, and at the inner wall toward the viewer.
- depth is known where the object covers a pixel wholly; elsewhere the background is averaged in.
- shading (D, the Phong sum) is stored clipped at 1; where it is, it is computed from the lights.
- the environment is the stored map, clipped at 1, in the camera frame.
- shininess and specular albedo become roughness and specular by `bench.graphics.phong`.
- front is the mask of the strip ±60° about the middle, drawn from the stored curve and pitch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.api import Key, Sample, Targets
from bench.datasets.sord import geometry, layout
from bench.datasets.sord.geometry import DISTANCE, EXTENT, SIZE
from bench.datasets.sord.images import ENVIRONMENT, diffuse_picture
from bench.datasets.sord.pairs import Pairs
from bench.datasets.sord.reading import Float32, numbers, own, stored
from bench.datasets.sord.recipes import LOBES, Recipe
from bench.errors import DataError
from bench.graphics import phong
from bench.graphics.cameras import FLIP_YZ
from bench.graphics.colour import gamma_decode
from bench.graphics.file_digest import digest
from bench.graphics.normals import normalise
from bench.graphics.rasterisers.fragments import Fragments, downsample
from bench.quantities import Environment

_PICTURES = ("mask", "normal", "albedo", "diffuse", "depth")
_SHAPES = {
    "sor_curve": (geometry.ROWS, 2),
    "pitch": (1,),
    "sg_lights": (LOBES, 5),
    "env_map_ambient": (1,),
    "spec_albedo": (1,),
    "spec_alpha": (1,),
}
_ADVICE = "`bench fetch synthetic-vases` brings the data, `bench render synthetic-vases` makes it"
_READ = (*(f"{name}_rendered" for name in _PICTURES), "env_map", *_SHAPES)


class SyntheticVases:
    """A `TraceableDataset` in the layout of `layout`; a scene is a vase.

    Options:
        root: folder that holds image_mask/ and, for the truth, rendering/.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = layout.found_root(Path(options["root"]).absolute(), layout.SYNTHETIC)
        self._pairs = Pairs(self._root, rendered=True, advice=_ADVICE)

    def samples(self, split: str) -> Sequence[Key]:
        """All vases by name. Raises `DataError` naming every image without a mask."""
        keys: Sequence[Key] = self._pairs.keys(split)
        return keys

    def fingerprint(self, split: str) -> str:
        """A digest of names and contents of all files that are read, as far as they are there."""
        files = [
            layout.item_file(self._root, split, key.scene, item)
            for key in self.samples(split)
            for item in _READ
        ]
        there = [path for path in files if path.is_file()]
        truth = digest(self._root / "rendering" / split, there)
        return f"{self._pairs.digest(split)}-{truth}"

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """A digest of each image."""
        digests: Mapping[str, str] = self._pairs.scene_digests(split)
        return digests

    def inputs(self, split: str, key: Key) -> Sample:
        """The image, its mask, and the camera of all vases. Raises `DataError` naming the file."""
        image, mask = self._pairs.read(split, key)
        inputs = {"image": image, "mask": mask, "camera": geometry.camera()}
        return Sample(key.scene, key.id, inputs)

    def targets(self, split: str, key: Key) -> Targets:
        """The truth. Raises `DataError` naming all files that are missing, or the one that is not
        what it should be."""
        given = self._pairs.read(split, key)[1]
        files = layout.items(self._root, split, key.scene, _READ, _ADVICE)
        values = {item: numbers(files[item], shape) for item, shape in _SHAPES.items()}
        recipe = _recipe(values)
        shape = geometry.surface(recipe.curve, recipe.pitch)
        seen = geometry.drawn(shape)
        size = (SIZE, SIZE)
        pictures = {name: stored(files[f"{name}_rendered"], size) for name in _PICTURES}
        mask = pictures.pop("mask")[..., :1]
        inside = (mask > 0).astype(np.float32)
        roughness = phong.roughness_from_shininess(torch.tensor(recipe.shininess)).numpy()
        normal = _normal(own(pictures["normal"], mask), shape, seen)
        return Targets(
            {
                "mask": given,
                "normal": normal * inside,
                "albedo": gamma_decode(own(pictures["albedo"], mask)),
                "shading": _shading(own(pictures["diffuse"], mask), recipe, shape, seen),
                "depth": _depth(pictures["depth"][..., :1], mask),
                "environment": _environment(files["env_map"]),
                "roughness": inside * roughness,
                "specular": inside * np.float32(recipe.specular_albedo / np.pi),
                "pitch": values["pitch"].astype(np.float32),
                "front": geometry.front_mask(shape),
            }
        )

    def verify(self, split: str) -> None:
        """Decode all of a split. Raises `DataError` naming every file that is not well."""
        self._pairs.refuse(
            split, [text for key in self.samples(split) for text in self._problems(split, key)]
        )

    def _problems(self, split: str, key: Key) -> Iterator[str]:
        bad = list(self._pairs.problems(split, key))
        try:
            if not bad:
                self.targets(split, key)
        except DataError as error:
            bad.append(str(error))
        yield from bad


def _recipe(values: Mapping[str, NDArray[np.float64]]) -> Recipe:
    return Recipe(
        curve=values["sor_curve"],
        pitch=values["pitch"].item(),
        lobes=values["sg_lights"],
        ambient=values["env_map_ambient"].item(),
        specular_albedo=values["spec_albedo"].item(),
        shininess=values["spec_alpha"].item(),
    )


def _normal(encoded: Float32, shape: geometry.Surface, seen: Fragments) -> Float32:
    """Inward normals (n + 1)/2 in OpenCV axes → outward ones of the side that is seen, 256×256×3
    in the camera frame."""
    wall = (seen.face >= 0) & ~geometry.seen_from_outside(shape, seen)  # 1×512×512
    shares = downsample(torch.stack([wall, seen.face >= 0], -1).float())[0].numpy()  # 256×256×2
    outward = (1 - 2 * encoded) * FLIP_YZ.astype(np.float32)
    facing = np.where(2 * shares[..., :1] > shares[..., 1:], -outward, outward)
    return np.asarray(normalise(facing), np.float32)


def _shading(clipped: Float32, recipe: Recipe, shape: geometry.Surface, seen: Fragments) -> Float32:
    """Shading 256×256×3; computed where it is stored as 1 and may have been more."""
    if (clipped < 1).all():
        return clipped
    computed = diffuse_picture(recipe, shape, seen)  # 256×256×1
    return np.where(clipped == 1, np.maximum(computed, 1), clipped).astype(np.float32)


def _depth(share: Float32, mask: Float32) -> Float32:
    """0…1 over the visible range → depth 256×256×1, 0 where the object covers a pixel in part."""
    depth = DISTANCE - EXTENT + 2 * EXTENT * share
    return np.where(mask == 1, depth, 0).astype(np.float32)


def _environment(path: Path) -> Environment:
    light = torch.from_numpy(stored(path, ENVIRONMENT)[..., 0])  # 32×96
    return Environment(phong.to_lat_long(light).contiguous().numpy(), "camera")
