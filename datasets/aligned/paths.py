"""Camera paths: from photo to photo, through every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from bench.datasets.aligned.clouds import World
from bench.datasets.aligned.layout import SPARSE, TRAIN, VAL
from bench.datasets.aligned.shots import Shot
from bench.errors import ConfigError
from bench.quantities import Camera


@dataclass(frozen=True)
class CameraPath:
    """A path that a split of framebuffers is to follow.

    Attributes:
        split: the name of that split.
        stops: the photos it leads through, by "<split>/<id>" or by their name at their source.

    Raises:
        ConfigError: fewer than two stops, or a name that no further split can have.
    """

    split: str
    stops: tuple[str, ...]
    frames: int

    def __post_init__(self) -> None:
        name = self.split
        if name in ("", ".", "..", TRAIN, VAL, SPARSE) or name != Path(name).name:
            raise ConfigError(f"--path-split {name!r}: give a plain folder name but train and val")
        if len(self.stops) < 2:
            raise ConfigError("--path: give two photos or more, separated by commas")


def asked(stops: str, frames: int, split: str) -> CameraPath | None:
    """The path of the command's options, None where `stops` is empty.

    Raises:
        ConfigError: as `CameraPath`.
    """
    if not stops:
        return None
    return CameraPath(split, tuple(name.strip() for name in stops.split(",")), frames)


def shots(path: CameraPath, photos: Mapping[str, Shot], world: World) -> list[Shot]:
    """A view for each frame of a path.

    Args:
        photos: every photo, by the names that a stop may have.
        world: of the clouds: where each scene has its own, a path stays in one.

    Raises:
        ConfigError: a stop that is not there, or stops in unlike worlds.
    """
    unknown = [name for name in path.stops if name not in photos]
    if unknown:
        some = ", ".join(list(photos)[:6])
        raise ConfigError(f"--path: no photo {', '.join(unknown)}; there are {some}, …")
    stops = [photos[name] for name in path.stops]
    scenes = {stop.scene for stop in stops} if world == "scene" else {""}
    if len(scenes) > 1:
        raise ConfigError(f"--path: {', '.join(sorted(scenes))} are not in one world")
    cameras = along([stop.camera for stop in stops], path.frames)
    return [
        Shot(f"{path.split}/{number:04d}", *scenes, camera, None)
        for number, camera in enumerate(cameras)
    ]


def along(cameras: Sequence[Camera], frames: int) -> list[Camera]:
    """`frames` cameras at even steps of time, as long from each photo to the next.

    Positions, rotations and the logarithm of the focal length follow cubic splines. Pictures have
    the first photo's size, square pixels, and the principal point in the middle.
    """
    first, times = cameras[0], np.linspace(0, len(cameras) - 1, frames)
    at_stops = np.arange(len(cameras))
    poses = np.stack([camera.camera_to_world for camera in cameras])  # S×4×4
    turned = RotationSpline(at_stops, Rotation.from_matrix(poses[:, :3, :3]))(times).as_matrix()
    # A focal length in heights of the picture means the same for photos of every size.
    relative = [float(camera.intrinsics[1, 1]) / camera.height for camera in cameras]
    focal = np.log(np.array(relative, np.float64))  # S
    lengths = first.height * np.exp(_spline(at_stops, focal)(times))  # F
    positions = _spline(at_stops, poses[:, :3, 3].astype(np.float64))(times)  # F×3
    found = []
    for rotation, position, length in zip(turned, positions, lengths, strict=True):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, position
        middle = (first.width / 2, first.height / 2)
        intrinsics = np.array([[length, 0, middle[0]], [0, length, middle[1]], [0, 0, 1]])
        found.append(Camera(intrinsics, pose, first.height, first.width))
    return found


def _spline(times: NDArray[np.int64], values: NDArray[np.float64]) -> CubicSpline:
    return CubicSpline(times, values, bc_type="natural")
