"""Differentiable rasterisers: triangles to pixels with one interface and several backends.

    triangles = rasteriser()
    fragments = triangles.rasterise(vertices, faces, intrinsics, (256, 256))
    mask = coverage(fragments)
    mask = downsample(triangles.antialias(mask, fragments, vertices, faces, intrinsics))

Every backend samples at the pixel centres of twice the picture's size and averages 2×2, draws both
sides unless told to cull, and gives the same values (spec §4): what is shaded from fragments, with
the functions of `fragments`, is differentiable in its attributes and textures; `antialias` adds how
it changes where silhouettes move.
"""

from typing import Protocol

from torch import Tensor

from bench.errors import ConfigError
from bench.graphics.rasterisers import neural_renderer, nvdiffrast
from bench.graphics.rasterisers.availability import Backend
from bench.graphics.rasterisers.fragments import Fragments
from bench.graphics.rasterisers.neural_renderer import NeuralRenderer
from bench.graphics.rasterisers.nvdiffrast import Nvdiffrast
from bench.graphics.rasterisers.reference import Reference

NAMES = ("nvdiffrast", "reference", "neural_renderer")
"""Backends, the fastest on a GPU first; `reference` alone works without one."""


class Rasteriser(Protocol):
    """What every backend does. Tensors are on one device, batch first."""

    name: str

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
        """The nearest triangle behind each pixel centre of the supersampled picture.

        A pixel centre on an edge is inside. A triangle with a corner at z ≤ 0 is not drawn
        (`nvdiffrast` draws the part of it beyond `near`).

        Args:
            vertices: B×V×3 float32, OpenCV camera coordinates (x right, y down, z forward).
            faces: F×3 int64, rows of `vertices`; counter-clockwise with y up is the front.
            intrinsics: 3×3 or B×3×3 in pixels of the final size.
            size: (H, W) of the final picture; fragments have (2H, 2W).
            cull: leave out back faces, so that what lies behind them shows.
            near, far: depths between which anything is seen, both excluded.
            through_weights: let weights and depth carry gradients to `vertices`.

        Raises:
            InvalidValueError: vertices are not finite, or shapes, dtype or indices are wrong.
        """

    def antialias(
        self,
        image: Tensor,
        fragments: Fragments,
        vertices: Tensor,
        faces: Tensor,
        intrinsics: Tensor,
    ) -> Tensor:
        """`image`, with the gradient to `vertices` that moving silhouettes and occlusions cause.

        Args:
            image: B×H'×W'×C, shaded from `fragments` and composited over its background.
            fragments, vertices, faces, intrinsics: as rasterised.
        """


def rasteriser(name: str | None = None, device: str = "cpu") -> Rasteriser:
    """The named backend, or the fastest that works on `device`.

    Raises:
        ConfigError: no backend has that name, or it does not run on `device`.
        UnavailableError: what the named backend needs is not here; the text says how to get it.
    """
    if name is None:
        cuda = device.startswith("cuda")
        return Nvdiffrast() if cuda and nvdiffrast.diagnose().works else Reference()
    if name not in NAMES:
        raise ConfigError(f"no rasteriser {name!r}; there are {', '.join(NAMES)}")
    if name == "reference":
        return Reference()
    backend: Rasteriser = Nvdiffrast() if name == "nvdiffrast" else NeuralRenderer()
    if not device.startswith("cuda"):
        raise ConfigError(
            f"rasteriser {name} runs on CUDA, not on {device}; `reference` runs there"
        )
    return backend


def diagnose() -> list[Backend]:
    """Which backends work here, and which is taken where none is named."""
    fast = nvdiffrast.diagnose()
    where = "the CPU" if fast.works else "any device"
    reference = Backend("reference", True, f"taken on {where} unless another is named")
    if fast.works:
        fast = Backend(fast.name, True, f"{fast.found}; taken there unless another is named")
    return [fast, reference, neural_renderer.diagnose()]
