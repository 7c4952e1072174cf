"""The backend `neural_renderer`: the package neural_renderer_pytorch 1.1.3, CUDA only.

Its compiled loops are called directly (spec §4.1, §4.2): the package's own functions shade with
texture cubes, where this interface shades in torch. Its pictures are square, y up, row 0 at the
bottom; its weights are those on the screen; it skips back faces, so that both sides are drawn by
adding each triangle reversed.
"""

import importlib
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bench.graphics.rasterisers import derivatives
from bench.graphics.rasterisers.availability import Backend, extension
from bench.graphics.rasterisers.fragments import SUPERSAMPLING, Fragments, front_faces, nothing
from bench.graphics.rasterisers.projection import check, project

INSTALL = "pip install --no-build-isolation neural_renderer_pytorch==1.1.3 (builds with torch 1.4)"

EPSILON_ALPHA, EPSILON_COLOUR = 1e-4, 1e-3
"""Smallest displacements in its gradients, for one channel and for three (spec §4.2)."""

OUT_OF_SIGHT = ((-3.0, -3.0, 1.0), (-2.0, -3.0, 1.0), (-3.0, -2.0, 1.0))
"""A triangle outside the square, which is not drawn."""


def diagnose() -> Backend:
    """Whether the package can be used here, without building or running anything."""
    return extension("neural_renderer", "neural_renderer.cuda.rasterize", INSTALL)


class NeuralRenderer:
    """Semantics of spec §4.1 on neural_renderer; `Rasteriser` says what each call takes.

    Raises UnavailableError where the package or a CUDA device is missing.
    """

    name = "neural_renderer"

    def __init__(self) -> None:
        diagnose().require()
        self._loops: Any = importlib.import_module("neural_renderer.cuda.rasterize")

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
        if not len(faces):
            return nothing(len(vertices), shape, vertices.device)
        drawn = faces if cull else both_sides(faces)  # F×3 or 2F×3
        corners = corners_of(vertices.detach(), drawn, intrinsics, shape).contiguous()
        pixels, like = (len(vertices), max(shape), max(shape)), vertices.detach()
        unused = like.new_zeros(1)
        number, shares, depth, _ = self._loops.forward_face_index_map(
            corners,
            torch.full(pixels, -1, dtype=torch.int32, device=like.device),
            like.new_zeros(*pixels, 3),
            like.new_full(pixels, far),
            unused,
            torch.zeros_like(corners),
            max(shape),
            near,
            far,
            False,  # no colour, no coverage, no derivative of depth
            False,
            False,
        )  # B×S×S, B×S×S×3, B×S×S
        fragments = fragments_from(number, shares, depth, corners, len(faces), shape)
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

        The gradient is the package's own (spec §4.2), not the derivative of the average. Of more
        than three channels each three are taken together.
        """
        if not len(faces):
            return image
        shape = fragments.face.shape[1], fragments.face.shape[2]
        corners = corners_of(vertices, both_sides(faces), intrinsics, shape)  # B×2F×3×3
        numbers = numbers_from(fragments, vertices, faces)  # B×S×S
        result: Tensor = _Antialias.apply(image, corners, numbers, self._loops)
        return result


class _Antialias(torch.autograd.Function):
    """The identity on the image, with the package's gradient to the corners B×2F×3×3."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, corners: Tensor, numbers: Tensor, loops: Any) -> Tensor:
        ctx.save_for_backward(image, corners, numbers)
        ctx.loops = loops
        return image.view_as(image)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        image, corners, numbers = ctx.saved_tensors
        if not ctx.needs_input_grad[1]:
            return grad, None, None, None
        corners, side = corners.contiguous(), numbers.shape[1]
        moved = torch.zeros_like(corners)  # B×2F×3×3
        unused = corners.new_zeros(1)
        if image.shape[3] == 1:
            value, change = (to_square(each, side)[..., 0].contiguous() for each in (image, grad))
            moved = ctx.loops.backward_pixel_map(
                corners, numbers, unused, value, unused, change, moved, side, EPSILON_ALPHA, 0, 1
            )
            return grad, moved, None, None
        for value, change in zip(_in_threes(image), _in_threes(grad), strict=True):
            value, change = to_square(value, side), to_square(change, side)  # B×S×S×3
            moved = ctx.loops.backward_pixel_map(
                corners, numbers, value, unused, change, unused, moved, side, EPSILON_COLOUR, 1, 0
            )
        return grad, moved, None, None


