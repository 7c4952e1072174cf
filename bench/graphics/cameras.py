"""Pinhole cameras and their conventions.

A `Camera` has OpenCV axes (x right, y down, z forward), intrinsics in pixels and pixel centres at
+0.5. The *camera frame* of normals, light_sh and environments has x right, y up, z toward the
viewer, which are OpenGL's camera axes. Points and matrices are float64.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.quantities import Camera

Floating = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]

FLIP_YZ = np.array([1.0, -1.0, -1.0])
"""OpenCV camera axes ↔ OpenGL camera axes, its own inverse."""


def opencv_from_opengl(camera_to_world: Floating) -> Float64:
    """A 4×4 pose with OpenGL/Blender camera axes → the same pose with OpenCV axes."""
    return np.asarray(camera_to_world * np.append(FLIP_YZ, 1.0), np.float64)


def opengl_from_opencv(camera_to_world: Floating) -> Float64:
    """A 4×4 pose with OpenCV camera axes → the same pose with OpenGL/Blender axes."""
    return opencv_from_opengl(camera_to_world)


def camera_from_colmap(
    qvec: ArrayLike, tvec: ArrayLike, intrinsics: Floating, height: int, width: int
) -> Camera:
    """A camera from COLMAP's world-to-camera quaternion (w, x, y, z) and translation.

    COLMAP's axes and its pixel centres at +0.5 are ours, so the intrinsics 3×3 pass unchanged.
    """
    camera_to_world = np.eye(4)
    camera_to_world[:3, :3] = _rotation_from_quaternion(np.asarray(qvec, np.float64)).T
    camera_to_world[:3, 3] = -camera_to_world[:3, :3] @ np.asarray(tvec, np.float64)
    return Camera(intrinsics, camera_to_world, height, width)


def colmap_from_camera(camera: Camera) -> tuple[Float64, Float64]:
    """COLMAP's (qvec, tvec) of a camera: unit quaternion (w, x, y, z) with w ≥ 0, and 3 numbers."""
    rotation, position = _pose(camera)
    return _quaternion_from_rotation(rotation.T), -rotation.T @ position


def intrinsics_from_fov(degrees: float, height: int, width: int) -> Float64:
    """Intrinsics 3×3 for a horizontal field of view, square pixels, principal point in the middle.

    Raises ValueError for an angle outside (0, 180).
    """
    if not 0 < degrees < 180:
        raise ValueError(f"a field of view lies between 0 and 180 degrees, not {degrees}")
    focal = width / 2 / np.tan(np.radians(degrees) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def look_at(position: ArrayLike, target: ArrayLike, up: ArrayLike = (0, 1, 0)) -> Float64:
    """camera_to_world 4×4 (OpenCV axes) of a camera at `position` that faces `target`.

    Raises ValueError where the viewing direction vanishes or is parallel to `up`.
    """
    forward = np.asarray(target, np.float64) - np.asarray(position, np.float64)
    right = np.cross(forward, np.asarray(up, np.float64))
    if np.linalg.norm(right) <= 1e-12 * np.linalg.norm(forward):
        raise ValueError(
            f"cannot look from {position!r} at {target!r} with up {up!r}: no right axis"
        )
    down = np.cross(forward, right)
    pose = np.eye(4)
    for column, axis in enumerate((right, down, forward)):
        pose[:3, column] = axis / np.linalg.norm(axis)
    pose[:3, 3] = position
    return pose


def project(points: Floating, camera: Camera) -> tuple[Float64, Float64]:
    """Pixels ...×2 (x, y; centres at +0.5) and depths ...×1 of world points ...×3.

    A point behind the camera has a negative depth and a mirrored pixel; one in the camera's plane
    has no pixel, and gets NaN.
    """
    rotation, position = _pose(camera)
    homogeneous = (points - position) @ rotation @ np.asarray(camera.intrinsics).T  # ...×3
    depth = homogeneous[..., 2:]
    divisor = np.where(depth == 0, np.nan, depth)
    return homogeneous[..., :2] / divisor, depth


def unproject(depth: Floating, camera: Camera) -> Float64:
    """World points H×W×3 of a depth map H×W×1; unknown depth (0) gives the camera's centre.

    Raises ValueError where the depth has another size than the camera.
    """
    rotation, position = _pose(camera)
    return (_image_plane(camera, depth.shape) * depth) @ rotation.T + position  # H×W×3


def pixel_rays(camera: Camera) -> Float64:
    """Unit world directions H×W×3 from the camera's centre through the pixel centres."""
    rotation, _ = _pose(camera)
    rays = _image_plane(camera) @ rotation.T  # H×W×3
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))


def resize(camera: Camera, height: int, width: int) -> Camera:
    """The same camera with its image resampled to height × width pixels."""
    scale = np.array([[width / camera.width], [height / camera.height], [1.0]])
    return Camera(camera.intrinsics * scale, camera.camera_to_world, height, width)


def camera_rotation(camera: Camera) -> Float64:
    """R 3×3 with world direction = R @ camera-frame direction (x right, y up, z toward viewer)."""
    rotation, _ = _pose(camera)
    return np.asarray(rotation * FLIP_YZ)


def _pose(camera: Camera) -> tuple[Float64, Float64]:
    pose = np.asarray(camera.camera_to_world, np.float64)
    return pose[:3, :3], pose[:3, 3]


def _image_plane(camera: Camera, shape: tuple[int, ...] | None = None) -> Float64:
    """K⁻¹ (u, v, 1) at the pixel centres, H×W×3: OpenCV camera coordinates at depth 1."""
    size = (camera.height, camera.width)
    if shape is not None and shape != (*size, 1):
        raise ValueError(f"depth {shape} does not fit a camera of {size[0]}×{size[1]} pixels")
    columns, rows = np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5
    pixels = np.ones((*size, 3))
    pixels[..., 0], pixels[..., 1] = columns, rows[:, None]
    return np.asarray(pixels @ np.linalg.inv(camera.intrinsics).T, np.float64)


def _rotation_from_quaternion(quaternion: Float64) -> Float64:
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion_from_rotation(rotation: Float64) -> Float64:
    """The eigenvector of Bar-Itzhack's matrix (2000), stable for every angle."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    symmetric = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    quaternion = np.linalg.eigh(symmetric)[1][:, -1]
    return np.asarray(quaternion if quaternion[0] >= 0 else -quaternion)
