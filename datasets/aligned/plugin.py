"""The card of the dataset `aligned`."""

from pathlib import Path

from bench.api import Command, DatasetCard, Option, hookimpl

_HERE = "bench.datasets.aligned"
_CONDITIONS = ("framebuffer", "reference", "reference_framebuffer")

_PREPARE = Command(
    verb="prepare",
    entry=f"{_HERE}.prepare:prepare",
    help="Render a point cloud into the cameras of photos: folders to train and test neural "
    "rerendering on. Run it again to go on where it stopped. Photos and cameras come from a "
    "--dataset, or from a COLMAP --model with its --photos.",
    dataset="optional",
    options=(
        Option(
            "from",
            str,
            required=True,
            choices=("colmap", "depth", "ply"),
            help="what the points are: a COLMAP model's, or --points beside it; the depth maps of "
            "a dataset, fused; or --points",
        ),
        Option("out", Path, required=True, help="folder that will hold the data set"),
        Option("name", str, required=True, help="of the data set: its folder in --out"),
        Option("split", str, default="", help="of --dataset"),
        Option("model", Path, help="folder of a COLMAP model, binary or text"),
        Option("photos", Path, help="folder of the photos of --model"),
        Option("points", Path, help="a .ply of coloured points, such as COLMAP's fused.ply"),
        Option(
            "held_out",
            str,
            default="",
            help="scenes for validation, separated by commas; default: a fifth of the photos, "
            "drawn by --seed. With --from depth what they measured is left out of every cloud",
        ),
        Option(
            "size",
            int,
            default=0,
            bounds=(0, 8192),
            help="pixels per side: photos are scaled to it by their shorter side, the middle is "
            "cut out; 0: photos as they are",
        ),
        Option("radius", float, default=1.0, bounds=(0, 64), help="of a point, pixels"),
        Option("footprint", str, default="disc", choices=("disc", "square"), help="of a point"),
        Option(
            "voxel",
            float,
            bounds=(0, None),
            help="side of the cubes in which points are mixed into one, scene units; 0: none are; "
            "default: what a pixel spans at the median depth with --from depth, else 0",
        ),
        Option(
            "leave_out",
            str,
            default="view",
            choices=("view", "scene"),
            help="with --from depth, a render does without the points of its own photo, or of its "
            "whole scene",
        ),
        Option(
            "world",
            str,
            default="shared",
            choices=("shared", "scene"),
            help="with --from depth, whether the dataset's scenes lie in one world, or each in its "
            "own",
        ),
        Option(
            "semantics",
            str,
            default="openmmlab/upernet-convnext-tiny",
            help="a model of the Hugging Face cache, or a folder, that segments photos into the "
            "classes of ADE20K; without it, or for `none`, framebuffers have 4 channels",
        ),
        Option(
            "path",
            str,
            default="",
            help="photos, separated by commas, as <split>/<id> or by their name: adds a split of "
            "framebuffers along a camera path through them, also to a data set that is finished",
        ),
        Option("frames", int, default=60, bounds=(2, None), help="of --path"),
        Option("path_split", str, default="path", help="the name of that split"),
        Option("seed", int, default=42, bounds=(0, None), help="draws photos for validation"),
    ),
)


@hookimpl
def bench_datasets() -> list[DatasetCard]:
    """Offer `aligned`."""
    return [
        DatasetCard(
            name="aligned",
            title="Photos beside renders of a point cloud from the same cameras",
            implementation=f"{_HERE}.adapter:Aligned",
            licence="yours",
            paper="Meshry et al., Neural Rerendering in the Wild, CVPR 2019, arXiv:1904.04290",
            url="https://github.com/google/neural_rerendering_in_the_wild",
            scopes=("image",),
            inputs=("framebuffer",),
            published=Path(__file__).resolve().parent / "published.csv",
            queries={"reconstruction": _CONDITIONS, "view": _CONDITIONS},
            options=(
                Option(
                    "root",
                    Path,
                    required=True,
                    help="folder with <split>/0000_{reference,color,depth}.png, or one above such "
                    "folders; `bench prepare aligned` makes them",
                ),
                Option("name", str, default="", help="the one folder of several that is read"),
                Option(
                    "appearance",
                    str,
                    default="",
                    help="<split>/<id> of the photo whose appearance views without a photo are to "
                    "have",
                ),
            ),
            commands=(_PREPARE,),
        )
    ]
