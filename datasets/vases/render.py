"""`bench render vases`: splits of any size, from families that the committed split lacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bench.datasets.vases import layout, lights
from bench.datasets.vases.meshes import mesh_files, object_shape
from bench.datasets.vases.rendering import (
    RECIPE,
    SHAPE,
    Plan,
    Pool,
    Settings,
    generator,
    render_split,
)
from bench.datasets.vases.scenes import (
    OTHERS,
    Recipe,
    Vase,
    cameras,
    covered,
    drawn_recipe,
    vase,
)
from bench.errors import ConfigError

RESERVED = "mini"
_SKIES = 48  # how many procedural environments scenes draw from


def render(
    *,
    scenes: int,
    size: int,
    seed: int,
    split: str,
    out: Path,
    samples: int = 1024,
    environments: Path | None = None,
    meshes: Path | None = None,
) -> None:
    """Render `scenes` scenes of 4 views × 3 lights into `out`/`split`, going on where it stopped.

    The dataset reads them with the option `root` = `out` and the split's name. More scenes of the
    same settings can be added later: the first ones stay.

    Args:
        size: width and height of the images in pixels.
        samples: paths per pixel of an image, even.
        environments: folder of .hdr and .exr maps; procedural skies where None.
        meshes: folder of .obj and .ply files, y up, taken in turn instead of vessels.

    Raises:
        ConfigError: options that do not fit, or the folder holds other settings' scenes.
        DataError: a map or mesh cannot be read.
        OSError: the disk is full or cannot be written.
    """
    if split == RESERVED or split in ("", ".", "..") or split != Path(split).name:
        raise ConfigError(f"--split {split!r}: give a plain folder name other than {RESERVED!r}")
    if samples % 2 or samples < 2:
        raise ConfigError(f"--samples {samples}: give an even number, for two halves are compared")
    objects = [] if meshes is None else mesh_files(meshes)
    maps = [] if environments is None else lights.map_files(environments)
    sources = {path.name: layout.digest(path) for path in (*maps, *objects)}
    settings = Settings(split, size, seed, samples, sources)
    pool = _photographed(maps) if maps else _procedural(seed)
    plans = [_plan(settings, index, objects) for index in range(scenes)]
    render_split(out / split, settings, plans, pool)


def _plan(settings: Settings, index: int, objects: Sequence[Path]) -> Plan:
    recipe = drawn_recipe(OTHERS, index, generator(settings, index, RECIPE))
    if not objects:
        return Plan(f"{recipe.family}_{index:02d}", partial(_vessel, settings, index, recipe))
    path = objects[index % len(objects)]
    recipe = Recipe(path.stem, "mesh", recipe.texture)
    return Plan(f"{path.stem}_{index:02d}", partial(_object, settings, index, recipe, path))


def _vessel(settings: Settings, index: int, recipe: Recipe) -> Vase:
    return vase(recipe, OTHERS, settings.size, generator(settings, index, SHAPE))


def _object(settings: Settings, index: int, recipe: Recipe, path: Path) -> Vase:
    rng = generator(settings, index, SHAPE)
    surface = covered(object_shape(path), OTHERS.textures[recipe.texture], rng)
    return Vase(recipe, surface, cameras(surface.shape, settings.size, rng))


def _photographed(maps: Sequence[Path]) -> Pool:
    paths = {path.stem: path for path in maps}
    return Pool(tuple(paths), lambda name: lights.read_map(paths[name]), {})


def _procedural(seed: int) -> Pool:
    numbers = {f"sky_{number:02d}": number for number in range(_SKIES)}

    def radiance(name: str) -> lights.Radiance:
        # Apart from the scenes' own streams, whose keys begin with the seed.
        return lights.procedural(np.random.default_rng((_SKIES, seed, numbers[name])))

    return Pool(tuple(numbers), radiance, {})
