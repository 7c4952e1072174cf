from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from bench.graphics.colour import srgb_decode
from bench.graphics.point_clouds import PointCloud
from bench.graphics.point_files import read_points, write_points

# As COLMAP's fused.ply, in text: two vertices.
TEXT = """ply
format ascii 1.0
comment made by hand
element vertex 2
property float x
property float y
property float z
property float nx
property float ny
property float nz
property uchar red
property uchar green
property uchar blue
element face 1
property list uchar int vertex_index
end_header
1 2 3 0 0 2 255 0 128
-1.5 0 0.25 0 0 0 10 20 30
3 0 1 0
"""


def cloud(normals: bool = True) -> PointCloud:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 3)) * 1e3
    levels = rng.integers(0, 256, (50, 3)).astype(np.float32) / 255
    directions = rng.normal(size=(50, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return PointCloud(
        points, srgb_decode(levels).astype(np.float32), directions if normals else None
    )


@pytest.mark.parametrize("normals", [True, False])
def test_a_cloud_survives_its_file(tmp_path: Path, normals: bool) -> None:
    given = cloud(normals)
    write_points(tmp_path / "a.ply", given)
    found = read_points(tmp_path / "a.ply")
    np.testing.assert_array_equal(found.points, given.points)
    np.testing.assert_allclose(found.colours, given.colours, atol=1e-6)
    assert found.colours.dtype == np.float32
    if given.normals is None:
        assert found.normals is None
    else:
        np.testing.assert_allclose(found.normals, given.normals, atol=1e-6)


def test_text_is_read_with_decoded_colours_and_unit_normals(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(TEXT)
    found = read_points(tmp_path / "a.ply")
    np.testing.assert_array_equal(found.points, [[1, 2, 3], [-1.5, 0, 0.25]])
    # 128/255 in sRGB is 0.2158605 in linear light
    np.testing.assert_allclose(found.colours[0], [1, 0, 0.2158605], atol=1e-6)
    np.testing.assert_array_equal(found.normals, [[0, 0, 1], [0, 0, 0]])


def test_colours_of_16_bits_and_of_floats_span_their_own_range(tmp_path: Path) -> None:
    for kind, top in (("ushort", "65535"), ("float", "1")):
        text = TEXT.replace("uchar red", f"{kind} red").replace(" 255 0 128", f" {top} 0 0")
        (tmp_path / "a.ply").write_text(text)
        np.testing.assert_array_equal(read_points(tmp_path / "a.ply").colours[0], [1, 0, 0])


@pytest.mark.parametrize(
    "kept", [0, 3, 100, 300, -1], ids=["empty", "magic", "header", "points", "last byte"]
)
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.ply"
    write_points(path, cloud())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a.ply: truncated or corrupt .ply: .*; write it again"):
        read_points(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vertex 2", "vertex -2", "truncated or corrupt"),
        ("vertex 2", "vertex 99999999999", "truncated or corrupt"),
        ("element vertex", "element corner", "truncated or corrupt"),
        ("float x", "float w", "x, y, z and red, green"),
        ("uchar red", "uchar scarlet", "export the cloud with colours"),
        ("1 2 3 0", "1 nan 3 0", "positions of 1 of 2 points are not finite"),
        ("vertex 2", "vertex 0", "holds no points"),
    ],
)
def test_what_is_no_cloud_of_coloured_points_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = TEXT.replace(old, new)
    if new == "vertex 0":
        text = text[: text.index("end_header")].replace("face 1", "face 0") + "end_header\n"
    (tmp_path / "a.ply").write_text(text)
    with pytest.raises(DataError, match=message):
        read_points(tmp_path / "a.ply")


def test_a_file_that_is_not_there_and_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such point cloud"):
        read_points(tmp_path / "a.ply")
    with pytest.raises(DataError, match=r"not a .ply"):
        read_points(tmp_path / "a.obj")
