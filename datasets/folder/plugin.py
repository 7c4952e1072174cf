"""The card of the dataset `folder`."""

from pathlib import Path

from bench.api import DatasetCard, Option, hookimpl


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `folder`."""
    return [
        DatasetCard(
            name="folder",
            title="A folder of your own images, masks and ground truth",
            implementation="bench.datasets.folder.adapter:Folder",
            licence="yours",
            inputs=("image", "mask", "camera"),
            targets=(
                "normal",
                "depth",
                "albedo",
                "basecolor",
                "metallic",
                "specular",
                "roughness",
                "shading",
                "residual",
                "environment",
                "light_sh",
                "mesh",
            ),
            queries={"relit": ("environment",), "view": ("camera",)},
            splits=("all",),
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="<root>/<name>.png with <name>_mask.png … beside it, or "
                    "<root>/<scene>/<id>/image.png with mask.png … beside it",
                ),
            ),
        )
    ]
