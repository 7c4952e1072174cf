"""The user's meshes in place of vessels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from bench.datasets.vases.shapes import Shape, fitted, with_normals
from bench.errors import ConfigError
from bench.graphics.mesh_files import SUFFIXES, read_mesh

_ENOUGH = 100_000  # vertices, for the texture sits on them


def mesh_files(folder: Path) -> list[Path]:
    """The .obj and .ply files of a folder by name. Raises ConfigError where there is none."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ConfigError(f"{folder}: no mesh ({' or '.join(SUFFIXES)}) in it")
    return paths


def object_shape(path: Path) -> Shape:
    """A mesh file, y up, centred and of largest half extent 1, split until textures fit on it.

    Faces that all point inward are turned; smooth normals run across seams of the file. A mesh
    that is not closed shows its back faces black.

    Raises:
        DataError: a file that is missing, corrupt or without faces.
    """
    mesh = read_mesh(path)
    vertices, index = np.unique(np.asarray(mesh.vertices, np.float64), axis=0, return_inverse=True)
    faces = np.asarray(index.reshape(-1)[mesh.faces], np.int64)
    corners = vertices[faces]  # M×3×3
    if np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) < 0:
        faces = faces[:, ::-1]
    shape = with_normals(vertices, faces)
    while shape.vertices.shape[0] < _ENOUGH:
        shape = _split(shape)
    return fitted(shape)


def _split(shape: Shape) -> Shape:
    """Every triangle as four, with the normals in between."""
    vertices, faces, carried = trimesh.remesh.subdivide(  # type: ignore[no-untyped-call]
        shape.vertices, shape.faces, vertex_attributes={"normal": shape.normals}
    )
    normals = carried["normal"]
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return Shape(vertices, normals / np.maximum(length, 1e-12), np.asarray(faces, np.int64))
