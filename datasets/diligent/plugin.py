"""The card of the dataset `diligent`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `diligent`."""
    return [
        DatasetCard(
            name="diligent",
            title="DiLiGenT: ten objects under 96 calibrated lights, with measured normals",
            implementation="bench.datasets.diligent.adapter:Diligent",
            licence="for research; terms on its page",
            paper="Shi et al., A Benchmark Dataset and Evaluation for Non-Lambertian and "
            "Uncalibrated Photometric Stereo, CVPR 2016 and TPAMI 2019",
            url="https://sites.google.com/site/photometricstereodata",
            inputs=("image", "mask", "light_direction", "light_intensity"),
            targets=("normal",),
            context=True,
            splits=("test",),
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder that holds pmsData/<object>PNG/001.png …",
                ),
                Option(
                    "all_of_bear",
                    bool,
                    default=False,
                    help="use the first 20 photos of bear too, which are corrupted",
                ),
            ),
            commands=(
                Command(
                    verb="fetch",
                    entry="bench.datasets.diligent.fetch:fetch_diligent",
                    help="Say where the data is to be had: it has no address for a program.",
                ),
            ),
        )
    ]
