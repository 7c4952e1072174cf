"""Textured triangle meshes as .glb, or as .obj with its .mtl and .png, for any viewer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import trimesh
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SUFFIXES = (".glb", ".obj")
_IOR = "KHR_materials_ior"


@dataclass(frozen=True, eq=False)
class TexturedMesh:
    """A surface with one opaque, non-metallic material.

    Attributes:
        vertices: N×3, any unit; x right, y up, z towards the viewer.
        faces: M×3 indices, counter-clockwise seen from outside.
        normals: of the vertices, outward, unit, N×3, in the same axes.
        coordinates: of the texture, N×2 in [0, 1]: u to the right, v down from its top left corner.
            Where faces meet at a seam of the texture, a vertex stands twice.
        texture: diffuse reflectance, sRGB-encoded, h×w×3 in [0, 1].
        roughness: perceptual, in (0, 1].
        specular: reflectance at normal incidence, in [0, 1).
    """

    vertices: Float32
    faces: NDArray[np.int64]
    normals: Float32
    coordinates: Float32
    texture: Float32
    roughness: float
    specular: float


def write_textured_mesh(path: Path, mesh: TexturedMesh) -> None:
    """Write the mesh; the suffix, .glb or .obj, names the format.

    A .glb is one file with both sides drawn. Beside an .obj lie an .mtl and a .png of its name. Its
    Blinn exponent is 2/roughness⁴ − 2, at most the format's 1000.

    Raises:
        ValueError: another suffix, or blanks in the name of an .obj, at which readers end it.
        OSError: a file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: not one of the formats {', '.join(SUFFIXES)}")
    if path.suffix.lower() == ".glb":
        path.write_bytes(_glb(mesh))
        return
    if len(path.stem.split()) != 1:
        raise ValueError(f"{path}: no blanks may stand in the name of an .obj")
    for name, content in _obj_files(mesh, path.stem).items():
        path.with_name(name).write_bytes(content)


def _glb(mesh: TexturedMesh) -> bytes:
    material = trimesh.visual.material.PBRMaterial(  # type: ignore[no-untyped-call]
        baseColorTexture=_picture(mesh.texture),
        metallicFactor=0.0,
        roughnessFactor=float(mesh.roughness),
        doubleSided=True,
    )
    root = float(np.sqrt(mesh.specular))

    def add_reflectance(tree: dict[str, Any]) -> None:
        # Without the extension every viewer takes 4 %, and one that lacks it still does.
        (written,) = tree["materials"]
        written["extensions"] = {_IOR: {"ior": (1 + root) / (1 - root)}}
        tree["extensionsUsed"] = [*tree.get("extensionsUsed", ()), _IOR]

    content: bytes = trimesh.Scene(_trimesh(mesh, material)).export(  # type: ignore[no-untyped-call]
        file_type="glb", include_normals=True, tree_postprocessor=add_reflectance
    )
    return content


def _obj_files(mesh: TexturedMesh, stem: str) -> dict[str, bytes]:
    material = trimesh.visual.material.SimpleMaterial(  # type: ignore[no-untyped-call]
        image=_picture(mesh.texture),
        diffuse=[255, 255, 255],
        ambient=[255, 255, 255],
        specular=[round(255 * float(mesh.specular))] * 3,
        glossiness=min(2 / float(mesh.roughness) ** 4 - 2, 1000.0),
        name=stem,
    )
    text, others = trimesh.exchange.obj.export_obj(  # type: ignore[no-untyped-call]
        _trimesh(mesh, material),
        include_normals=True,
        return_texture=True,
        mtl_name=f"{stem}.mtl",
        header=None,
    )
    return {f"{stem}.obj": text.encode(), **others}


def _trimesh(mesh: TexturedMesh, material: Any) -> trimesh.Trimesh:
    coordinates = mesh.coordinates * [1, -1] + [0, 1]  # trimesh counts v upwards
    visual = trimesh.visual.TextureVisuals(  # type: ignore[no-untyped-call]
        coordinates, material=material
    )
    return trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=mesh.normals,
        visual=visual,
        process=False,
    )


def _picture(texture: Float32) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.rint(np.clip(texture, 0, 1) * 255).astype(np.uint8))
