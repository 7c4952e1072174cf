"""Queries for methods that rerender points: framebuffers, and the photo whose look is wanted.

The points are those of the views that a sample hands over, its own and its context's, under the
sample's light. The reference shows the light that is asked for from another side than the answer:
for `view` it is the sample's own photo, for `relit` that of the next view under the wanted light.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.datasets.vases import layout
from bench.datasets.vases.layout import Scene
from bench.graphics.depth_codes import DepthCode
from bench.graphics.framebuffers import framebuffer
from bench.graphics.point_clouds import PointCloud, PosedView, fused
from bench.graphics.splatting import splat
from bench.quantities import Value

Float32 = NDArray[np.float32]

WHOLLY = 0.95
"""A pixel is a point where the vase covers more than this of it: no edge is mixed with black."""

FARTHEST = float(np.sqrt(2))
"""No point of a vase is farther from the origin along any axis of view, in scene units."""


class Rerendering:
    """What may be asked of the points of some views under one light; each part is made once.

    Args:
        read: the map that a file of the scene holds, by its path there.
        given: the views whose points are known.
    """

    def __init__(
        self, scene: Scene, light: int, given: Sequence[int], read: Callable[[str], Float32]
    ) -> None:
        self._scene, self._light, self._given, self._read = scene, light, given, read
        self.framebuffer = lru_cache(maxsize=None)(self._framebuffer)

    def conditions(self, quantity: str, view: int, light: int) -> dict[str, Callable[[], Value]]:
        """`framebuffer`, `reference` and `reference_framebuffer` of the answer (view, light).

        No reference where the scene has one view alone.
        """
        made: dict[str, Callable[[], Value]] = {"framebuffer": lambda: self.framebuffer(view)}
        shown = self._given[0] if quantity == "view" else (view + 1) % len(self._scene.cameras)
        if shown != view:
            name = layout.light_file(shown, light, "image")
            made["reference"] = lambda: self._read(name)
            made["reference_framebuffer"] = lambda: self.framebuffer(shown)
        return made

    def _framebuffer(self, view: int) -> Float32:
        """H×W×4 of the points as `view` sees them; the code of depth is the same in every scene."""
        camera = self._scene.cameras[view]
        distance = float(np.linalg.norm(camera.camera_to_world[:3, 3]))
        code = DepthCode(distance - FARTHEST, distance + FARTHEST)
        return framebuffer(splat(self._cloud, camera), code)

    @cached_property
    def _cloud(self) -> PointCloud:
        return fused([self._posed(view) for view in self._given], least_confidence=WHOLLY)

    def _posed(self, view: int) -> PosedView:
        return PosedView(
            image=self._read(layout.light_file(view, self._light, "image")),
            depth=self._read(layout.view_file(view, "depth")),
            camera=self._scene.cameras[view],
            confidence=self._read(layout.view_file(view, "mask")),
        )
