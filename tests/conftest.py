"""Fixtures every test area shares."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared() -> Path:
    """The folder of reference data beside the checkout; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: reference data for this test is not here")
    return SHARED


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """The pair of specs/metrics.md §14: `prediction`, `target` 32×32×3 linear, `mask` 32×32×1."""
    row, column = np.mgrid[:32, :32].astype(float)
    target = 1.5 * np.stack([(row + 1) / 32, (column + 1) / 32, (row + column + 1) / 64], axis=-1)
    prediction = target * [0.5, 0.8, 1.25] + 0.02 * ((row + column) % 2)[..., None]
    mask = np.zeros((32, 32, 1))
    mask[4:28, 6:26] = 1
    return SimpleNamespace(prediction=prediction, target=target, mask=mask)
