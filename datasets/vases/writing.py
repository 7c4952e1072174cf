"""One scene's renders → its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.datasets.vases import layout
from bench.datasets.vases.renderer import Geometry, Radiance
from bench.datasets.vases.scenes import Recipe
from bench.graphics.colour import srgb_encode
from bench.graphics.image_files import write_exr, write_png
from bench.quantities import Camera

Float32: TypeAlias = NDArray[np.float32]

EXPOSURE_PERCENTILE, EXPOSURE_LEVEL = 95, 0.8


@dataclass(frozen=True, eq=False)
class Render:
    """A scene's views under its lights, before exposure: `radiance` is lights × views."""

    name: str
    recipe: Recipe
    cameras: tuple[Camera, ...]
    lights: tuple[tuple[str, int], ...]
    geometry: tuple[Geometry, ...]
    radiance: tuple[tuple[Radiance, ...], ...]


def exposure(views: Sequence[Radiance], geometry: Sequence[Geometry]) -> float:
    """The factor by which one light of a scene is scaled: it brings the 95th percentile of the
    largest channel, over the object in all views, to 0.8."""
    brightest = np.concatenate(
        [
            (sum(view.halves) / 2).max(axis=-1)[maps.mask[..., 0] >= 0.5]
            for view, maps in zip(views, geometry, strict=True)
        ]
    )
    return float(EXPOSURE_LEVEL / np.percentile(brightest, EXPOSURE_PERCENTILE))


def write_scene(folder: Path, render: Render) -> None:
    """Write all files of a scene into `folder`, scene.json last. Raises OSError as files do."""
    files: dict[str, Path] = {}
    for view, maps in enumerate(render.geometry):
        files |= _write_geometry(folder, view, maps)
    scale, psnr = np.zeros((2, len(render.cameras), len(render.lights)))
    lights = []
    for index, (environment, yaw) in enumerate(render.lights):
        views = render.radiance[index]
        gain = float(np.float32(exposure(views, render.geometry)))
        lights.append(layout.Light(environment, yaw, gain))
        for view, (radiance, maps) in enumerate(zip(views, render.geometry, strict=True)):
            written, scale[view, index] = _write_light(folder, view, index, radiance, maps, gain)
            psnr[view, index] = round(noise_psnr(radiance, maps.mask, gain), 3)
            files |= written
    scene = layout.Scene(
        render.name,
        render.cameras,
        tuple(lights),
        tuple(map(tuple, scale.tolist())),
        tuple(map(tuple, psnr.tolist())),
        {name: layout.digest(path) for name, path in files.items()},
    )
    text = json.dumps(layout.scene_to_json(scene) | {"recipe": asdict(render.recipe)}, indent=1)
    (folder / layout.SCENE).write_text(text + "\n", encoding="utf-8")


def noise_psnr(radiance: Radiance, mask: Float32, gain: float) -> float:
    """What noise the image (A+B)/2 holds, from (A−B)/2: PSNR in dB of sRGB values clipped to
    [0, 1], peak 1, the mean over the object."""
    first, second = (srgb_encode(np.clip(gain * half, 0, 1)) for half in radiance.halves)
    inside = ((first - second) / 2)[mask[..., 0] >= 0.5]
    return float(-10 * np.log10(np.mean(np.square(inside, dtype=np.float64))))


def shading(radiance: Radiance, maps: Geometry, gain: float) -> Float32:
    """The diffuse pass over the albedo and the coverage, zero outside the object."""
    covered = maps.albedo * maps.mask
    return np.where(
        _known(maps), gain * radiance.diffuse / np.where(covered > 0, covered, 1), 0
    ).astype(np.float32)


def _known(maps: Geometry) -> NDArray[np.bool_]:
    """Where the mask as stored, in 8 bits, is not zero."""
    known: NDArray[np.bool_] = np.rint(maps.mask * 255) > 0
    return known


def _write_geometry(folder: Path, view: int, maps: Geometry) -> dict[str, Path]:
    files = {}
    (folder / f"view{view}").mkdir(parents=True)
    for quantity, values in vars(maps).items():
        name = layout.view_file(view, quantity)
        path = files[name] = folder / name
        known = np.where(_known(maps), values, 0).astype(np.float32)
        if path.suffix == ".png":
            write_png(path, known, bits=8 if quantity == "mask" else 16)
        else:
            write_exr(path, known, half=quantity != "depth")
    return files


def _write_light(
    folder: Path, view: int, light: int, radiance: Radiance, maps: Geometry, gain: float
) -> tuple[dict[str, Path], float]:
    """The files of one view under one light, and the radiance of one step of the noise."""
    (folder / f"view{view}" / f"light{light}").mkdir()
    names = {
        quantity: layout.light_file(view, light, quantity)
        for quantity in ("image", "shading", "noise")
    }
    first, second = radiance.halves
    write_exr(folder / names["image"], gain * (first + second) / 2, half=True)
    write_exr(folder / names["shading"], shading(radiance, maps, gain), half=True)
    noise = gain * (first - second) / 2
    scale = float(np.abs(noise).max()) / (layout.NOISE_ZERO - 1) or 1.0
    stored = np.rint(noise / scale) + layout.NOISE_ZERO
    write_png(folder / names["noise"], stored / 255, bits=8)
    return {name: folder / name for name in names.values()}, scale
