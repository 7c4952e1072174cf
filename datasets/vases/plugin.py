"""The card of the dataset `vases`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl

_RENDER = Command(
    verb="render",
    entry="bench.datasets.vases.render:render",
    help="Path-trace a split of your own from families that the committed test split lacks.",
    options=(
        Option("scenes", int, required=True, bounds=(1, None), help="how many scenes"),
        Option("size", int, default=128, bounds=(16, 4096), help="pixels per side"),
        Option("seed", int, default=0, bounds=(0, None), help="decides every random choice"),
        Option("split", str, required=True, help="name of the split, a folder under --out"),
        Option("out", Path, required=True, help="the dataset's option `root` afterwards"),
        Option("samples", int, default=1024, bounds=(2, None), help="paths per pixel, even"),
        Option("environments", Path, help="folder of .hdr or .exr maps; default: procedural"),
        Option("meshes", Path, help="folder of .obj or .ply files in place of vessels"),
    ),
)


_RERENDERING = ("framebuffer", "reference", "reference_framebuffer")


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `vases`."""
    return [
        DatasetCard(
            name="vases",
            title="Path-traced vases under photographed light",
            implementation="bench.datasets.vases.adapter:Vases",
            licence="CC0-1.0; environments of mini: autoshop_01, leadenhall_market and noon_grass "
            "from Poly Haven (polyhaven.com), CC0",
            inputs=("image", "mask", "camera"),
            targets=(
                "mask",
                "normal",
                "albedo",
                "shading",
                "depth",
                "roughness",
                "specular",
                "environment",
                "pitch",
            ),
            queries={"relit": ("environment", *_RERENDERING), "view": ("camera", *_RERENDERING)},
            context=True,
            rerenders=True,
            splits=("mini",),
            options=(
                Option("root", Path, help="folder of rendered splits; default: the committed one"),
                Option(
                    "context",
                    int,
                    default=1,
                    bounds=(0, 3),
                    help="how many of the next views go with each sample; the rest are asked for",
                ),
            ),
            commands=(_RENDER, Command("doctor", "bench.datasets.vases.variants:diagnose")),
        )
    ]
