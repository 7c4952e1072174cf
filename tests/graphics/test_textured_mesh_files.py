"""Textured meshes as a viewer finds them: three readers that know nothing of the writer."""

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import trimesh

from bench.graphics.textured_mesh_files import TexturedMesh, write_textured_mesh

CORNERS = {"red": (0, 0), "green": (0, 1), "blue": (1, 0), "yellow": (1, 1)}
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}


@pytest.fixture
def square() -> TexturedMesh:
    """Faces the viewer; red upper left, green upper right, blue and yellow below; 8×8 texels."""
    texture = np.zeros((8, 8, 3), np.float32)
    for name, (row, column) in CORNERS.items():
        texture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = COLOURS[name]
    return TexturedMesh(
        vertices=np.array([[-1, 1, 0], [-1, -1, 0], [1, 1, 0], [1, -1, 0]], np.float32),
        faces=np.array([[0, 1, 2], [3, 2, 1]]),
        normals=np.array([[0, 0, 1]] * 4, np.float32),
        coordinates=np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32),
        texture=texture,
        roughness=0.5,
        specular=0.09,
    )


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk of a .glb, by the letter of the glTF 2.0 specification."""
    content = path.read_bytes()
    magic, version, length, size, kind = struct.unpack("<4sIII4s", content[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    assert content[24 + size : 28 + size] == b"BIN\0"
    return json.loads(content[20 : 20 + size]), content[28 + size :]


def accessor(path: Path, index: int, kind: type) -> np.ndarray:
    tree, binary = parts(path)
    wanted = tree["accessors"][index]
    start = tree["bufferViews"][wanted["bufferView"]].get("byteOffset", 0)
    start += wanted.get("byteOffset", 0)
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[wanted["type"]]
    return np.frombuffer(binary, kind, wanted["count"] * width, start).reshape(-1, width)


def test_a_glb_holds_what_its_specification_asks_for(tmp_path: Path, square: TexturedMesh) -> None:
    path = tmp_path / "square.glb"
    write_textured_mesh(path, square)
    tree, binary = parts(path)
    (mesh,) = tree["meshes"]
    (primitive,) = mesh["primitives"]
    found = {
        name: accessor(path, index, np.float32) for name, index in primitive["attributes"].items()
    }
    np.testing.assert_array_equal(found["POSITION"], square.vertices)
    np.testing.assert_array_equal(found["NORMAL"], square.normals)
    np.testing.assert_array_equal(found["TEXCOORD_0"], square.coordinates)  # glTF counts v down
    indices = accessor(path, primitive["indices"], np.uint32)
    np.testing.assert_array_equal(indices.reshape(-1, 3), square.faces)
    view = tree["bufferViews"][tree["images"][0]["bufferView"]]
    start = view.get("byteOffset", 0)
    stored = PIL.Image.open(io.BytesIO(binary[start : start + view["byteLength"]]))
    np.testing.assert_array_equal(np.asarray(stored), square.texture * 255)


def test_a_glb_says_how_the_surface_reflects(tmp_path: Path, square: TexturedMesh) -> None:
    write_textured_mesh(tmp_path / "square.glb", square)
    tree, _ = parts(tmp_path / "square.glb")
    (material,) = tree["materials"]
    assert material["doubleSided"] is True
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert material["pbrMetallicRoughness"]["roughnessFactor"] == 0.5
    ior = material["extensions"]["KHR_materials_ior"]["ior"]
    assert ((ior - 1) / (ior + 1)) ** 2 == pytest.approx(0.09)
    assert tree["extensionsUsed"] == ["KHR_materials_ior"]


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_trimesh_finds_each_colour_where_it_was(
    tmp_path: Path, square: TexturedMesh, suffix: str
) -> None:
    write_textured_mesh(tmp_path / f"square{suffix}", square)
    (found,) = trimesh.load_scene(tmp_path / f"square{suffix}").geometry.values()
    np.testing.assert_allclose(found.face_normals, [[0, 0, 1]] * 2, atol=1e-6)
    colours = found.visual.to_color().vertex_colors[:, :3]
    for place, colour in zip(found.vertices, colours, strict=True):
        name = next(n for n, (r, c) in CORNERS.items() if (r, c) == (place[1] < 0, place[0] > 0))
        np.testing.assert_array_equal(colour, np.array(COLOURS[name]) * 255)


def test_mitsuba_sees_an_obj_the_right_way_round(tmp_path: Path, square: TexturedMesh) -> None:
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    write_textured_mesh(tmp_path / "square.obj", square)
    assert "map_Kd square.png" in (tmp_path / "square.mtl").read_text().splitlines()
    to_world = mitsuba.ScalarTransform4f().look_at([0, 0, 5], [0, 0, 0], [0, 1, 0])
    picture = {"type": "bitmap", "filename": str(tmp_path / "square.png"), "filter_type": "nearest"}
    scene = mitsuba.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "aov", "aovs": "colour:albedo"},
            "sensor": {
                "type": "perspective",
                "fov": 20,
                "to_world": to_world,
                "film": {"type": "hdrfilm", "width": 32, "height": 32, "rfilter": {"type": "box"}},
            },
            "light": {"type": "constant"},
            "mesh": {
                "type": "obj",
                "filename": str(tmp_path / "square.obj"),
                "bsdf": {"type": "diffuse", "reflectance": picture},
            },
        }
    )
    seen = np.array(mitsuba.render(scene, spp=1))[..., -3:]  # 32×32×3
    for name, (row, column) in CORNERS.items():
        found = seen[12 + 8 * row, 12 + 8 * column]
        np.testing.assert_allclose(found, COLOURS[name], atol=0.01, err_msg=name)


def test_an_obj_says_how_the_surface_reflects(tmp_path: Path, square: TexturedMesh) -> None:
    write_textured_mesh(tmp_path / "square.obj", square)
    lines = dict(
        line.split(" ", 1) for line in (tmp_path / "square.mtl").read_text().splitlines() if line
    )
    assert float(lines["Ns"]) == pytest.approx(2 / 0.5**4 - 2)
    assert [float(each) for each in lines["Ks"].split()] == pytest.approx([0.09] * 3, abs=1 / 510)
    write_textured_mesh(tmp_path / "glossy.obj", replace(square, roughness=0.01))
    assert "Ns 1000.0" in (tmp_path / "glossy.mtl").read_text()


def test_another_format_and_a_name_with_blanks_are_refused(
    tmp_path: Path, square: TexturedMesh
) -> None:
    with pytest.raises(ValueError, match=r"a\.stl: not one of the formats \.glb, \.obj"):
        write_textured_mesh(tmp_path / "a.stl", square)
    with pytest.raises(ValueError, match="no blanks"):
        write_textured_mesh(tmp_path / "my vase.obj", square)
    write_textured_mesh(tmp_path / "my vase.glb", square)
