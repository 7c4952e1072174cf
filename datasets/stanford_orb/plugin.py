"""The card of the dataset `stanford-orb`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl

_HERE = "bench.datasets.stanford_orb"
_HOST = "https://downloads.cs.stanford.edu/viscam/StanfordORB/"
_PARTS = (
    "blender_HDR",
    "blender_LDR",
    "ground_truth",
    "llff_colmap_HDR",
    "llff_colmap_LDR",
)

_FETCH = Command(
    verb="fetch",
    entry=f"{_HERE}.fetch:fetch_stanford_orb",
    help="Download archives and unpack them. The benchmark needs blender_HDR (72 GB) and "
    "ground_truth (4.8 GB); a method may see blender_LDR (11 GB) instead; llff_colmap_* are for "
    "other tools. Nobody publishes checksums: those of the first download are noted beside the "
    "archives and held against every later one.",
    options=(
        Option(
            "parts",
            str,
            default="blender_HDR,ground_truth",
            help=f"archives, separated by commas: {', '.join(_PARTS)}",
        ),
        Option("out", Path, default="data", help="folder that will hold stanford_orb/"),
        Option("url", str, default=_HOST, help="the folder of the archives, or a copy of it"),
    ),
)

_IMPORT = Command(
    verb="import",
    entry=f"{_HERE}.importing:import_scores",
    help="Read published per-capture scores: visualize/methods/*.json of the official repository, "
    "or what the official scorer wrote for your own method.",
    options=(Option("method", str, help="what to call the method of one file; default: its name"),),
)

_EXPORT = Command(
    verb="export",
    entry=f"{_HERE}.exporting:export_submission",
    help="Write the official submission of each method of a run: a JSON file and the folder of "
    "images that it names.",
    options=(Option("method", str, help="label of one row; default: every method"),),
)


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `stanford-orb`."""
    return [
        DatasetCard(
            name="stanford-orb",
            title="Real objects in real light, with scanned shape (Stanford-ORB)",
            implementation=f"{_HERE}.adapter:StanfordOrb",
            licence="none stated by its authors; research use only",
            paper="Kuang et al., Stanford-ORB: A Real-World 3D Object Inverse Rendering Benchmark, "
            "NeurIPS 2023 Datasets and Benchmarks, arXiv:2310.16044",
            url=_HOST,
            scopes=("image",),
            inputs=("image", "mask", "camera"),
            targets=("normal", "depth", "albedo", "mesh"),
            queries={"view": ("camera",), "relit": ("environment", "camera")},
            context=True,
            splits=("test", "light"),
            published=Path(__file__).resolve().parent / "published.csv",
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder with blender_HDR/ and ground_truth/, or stanford_orb/ with them",
                ),
                Option(
                    "images",
                    str,
                    choices=("HDR", "LDR"),
                    help="photos that methods see; default: HDR where they are there. Scores are "
                    "of HDR photos in any case",
                ),
                Option(
                    "size",
                    int,
                    default=512,
                    bounds=(1, 2048),
                    help="pixels per side, by area from 2048; the benchmark is scored at 512",
                ),
                Option(
                    "views",
                    int,
                    default=0,
                    bounds=(0, None),
                    help="how many training views go with a sample, evenly spaced; 0 for all",
                ),
            ),
            commands=(_FETCH, _IMPORT, _EXPORT),
        )
    ]
