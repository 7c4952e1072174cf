"""The card of the dataset `landmarks`."""

from pathlib import Path

from bench.api import DatasetCard, Option, hookimpl


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `landmarks`."""
    return [
        DatasetCard(
            name="landmarks",
            title="Photo bundles of landmarks, relit by the half of another photo",
            implementation="bench.datasets.landmarks.adapter:Landmarks",
            licence="photos by their authors; not redistributed here",
            paper="Yu and Smith, InverseRenderNet, CVPR 2019, arXiv:1811.12328",
            url="https://github.com/YeeU/InverseRenderNet",
            inputs=("image", "mask", "camera"),
            targets=("normal", "depth"),
            scopes=("image",),
            queries={
                "relit": (
                    "reference",
                    "reference_mask",
                    "reference_camera",
                    "reference_normal",
                    "reference_framebuffer",
                    "camera",
                    "framebuffer",
                )
            },
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder with bundles (*.pk), or with one folder of them per split",
                ),
                Option(
                    "reference_normals",
                    bool,
                    default=False,
                    help="offer true normals of the reference's half to methods granted normal",
                ),
            ),
        )
    ]
