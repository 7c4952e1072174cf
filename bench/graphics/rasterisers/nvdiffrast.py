"""The backend `nvdiffrast`: NVIDIA's rasteriser, CUDA only, its own licence (non-commercial).

Facts: spec §4.3; https://nvlabs.github.io/nvdiffrast, version 0.4.0. Row 0 of its pictures is
y = −1, so y-down camera coordinates pass unflipped. Unlike the other backends it snaps vertices to
1/16 of a supersampled pixel, and of a triangle that reaches behind the camera it draws the part in
front.
"""

import importlib
from typing import Any

import torch
from torch import Tensor

from bench.graphics.rasterisers import derivatives
from bench.graphics.rasterisers.availability import Backend, extension
from bench.graphics.rasterisers.fragments import SUPERSAMPLING, Fragments, front_faces, nothing
from bench.graphics.rasterisers.projection import check

INSTALL = (
    "pip install setuptools wheel ninja && "
    "pip install git+https://github.com/NVlabs/nvdiffrast.git --no-build-isolation"
)


def diagnose() -> Backend:
    """Whether nvdiffrast can be used here, without building or running anything."""
    return extension("nvdiffrast", "nvdiffrast.torch", INSTALL)


class Nvdiffrast:
    """Semantics of spec §4.1 on nvdiffrast; `Rasteriser` says what each call takes.

    Raises UnavailableError where the package or a CUDA device is missing.
    """

    name = "nvdiffrast"

    def __init__(self) -> None:
        diagnose().require()
        self._library: Any = importlib.import_module("nvdiffrast.torch")
        self._contexts: dict[torch.device, Any] = {}

    def rasterise(
        self,
        vertices: Tensor,
        faces: Tensor,
        intrinsics: Tensor,
        size: tuple[int, int],
        *,
        cull: bool = False,
        near: float = 0.1,
        far: float = 10.0,
        through_weights: bool = False,
    ) -> Fragments:
        """See `Rasteriser.rasterise`."""
        check(vertices, faces)
        shape = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
        clip = clip_coordinates(vertices.detach(), intrinsics, size, near, far)  # B×V×4
        triangles, ranges, originals = _drawn(vertices.detach(), faces, cull)
        if not len(triangles):
            return nothing(len(vertices), shape, vertices.device)
        positions = clip if ranges is None else clip.flatten(0, 1)  # B×V×4 or B·V×4
        buffer, _ = self._library.rasterize(
            self._context(vertices.device), positions, triangles, shape, ranges, grad_db=False
        )  # B×H'×W'×4
        fragments = fragments_from(buffer, originals, near, far)
        if through_weights:
            return derivatives.through_weights(fragments, vertices, faces, intrinsics)
        return fragments

    def antialias(
        self,
        image: Tensor,
        fragments: Fragments,
        vertices: Tensor,
        faces: Tensor,
        intrinsics: Tensor,
    ) -> Tensor:
        """See `Rasteriser.antialias`; the values are those of `image`.

        nvdiffrast also blends colours across the edges it finds. Only the derivative of that is
        kept, so that a picture has the same values in every backend.
        """
        if not len(faces):
            return image
        height, width = (extent // SUPERSAMPLING for extent in fragments.face.shape[1:])
        clip = clip_coordinates(vertices, intrinsics, (height, width))  # B×V×4
        blended: Tensor = self._library.antialias(
            image.contiguous(), buffer_from(fragments), clip, faces.int().contiguous()
        )  # B×H'×W'×C
        return image.detach() + (blended - blended.detach())

    def _context(self, device: torch.device) -> Any:
        if device not in self._contexts:
            self._contexts[device] = self._library.RasterizeCudaContext(device=device)
        return self._contexts[device]


def clip_coordinates(
    vertices: Tensor,
    intrinsics: Tensor,
    size: tuple[int, int],
    near: float = 0.1,
    far: float = 10.0,
) -> Tensor:
    """OpenCV camera coordinates B×V×3 → homogeneous clip coordinates B×V×4, float32.

    x and y of ±1 are the borders of a picture of `size` (H, W), x to the right and y down as in the
    picture; z of ∓1 are `near` and `far`. `intrinsics` 3×3 or B×3×3 in pixels.
    """
    height, width = size
    matrix = intrinsics.to(vertices.device, torch.float64)  # 3×3 or B×3×3
    image = vertices.double() @ matrix.transpose(-1, -2)  # B×V×3: u·z, v·z, z
    u, v, z = image.unbind(dim=-1)  # B×V each
    depth = (far + near) / (far - near) * z - 2 * far * near / (far - near)  # B×V
    clip = torch.stack([2 * u / width - z, 2 * v / height - z, depth, z], dim=-1)  # B×V×4
    return clip.float().contiguous()


def fragments_from(buffer: Tensor, originals: Tensor, near: float, far: float) -> Fragments:
    """Fragments of nvdiffrast's buffer B×H'×W'×4 of (weight 0, weight 1, z/w, triangle + 1).

    `originals` holds the row of `faces` of each triangle drawn.
    """
    u, v, clip_depth, number = buffer.unbind(dim=-1)  # B×H'×W' each
    seen = number > 0  # B×H'×W'
    triangle = (number.long() - 1).clamp(min=0)  # B×H'×W'
    weights = torch.stack([u, v, 1 - u - v], dim=-1)  # B×H'×W'×3
    # z/w = a − b/z
    a, b = (far + near) / (far - near), 2 * far * near / (far - near)
    return Fragments(
        face=torch.where(seen, originals[triangle], -1),
        weights=weights * seen[..., None],
        depth=torch.where(seen, b / (a - clip_depth), 0),
    )


def buffer_from(fragments: Fragments) -> Tensor:
    """nvdiffrast's buffer B×H'×W'×4 for `antialias`: the triangle, and z/w only up to order."""
    seen = fragments.face >= 0  # B×H'×W'
    order = torch.where(seen, -1 / fragments.depth.detach(), 0)  # B×H'×W', grows with depth
    number = (fragments.face + 1).float()  # B×H'×W'
    weights = fragments.weights.detach()[..., :2]  # B×H'×W'×2
    return torch.cat([weights, order[..., None], number[..., None]], dim=-1).contiguous()


def _drawn(vertices: Tensor, faces: Tensor, cull: bool) -> tuple[Tensor, Tensor | None, Tensor]:
    """Triangles int32, their ranges per image, and the row of `faces` of each.

    nvdiffrast never culls. Without culling the images share their triangles and there are no
    ranges; with it each image gets its front faces, over the vertices of the batch end to end.
    """
    if not cull:
        return faces.int().contiguous(), None, torch.arange(len(faces), device=faces.device)
    batch, face = torch.nonzero(front_faces(vertices, faces), as_tuple=True)  # N each
    triangles = faces[face] + batch[:, None] * vertices.shape[1]  # N×3
    count = torch.bincount(batch, minlength=len(vertices))  # B
    ranges = torch.stack([count.cumsum(0) - count, count], dim=1)  # B×2
    return triangles.int().contiguous(), ranges.int().cpu(), face
