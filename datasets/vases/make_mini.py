"""The committed test split `mini`, made once: `python -m bench.datasets.vases.make_mini MAPS OUT`.

MAPS is a folder with the three Poly Haven maps named in `lights.MINI_SOURCES` at 1k (CC0,
polyhaven.com); OUT gets the folder `mini`. The same maps and Mitsuba give the same split; another
version, variant or machine may change the last bits, and with them every checksum.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.datasets.vases import layout, lights, scenes
from bench.datasets.vases.rendering import SHAPE, Plan, Pool, Settings, generator, render_split
from bench.datasets.vases.scenes import MINI, Recipe
from bench.errors import ConfigError

SETTINGS = Settings("mini", size=128, seed=2104, samples=1024, sources=lights.MINI_SOURCES)

CREDITS = {
    name: f"“{name}” from Poly Haven (https://polyhaven.com/a/{name}), CC0, resampled to 64×128"
    for name in lights.MINI_SOURCES
}

# Each profile family once and the textures in turn; a quarter are not surfaces of revolution.
RECIPES = (
    Recipe("amphora", "shoulder-handles", "figures"),
    Recipe("baluster", "revolution", "mottle"),
    Recipe("beaker", "facets", "glaze"),
    Recipe("bottle", "revolution", "bands"),
    Recipe("bowl", "revolution", "crackle"),
    Recipe("double-gourd", "revolution", "mottle"),
    Recipe("flask", "revolution", "crackle"),
    Recipe("ginger-jar", "flutes", "figures"),
    Recipe("goblet", "revolution", "bands"),
    Recipe("krater", "revolution", "glaze"),
    Recipe("moon-jar", "revolution", "bands"),
    Recipe("trumpet", "revolution", "figures"),
)


def make_mini(maps: Path, out: Path) -> None:
    """Render the split from the maps of a folder.

    Raises:
        ConfigError: a map is missing or is not the very file the split was made from.
        OSError: a file cannot be written.
    """
    radiance = {name: _map(maps, name) for name in lights.MINI_SOURCES}
    pool = Pool(tuple(radiance), radiance.__getitem__, CREDITS)
    plans = [_plan(index, recipe) for index, recipe in enumerate(RECIPES)]
    render_split(out / SETTINGS.split, SETTINGS, plans, pool)


def _plan(index: int, recipe: Recipe) -> Plan:
    def build() -> scenes.Vase:
        return scenes.vase(recipe, MINI, SETTINGS.size, generator(SETTINGS, index, SHAPE))

    return Plan(f"{recipe.family}_{index:02d}", build)


def _map(folder: Path, name: str) -> lights.Radiance:
    path = folder / f"{name}_1k.hdr"
    if not path.is_file() or layout.digest(path) != lights.MINI_SOURCES[name]:
        raise ConfigError(
            f"{path}: not the 1k map of Poly Haven's “{name}” that mini was made from"
        )
    return lights.read_map(path)


if __name__ == "__main__":
    make_mini(Path(sys.argv[1]), Path(sys.argv[2]))
