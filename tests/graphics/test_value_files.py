"""One value in one file: what is written is read back, and what cannot be is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import DataError, InvalidValueError
from bench.graphics.image_files import write_exr, write_png
from bench.graphics.normals import angular_error_degrees
from bench.graphics.value_files import find_value, read_value, suffixes, write_value
from bench.quantities import VOCABULARY, Camera, Environment, Mesh, parts, validate

MESH = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32), np.array([[0, 1, 2]]))
CAMERA = Camera(np.diag([300.5, 300.25, 1]), np.eye(4), 6, 8)


def example(quantity: str) -> Any:
    rng = np.random.default_rng(3)
    if quantity == "camera":
        return CAMERA
    if quantity == "mesh":
        return MESH
    if quantity == "environment":
        return Environment(rng.random((4, 8, 3), np.float32) * 10, "world")
    if quantity == "light_sh":
        return rng.standard_normal((9, 3)).astype(np.float32)
    if quantity in ("light_direction", "light_intensity"):
        return np.array([0.6, 0, 0.8], np.float32)
    if quantity == "judgements":
        return {"intrinsic_points": [{"id": 1, "x": 0.25}], "intrinsic_comparisons": []}
    if quantity == "pitch":
        return np.array([-12.5], np.float32)
    channels = VOCABULARY[quantity].shape[-1]
    array = rng.random((6, 8, channels if isinstance(channels, int) else 5), np.float32)
    if quantity == "normal":
        array /= np.linalg.norm(array, axis=-1, keepdims=True)
    return array


@pytest.mark.parametrize("quantity", VOCABULARY)
def test_every_quantity_comes_back_as_it_was_written(tmp_path: Path, quantity: str) -> None:
    value = example(quantity)
    path = write_value(tmp_path / quantity, quantity, value)
    assert find_value(tmp_path, quantity) == path
    returned = read_value(path, quantity)
    validate(quantity, returned)
    for name, array in parts(quantity, value).items():
        np.testing.assert_array_equal(parts(quantity, returned)[name], array)
    if quantity == "judgements":
        assert returned == value
    if isinstance(returned, Camera):
        assert (returned.height, returned.width) == (6, 8)


@pytest.mark.parametrize("frame", ["world", "camera"])
def test_an_environment_keeps_its_frame_in_its_name(tmp_path: Path, frame: Any) -> None:
    environment = Environment(np.ones((2, 4, 3), np.float32), frame)
    path = write_value(tmp_path / "environment", "environment", environment)
    assert path.name == {"world": "environment.npy", "camera": "environment.camera.npy"}[frame]
    found = find_value(tmp_path, "environment")
    assert found is not None
    returned = read_value(found, "environment")
    assert isinstance(returned, Environment)
    assert returned.frame == frame


def test_a_value_of_another_type_than_its_quantity_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="camera: expected Camera"):
        write_value(tmp_path / "camera", "camera", np.ones((2, 2)))
    assert not list(tmp_path.iterdir())


def test_a_name_with_dots_is_kept_whole(tmp_path: Path) -> None:
    path = write_value(tmp_path / "relit-a.b", "relit", np.ones((2, 2, 3)))
    assert path.name == "relit-a.b.npy"
    assert find_value(tmp_path, "relit", "relit-a.b") == path


def test_a_png_of_a_colour_is_srgb(tmp_path: Path) -> None:
    write_png(tmp_path / "albedo.png", np.full((2, 2, 3), 188 / 255))
    albedo = read_value(tmp_path / "albedo.png", "albedo")
    expected = ((188 / 255 + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(albedo, expected, rtol=1e-6)


def test_a_png_of_a_scalar_is_the_value_itself(tmp_path: Path) -> None:
    write_png(tmp_path / "roughness.png", np.full((2, 2, 1), 0.4))
    roughness = read_value(tmp_path / "roughness.png", "roughness")
    np.testing.assert_allclose(roughness, 0.4, atol=1e-6)


def test_an_exr_of_a_colour_is_linear(tmp_path: Path) -> None:
    image = np.full((2, 2, 3), 3.25, np.float32)
    write_exr(tmp_path / "image.exr", image)
    np.testing.assert_array_equal(read_value(tmp_path / "image.exr", "image"), image)


@pytest.mark.parametrize(("bits", "degrees"), [(8, 0.5), (16, 0.01)])
def test_a_png_of_normals_is_their_half_plus_one_half(
    tmp_path: Path, bits: Any, degrees: float
) -> None:
    rng = np.random.default_rng(0)
    normals = rng.standard_normal((40, 40, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[0, :2] = 0
    stored = (normals + 1) / 2
    stored[0, 1] = 0
    write_png(tmp_path / "normal.png", stored, bits)
    returned = np.asarray(read_value(tmp_path / "normal.png", "normal"))
    validate("normal", returned)
    assert not returned[0, :2].any()
    assert angular_error_degrees(returned, normals)[1:].max() < degrees


def test_normals_of_a_png_that_are_not_unit_are_left_for_validation(tmp_path: Path) -> None:
    write_png(tmp_path / "normal.png", np.full((2, 2, 3), 0.9))
    normals = read_value(tmp_path / "normal.png", "normal")
    with pytest.raises(Exception, match="neither of unit length"):
        validate("normal", normals)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".hdr"])
def test_depth_is_refused_from_an_image_file(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError, match=rf"depth{suffix}: depth cannot be read.*\.npy, \.exr"):
        read_value(tmp_path / f"depth{suffix}", "depth")


def test_two_files_for_one_quantity_are_an_error_that_names_both(tmp_path: Path) -> None:
    for suffix in (".npy", ".exr"):
        (tmp_path / f"depth{suffix}").touch()
    with pytest.raises(DataError, match=r"depth\.npy, depth\.exr"):
        find_value(tmp_path, "depth")


def test_a_file_of_another_suffix_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "depth.png").touch()
    assert find_value(tmp_path, "depth") is None
    assert find_value(tmp_path / "nowhere", "depth") is None


def test_suffixes_in_capitals_are_found(tmp_path: Path) -> None:
    (tmp_path / "image.JPG").touch()
    found = find_value(tmp_path, "image")
    assert found is not None
    assert found.samefile(tmp_path / "image.JPG")


def test_a_map_without_a_channel_axis_gets_one(tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", np.ones((3, 4)))
    depth = np.asarray(read_value(tmp_path / "depth.npy", "depth"))
    assert depth.shape == (3, 4, 1)
    assert depth.dtype == np.float32


def test_a_boolean_mask_is_read_and_integers_are_not(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.eye(3) > 0)
    np.testing.assert_array_equal(
        np.asarray(read_value(tmp_path / "mask.npy", "mask"))[..., 0], np.eye(3)
    )
    np.save(tmp_path / "image.npy", np.full((2, 2, 3), 255, np.uint8))
    with pytest.raises(DataError, match=r"image\.npy: holds uint8"):
        read_value(tmp_path / "image.npy", "image")


def test_an_npy_with_objects_in_it_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"image\.npy.*allow_pickle=False"):
        read_value(tmp_path / "image.npy", "image")


@pytest.mark.parametrize("quantity", ["albedo", "depth", "camera", "mesh"])
def test_half_a_file_is_an_error_that_names_it(tmp_path: Path, quantity: str) -> None:
    path = write_value(tmp_path / quantity, quantity, example(quantity))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"{path.name}.*\S"):
        read_value(path, quantity)


def test_a_garbled_npy_header_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write_value(tmp_path / "albedo", "albedo", example("albedo"))
    path.write_bytes(path.read_bytes().replace(b"}", b"{"))
    with pytest.raises(DataError, match=r"albedo\.npy: truncated or corrupt"):
        read_value(path, "albedo")


def test_an_empty_npy_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "albedo.npy").touch()
    with pytest.raises(DataError, match=r"albedo\.npy: truncated or corrupt"):
        read_value(tmp_path / "albedo.npy", "albedo")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    for quantity in VOCABULARY:
        path = tmp_path / (quantity + suffixes(quantity)[0])
        with pytest.raises(DataError, match=path.name):
            read_value(path, quantity)


@pytest.mark.parametrize(
    "body",
    [
        "[1, 2]",
        '{"intrinsics": 1}',
        '{"intrinsics": [[1], [2, 3]], "camera_to_world": [], "height": 1, "width": 1}',
        '{"intrinsics": [], "camera_to_world": [], "height": 1.5, "width": 1}',
        '{"intrinsics": "x", "camera_to_world": [], "height": 1, "width": 1}',
        "{",
        "[" * 100_000,
    ],
)
def test_a_camera_file_of_another_form_is_an_error_that_names_it(tmp_path: Path, body: str) -> None:
    (tmp_path / "camera.json").write_text(body)
    with pytest.raises(DataError, match=r"camera\.json: not a camera file: \S"):
        read_value(tmp_path / "camera.json", "camera")


def test_a_camera_file_can_be_written_by_hand(tmp_path: Path) -> None:
    body = {"intrinsics": np.eye(3).tolist(), "camera_to_world": np.eye(4).tolist()}
    (tmp_path / "camera.json").write_text(json.dumps(body | {"height": 2, "width": 3}))
    camera = read_value(tmp_path / "camera.json", "camera")
    assert isinstance(camera, Camera)
    assert camera.intrinsics.dtype == np.float64


def test_grey_becomes_colour_and_equal_channels_become_a_mask(tmp_path: Path) -> None:
    write_png(tmp_path / "image.png", np.full((2, 2, 1), 0.5))
    assert np.asarray(read_value(tmp_path / "image.png", "image")).shape == (2, 2, 3)
    write_png(tmp_path / "mask.png", np.full((2, 2, 3), 1.0))
    assert np.asarray(read_value(tmp_path / "mask.png", "mask")).shape == (2, 2, 1)


@pytest.mark.parametrize("quantity", ["image", "mask"])
def test_alpha_is_not_dropped_in_silence(tmp_path: Path, quantity: str) -> None:
    write_png(tmp_path / f"{quantity}.png", np.random.default_rng(0).random((2, 2, 4)))
    with pytest.raises(DataError, match=rf"{quantity}\.png: has 4 channels"):
        read_value(tmp_path / f"{quantity}.png", quantity)


def test_a_coloured_mask_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "mask.png", np.random.default_rng(0).random((2, 2, 3)))
    with pytest.raises(DataError, match=r"mask\.png: has 3 channels where 1"):
        read_value(tmp_path / "mask.png", "mask")


def test_numbers_beyond_float32_become_infinite_and_are_not_valid(tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", np.full((2, 2, 1), 1e300))
    with pytest.raises(Exception, match="NaN or ∞"):
        validate("depth", read_value(tmp_path / "depth.npy", "depth"))


def test_arrays_are_read_without_any_image_library() -> None:
    code = (
        "import sys, tempfile, pathlib, numpy, bench.graphics.value_files as files\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "path = files.write_value(folder / 'depth', 'depth', numpy.ones((2, 2, 1)))\n"
        "files.read_value(path, 'depth')\n"
        "print(*{'cv2', 'OpenEXR', 'PIL', 'trimesh'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
