from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from bench.graphics import mesh_files
from bench.quantities import Mesh


@pytest.fixture
def tetrahedron() -> Mesh:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    return Mesh(vertices, faces)


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_a_written_mesh_reads_back_in_order(tmp_path: Path, tetrahedron: Mesh, suffix: str) -> None:
    mesh_files.write_mesh(tmp_path / f"a{suffix}", tetrahedron)
    found = mesh_files.read_mesh(tmp_path / f"a{suffix}")
    assert found.vertices.dtype == np.float32
    np.testing.assert_allclose(found.vertices, tetrahedron.vertices, atol=1e-7)
    np.testing.assert_array_equal(found.faces, tetrahedron.faces)


def test_a_real_obj_with_texture_coordinates_keeps_its_vertices(shared: Path) -> None:
    mesh = mesh_files.read_mesh(shared / "data/meshes/spot.obj")
    assert mesh.vertices.shape == (2930, 3)
    assert mesh.faces.shape == (5856, 3)
    np.testing.assert_allclose(mesh.vertices[0], [0.348799, -0.334989, -0.0832331], rtol=1e-6)


def test_materials_and_textures_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.mtl").write_text("newmtl m\nmap_Kd http://localhost/none.png\n")
    (tmp_path / "a.obj").write_text(
        "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl m\nf 1/1 2/1 3/1\n"
    )
    assert mesh_files.read_mesh(tmp_path / "a.obj").faces.tolist() == [[0, 1, 2]]


def test_polygons_become_triangles(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert mesh_files.read_mesh(tmp_path / "a.obj").faces.shape == (2, 3)


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.99])
def test_a_truncated_ply_is_refused_by_name(
    tmp_path: Path, tetrahedron: Mesh, share: float
) -> None:
    path = tmp_path / "cut.ply"
    mesh_files.write_mesh(path, tetrahedron)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"cut\.ply"):
        mesh_files.read_mesh(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\n",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
        "v 0 0 0\nv 1 0\nv 0 1 0\nf 1 2 3\n",
        "v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n",
        "v 0 0 zero\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "\x00\x01\x02",
    ],
)
def test_a_broken_obj_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.obj").write_text(text)
    with pytest.raises(DataError, match=r"bad\.obj"):
        mesh_files.read_mesh(tmp_path / "bad.obj")


def test_a_missing_file_and_another_format_are_refused(tmp_path: Path, tetrahedron: Mesh) -> None:
    with pytest.raises(DataError, match=r"nothing\.ply: no such"):
        mesh_files.read_mesh(tmp_path / "nothing.ply")
    with pytest.raises(DataError, match="mesh formats"):
        mesh_files.read_mesh(tmp_path / "a.stl")
    with pytest.raises(ValueError, match="mesh formats"):
        mesh_files.write_mesh(tmp_path / "a.stl", tetrahedron)
