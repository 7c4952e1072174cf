"""The card of the dataset `owl`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl

_RELEASE = (
    "https://github.com/isl-org/objects-with-lighting/releases/download/v1/"
    "objects-with-lighting-dataset-v1"
)


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `owl`."""
    return [
        DatasetCard(
            name="owl",
            title="Objects With Lighting: objects photographed in three measured environments",
            implementation="bench.datasets.owl.adapter:Owl",
            licence="not stated with the data (their code: Apache-2.0); see the release",
            paper="Ummenhofer et al., Objects With Lighting, 3DV 2024, arXiv:2401.09126",
            url="https://github.com/isl-org/objects-with-lighting",
            inputs=("image", "mask", "camera"),
            queries={"relit": ("environment", "camera")},
            context=True,
            splits=("test",),
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder that holds dataset/<object>/test",
                ),
                Option(
                    "exposure",
                    str,
                    default="kept",
                    choices=("undone", "kept"),
                    help="of the answers: kept, they are as bright as published, which protocol "
                    "owl compares; undone, they are radiance in the environment's unit",
                ),
            ),
            commands=(
                Command(
                    verb="fetch",
                    entry="bench.datasets.owl.fetch:fetch_owl",
                    help="Download both archives of release v1 and unpack them to OUT/owl. Nobody "
                    "publishes checksums: those of the first download are noted and held against "
                    "every later one.",
                    options=(
                        Option("out", Path, default="data", help="folder that will hold the data"),
                        Option("url", str, default=_RELEASE, help="what stands before _1.tgz"),
                    ),
                ),
            ),
        )
    ]
