"""A small Stanford-ORB in the documented layout (specs/datasets.md §1): three captures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.graphics.cameras import look_at, opengl_from_opencv
from bench.graphics.image_files import write_exr, write_png
from bench.graphics.mesh_files import write_mesh
from bench.quantities import Mesh

STORED = 32
TRAIN = ("0001", "0002", "0003")
TEST = {
    "teapot_scene001": ("0000", "0007"),
    "teapot_scene002": ("0060", "0061"),
    "teapot_scene006": ("0061",),
}
ANGLE = 0.6
FIRST = "teapot_scene001"


def rng(*names: object) -> np.random.Generator:
    return np.random.default_rng([ord(letter) for letter in "".join(map(str, names))])


def radiance(capture: str, name: str) -> np.ndarray:
    return (3 * rng(capture, name).random((STORED, STORED, 3))).astype(np.float32)


def coverage(capture: str, name: str) -> np.ndarray:
    mask = np.zeros((STORED, STORED, 1), np.float32)
    mask[6:26, 8:28] = 1
    mask[5] = rng(capture, name, "edge").integers(1, 255) / 255
    return mask


def pose(number: int) -> np.ndarray:
    """Blender's pose of a camera that looks at the origin."""
    angle = 0.7 * number
    return opengl_from_opencv(look_at((3 * np.sin(angle), 0.8, 3 * np.cos(angle)), (0, 0, 0)))


def frame(kind: str, name: str, **more: object) -> dict[str, Any]:
    matrix = pose(int(name) + 2 * len(more.get("scene_name", "")))  # type: ignore[arg-type]
    return {"file_path": f"./{kind}/{name}", "transform_matrix": matrix.tolist(), **more}


def write_photos(folder: Path, capture: str, kind: str, names: Sequence[str]) -> None:
    for image_format in ("HDR", "LDR"):
        top = folder / f"blender_{image_format}" / capture
        for part in (kind, f"{kind}_mask"):
            (top / part).mkdir(parents=True)
        for name in names:
            write_png(top / f"{kind}_mask" / f"{name}.png", coverage(capture, name))
            photo = radiance(capture, name)
            if image_format == "HDR":
                write_exr(top / kind / f"{name}.exr", photo)
            else:
                write_png(top / kind / f"{name}.png", photo / 3)


def write_cameras(folder: Path, capture: str) -> None:
    others = [(scene, name) for scene in TEST if scene != capture for name in TEST[scene]]
    bodies = {
        "train": {"camera_angle_x": ANGLE, "frames": [frame("train", n) for n in TRAIN]},
        "test": {"camera_angle_x": ANGLE, "frames": [frame("test", n) for n in TEST[capture]]},
        "novel": {
            "frames": [
                frame("test", n, scene_name=scene, camera_angle_x=ANGLE / 2) for scene, n in others
            ]
        },
    }
    for image_format in ("HDR", "LDR"):
        for part, body in bodies.items():
            path = folder / f"blender_{image_format}" / capture / f"transforms_{part}.json"
            path.write_text(json.dumps(body))


def write_truth(folder: Path, capture: str) -> None:
    top = folder / "ground_truth" / capture
    for kind in ("env_map", "surface_normal", "z_depth", "pseudo_gt_albedo", "mesh_blender"):
        (top / kind).mkdir(parents=True)
    for name in TEST[capture]:
        random = rng(capture, name, "truth")
        write_exr(top / "env_map" / f"{name}.exr", random.random((8, 16, 3)).astype(np.float32))
        normal = random.normal(size=(STORED, STORED, 3))
        normal /= np.linalg.norm(normal, axis=2, keepdims=True)
        inside = coverage(capture, name) == 1
        np.save(top / "surface_normal" / f"{name}.npy", normal * inside)
        np.save(top / "z_depth" / f"{name}.npy", ((2 + normal[..., :1]) * inside)[..., 0])
        write_png(top / "pseudo_gt_albedo" / f"{name}.png", random.random((STORED, STORED, 3)) / 2)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    write_mesh(top / "mesh_blender" / "mesh.obj", Mesh(corners, np.array([[0, 1, 2]])))


def write_set(folder: Path) -> None:
    """blender_HDR/, blender_LDR/ and ground_truth/ in a folder."""
    for capture, names in TEST.items():
        write_photos(folder, capture, "train", TRAIN)
        write_photos(folder, capture, "test", names)
        write_cameras(folder, capture)
        write_truth(folder, capture)
