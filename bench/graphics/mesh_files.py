"""Triangle meshes in .obj and .ply files: geometry only, no materials, textures or network."""

from pathlib import Path

import numpy as np
import trimesh

from bench.errors import DataError
from bench.quantities import Mesh

SUFFIXES = (".obj", ".ply")


def read_mesh(path: Path) -> Mesh:
    """The mesh of a file: vertices N×3 float32 as stored, faces M×3 int64.

    Polygons are split into triangles; vertices keep the file's order and number. An .obj cut off
    between two lines is a shorter, valid file, which nothing can tell.

    Raises:
        DataError: missing, truncated or corrupt file, another suffix, no faces, bad indices.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: not one of the mesh formats {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: no such mesh file")
    try:
        mesh = trimesh.load_mesh(path, process=False, skip_materials=True, maintain_order=True)
    except Exception as error:  # a parser of untrusted text raises whatever it stumbles over
        raise DataError(f"{path}: truncated or corrupt {path.suffix[1:]} file: {error}") from error
    vertices = np.asarray(getattr(mesh, "vertices", ()), np.float32).reshape(-1, 3)
    faces = np.asarray(getattr(mesh, "faces", ()), np.int64).reshape(-1, 3)
    _check(path, vertices, faces)
    return Mesh(vertices, faces)


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Write vertices and faces; the suffix, .obj or .ply (binary), names the format.

    Raises:
        ValueError: another suffix.
        OSError: the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: not one of the mesh formats {', '.join(SUFFIXES)}")
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(path)


def _check(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    if not len(faces):
        raise DataError(f"{path}: no faces in it")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(f"{path}: a face points past the {len(vertices)} vertices")
    if not np.isfinite(vertices).all():
        raise DataError(f"{path}: a vertex is not finite")
