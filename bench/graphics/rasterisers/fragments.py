"""What a rasteriser hands back, and what is done with it whatever the backend.

Images are B×H'×W'×C at the supersampled resolution H' = 2H, W' = 2W, row 0 at the top, pixel
centres at +0.5. All functions run on the device of their arguments and are differentiable in
attributes, corners, texture and image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bench.graphics.rasterisers import compiled

SUPERSAMPLING = 2
"""Samples per final pixel and axis (spec §4.1: rasterised at 512² for a picture of 256²)."""


@dataclass(frozen=True, eq=False)
class Fragments:
    """The nearest triangle behind each pixel centre of the supersampled picture.

    Attributes:
        face: B×H'×W' int64, the row of `faces`; -1 where nothing is seen.
        weights: B×H'×W'×3 float32, perspective-correct weights of the face's vertices 0, 1, 2,
            in [0, 1] with sum 1; 0 where nothing.
        depth: B×H'×W' float32, z of the OpenCV camera in scene units; 0 where nothing.
    """

    face: Tensor
    weights: Tensor
    depth: Tensor


def nothing(batch: int, shape: tuple[int, int], device: torch.device) -> Fragments:
    """Fragments B×H'×W' in which nothing is seen."""
    return Fragments(
        face=torch.full((batch, *shape), -1, device=device),
        weights=torch.zeros(batch, *shape, 3, device=device),
        depth=torch.zeros(batch, *shape, device=device),
    )


def interpolate(fragments: Fragments, faces: Tensor, attributes: Tensor) -> Tensor:
    """Attributes B×V×C of the vertices → B×H'×W'×C, 0 where nothing is seen."""
    return interpolate_corners(fragments, attributes[:, faces])  # B×F×3×C inside


def interpolate_corners(fragments: Fragments, corners: Tensor) -> Tensor:
    """Attributes F×3×C or B×F×3×C of the face corners → B×H'×W'×C, 0 where nothing is seen.

    Corners need not agree where faces meet, as texture coordinates at a seam do not.
    """
    differentiable = corners.requires_grad or fragments.weights.requires_grad
    if corners.device.type == "cpu" and not (differentiable and torch.is_grad_enabled()):
        return compiled.blend(fragments.face, fragments.weights, corners)
    batch, row, column = torch.nonzero(fragments.face >= 0, as_tuple=True)  # N each
    face, weights = fragments.face[batch, row, column], fragments.weights[batch, row, column]
    own = corners[face] if corners.ndim == 3 else corners[batch, face]  # N×3×C
    values = (weights[:, :, None] * own).sum(dim=1)  # N×C
    image = values.new_zeros((*fragments.face.shape, corners.shape[-1]))  # B×H'×W'×C
    return image.index_put((batch, row, column), values)


def sample_texture(coordinates: Tensor, texture: Tensor, padding: str = "border") -> Tensor:
    """Bilinear lookup of a texture B×C×h×w at coordinates B×H'×W'×2 (u, v) → B×H'×W'×C.

    Texel centres lie at (k + ½) / size, u to the right and v down; `padding` outside [0, 1]² is
    "border", "reflection" or "zeros" (spec §4.1).
    """
    image = functional.grid_sample(
        texture, 2 * coordinates - 1, mode="bilinear", padding_mode=padding, align_corners=False
    )  # B×C×H'×W'
    return image.movedim(1, -1)  # B×H'×W'×C


def facing(fragments: Fragments, vertices: Tensor, faces: Tensor) -> Tensor:
    """Where a front face is seen, B×H'×W' bool; vertices B×V×3 are those rasterised."""
    if not len(faces):
        return fragments.face >= 0
    front = front_faces(vertices, faces)  # B×F
    batch = torch.arange(len(front), device=front.device)[:, None, None]  # B×1×1
    return front[batch, fragments.face.clamp(min=0)] & (fragments.face >= 0)  # B×H'×W'


def front_faces(vertices: Tensor, faces: Tensor) -> Tensor:
    """Which faces F×3 show their front, B×F bool, for vertices B×V×3 in camera coordinates.

    A front is counter-clockwise with y up (spec §3.1): the camera is on its outer side.
    """
    corners = vertices.detach().double()[:, faces]  # B×F×3×3
    outward = torch.linalg.cross(corners[:, :, 2], corners[:, :, 1])  # B×F×3
    volume: Tensor = (outward * corners[:, :, 0]).sum(dim=-1)  # B×F
    return volume > 0


def coverage(fragments: Fragments) -> Tensor:
    """1 where something is seen and 0 elsewhere, B×H'×W'×1 float32."""
    return (fragments.face >= 0)[..., None].to(fragments.weights.dtype)  # B×H'×W'×1


def downsample(image: Tensor) -> Tensor:
    """The 2×2 average B×H×W×C of B×H'×W'×C (spec §4.1: colour, coverage and depth alike)."""
    batch, height, width, channels = image.shape
    rows = image.reshape(batch, height // 2, 2, width * channels)  # B×H×2×W'C
    pairs = (rows[:, :, 0] + rows[:, :, 1]).reshape(batch, height // 2, width // 2, 2, channels)
    return (pairs[:, :, :, 0] + pairs[:, :, :, 1]) / 4  # B×H×W×C
