"""Framebuffers of a bundle, for methods that rerender points.

For a view in the light of a reference photo the points are those of all photos of the bundle but
the reference, whose hidden half is the answer; without sky.
"""

from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.datasets.landmarks.bundle import Bundle
from bench.graphics.depth_codes import DepthCode, fitted
from bench.graphics.framebuffers import framebuffer
from bench.graphics.point_clouds import PointCloud, PosedView, fused
from bench.graphics.splatting import splat


class Rerendering:
    """The framebuffers of one bundle; each part is made once. The code of depth is the bundle's.

    Raises:
        DataError: from any of its calls, as `Bundle`, and where no pixel has a depth.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.framebuffer = lru_cache(maxsize=None)(self._framebuffer)
        self._cloud = lru_cache(maxsize=None)(self._cloud_without)

    def _framebuffer(self, seen_from: int, without: int) -> NDArray[np.float32]:
        """H×W×4: the points of all photos but `without` as photo `seen_from` sees them."""
        camera = self._bundle.views[seen_from].camera
        return framebuffer(splat(self._cloud(without), camera), self._code)

    def _cloud_without(self, without: int) -> PointCloud:
        return fused([self._posed(v) for v in range(len(self._bundle.views)) if v != without], 0.5)

    def _posed(self, view: int) -> PosedView:
        shown = self._bundle.views[view]
        return PosedView(shown.image, self._bundle.depths[view], shown.camera, shown.mask)

    @cached_property
    def _code(self) -> DepthCode:
        return fitted(list(self._bundle.depths))
