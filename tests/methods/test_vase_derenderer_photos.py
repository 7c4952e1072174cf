"""Photos in every form that people hand over, against the colours they were made of."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bench.errors import DataError
from bench.graphics.colour import srgb_decode
from bench.graphics.image_files import write_exr, write_png
from bench.methods.vase_derenderer.photos import read_photo


def colours(height: int = 6, width: int = 9) -> np.ndarray:
    """Smooth, of multiples of 1/255, so that every format can hold or approach them."""
    down, across = np.mgrid[:height, :width] / [[[height]], [[width]]]
    image = np.stack([across, down, 0.5 * (across + down)], axis=-1)
    return np.rint(image * 255).astype(np.uint8)


def decoded(stored: np.ndarray) -> np.ndarray:
    return srgb_decode(stored / 255)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".webp"])
def test_eight_bits_are_srgb(tmp_path: Path, suffix: str) -> None:
    PIL.Image.fromarray(colours()).save(tmp_path / f"a{suffix}", lossless=True)
    found = read_photo(tmp_path / f"a{suffix}")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, decoded(colours()), atol=1e-6)


def test_a_jpeg_is_near_and_a_cmyk_one_too(tmp_path: Path) -> None:
    smooth = cv2.resize(colours(), (90, 60))
    PIL.Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    PIL.Image.fromarray(smooth).convert("CMYK").save(tmp_path / "b.jpg", quality=95)
    for name in ("a.jpg", "b.jpg"):
        assert np.abs(read_photo(tmp_path / name) - decoded(smooth)).mean() < 0.02


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    encoded = colours() / 255
    write_png(tmp_path / "a.png", encoded, bits=16)
    np.testing.assert_allclose(read_photo(tmp_path / "a.png"), decoded(colours()), atol=1e-6)
    write_png(tmp_path / "grey.png", encoded[..., :1], bits=16)
    found = read_photo(tmp_path / "grey.png")
    np.testing.assert_allclose(found, decoded(colours()[..., :1]).repeat(3, -1), atol=1e-6)


def test_grey_and_palettes_become_three_channels(tmp_path: Path) -> None:
    PIL.Image.fromarray(colours()[..., 0]).save(tmp_path / "grey.png")
    grey = decoded(colours()[..., :1]).repeat(3, -1)
    np.testing.assert_allclose(read_photo(tmp_path / "grey.png"), grey, atol=1e-6)
    PIL.Image.fromarray(colours()).quantize(256).save(tmp_path / "a.gif")
    assert np.abs(read_photo(tmp_path / "a.gif") - decoded(colours())).mean() < 0.02
    PIL.Image.fromarray(colours()[..., 0] > 100).save(tmp_path / "bits.png")
    assert set(np.unique(read_photo(tmp_path / "bits.png"))) == {0, 1}


def test_what_is_transparent_lies_over_white(tmp_path: Path) -> None:
    alpha = np.full((6, 9, 1), 255, np.uint8)
    alpha[:, 3:6], alpha[:, 6:] = 51, 0
    pixels = np.concatenate([colours(), alpha], axis=-1)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    wanted = colours() * (alpha / 255) + 255 - alpha
    np.testing.assert_allclose(read_photo(tmp_path / "a.png"), decoded(wanted), atol=0.01)
    grey = PIL.Image.fromarray(pixels[..., 0]).convert("LA")
    grey.putalpha(PIL.Image.fromarray(alpha[..., 0]))
    grey.save(tmp_path / "grey.png")
    shown = (wanted[..., :1]).repeat(3, -1)
    np.testing.assert_allclose(read_photo(tmp_path / "grey.png"), decoded(shown), atol=0.01)


def test_linear_files_stay_linear(tmp_path: Path) -> None:
    linear = (colours() / 100).astype(np.float32)
    write_exr(tmp_path / "a.exr", linear)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.exr"), linear)
    write_exr(tmp_path / "grey.exr", linear[..., :1])
    np.testing.assert_array_equal(read_photo(tmp_path / "grey.exr"), linear[..., :1].repeat(3, -1))
    half = np.full((6, 9, 1), 0.5, np.float32)
    write_exr(tmp_path / "over.exr", np.concatenate([linear, half], axis=-1))
    np.testing.assert_allclose(read_photo(tmp_path / "over.exr"), linear / 2 + 0.5, rtol=1e-6)


def test_a_camera_that_was_held_sideways_is_allowed_for(tmp_path: Path) -> None:
    tags = PIL.Image.Exif()
    tags[0x0112] = 6  # to be shown turned by 90° clockwise
    PIL.Image.fromarray(colours()).save(tmp_path / "a.png", exif=tags)
    wanted = decoded(np.rot90(colours(), -1))
    np.testing.assert_allclose(read_photo(tmp_path / "a.png"), wanted, atol=1e-6)


def test_a_large_photo_is_reduced(tmp_path: Path) -> None:
    large = cv2.resize(colours(), (4096, 1024))
    PIL.Image.fromarray(large).save(tmp_path / "a.png", compress_level=1)
    found = read_photo(tmp_path / "a.png")
    assert found.shape == (512, 2048, 3)
    reduced = cv2.resize(large, (2048, 512), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(found, decoded(reduced), atol=0.02)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("share", [0, 0.1, 0.6])
def test_a_truncated_photo_is_refused_by_name(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"cut{suffix}"
    PIL.Image.fromarray(cv2.resize(colours(), (200, 150))).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=rf"cut\{suffix}: truncated, corrupt or none of"):
        read_photo(path)


def test_what_is_no_photo_is_refused_and_no_program_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "check_call", started)
    monkeypatch.setattr(subprocess, "Popen", started)
    drawing = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.eps").write_text(drawing)
    (tmp_path / "a.png").write_text(drawing)
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html>")
    for name in ("a.eps", "a.png", "page.jpg"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            read_photo(tmp_path / name)
    with pytest.raises(DataError, match=r"absent\.png: no such image file"):
        read_photo(tmp_path / "absent.png")
    with pytest.raises(DataError, match="no such image file"):
        read_photo(tmp_path)


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", np.full((4, 4, 3), np.nan, np.float32))
    with pytest.raises(DataError, match=r"a\.exr: holds NaN"):
        read_photo(tmp_path / "a.exr")
    PIL.Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif.*floating-point"):
        read_photo(tmp_path / "a.tif")
