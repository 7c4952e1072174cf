"""What a camera sees of the surface, sample by sample (§4.1: two by two samples a pixel)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from bench.graphics import revolution
from bench.graphics.rasterisers import Rasteriser
from bench.graphics.rasterisers.fragments import (
    SUPERSAMPLING,
    Fragments,
    downsample,
    facing,
    interpolate_corners,
)

from .configuration import Configuration

INNER = 0.5
"""Brightness of the inner wall, seen through the mouth, in tone-mapped colour."""

# Pixels rasterised at once: a photo of twelve megapixels would fill gigabytes.
_PIXELS_AT_ONCE = 2**20


@dataclass(frozen=True, eq=False)
class Seen:
    """The N samples of one picture, four to a pixel, at which the surface is seen.

    Attributes:
        size: height and width of the picture in pixels.
        where: N, which of the 2H·2W samples, row by row.
        coordinates: N×2, (u, v) of the whole texture in [0, 1].
        distance: N, along the optical axis, scene units.
        outer: N bool, the outer side is seen, not the inner wall.
        front: N bool, the outer side of the front crop.
    """

    size: tuple[int, int]
    where: Tensor
    coordinates: Tensor
    distance: Tensor
    outer: Tensor
    front: Tensor

    def sampled(self, texture: Tensor) -> Tensor:
        """Values N×C of a texture C×h×w of the whole turn: bilinear, borders held."""
        grid = 2 * self.coordinates[None, None] - 1  # 1×1×N×2
        values = functional.grid_sample(
            texture[None], grid, padding_mode="border", align_corners=False
        )  # 1×C×1×N
        return values[0, :, 0].T  # N×C

    def touched(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Which of a texture's texels `sampled` may read, rows×columns bool for each side."""
        size = self.coordinates.new_tensor([columns, rows])
        column, row = (self.coordinates * size).long().clamp(min=0).unbind(-1)  # N each
        texel = row.clamp(max=rows - 1) * columns + column.clamp(max=columns - 1)  # N
        nearest = self.coordinates.new_zeros(2, rows * columns)
        nearest[0, texel[self.outer]] = 1
        nearest[1, texel[~self.outer]] = 1
        # Bilinear lookups read the nearest texel and neighbours of it.
        sides = functional.max_pool2d(nearest.reshape(2, rows, columns), 3, 1, 1) > 0
        return sides[0], sides[1]

    def sampled_sides(self, outer: Tensor, inner: Tensor) -> Tensor:
        """Values N×C of two textures C×h×w, one for each side of the wall."""
        values = self.sampled(outer)  # N×C
        if not self.outer.all():
            values = torch.where(self.outer[:, None], values, self.sampled(inner))
        return values

    def dimming(self, inner: float) -> Tensor:
        """N×1: 1 on the outer side and `inner` on the inner wall."""
        factors: Tensor = torch.where(self.outer, 1.0, inner)
        return factors[:, None]

    @cached_property
    def coverage(self) -> Tensor:
        """Share of each pixel in which the surface is seen, H×W×1."""
        return self.composited(torch.ones_like(self.distance)[:, None])

    @cached_property
    def front_coverage(self) -> Tensor:
        """Share of each pixel in which the front crop is seen, H×W×1."""
        return self.composited(self.front[:, None].to(self.distance))

    def depth(self) -> Tensor:
        """Along the optical axis, scene units, H×W×1; 0 where nothing is seen."""
        return self.averaged(self.distance[:, None])

    def normals(self, inward: Tensor) -> Tensor:
        """Unit normals H×W×3 towards the viewer's side of the wall; 0 where nothing is seen.

        `inward` is 3×(H−1)×T, of the quads; the axes are kept.
        """
        signs = torch.where(self.outer, -1.0, 1.0)[:, None]  # N×1
        unit = functional.normalize(self.sampled(inward) * signs, dim=-1)  # N×3
        return functional.normalize(self.averaged(unit), dim=-1)  # H×W×3

    def averaged(self, values: Tensor) -> Tensor:
        """Means H×W×C of N×C over the samples of each pixel; 0 where nothing is seen."""
        share = self.coverage  # H×W×1
        return self.composited(values) / torch.where(share > 0, share, 1)  # H×W×C

    def composited(self, values: Tensor, background: float = 0.0) -> Tensor:
        """Means H×W×C of N×C over all samples of each pixel, `background` where nothing is seen."""
        height, width = self.size
        canvas = values.new_full((SUPERSAMPLING**2 * height * width, values.shape[-1]), background)
        canvas[self.where] = values
        return downsample(canvas.reshape(1, SUPERSAMPLING * height, SUPERSAMPLING * width, -1))[0]


