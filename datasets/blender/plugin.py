"""The card of the dataset `blender`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl
from bench.datasets.blender.presets import PRESETS

_FETCH = Command(
    verb="fetch",
    entry="bench.datasets.blender.fetch:fetch_tensoir",
    help="Download a scene of TensoIR-Synthetic and unpack it; the other presets have no plain "
    "download. The checksum of the first download is noted and held against every later one.",
    options=(
        Option(
            "scene",
            str,
            required=True,
            choices=("armadillo", "ficus", "hotdog", "lego"),
            help="which scene",
        ),
        Option("out", Path, default="data", help="folder that will hold tensoir/<scene>"),
        Option("url", str, default="", help="a copy of the archive; default: Zenodo's"),
    ),
)


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `blender`."""
    presets = PRESETS.values()
    return [
        DatasetCard(
            name="blender",
            title="Objects rendered from many views: NeRF-synthetic, NeRFactor, TensoIR-Synthetic, "
            "Synthetic4Relight",
            implementation="bench.datasets.blender.adapter:Blender",
            licence="; ".join(f"{preset.name}: {preset.licence}" for preset in presets),
            paper="; ".join(f"{preset.name}: {preset.paper}" for preset in presets),
            url="https://zenodo.org/records/7880113",
            inputs=("image", "mask", "camera"),
            targets=("mask", "normal", "albedo", "roughness"),
            queries={"relit": ("environment", "camera"), "view": ("camera",)},
            splits=("test", "test-from-train", "val", "val-from-train", "train"),
            published=Path(__file__).resolve().parent / "published.csv",
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder of a download, or of one of its scenes",
                ),
                Option(
                    "preset",
                    str,
                    required=True,
                    choices=tuple(PRESETS),
                    help="; ".join(f"{p.name}: {p.layout}; {p.source}" for p in presets),
                ),
                Option(
                    "size",
                    int,
                    default=0,
                    bounds=(0, None),
                    help="width in pixels that all is averaged down to by area, in linear light; "
                    "0: as stored",
                ),
                Option(
                    "context",
                    int,
                    default=0,
                    bounds=(0, 199),
                    help="how many of the following views go with each sample",
                ),
                Option(
                    "environments",
                    Path,
                    help="folder of the maps of the lights, <light>.hdr or .exr; without it no "
                    "relit query is asked, for its light would be unknown",
                ),
            ),
            commands=(_FETCH,),
        )
    ]
