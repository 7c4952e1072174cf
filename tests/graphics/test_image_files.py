from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import OpenEXR
import PIL.Image
import pytest
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics import image_files
from bench.graphics.colour import srgb_decode

Array = NDArray[np.floating[Any]]


def random_image(channels: int = 3, height: int = 20, width: int = 30) -> Array:
    return np.random.default_rng(channels).random((height, width, channels)).astype(np.float32)


def write_smooth(path: Path) -> None:
    """A file of smooth pixels, so that every format compresses."""
    rows, columns = np.mgrid[0:64, 0:64] / 64
    image = np.stack([rows, columns, rows * columns], axis=-1).astype(np.float32)
    if path.suffix == ".jpg":
        PIL.Image.fromarray((image * 255).astype(np.uint8)).save(path)
    elif path.suffix == ".hdr":
        assert cv2.imwrite(str(path), image)
    elif path.suffix == ".exr":
        image_files.write_exr(path, image)
    else:
        image_files.write_png(path, image)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_keeps_values_to_half_a_step(
    tmp_path: Path, channels: int, bits: Literal[8, 16]
) -> None:
    image = random_image(channels)
    image_files.write_png(tmp_path / "a.png", image, bits)
    found = image_files.read_image(tmp_path / "a.png")
    assert found.dtype == np.float32
    assert found.shape == image.shape
    np.testing.assert_allclose(found, image, atol=0.5001 / (2**bits - 1))


def test_png_stores_red_first_and_row_0_at_the_top(tmp_path: Path) -> None:
    image = np.zeros((2, 3, 3), np.float32)
    image[0, 1] = 1.0, 0.2, 0.0
    image_files.write_png(tmp_path / "a.png", image)
    with PIL.Image.open(tmp_path / "a.png") as stored:
        assert stored.getpixel((1, 0)) == (255, 51, 0)
    with_alpha = np.concatenate([image, np.full((2, 3, 1), 0.4)], axis=-1)
    image_files.write_png(tmp_path / "a.png", with_alpha)
    with PIL.Image.open(tmp_path / "a.png") as stored:
        assert stored.getpixel((1, 0)) == (255, 51, 0, 102)


def test_png_clips_what_it_cannot_hold(tmp_path: Path) -> None:
    image_files.write_png(tmp_path / "a.png", np.array([[[-1.0], [2.0]]]))
    np.testing.assert_array_equal(image_files.read_image(tmp_path / "a.png")[0, :, 0], [0, 1])


def test_png_of_nan_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NaN"):
        image_files.write_png(tmp_path / "a.png", np.full((2, 2, 3), np.nan))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["P", "1", "L"])
def test_palette_and_grey_pngs_read_as_colours_in_the_unit_range(tmp_path: Path, mode: str) -> None:
    stored = PIL.Image.fromarray((random_image() * 255).astype(np.uint8)).convert(mode)
    stored.save(tmp_path / "a.png")
    found = image_files.read_image(tmp_path / "a.png")
    colours = stored.convert("RGB" if mode == "P" else "L")
    expected = np.asarray(colours, np.float32).reshape(*found.shape) / 255
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_jpeg_reads_as_stored(tmp_path: Path) -> None:
    write_smooth(tmp_path / "a.jpg")
    with PIL.Image.open(tmp_path / "a.jpg") as image:
        expected = np.asarray(image) / np.float32(255)
    np.testing.assert_allclose(image_files.read_image(tmp_path / "a.jpg"), expected, atol=1e-7)


def test_a_cmyk_jpeg_is_refused(tmp_path: Path) -> None:
    PIL.Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="CMYK"):
        image_files.read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("half", [False, True])
def test_exr_keeps_floats_exactly_and_halves_to_their_precision(
    tmp_path: Path, channels: int, half: bool
) -> None:
    image = random_image(channels) * 100 - 20
    image_files.write_exr(tmp_path / "a.exr", image, half=half)
    found = image_files.read_image(tmp_path / "a.exr")
    assert found.dtype == np.float32
    expected = image.astype(np.float16).astype(np.float32) if half else image
    np.testing.assert_array_equal(found, expected)


def test_exr_halves_are_stored_as_halves(tmp_path: Path) -> None:
    image_files.write_exr(tmp_path / "a.exr", random_image(), half=True)
    assert OpenEXR.File(str(tmp_path / "a.exr")).channels()["RGB"].pixels.dtype == np.float16