def look(
    vertices: Tensor,
    intrinsics: Tensor,
    size: tuple[int, int],
    rasteriser: Rasteriser,
    configuration: Configuration,
) -> list[Seen]:
    """What one camera sees of each of B surfaces; what reaches behind the camera is left out.

    Args:
        vertices: B×H×T×3 in the camera's OpenCV coordinates.
        intrinsics: 3×3 in pixels.
        size: height and width of the picture in pixels.
    """
    rows, columns = vertices.shape[1:3]
    device = vertices.device
    points = vertices.flatten(1, 2)  # B×HT×3
    near, far = _depth_range(points)
    faces = revolution.faces(rows, columns, device=device)  # F×3
    before = (points[:, :, 2] > near).all(0)[faces].all(-1)  # F
    faces = faces[before]
    corners = revolution.corner_coordinates(rows, columns, device=device)[before]  # F×3×2
    front = _is_front(rows, configuration, device)[before]  # F
    if not len(faces):
        return [_nothing(size, vertices) for _ in vertices]
    parts: list[list[Seen]] = [[] for _ in vertices]
    for band, start in _bands(intrinsics, size):
        fragments = rasteriser.rasterise(
            points,
            faces,
            band,
            (min(size[0] - start, _rows_at_once(size)), size[1]),
            near=near,
            far=far,
        )
        outer = facing(fragments, points, faces)  # B×2h×2W
        coordinates = interpolate_corners(fragments, corners)  # B×2h×2W×2
        for index, part in enumerate(parts):
            part.append(_gathered(fragments, outer, coordinates, front, index, start, size))
    return [_joined(part) for part in parts]


def _depth_range(points: Tensor) -> tuple[float, float]:
    """Planes before and behind all that is more than a hundredth of the farthest depth away."""
    farthest = max(float(points[..., 2].max()), 1e-3)
    nearest = max(float(points[..., 2].min()), 1e-2 * farthest)
    return 0.5 * nearest, 2 * farthest


def _is_front(rows: int, configuration: Configuration, device: torch.device) -> Tensor:
    """Which faces belong to the front crop, F bool."""
    columns = torch.arange(configuration.columns, device=device)
    inside = (columns >= configuration.front.start) & (columns < configuration.front.stop)
    repeated: Tensor = inside.repeat(2 * (rows - 1))  # F
    return repeated


def _rows_at_once(size: tuple[int, int]) -> int:
    return max(1, min(size[0], _PIXELS_AT_ONCE // size[1]))


def _bands(intrinsics: Tensor, size: tuple[int, int]) -> Iterator[tuple[Tensor, int]]:
    """Intrinsics of the picture cut off above each band, and the band's first row."""
    for start in range(0, size[0], _rows_at_once(size)):
        band = intrinsics.clone()
        band[1, 2] -= start
        yield band, start


def _gathered(
    fragments: Fragments,
    outer: Tensor,
    coordinates: Tensor,
    front: Tensor,
    index: int,
    start: int,
    size: tuple[int, int],
) -> Seen:
    face = fragments.face[index].flatten()  # 2h·2W
    where = torch.nonzero(face >= 0).squeeze(1)  # N
    outside = outer[index].flatten()[where]  # N
    return Seen(
        size=size,
        where=where + start * size[1] * SUPERSAMPLING**2,
        coordinates=coordinates[index].reshape(-1, 2)[where],
        distance=fragments.depth[index].flatten()[where],
        outer=outside,
        front=front[face[where]] & outside,
    )


def _nothing(size: tuple[int, int], like: Tensor) -> Seen:
    none = torch.zeros(0, dtype=torch.bool, device=like.device)
    where = torch.zeros(0, dtype=torch.int64, device=like.device)
    return Seen(size, where, like.new_zeros(0, 2), like.new_zeros(0), none, none)


def _joined(parts: list[Seen]) -> Seen:
    if len(parts) == 1:
        return parts[0]
    names = ("where", "coordinates", "distance", "outer", "front")
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    return Seen(size=parts[0].size, **joined)
