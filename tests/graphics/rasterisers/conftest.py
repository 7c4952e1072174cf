"""The mesh of the spec's test vectors, seen by the official camera."""

import math

import pytest
import torch
from torch import Tensor

from bench.graphics import revolution
from bench.graphics.cameras import intrinsics_from_fov

Scene = tuple[Tensor, Tensor, Tensor]

DISTANCE, FIELD_OF_VIEW = 5.0, 10.0


@pytest.fixture
def vase() -> Scene:
    """Vertices 1×3072×3, faces 5952×3 and intrinsics for 256² of spec §3.8."""
    extent = DISTANCE * math.tan(math.radians(FIELD_OF_VIEW / 2))
    radius = (0.5 + 0.3 * torch.sin(0.3 * torch.arange(32.0))) * extent  # 32
    height = torch.linspace(-1, 1, 32) * 0.8 * extent  # 32
    angles = (torch.tensor([math.radians(a)]) for a in (10.0, 0.0, 5.0))
    upright = revolution.vertices(radius[None], height[None]).reshape(1, -1, 3)  # 1×3072×3
    posed = upright @ revolution.rotation(*angles).transpose(1, 2)  # 1×3072×3
    place = torch.tensor([0.02, -0.03, DISTANCE])
    intrinsics = torch.from_numpy(intrinsics_from_fov(FIELD_OF_VIEW, 256, 256)).float()
    return posed + place, revolution.faces(32), intrinsics


@pytest.fixture
def triangle() -> Scene:
    """One front face at depth 2 with corners (10, 10), (12, 50), (58, 20) px of a 64² picture."""
    focal, depth = 100.0, 2.0
    pixels = torch.tensor([[10.0, 10.0], [12.0, 50.0], [58.0, 20.0]])  # 3×2
    plane = (pixels - 32) / focal * depth  # 3×2
    vertices = torch.cat([plane, torch.full((3, 1), depth)], dim=1)[None]  # 1×3×3
    intrinsics = torch.tensor([[focal, 0.0, 32.0], [0.0, focal, 32.0], [0.0, 0.0, 1.0]])
    return vertices, torch.tensor([[0, 1, 2]]), intrinsics
