"""A linear albedo model from the user's .npz file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError

Floating = NDArray[np.floating[Any]]

_NAMES = ("mean", "modes", "sigma")


def read_albedo_model(path: Path) -> tuple[Floating, Floating, Floating]:
    """(mean H×W×3, modes H×W×3×K, sigma K) of albedo, linear RGB, a = mean + modes β.

    The file holds `mean`, `modes` K×H×W×3 and `sigma`. Raises `DataError` naming the file.
    """
    try:
        # Opened here, for np.load leaves a broken file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in _NAMES if name not in archive]
            if missing:
                raise DataError(f"{path}: lacks {', '.join(missing)}")
            mean, modes, sigma = (archive[name] for name in _NAMES)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not an .npz of plain arrays: {error}") from error
    shapes = f"mean {mean.shape}, modes {modes.shape}, sigma {sigma.shape}"
    if mean.ndim != 3 or modes.shape != (*sigma.shape, *mean.shape) or mean.shape[-1] != 3:
        raise DataError(f"{path}: {shapes}; expected H×W×3, K×H×W×3 and K")
    if not all(np.isfinite(array).all() for array in (mean, modes, sigma)) or (sigma <= 0).any():
        raise DataError(f"{path}: holds NaN, infinity, or a sigma that is not positive")
    return mean, np.moveaxis(modes, 0, -1), sigma
