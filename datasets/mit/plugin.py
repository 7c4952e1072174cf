"""The card of the dataset `mit`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl

_URL = "https://people.csail.mit.edu/rgrosse/intrinsic/intrinsic-data.tar.gz"


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `mit`."""
    return [
        DatasetCard(
            name="mit",
            title="MIT intrinsic images: 16 painted objects, shading and reflectance measured",
            implementation="bench.datasets.mit.adapter:MitIntrinsic",
            licence="for research; terms at https://www.cs.toronto.edu/~rgrosse/intrinsic",
            paper="Grosse et al., Ground truth dataset and baseline evaluations for intrinsic "
            "image algorithms, ICCV 2009",
            url=_URL,
            inputs=("image", "mask"),
            targets=("albedo", "shading", "residual"),
            splits=("all16", "set1", "set2", "extra"),
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder that holds data/<object>/diffuse.png …",
                ),
                Option(
                    "image",
                    str,
                    default="diffuse",
                    choices=("diffuse", "original"),
                    help="the photo: without specular reflections, or with them",
                ),
            ),
            commands=(
                Command(
                    verb="fetch",
                    entry="bench.datasets.mit.fetch:fetch_mit",
                    help="Download the images and unpack them to OUT/MIT-intrinsic. Nobody "
                    "publishes a checksum: the one of the first download is noted and held "
                    "against every later one.",
                    options=(
                        Option("out", Path, default="data", help="folder that will hold the data"),
                        Option("url", str, default=_URL, help="the archive, or a copy of it"),
                    ),
                ),
            ),
        )
    ]
