"""Deep framebuffers: what a view shows of a point cloud, as channels for a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.graphics.depth_codes import DepthCode
from bench.graphics.splatting import Splats

CHANNELS = 4


def framebuffer(splats: Splats, code: DepthCode) -> NDArray[np.float32]:
    """H×W×4 float32: linear RGB (0 where no point is), then the 8-bit depth code ÷ 255.

    The coded depth is 1 at `code.near`, 1/255 at `code.far` and beyond, and 0 where no point is, so
    that a pixel is covered exactly where it exceeds 0. A view that sees nothing is 0 everywhere.
    """
    coded = code.encode(splats.depth).astype(np.float32) / np.float32(255)  # H×W×1
    return np.concatenate([splats.colour, coded], axis=-1)  # H×W×4
