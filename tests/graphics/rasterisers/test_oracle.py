"""Agreement with a ray caster that knows nothing of pixels: Mitsuba's scalar triangle meshes."""

from typing import Any

import mitsuba
import numpy as np
import pytest
import torch
from torch import Tensor

from bench.graphics.rasterisers import rasteriser
from bench.graphics.rasterisers.fragments import interpolate_corners

Scene = tuple[Tensor, Tensor, Tensor]

SIZE = 48


@pytest.fixture
def intersections(vase: Scene) -> list[Any]:
    """Where the rays through the sample centres of a SIZE² picture meet the vase, row by row."""
    vertices, faces, _ = vase
    mitsuba.set_variant("scalar_rgb")
    mesh = mitsuba.Mesh("vase", vertices.shape[1], len(faces))
    parameters = mitsuba.traverse(mesh)
    parameters["vertex_positions"] = vertices[0].flatten().double().tolist()
    parameters["faces"] = faces.flatten().tolist()
    parameters.update()
    scene = mitsuba.load_dict({"type": "scene", "vase": mesh})
    half = np.tan(np.radians(5))
    steps = ((np.arange(2 * SIZE) + 0.5) / SIZE - 1) * half  # 2·SIZE, at depth 1
    origin = mitsuba.Point3f(0, 0, 0)
    return [
        scene.ray_intersect(mitsuba.Ray3f(origin, mitsuba.Vector3f(float(x), float(y), 1.0)))
        for y in steps
        for x in steps
    ]


def test_mask_depth_face_and_normal_are_those_of_a_ray_caster(
    vase: Scene, intersections: list[Any]
) -> None:
    vertices, faces, intrinsics = vase
    camera = intrinsics * torch.tensor([[SIZE / 256], [SIZE / 256], [1.0]])
    fragments = rasteriser().rasterise(vertices, faces, camera, (SIZE, SIZE))
    corners = vertices[0, faces]  # F×3×3
    flat = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # F×3
    flat = torch.nn.functional.normalize(flat, dim=1)
    normals = interpolate_corners(fragments, flat[:, None].expand(-1, 3, -1))[0]  # 2S×2S×3

    hit = torch.tensor([bool(each.is_valid()) for each in intersections]).reshape(2 * SIZE, -1)
    ours = fragments.face[0] >= 0
    assert (hit != ours).sum() <= 2  # rays that graze an edge

    both = (hit & ours).flatten().tolist()
    met = [each for each, kept in zip(intersections, both, strict=True) if kept]
    chosen = (hit & ours).flatten()
    index = torch.tensor([each.prim_index for each in met])
    same = index == fragments.face[0].flatten()[chosen]
    assert same.float().mean() > 0.998  # at an edge either face will do
    depth = torch.tensor([float(each.p[2]) for each in met])
    torch.testing.assert_close(
        depth[same], fragments.depth[0].flatten()[chosen][same], atol=2e-5, rtol=0
    )
    theirs = torch.tensor([[float(each.n[axis]) for axis in range(3)] for each in met])
    alignment = (theirs * normals.reshape(-1, 3)[chosen]).sum(dim=1)[same]
    torch.testing.assert_close(alignment.abs(), torch.ones_like(alignment), atol=1e-4, rtol=0)