def both_sides(faces: Tensor) -> Tensor:
    """Faces F×3 followed by the same reversed, 2F×3 (spec §4.1, fill_back)."""
    return torch.cat([faces, faces.flip(1)])


def corners_of(
    vertices: Tensor, faces: Tensor, intrinsics: Tensor, shape: tuple[int, int]
) -> Tensor:
    """Corners B×F×3×3 float32 of faces F×3: x right and y up in [−1, 1], and depth z.

    The square [−1, 1]² has the larger side of the supersampled `shape` (H', W') and shares its left
    upper corner with the picture. A triangle that reaches behind the camera, which the package
    would draw, is moved out of sight.
    """
    ahead = vertices[..., 2:] > 0  # B×V×1
    safe = torch.where(ahead, vertices, vertices.new_tensor([0, 0, 1]))  # B×V×3
    x, y, z = project(safe, intrinsics).unbind(dim=-1)  # B×V each
    side = max(shape)
    places = torch.stack([2 * x / side - 1, 1 - 2 * y / side, z], dim=-1).float()  # B×V×3
    whole = ahead[:, faces].all(dim=2, keepdim=True)  # B×F×1×1
    return torch.where(whole, places[:, faces], places.new_tensor(OUT_OF_SIGHT))  # B×F×3×3


def to_square(image: Tensor, side: int, fill: float = 0.0) -> Tensor:
    """A picture B×H'×W'×C → its square B×S×S×C, row 0 at the bottom, `fill` where nothing was."""
    rows, columns = side - image.shape[1], side - image.shape[2]
    return functional.pad(image, (0, 0, 0, columns, 0, rows), value=fill).flip(1).contiguous()


def from_square(image: Tensor, shape: tuple[int, int]) -> Tensor:
    """Its square B×S×S×… → the picture B×H'×W'×…, row 0 at the top."""
    return image.flip(1)[:, : shape[0], : shape[1]]


def fragments_from(
    number: Tensor,
    shares: Tensor,
    depth: Tensor,
    corners: Tensor,
    count: int,
    shape: tuple[int, int],
) -> Fragments:
    """Fragments of its triangle numbers B×S×S, screen weights B×S×S×3 and depths B×S×S.

    Of the triangles at `corners` those from `count` on are reversed copies of the first.
    """
    number = from_square(number, shape).long()  # B×H'×W'
    depth = from_square(depth, shape)  # B×H'×W'
    seen = number >= 0
    batch = torch.arange(len(number), device=number.device)[:, None, None]  # B×1×1
    z = corners[batch, number.clamp(min=0), :, 2]  # B×H'×W'×3
    weights = from_square(shares, shape) * depth[..., None] / z  # B×H'×W'×3
    weights = torch.where((number >= count)[..., None], weights.flip(3), weights)
    return Fragments(
        face=torch.where(seen, number % count, -1),
        weights=torch.where(seen[..., None], weights, 0),
        depth=torch.where(seen, depth, 0),
    )


def numbers_from(fragments: Fragments, vertices: Tensor, faces: Tensor) -> Tensor:
    """Its triangle numbers B×S×S int32 of fragments: those of back faces are reversed copies."""
    face = fragments.face  # B×H'×W'
    front = front_faces(vertices, faces)  # B×F
    batch = torch.arange(len(face), device=face.device)[:, None, None]  # B×1×1
    back = ~front[batch, face.clamp(min=0)]  # B×H'×W'
    number = torch.where((face >= 0) & back, face + len(faces), face)  # B×H'×W'
    side = max(face.shape[1], face.shape[2])
    return to_square(number[..., None], side, fill=-1)[..., 0].int().contiguous()  # B×S×S


def _in_threes(image: Tensor) -> tuple[Tensor, ...]:
    """Channels in groups of three, zeros where the last lacks some."""
    padded = functional.pad(image, (0, -image.shape[3] % 3))  # B×H'×W'×3n
    return torch.split(padded, 3, dim=3)
