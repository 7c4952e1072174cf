"""Which scenes a root holds, and the frames and cameras of each; no picture is opened here.

A frame's camera comes from transforms_<part>.json or from its own metadata.json: an OpenGL
camera-to-world 4×4 and a horizontal field of view in radians; pixels are square, the principal
point is the middle (specs/datasets.md, top and §2).

Blender's world has z up. The bench's environments have y up, so that the whole world is turned by
`WORLD`, (x, y, z) → (−y, z, −x): Blender's latitude–longitude maps, whose middle column looks along
+x and whose columns turn clockwise seen from above, are then the bench's, pixel for pixel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.blender.presets import Preset
from bench.errors import DataError
from bench.graphics.cameras import intrinsics_from_fov, opencv_from_opengl
from bench.quantities import Camera

WORLD = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])
"""World of the bench = `WORLD` @ world of Blender."""

_RIGID = 1e-3  # how far a stored rotation's products may be off


@dataclass(frozen=True, eq=False)
class Frame:
    """One view of a scene.

    Attributes:
        name: unique within its part, such as "r_0" or "test_049".
        path: within the scene, without a suffix, `/` between parts.
        pose: camera-to-world 4×4, OpenCV axes, the bench's world, scene units.
        fov: horizontal, radians.
    """

    name: str
    path: str
    pose: NDArray[np.float64]
    fov: float

    def camera(self, height: int, width: int) -> Camera:
        """The camera of a picture of this view."""
        intrinsics = intrinsics_from_fov(math.degrees(self.fov), height, width)
        return Camera(intrinsics, self.pose.copy(), height, width)


def scenes(root: Path, preset: Preset) -> dict[str, Path]:
    """Scene → folder, by name: `root` itself, folders in it, or in those.

    Raises:
        DataError: no such folder, none with the preset's layout, or a name that comes twice.
    """
    marker = "*_[0-9][0-9][0-9]/metadata.json" if preset.folders else "transforms_*.json"
    for depth in (".", "*", "*/*"):
        folders = [root] if depth == "." else sorted(p for p in root.glob(depth) if p.is_dir())
        found = [folder for folder in folders if next(folder.glob(marker), None) is not None]
        if found:
            return _by_name(found)
    what = "holds no scene" if root.is_dir() else "no such folder"
    raise DataError(
        f"{root}: {what}; the preset {preset.name} wants {preset.layout}; {preset.source}"
    )


def frames(scene: Path, preset: Preset, part: str) -> list[Frame]:
    """The frames of "train", "val" or "test", in the order of the file or of their numbers.

    Raises:
        DataError: naming file and key, where something is missing or not of the layout.
    """
    found = _folders(scene, preset, part) if preset.folders else _listed(scene, preset, part)
    names = {frame.name for frame in found}
    if len(names) < len(found):
        raise DataError(f"{scene}: two frames of {part} have one name")
    return found


def _by_name(folders: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.name in found:
            raise DataError(f"{folder}: {found[folder.name]} has the same name; rename one of them")
        found[folder.name] = folder
    return dict(sorted(found.items()))


def _listed(scene: Path, preset: Preset, part: str) -> list[Frame]:
    file = scene / f"transforms_{part}.json"
    content = _json(file, preset)
    fov = _angle(content, "camera_angle_x", str(file))
    entries = content.get("frames")
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{file}, key frames: must be a list of frames")
    return [_entry(entry, fov, f"{file}, key frames[{n}]") for n, entry in enumerate(entries)]


def _entry(entry: Any, fov: float, where: str) -> Frame:
    if not isinstance(entry, dict):
        raise DataError(f"{where}: must be an object")
    path = entry.get("file_path")
    if not isinstance(path, str) or not path:
        raise DataError(f"{where}.file_path: must be the path of a picture")
    name = PureWindowsPath(path)  # knows every way to leave a folder
    if name.anchor or ".." in name.parts or not name.parts:
        raise DataError(f"{where}.file_path: {path!r} leads out of the scene's folder")
    pose = _pose(entry.get("transform_matrix"), f"{where}.transform_matrix")
    return Frame(name.name, name.as_posix(), pose, fov)


def _folders(scene: Path, preset: Preset, part: str) -> list[Frame]:
    if part in preset.numbers:
        names = [f"{part}_{number:03d}" for number in preset.numbers[part]]
    else:
        names = sorted(path.name for path in scene.glob(f"{part}_[0-9][0-9][0-9]"))
    if not names:
        raise DataError(f"{scene}: has no {part}_<number>/metadata.json; {preset.source}")
    return [_folder(scene / name / "metadata.json", name, preset) for name in names]


def _folder(file: Path, name: str, preset: Preset) -> Frame:
    content = _json(file, preset)
    where = f"{file}, key cam_transform_mat"
    text = content.get("cam_transform_mat")
    if not isinstance(text, str):
        raise DataError(f"{where}: must be 16 numbers separated by commas")
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    if len(numbers) != 16:
        raise DataError(f"{where}: {len(numbers)} numbers instead of 16")
    pose = _pose([numbers[row : row + 4] for row in range(0, 16, 4)], where)
    return Frame(name, name, pose, _angle(content, "cam_angle_x", str(file)))


def _json(file: Path, preset: Preset) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; {preset.source}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: truncated or corrupt JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: expected a JSON object, found {type(content).__name__}")
    return content


def _angle(content: Mapping[str, Any], key: str, where: str) -> float:
    angle = content.get(key)
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise DataError(f"{where}, key {key}: must be an angle in radians, not {angle!r}")
    return float(angle)


def _pose(rows: Any, where: str) -> NDArray[np.float64]:
    """An OpenGL pose as stored → OpenCV axes in the bench's world."""
    try:
        stored = np.array(rows, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: must be a 4×4 matrix of numbers: {error}") from error
    if stored.shape != (4, 4) or not np.isfinite(stored).all():
        raise DataError(f"{where}: must be a 4×4 matrix of finite numbers")
    rotation = stored[:3, :3]
    rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=_RIGID)
    if not rigid or np.linalg.det(rotation) < 0 or (stored[3] != (0, 0, 0, 1)).any():
        raise DataError(f"{where}: is not rigid: a rotation, and a last row 0 0 0 1")
    turned = stored.copy()
    turned[:3] = WORLD @ stored[:3]
    return opencv_from_opengl(turned)
