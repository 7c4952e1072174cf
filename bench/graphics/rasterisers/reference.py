"""The backend `reference`: any device, nothing to build, differentiable silhouettes."""

from torch import Tensor

from bench.graphics.rasterisers import compiled, derivatives, portable
from bench.graphics.rasterisers.boundary import Antialias
from bench.graphics.rasterisers.fragments import SUPERSAMPLING, Fragments
from bench.graphics.rasterisers.projection import check, project


class Reference:
    """Semantics of spec §4.1 by a z-buffer in software; `Rasteriser` says what each call takes."""

    name = "reference"

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
        shape = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
        points = project(vertices.detach(), intrinsics)  # B×V×3
        backend = compiled if points.device.type == "cpu" else portable
        fragments = Fragments(*backend.draw(points, faces, shape, cull, near, far))
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
        """See `Rasteriser.antialias`; the values are those of `image`."""
        result: Tensor = Antialias.apply(image, vertices, fragments, faces, intrinsics)
        return result
