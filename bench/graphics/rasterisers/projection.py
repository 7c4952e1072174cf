"""Where vertices fall in the supersampled picture."""

import torch
from torch import Tensor

from bench.errors import InvalidValueError
from bench.graphics.rasterisers.fragments import SUPERSAMPLING


def project(vertices: Tensor, intrinsics: Tensor) -> Tensor:
    """Camera coordinates B×V×3 (OpenCV) → B×V×3 float64: supersampled pixels x, y and depth z.

    `intrinsics` 3×3 or B×3×3 are in pixels of the final size. Vertices with z ≤ 0 have no pixel;
    theirs are without meaning.
    """
    matrix = intrinsics.to(vertices.device, torch.float64)  # 3×3 or B×3×3
    image = vertices.double() @ matrix.transpose(-1, -2)  # B×V×3
    depth = vertices[..., 2:].double()  # B×V×1
    return torch.cat([image[..., :2] / image[..., 2:] * SUPERSAMPLING, depth], dim=-1)  # B×V×3


def check(vertices: Tensor, faces: Tensor) -> None:
    """Raises InvalidValueError where vertices or faces cannot be drawn."""
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise InvalidValueError("shape", f"vertices are {tuple(vertices.shape)}, not B×V×3")
    if faces.ndim != 2 or faces.shape[-1] != 3 or faces.dtype != torch.int64:
        raise InvalidValueError(
            "shape", f"faces are {tuple(faces.shape)} {faces.dtype}, not F×3 int64"
        )
    if len(faces) and not (faces.min() >= 0 and faces.max() < vertices.shape[1]):
        raise InvalidValueError(
            "range",
            f"faces name vertices {int(faces.min())} to {int(faces.max())}; "
            f"there are 0 to {vertices.shape[1] - 1}",
        )
    finite = torch.isfinite(vertices).all(dim=-1)  # B×V
    if not finite.all():
        image, vertex = (int(i) for i in torch.nonzero(~finite)[0])
        raise InvalidValueError(
            "non-finite",
            f"{int((~finite).sum())} vertices are not finite, the first is vertex {vertex} of "
            f"image {image}: {vertices[image, vertex].tolist()}",
        )
