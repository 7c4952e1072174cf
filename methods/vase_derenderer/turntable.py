"""An explained vase as a textured mesh that turns in any viewer."""

from __future__ import annotations

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from torch import Tensor

from bench.graphics import phong, revolution
from bench.graphics.colour import srgb_encode
from bench.graphics.normals import opencv_from_camera
from bench.graphics.textured_mesh_files import TexturedMesh

from .composition import back_filled
from .derender import Explanation

Float32 = NDArray[np.float32]


def textured_mesh(found: Explanation) -> TexturedMesh:
    """One explanation (B = 1) upright about the origin, in scene units, y up, its front at +z.

    The tube is open at both ends. The first column stands again at the end, where u is 1, and the
    albedo's first and last rows stand twice: a viewer repeats textures, and would blend the rim's
    colour with the foot's.
    """
    rows, columns = found.canonical.shape[1:3]
    albedo = back_filled(found.albedo)[0].permute(1, 2, 0).cpu().numpy()  # S×3S×3
    return TexturedMesh(
        vertices=_closed(found.canonical[0].cpu()),
        faces=revolution.faces(rows, columns + 1, front=slice(columns)).numpy(),
        normals=_closed(_normals(found.canonical[0].cpu())),
        coordinates=_coordinates(rows, columns, len(albedo)),
        texture=srgb_encode(np.pad(albedo, ((1, 1), (0, 0), (0, 0)), mode="edge")),
        roughness=float(phong.roughness_from_shininess(found.shininess)[0]),
        specular=float(found.specular_albedo[0]) / np.pi,
    )


def _normals(vertices: Tensor) -> Tensor:
    """Outward unit normals H×T×3 of vertices H×T×3, without a crease at the seam."""
    rows, columns = vertices.shape[:2]
    faces = revolution.faces(rows, columns).numpy()  # F×3
    welded = trimesh.Trimesh(vertices.flatten(0, 1).numpy(), faces, process=False)
    return torch.tensor(welded.vertex_normals).float().reshape(rows, columns, 3)


def _closed(ring: Tensor) -> Float32:
    """Vectors H×T×3 in OpenCV axes → H(T+1)×3, y up, the first column repeated at the end."""
    closed = torch.cat([ring, ring[:, :1]], 1).flatten(0, 1)  # H(T+1)×3
    return opencv_from_camera(closed.numpy())


def _coordinates(rows: int, columns: int, texels: int) -> Float32:
    """u, v of each vertex, H(T+1)×2; v leaves out the first and last of `texels` + 2 rows."""
    u = torch.linspace(0, 1, columns + 1)
    v = (torch.linspace(0, 1, rows) * texels + 1) / (texels + 2)
    down, across = torch.meshgrid(v, u, indexing="ij")  # H×(T+1)
    coordinates: Float32 = torch.stack([across, down], -1).flatten(0, 1).numpy()
    return coordinates
