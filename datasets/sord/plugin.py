"""The cards of the datasets `met-vases` and `synthetic-vases`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl

_PAPER = "Wu et al., De-rendering the World's Revolutionary Artefacts, CVPR 2021, arXiv:2104.03954"
_HOST = "https://www.robots.ox.ac.uk/~vgg/research/sorderender/data/"
_SPLITS = ("train", "val", "test")


def _fetch(name: str, archive: str) -> Command:
    return Command(
        verb="fetch",
        entry=f"bench.datasets.sord.fetch:fetch_{name.replace('-', '_')}",
        help=f"Download {name} and unpack it. Nobody publishes a checksum of it: the one of the "
        "first download is noted beside the archive and held against every later one.",
        options=(
            Option("out", Path, default="data", help="folder that will hold the data"),
            Option("url", str, default=_HOST + archive, help="the archive, or a copy of it"),
        ),
    )


def _root(archive: str) -> Option:
    return Option(
        "root",
        Path,
        required=True,
        help=f"folder that holds image_mask/, or {archive.removesuffix('.zip')}/ with it",
    )


_RENDER = Command(
    verb="render",
    entry="bench.datasets.sord.render:render",
    help="Make vases as the published ones were made, in their layout, from procedural or your "
    "own textures. Each split is rendered by itself; val is no copy of test.",
    options=(
        Option("count", int, required=True, bounds=(1, 49_995), help="vases, five per texture"),
        Option("split", str, required=True, choices=_SPLITS, help="which split they make up"),
        Option("seed", int, default=0, bounds=(0, None), help="decides every random choice"),
        Option("out", Path, required=True, help="the dataset's option `root` afterwards"),
        Option("textures", Path, help="folder of *Color.jpg, or of any .jpg and .png"),
    ),
)


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `met-vases` and `synthetic-vases`."""
    return [
        DatasetCard(
            name="met-vases",
            title="Photos of vases in the Metropolitan Museum, with masks",
            implementation="bench.datasets.sord.met:MetVases",
            licence="CC0-1.0 (Met Open Access)",
            paper=_PAPER,
            url=_HOST + "met_vases.zip",
            inputs=("image", "mask"),
            targets=("mask",),
            splits=_SPLITS,
            options=(_root("met_vases.zip"),),
            commands=(_fetch("met-vases", "met_vases.zip"),),
        ),
        DatasetCard(
            name="synthetic-vases",
            title="Rendered surfaces of revolution with photographed textures",
            implementation="bench.datasets.sord.synthetic:SyntheticVases",
            licence="CC0-1.0 textures; what `bench render` makes of its own patterns is CC0-1.0",
            paper=_PAPER,
            url=_HOST + "syn_vases.zip",
            inputs=("image", "mask", "camera"),
            targets=(
                "mask",
                "normal",
                "albedo",
                "shading",
                "depth",
                "environment",
                "roughness",
                "specular",
                "pitch",
                "front",
            ),
            splits=_SPLITS,
            options=(_root("syn_vases.zip"),),
            commands=(_fetch("synthetic-vases", "syn_vases.zip"), _RENDER),
        ),
    ]
