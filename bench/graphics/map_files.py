"""Maps of a data set: image files of which channels and size are known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.image_files import read_image

Float32 = NDArray[np.float32]
Size = tuple[int, int]


def read_map(path: Path, channels: int, size: Size | None = None) -> Float32:
    """The stored values H×W×`channels` (1 or 3), integers scaled to [0, 1] and not decoded.

    Grey is repeated for three channels, RGB of equal channels is one; an opaque alpha is left away.

    Args:
        size: (H, W) that the file must have.

    Raises:
        DataError: missing, truncated or corrupt file, another size, colour where grey is expected,
            or an alpha that is not opaque.
    """
    stored = read_image(path)
    if size is not None and stored.shape[:2] != size:
        found, wanted = ("×".join(map(str, shape)) for shape in (stored.shape[:2], size))
        raise DataError(f"{path}: {found} pixels instead of {wanted}")
    if stored.shape[2] == 4:
        if stored[..., 3].min() < 1:
            raise DataError(f"{path}: has transparent pixels where none are expected")
        stored = stored[..., :3]  # H×W×3
    if stored.shape[2] == channels:
        return np.ascontiguousarray(stored)
    if channels == 3:
        return np.repeat(stored, 3, axis=2)  # H×W×3
    if np.ptp(stored, axis=2).max() > 0:
        raise DataError(f"{path}: is coloured where grey is expected")
    return np.ascontiguousarray(stored[..., :1])  # H×W×1