def test_exr_keeps_nan_and_infinity(tmp_path: Path) -> None:
    image = np.array([[[np.nan], [np.inf], [-np.inf]]], np.float32)
    for half in (False, True):
        image_files.write_exr(tmp_path / "a.exr", image, half=half)
        np.testing.assert_array_equal(image_files.read_image(tmp_path / "a.exr"), image)


def test_exr_refuses_what_a_half_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="65504"):
        image_files.write_exr(tmp_path / "a.exr", np.full((2, 2, 3), 1e6), half=True)


def test_exr_is_read_by_mitsuba_alike(tmp_path: Path) -> None:
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    image = random_image()
    image_files.write_exr(tmp_path / "a.exr", image)
    np.testing.assert_array_equal(np.array(mitsuba.Bitmap(str(tmp_path / "a.exr"))), image)


def test_an_exr_of_several_layers_is_refused(tmp_path: Path) -> None:
    layers = {"albedo.RGB": random_image(), "depth.Z": random_image(1)[..., 0]}
    OpenEXR.File({}, layers).write(str(tmp_path / "a.exr"))
    with pytest.raises(DataError, match="one layer"):
        image_files.read_image(tmp_path / "a.exr")


def test_hdr_reads_as_mitsuba_reads_it(shared: Path) -> None:
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    path = shared / "data/hdri/noon_grass_1k.hdr"
    found = image_files.read_image(path)
    assert found.shape == (512, 1024, 3)
    assert found.max() > 100
    np.testing.assert_allclose(found, np.array(mitsuba.Bitmap(str(path))), rtol=1e-6)


def test_a_real_hdr_cut_short_is_refused(shared: Path, tmp_path: Path) -> None:
    whole = (shared / "data/hdri/autoshop_01_1k.hdr").read_bytes()
    (tmp_path / "cut.hdr").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DataError, match=r"cut\.hdr: truncated or corrupt"):
        image_files.read_image(tmp_path / "cut.hdr")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".exr", ".hdr"])
@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.9, 0.98])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"cut{suffix}"
    write_smooth(path)
    assert image_files.read_image(path).shape == (64, 64, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=rf"cut{suffix}: truncated or corrupt"):
        image_files.read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".exr", ".hdr"])
def test_a_file_without_its_last_byte_is_refused_or_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    write_smooth(path)
    whole = image_files.read_image(path)
    path.write_bytes(path.read_bytes()[:-1])
    try:
        found = image_files.read_image(path)
    except DataError:
        return
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("suffix", [".png", ".exr"])
def test_a_corrupt_file_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    write_smooth(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(byte ^ 0xFF for byte in content[middle : middle + 8])
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad{suffix}: truncated or corrupt"):
        image_files.read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".hdr"])
def test_a_truncated_jpeg_under_another_name_is_refused(tmp_path: Path, suffix: str) -> None:
    write_smooth(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(DataError, match="does not begin"):
        image_files.read_image(tmp_path / f"a{suffix}")


def test_a_missing_file_and_an_unknown_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.png: no such"):
        image_files.read_image(tmp_path / "nothing.png")
    with pytest.raises(DataError, match=r"a\.gif: not one of"):
        image_files.read_image(tmp_path / "a.gif")


def test_read_linear_decodes_colours_but_not_alpha(tmp_path: Path) -> None:
    image = random_image(4)
    image_files.write_png(tmp_path / "a.png", image, 16)
    linear = image_files.read_linear(tmp_path / "a.png")
    assert linear.dtype == np.float32
    np.testing.assert_allclose(linear[..., :3], srgb_decode(image[..., :3]), atol=4e-5)
    np.testing.assert_allclose(linear[..., 3], image[..., 3], atol=1e-5)


def test_read_linear_leaves_exr_alone(tmp_path: Path) -> None:
    image = random_image()
    image_files.write_exr(tmp_path / "a.exr", image)
    np.testing.assert_array_equal(image_files.read_linear(tmp_path / "a.exr"), image)


@pytest.mark.parametrize("write", [image_files.write_png, image_files.write_exr])
def test_an_image_of_another_shape_is_refused(tmp_path: Path, write: Callable[..., None]) -> None:
    with pytest.raises(ValueError, match=r"\(4, 4, 2\)"):
        write(tmp_path / "a", np.zeros((4, 4, 2), np.float32))


@pytest.mark.parametrize("suffix", [".png", ".exr"])
def test_a_folder_that_does_not_exist_is_an_os_error(tmp_path: Path, suffix: str) -> None:
    write = image_files.write_png if suffix == ".png" else image_files.write_exr
    with pytest.raises(OSError, match="nowhere"):
        write(tmp_path / "nowhere" / f"a{suffix}", random_image())
