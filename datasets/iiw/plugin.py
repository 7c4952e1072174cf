"""The card of the dataset `iiw`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl

_URL = "https://labelmaterial.s3.amazonaws.com/release/iiw-dataset-release-0.zip"


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `iiw`."""
    return [
        DatasetCard(
            name="iiw",
            title="Intrinsic Images in the Wild: photos, and which of two points is darker",
            implementation="bench.datasets.iiw.adapter:Iiw",
            licence="photos under the Creative Commons licence that each .json names",
            paper="Bell et al., Intrinsic Images in the Wild, SIGGRAPH 2014",
            url="http://opensurfaces.cs.cornell.edu/publications/intrinsic",
            inputs=("image", "mask"),
            targets=("judgements",),
            splits=("test", "train", "all"),
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder that holds data/<id>.png and data/<id>.json",
                ),
                Option(
                    "ids",
                    Path,
                    help="the split test: a text file of ids, or a .npy of them; without it every "
                    "fifth photo, which are the 1,046 that papers test on",
                ),
            ),
            commands=(
                Command(
                    verb="fetch",
                    entry="bench.datasets.iiw.fetch:fetch_iiw",
                    help="Download photos and judgements and unpack them to OUT/iiw-dataset. "
                    "Nobody publishes a checksum: the one of the first download is noted and held "
                    "against every later one.",
                    options=(
                        Option("out", Path, default="data", help="folder that will hold the data"),
                        Option("url", str, default=_URL, help="the archive, or a copy of it"),
                    ),
                ),
            ),
        )
    ]
