"""The commands of the card, but for training: what users do with trained weights (spec §8)."""

from pathlib import Path

from bench.api import Command, Option

CHECKPOINT = Option(
    "checkpoint",
    Path,
    help="weights: a .safetensors of `bench train neural-rerenderer`; default: the embedded ones, "
    "which learned from rendered vases",
)
_DEVICE = Option("device", str, default="auto", help="auto, cpu, cuda or cuda:N")
_SEED = Option("seed", int, default=0, bounds=(0, None), help="decides every random choice")
_NAMES = "names as scene/id or scene/id/query, with commas between"


def _split(what: str) -> Option:
    return Option("split", str, required=True, help=f"of the dataset: {what}")


def _out(name: str) -> Option:
    return Option("out", Path, default=Path(name), help="folder of what is written")


_VARY = Command(
    verb="vary",
    entry="bench.methods.neural_rerenderer.vary:vary",
    help="A grid of views under the looks of several photos, and how much the right look matters.",
    dataset=True,
    options=(
        _split("where views and photos are from"),
        CHECKPOINT,
        _out("variation"),
        Option("views", str, help=f"columns: {_NAMES}; default: evenly spaced ones"),
        Option("columns", int, default=4, bounds=(1, 100), help="how many of them"),
        Option("appearances", str, help=f"rows: {_NAMES}; default: evenly spaced ones"),
        Option("rows", int, default=4, bounds=(1, 100), help="how many of them"),
        Option(
            "limit",
            int,
            default=0,
            bounds=(0, None),
            help="most views scored under their own look and another; 0: all",
        ),
        _SEED,
        _DEVICE,
    ),
)

_ANIMATE = Command(
    verb="animate",
    entry="bench.methods.neural_rerenderer.animate:animate",
    help="A film from one photo's look to another's, standing still or along a camera path.",
    dataset=True,
    options=(
        _split("where the photos are from, and the view that stands still"),
        CHECKPOINT,
        _out("film"),
        Option("view", str, help="name of the view that stands still; default: the first"),
        Option(
            "appearances",
            str,
            help=f"{_NAMES}: the look at the film's beginning and at its end, or, along a path, "
            "of all of it; default: the first and the last of the split",
        ),
        Option("path", str, help="split whose framebuffers, in their order, the film shows"),
        Option("frames", int, default=11, bounds=(2, 10_000), help="of a film that stands still"),
        Option("rate", int, default=10, bounds=(1, 60), help="frames per second"),
        _DEVICE,
    ),
)

_EDIT = Command(
    verb="edit",
    entry="bench.methods.neural_rerenderer.edit:edit",
    help="Views in which things of one class have become another: people into road.",
    dataset=True,
    options=(
        _split("where the views are from"),
        CHECKPOINT,
        _out("edited"),
        Option("views", str, help=f"{_NAMES}; default: evenly spaced ones"),
        Option("limit", int, default=4, bounds=(0, None), help="how many of them; 0: all"),
        Option("appearance", str, help="view whose look all take; default: each its own"),
        Option("replace", str, required=True, help="OLD=NEW classes, several with commas between"),
        _DEVICE,
    ),
)

_TRANSFER = Command(
    verb="transfer",
    entry="bench.methods.neural_rerenderer.transfer:transfer",
    help="Weights of one place trained on at another, against training there from scratch.",
    dataset=True,
    options=(
        _split("what is trained on, of the other place; several with commas"),
        Option("val_split", str, required=True, help="what all trainings are judged by"),
        Option("start_from", Path, required=True, help="a .safetensors trained at the first place"),
        _out("transfer"),
        Option("shares", str, default="10,25,50,100", help="of the training photos, percent"),
        Option("steps", int, default=2000, bounds=(2, None), help="of each training"),
        Option(
            "stage1_triplets",
            int,
            default=20_000,
            bounds=(1, None),
            help="of the trainings from scratch, before their steps",
        ),
        Option("batch", int, default=8, bounds=(2, None), help="of one step"),
        Option("limit", int, default=0, bounds=(0, None), help="most views scored; 0: all"),
        Option("workers", int, default=0, bounds=(0, None), help="processes that prepare batches"),
        Option("vgg", Path, help="VGG16 features; default: those in torch.hub's cache, if there"),
        _SEED,
        _DEVICE,
        Option("precision", str, default="float32", choices=("float32", "bfloat16")),
    ),
)

COMMANDS = (_VARY, _ANIMATE, _EDIT, _TRANSFER)
