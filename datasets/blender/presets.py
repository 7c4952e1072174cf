"""The four layouts as data: what each file is called, and where it is to be had.

Sources: specs/datasets.md §2a–2d. In a file name `{path}` is the frame's path within its scene,
`{id}` the last part of that, `{light}` a light of `lights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TEST_VIEWS = (49, 99, 149, 199)
"""The test views that NeRFactor's table is of, with all eight of val."""


@dataclass(frozen=True)
class Preset:
    """One layout.

    Attributes:
        pictures: part ("train", "val" or "test") → names that its picture under the first light may
            have, the first that is there being it. An .exr is linear, with a mask beside it; a .png
            is sRGB with straight alpha.
        folders: each frame is a folder `<part>_<number>` with a metadata.json; otherwise it is
            listed in transforms_<part>.json.
        numbers: part → numbers of the frames that are used, where not all are.
        maps: quantity → name. 8 bits without a transfer curve; normals (n + 1)/2 in world space.
        premultiplied: stored normals are multiplied by alpha.
        lights, relit: the lights of the relit pictures, and their name.
        mask: name of the mask of an .exr.
        unpictured: parts whose picture may be absent, so that a `view` of it is not scored.
        environments: where the maps of the lights are to be had, for messages.
        layout: what to expect, in one line, for messages.
        source: where it is to be had, for messages.
    """

    name: str
    pictures: Mapping[str, tuple[str, ...]]
    layout: str
    source: str
    licence: str
    paper: str
    folders: bool = False
    numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    maps: Mapping[str, str] = field(default_factory=dict)
    premultiplied: bool = False
    lights: tuple[str, ...] = ()
    relit: str = ""
    mask: str = ""
    unpictured: tuple[str, ...] = ()
    environments: str = ""


_IN_FOLDER = {"albedo": "{path}/albedo.png", "normal": "{path}/normal.png"}
_SUNSET = ("{path}/rgba_sunset_000.png", "{path}/rgba_sunset.png")

NERF_SYNTHETIC = Preset(
    name="nerf-synthetic",
    pictures=dict.fromkeys(("train", "val", "test"), ("{path}.png",)),
    layout="<scene>/transforms_{train,val,test}.json, <scene>/<part>/r_<n>.png",
    source="get nerf_synthetic.zip from "
    "https://drive.google.com/drive/folders/128yBriW1IG_3NJ5Rp7APSTZsJqdJdfc1",
    licence="chair, ficus, hotdog, materials, mic CC0; drums CC-BY; ship CC-BY-SA; lego CC-BY-NC",
    paper="Mildenhall et al., NeRF, ECCV 2020, arXiv:2003.08934",
)

NERFACTOR = Preset(
    name="nerfactor",
    pictures=dict.fromkeys(("train", "val", "test"), ("{path}/rgba.png",)),
    layout="<scene>_<light>/{train,val,test}_<number>/metadata.json, rgba.png",
    source="get the rendered images from https://xiuming.info/projects/nerfactor; where its test "
    "views come without rgba.png, use the split val or test-from-train",
    licence="terms at https://xiuming.info/projects/nerfactor",
    paper="Zhang et al., NeRFactor, SIGGRAPH Asia 2021, arXiv:2106.01970",
    folders=True,
    numbers={"val": tuple(range(8)), "test": TEST_VIEWS},
    maps=_IN_FOLDER,
    premultiplied=True,
    # The eight world probes that come with Blender.
    lights=("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset"),
    relit="{path}/rgba_{light}.png",
    unpictured=("test",),
    environments="they come with Blender, in datafiles/studiolights/world",
)

TENSOIR = Preset(
    name="tensoir",
    pictures=dict.fromkeys(("train", "test"), _SUNSET),
    layout="<scene>/{train,test}_<number>/metadata.json, rgba_sunset_000.png or rgba_sunset.png",
    source="`bench fetch blender --scene lego` brings a scene; all are at "
    "https://zenodo.org/records/7880113",
    licence="see https://zenodo.org/records/7880113",
    paper="Jin et al., TensoIR, CVPR 2023, arXiv:2304.12461",
    folders=True,
    maps=_IN_FOLDER,
    lights=("bridge", "city", "fireplace", "forest", "night"),
    relit="{path}/rgba_{light}.png",
    environments="they are linked from https://github.com/Haian-Jin/TensoIR, "
    "in 2048×1024 and 1024×512 pixels",
)

SYNTHETIC4RELIGHT = Preset(
    name="synthetic4relight",
    pictures={"train": ("{path}_rgb.exr",), "test": ("{path}_rgba.png",)},
    layout="<scene>/transforms_{train,test}.json, train/<id>_rgb.exr, test/<id>_rgba.png",
    source="get it from the link at https://github.com/zju3dv/InvRender",
    licence="none stated; ask its authors",
    paper="Zhang et al., Modeling Indirect Illumination for Inverse Rendering (InvRender), CVPR "
    "2022, arXiv:2204.06837",
    maps={"albedo": "{path}_albedo.png", "roughness": "{path}_rough.png"},
    lights=("envmap6", "envmap12"),
    relit="test_rli/{light}_{id}.png",
    mask="{path}_mask.png",
    environments="they are in code/envmaps of https://github.com/zju3dv/InvRender",
)

PRESETS: Mapping[str, Preset] = {
    preset.name: preset for preset in (NERF_SYNTHETIC, NERFACTOR, TENSOIR, SYNTHETIC4RELIGHT)
}
