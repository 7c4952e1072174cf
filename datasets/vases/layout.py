"""A split on disk, as both the renderer and the adapter know it.

<root>/<split>/manifest.json            settings, SHA-256 of every scene.json and environment
<root>/<split>/environments/<name>.exr  64×128 radiance before yaw and gain
<root>/<split>/<scene>/scene.json       cameras, lights, noise, SHA-256 of the scene's files
<root>/<split>/<scene>/view<v>/         mask.png, normal, albedo, depth .exr,
                                        roughness.png, specular.png
<root>/<split>/<scene>/view<v>/light<l>/  image.exr, shading.exr, noise.png
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.quantities import Camera

FORMAT = 1
MANIFEST, SCENE = "manifest.json", "scene.json"
UNFINISHED = "unfinished.json"  # stands in for the manifest while scenes are missing
ENVIRONMENTS = "environments"
NOISE_ZERO = 128


@dataclass(frozen=True)
class Light:
    """One light of a scene: the stored environment rolled by `yaw` columns, times `gain`."""

    environment: str
    yaw: int
    gain: float


@dataclass(frozen=True)
class Scene:
    """What scene.json says.

    Attributes:
        noise_scale: per view and light, the radiance of one step of noise.png.
        noise_psnr: per view and light, dB of the noise left in the image: sRGB values clipped to
            [0, 1], peak 1, the mean over the object.
        files: path within the scene → SHA-256.
    """

    name: str
    cameras: tuple[Camera, ...]
    lights: tuple[Light, ...]
    noise_scale: tuple[tuple[float, ...], ...]
    noise_psnr: tuple[tuple[float, ...], ...]
    files: Mapping[str, str]


def view_file(view: int, quantity: str) -> str:
    """The path within a scene of a map that no light changes."""
    suffix = "png" if quantity in ("mask", "roughness", "specular") else "exr"
    return f"view{view}/{quantity}.{suffix}"


def light_file(view: int, light: int, quantity: str) -> str:
    """The path within a scene of an image, shading or noise."""
    return f"view{view}/light{light}/{quantity}.{'png' if quantity == 'noise' else 'exr'}"


def environment_file(name: str) -> str:
    """The path within a split of an environment."""
    return f"{ENVIRONMENTS}/{name}.exr"


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(environments: Mapping[str, str], scenes: Mapping[str, str]) -> str:
    """A digest of a split from those of its environments and scene.json files."""
    body = json.dumps([FORMAT, sorted(environments.items()), sorted(scenes.items())])
    return hashlib.sha256(body.encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises DataError where the file is missing, truncated or something else."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: truncated or corrupt JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def read_scene(path: Path) -> Scene:
    """Read scene.json. Raises DataError where it is missing or not of the format."""
    content = read_json(path)
    try:
        return scene_from_json(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a scene of format {FORMAT}: {error!r}") from error


def scene_from_json(content: Mapping[str, Any]) -> Scene:
    """Parse scene.json. Raises KeyError, TypeError or ValueError where it is not of the format."""
    height, width = content["size"]
    return Scene(
        content["scene"],
        tuple(
            Camera(
                np.array(camera["intrinsics"], np.float64).reshape(3, 3),
                np.array(camera["camera_to_world"], np.float64).reshape(4, 4),
                int(height),
                int(width),
            )
            for camera in content["cameras"]
        ),
        tuple(
            Light(str(light["environment"]), int(light["yaw"]), float(light["gain"]))
            for light in content["lights"]
        ),
        _table(content["noise_scale"]),
        _table(content["noise_psnr"]),
        dict(content["files"]),
    )


def scene_to_json(scene: Scene) -> dict[str, Any]:
    """The content of scene.json, exact in every number."""
    first = scene.cameras[0]
    return {
        "scene": scene.name,
        "size": [first.height, first.width],
        "cameras": [
            {
                "intrinsics": camera.intrinsics.tolist(),
                "camera_to_world": camera.camera_to_world.tolist(),
            }
            for camera in scene.cameras
        ],
        "lights": [vars(light) for light in scene.lights],
        "noise_scale": scene.noise_scale,
        "noise_psnr": scene.noise_psnr,
        "files": dict(sorted(scene.files.items())),
    }


def _table(rows: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in rows)


def lit(base: NDArray[np.float32], light: Light) -> NDArray[np.float32]:
    """The environment a scene was rendered with, H×W×3 in the world frame."""
    turned: NDArray[np.float32] = np.roll(base, light.yaw, axis=1) * np.float32(light.gain)
    return turned


def decoded_noise(stored: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """The noise (A−B)/2 H×W×3 of an image (A+B)/2, from noise.png's values in [0, 1]."""
    return ((np.rint(stored * 255) - NOISE_ZERO) * scale).astype(np.float32)
