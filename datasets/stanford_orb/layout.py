"""Where each file of the data set lies, and what its camera files say.

<root>/blender_HDR/<capture>/train/0003.exr    train_mask/0003.png    test/…    test_mask/…
<root>/blender_HDR/<capture>/transforms_{train,test,novel}.json
<root>/blender_LDR/…                           the same with .png images
<root>/ground_truth/<capture>/env_map/0000.exr    surface_normal/0000.npy    z_depth/0000.npy
                              pseudo_gt_albedo/0000.png    mesh_blender/mesh.obj

Source: specs/datasets.md §1. Frames of transforms_novel.json name another capture, whose folders
hold their pixels; their poses are in this capture's world. Camera files are not trusted: a frame
can name files of the data set only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.datasets.stanford_orb.captures import CAPTURES
from bench.errors import DataError
from bench.fetching.layouts import find_folder
from bench.graphics.cameras import intrinsics_from_fov, opencv_from_opengl
from bench.quantities import Camera

Images = Literal["HDR", "LDR"]
Part = Literal["train", "test", "novel"]

FOLDER = "stanford_orb"
"""What `bench fetch` calls the root."""

ADVICE = "`bench fetch stanford-orb` brings the data; the option root names the folder it fills"

_SUFFIX = {"HDR": ".exr", "LDR": ".png"}
_RIGID = 1e-3


@dataclass(frozen=True, eq=False)
class Frame:
    """One photo.

    Attributes:
        capture: whose folders hold its pixels.
        kind: "train" or "test".
        id: its number as its files are called.
        pose: camera_to_world 4×4, OpenCV axes, in the world of the capture whose file lists it.
        angle: horizontal field of view in degrees.
    """

    capture: str
    kind: str
    id: str
    pose: NDArray[np.float64]
    angle: float

    def camera(self, size: int) -> Camera:
        """Of the photo at size × size pixels, principal point in the middle."""
        return Camera(intrinsics_from_fov(self.angle, size, size), self.pose.copy(), size, size)


@dataclass(frozen=True)
class Layout:
    """The files under a root that was looked at.

    Attributes:
        images: which photos a method sees.
    """

    root: Path
    images: Images

    def photo(self, frame: Frame, images: Images | None = None) -> Path:
        """The file of a photo: `images` decides, or else the layout's own."""
        images = images or self.images
        return self._folder(frame, images) / frame.kind / f"{frame.id}{_SUFFIX[images]}"

    def mask(self, frame: Frame, images: Images | None = None) -> Path:
        """The file of a photo's mask."""
        folder = self._folder(frame, images or self.images)
        return folder / f"{frame.kind}_mask" / f"{frame.id}.png"

    def truth(self, capture: str, kind: str) -> Path:
        """The folder of one kind of ground truth."""
        return self.root / "ground_truth" / capture / kind

    def environment(self, frame: Frame) -> Path:
        """The file of the light in which a test photo was taken."""
        return self.truth(frame.capture, "env_map") / f"{frame.id}.exr"

    def mesh(self, capture: str) -> Path:
        """The file of the scanned shape."""
        return self.truth(capture, "mesh_blender") / "mesh.obj"

    def present(self) -> list[str]:
        """The captures whose folder is there, in the official order."""
        return [name for name in CAPTURES if (self.root / self._top() / name).is_dir()]

    def frames(self, capture: str, part: Part) -> list[Frame]:
        """The photos of a camera file in its order.

        Raises:
            DataError: the file is missing or not what it should be.
        """
        path = self.root / self._top() / capture / f"transforms_{part}.json"
        if not path.is_file():
            raise DataError(f"{path}: no such file; {ADVICE}")
        return list(_frames(path, capture, part))

    def missing(self, frames: list[Frame]) -> list[Path]:
        """The photos and masks of `frames` that are not there."""
        files = [path for frame in frames for path in (self.photo(frame), self.mask(frame))]
        return [path for path in files if not path.is_file()]

    def _folder(self, frame: Frame, images: Images) -> Path:
        return self.root / f"blender_{images}" / frame.capture

    def _top(self) -> str:
        return f"blender_{self.images}"


def open_layout(root: Path, images: Images | None) -> Layout:
    """The data under `root`, or in the folder `stanford_orb` in it.

    Args:
        images: HDR or LDR photos; None for HDR where they are there.

    Raises:
        DataError: none of that is there.
    """
    marker = f"blender_{images or '[HL]DR'}"
    found = find_folder(root.absolute(), (FOLDER,), marker, ADVICE)
    return Layout(found, images or ("HDR" if (found / "blender_HDR").is_dir() else "LDR"))


def _frames(path: Path, capture: str, part: Part) -> Iterator[Frame]:
    body = _read_json(path)
    entries = body.get("frames")
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: frames: expected a list of frames")
    for number, entry in enumerate(entries):
        where = f"{path}: frames[{number}]"
        if not isinstance(entry, dict):
            raise DataError(f"{where}: expected an object")
        owner = _owner(entry, where) if part == "novel" else capture
        kind, name = _file(entry.get("file_path"), "test" if part == "novel" else part, where)
        angle = _angle(entry.get("camera_angle_x", body.get("camera_angle_x")), where)
        yield Frame(owner, kind, name, _pose(entry.get("transform_matrix"), where), angle)


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a camera file: {error}") from error
    if not isinstance(body, dict):
        raise DataError(f"{path}: not a camera file: expected an object")
    return body


def _owner(entry: Mapping[str, Any], where: str) -> str:
    name = entry.get("scene_name")
    if not isinstance(name, str) or name not in CAPTURES:
        raise DataError(f"{where}.scene_name: {name!r} is no capture")
    return name


def _file(text: object, kind: str, where: str) -> tuple[str, str]:
    """("train" or "test", number) of "./test/0000"; nothing else is a file of this data set."""
    parts = PurePosixPath(text).parts if isinstance(text, str) else ()
    if len(parts) != 2 or parts[0] != kind or not (parts[1].isascii() and parts[1].isdigit()):
        raise DataError(f"{where}.file_path: {text!r} is not of the form {kind}/0000")
    return kind, parts[1]


def _angle(value: object, where: str) -> float:
    """Radians → degrees."""
    if not isinstance(value, int | float) or not 0 < value < math.pi:
        raise DataError(f"{where}.camera_angle_x: {value!r} is no angle between 0 and π")
    return math.degrees(value)


def _pose(rows: object, where: str) -> NDArray[np.float64]:
    """A Blender pose 4×4 (x right, y up, z backward) → OpenCV axes."""
    try:
        pose = np.array(rows, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where}.transform_matrix: not a matrix: {error}") from error
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise DataError(f"{where}.transform_matrix: expected 4×4 finite numbers")
    rotation = pose[:3, :3]
    rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=_RIGID)
    if not rigid or np.linalg.det(rotation) < 0 or not np.allclose(pose[3], (0, 0, 0, 1)):
        raise DataError(f"{where}.transform_matrix: not rigid: a rotation, and a last row 0 0 0 1")
    return opencv_from_opengl(pose)
