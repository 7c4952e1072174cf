"""Maps of known channels and size."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.errors import DataError
from bench.graphics.image_files import write_exr, write_png
from bench.graphics.map_files import read_map

RGB = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)


def test_colour_comes_as_it_is_stored(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", RGB)
    np.testing.assert_array_equal(read_map(tmp_path / "a.exr", 3, (4, 5)), RGB)


def test_sixteen_bits_are_scaled_by_65535_and_not_decoded(tmp_path: Path) -> None:
    stored = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    found = read_map(tmp_path / "a.png", 1)
    np.testing.assert_allclose(found[..., 0], stored / 65535, rtol=1e-6)


def test_grey_and_colour_become_each_other_where_nothing_is_lost(tmp_path: Path) -> None:
    write_png(tmp_path / "grey.png", RGB[..., :1])
    write_png(tmp_path / "equal.png", np.repeat(RGB[..., :1], 3, axis=2))
    write_png(tmp_path / "alpha.png", np.dstack([RGB[..., :1].repeat(3, 2), np.ones((4, 5))]))
    grey = read_map(tmp_path / "grey.png", 1)
    for name in ("grey", "equal", "alpha"):
        np.testing.assert_array_equal(read_map(tmp_path / f"{name}.png", 1), grey)
        np.testing.assert_array_equal(
            read_map(tmp_path / f"{name}.png", 3), np.repeat(grey, 3, axis=2)
        )


def test_what_would_be_lost_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", RGB)
    with pytest.raises(DataError, match=r"a\.png: is coloured"):
        read_map(tmp_path / "a.png", 1)
    write_png(tmp_path / "a.png", np.dstack([RGB, RGB[..., :1]]))
    with pytest.raises(DataError, match=r"a\.png: has transparent pixels"):
        read_map(tmp_path / "a.png", 3)


def test_another_size_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", RGB)
    with pytest.raises(DataError, match=r"a\.png: 4×5 pixels instead of 5×4"):
        read_map(tmp_path / "a.png", 3, (5, 4))
