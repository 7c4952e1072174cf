"""Splits rendered scene by scene: what was finished stays, what was not is done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from bench.datasets.vases import layout
from bench.datasets.vases.lights import WIDTH, Radiance, read_stored, stored
from bench.datasets.vases.renderer import Renderer, load_mitsuba
from bench.datasets.vases.scenes import Vase
from bench.datasets.vases.writing import Render, write_scene
from bench.errors import ConfigError

LIGHTS = 3
# Streams of random numbers of one scene, so that one can be drawn without the others.
RECIPE, SHAPE, LIGHT, PATHS = range(4)


@dataclass(frozen=True)
class Settings:
    """What decides every pixel of a split, but for the number of scenes.

    Attributes:
        samples: paths per pixel of each image.
        sources: file → SHA-256 of each map and mesh of the user's.
    """

    split: str
    size: int
    seed: int
    samples: int
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """One scene to be: its name, and how its shape and surface are made."""

    name: str
    build: Callable[[], Vase]


@dataclass(frozen=True)
class Pool:
    """The environments scenes draw from: names, and name → radiance as `lights` normalises it."""

    names: tuple[str, ...]
    radiance: Callable[[str], Radiance]
    credits: Mapping[str, str]


def generator(settings: Settings, index: int, stream: int) -> np.random.Generator:
    """The random numbers of one scene for one purpose."""
    return np.random.default_rng((settings.seed, index, stream))


def render_split(folder: Path, settings: Settings, plans: Sequence[Plan], pool: Pool) -> None:
    """Render the planned scenes into `folder`, then write its manifest.

    Raises:
        ConfigError: the folder holds a split of other settings, or another process renders into it.
        OSError: the disk is full or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with lock(folder):
            _claim(folder, settings)
            names = [
                _finished(folder, settings, index, plan, pool)
                for index, plan in enumerate(
                    tqdm(plans, desc=f"render {settings.split}", unit="scene", disable=None)
                )
            ]
            _write_manifest(folder, settings, names, pool)
    except Timeout as error:
        raise ConfigError(
            f"{folder}: another process is rendering into it; wait for it, or give another --out"
        ) from error


def lock(folder: Path) -> FileLock:
    """The lock that one rendering process holds on a split's folder; it dies with the process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)


def _claim(folder: Path, settings: Settings) -> None:
    """Note what the folder is being filled with; refuse one that holds something else."""
    wanted = json.loads(json.dumps(asdict(settings)))
    for name in (layout.MANIFEST, layout.UNFINISHED):
        path = folder / name
        if not path.exists():
            continue
        found = layout.read_json(path).get("settings")
        if found != wanted:
            raise ConfigError(
                f"{path}: the folder was begun with other settings ({found}); "
                "give another --split or --out, or remove it"
            )
    _write_whole(folder / layout.UNFINISHED, {"settings": wanted})


def _finished(folder: Path, settings: Settings, index: int, plan: Plan, pool: Pool) -> str:
    """The scene's name, once its folder is complete."""
    if (folder / plan.name).is_dir():
        return plan.name
    partial = folder / f".{plan.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    write_scene(partial, _rendered(folder, settings, index, plan, pool))
    partial.rename(folder / plan.name)
    return plan.name


def _rendered(folder: Path, settings: Settings, index: int, plan: Plan, pool: Pool) -> Render:
    vase = plan.build()
    seed = int(generator(settings, index, PATHS).integers(2**31))
    renderer = Renderer(vase.surface, vase.cameras, settings.samples, seed)
    chosen = _lights(pool, generator(settings, index, LIGHT))
    radiance = []
    for name, yaw in chosen:
        base = _environment(folder / layout.environment_file(name), name, pool)
        radiance.append(renderer.radiance(np.roll(base, yaw, axis=1)))
    geometry = tuple(renderer.geometry(view) for view in range(len(vase.cameras)))
    return Render(plan.name, vase.recipe, vase.cameras, chosen, geometry, tuple(radiance))


def _lights(pool: Pool, rng: np.random.Generator) -> tuple[tuple[str, int], ...]:
    """Three environments, different ones where there are so many, each turned by whole columns."""
    few = len(pool.names) < LIGHTS
    names = sorted(rng.choice(pool.names, LIGHTS, replace=few).tolist())
    return tuple((str(name), int(rng.integers(WIDTH))) for name in names)


def _environment(path: Path, name: str, pool: Pool) -> Radiance:
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        stored(path, pool.radiance(name))
    return read_stored(path)


def _write_manifest(folder: Path, settings: Settings, names: Sequence[str], pool: Pool) -> None:
    scenes = {name: layout.digest(folder / name / layout.SCENE) for name in names}
    parsed = [layout.read_scene(folder / name / layout.SCENE) for name in names]
    used = sorted({light.environment for scene in parsed for light in scene.lights})
    environments = {name: layout.digest(folder / layout.environment_file(name)) for name in used}
    psnr = np.array([scene.noise_psnr for scene in parsed])
    mitsuba = load_mitsuba()
    manifest: dict[str, Any] = {
        "format": layout.FORMAT,
        "fingerprint": layout.fingerprint(environments, scenes),
        "settings": asdict(settings),
        "renderer": {"mitsuba": mitsuba.__version__, "variant": mitsuba.variant()},
        "noise_psnr": {"mean": round(float(psnr.mean()), 2), "min": round(float(psnr.min()), 2)},
        "credits": {name: pool.credits[name] for name in used if name in pool.credits},
        "environments": environments,
        "scenes": scenes,
    }
    _write_whole(folder / layout.MANIFEST, manifest)
    (folder / layout.UNFINISHED).unlink()
    print(
        f"{folder}: {len(names)} scenes, noise PSNR {psnr.mean():.1f} dB in the mean, "
        f"{psnr.min():.1f} dB in the worst image; fingerprint {manifest['fingerprint'][:16]}"
    )


def _write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """A JSON file that is there whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
