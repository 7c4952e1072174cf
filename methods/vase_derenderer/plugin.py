"""The card of the method `vase-derenderer`."""

from pathlib import Path

from bench.api import Command, MethodCard, Option, Weights, hookimpl

_PAPER = (
    "S. Wu, A. Makadia, J. Wu, N. Snavely, R. Tucker and A. Kanazawa, De-rendering the World's "
    "Revolutionary Artefacts, CVPR 2021, arXiv:2104.03954"
)
_BACKENDS = ("reference", "nvdiffrast", "neural_renderer")

_CHECKPOINT = Option(
    "checkpoint",
    Path,
    help="weights: the official checkpoint500.pth or checkpoint200.pth, or a .safetensors of "
    "`bench train vase-derenderer`; default: the embedded ones, which learned from masks and from "
    "the tilt of rendered vases",
)
_CONFIGURATION = Option(
    "configuration",
    str,
    choices=("official-met", "official-synthetic"),
    help="of a .pth that does not say which model it is",
)
_BACKEND = Option(
    "backend",
    str,
    choices=_BACKENDS,
    help="rasteriser; default: the fastest that works, see `bench doctor`",
)

_TRAIN = Command(
    verb="train",
    entry="bench.methods.vase_derenderer.train:train",
    help="Learn from photos and masks alone; run it again to go on where it stopped.",
    dataset=True,
    options=(
        Option("split", str, required=True, help="training split, or several with commas"),
        Option("val_split", str, required=True, help="what validation during training looks at"),
        Option("out", Path, required=True, help="folder of weights, state, log and pictures"),
        Option(
            "configuration",
            str,
            default="mini",
            choices=("mini", "official-met", "official-synthetic"),
            help="geometry, ranges and size of the networks",
        ),
        Option("steps", int, default=40_000, bounds=(1, None), help="when to stop"),
        Option(
            "minutes",
            float,
            default=0.0,
            bounds=(0, None),
            help="of training altogether, after which it stops earlier; 0 for no bound",
        ),
        Option("batch", int, default=24, bounds=(1, None), help="pictures of one step"),
        Option("learning_rate", float, default=2e-4, bounds=(1e-8, 1.0), help="of Adam"),
        Option(
            "decay",
            float,
            default=0.0,
            bounds=(0, 1),
            help="share of the steps, the last ones, over which the learning rate falls to 0",
        ),
        Option(
            "warm_up",
            int,
            default=0,
            bounds=(0, None),
            help="how many of the steps, the first ones, train the shape network alone",
        ),
        Option(
            "told",
            str,
            default="nothing",
            choices=("nothing", "pitch"),
            help="what training is told besides masks, where the dataset knows it",
        ),
        Option("seed", int, default=0, bounds=(0, None), help="decides every random choice"),
        Option("limit", int, default=0, bounds=(0, None), help="most pictures of a split; 0: all"),
        Option("workers", int, default=1, bounds=(0, None), help="processes that prepare pictures"),
        Option(
            "backgrounds",
            str,
            default="as-is",
            choices=("as-is", "random"),
            help="behind the masks: as photographed, or often another colour or clouds",
        ),
        Option(
            "shapes",
            str,
            default="as-is",
            choices=("as-is", "stretched"),
            help="as photographed, or rows stretched about the axis into other profiles; the "
            "background must be black",
        ),
        Option("start_from", Path, help="a .safetensors to begin with instead of random weights"),
        Option("device", str, default="auto", help="auto, cpu, cuda or cuda:N"),
        _BACKEND,
        Option(
            "precision",
            str,
            default="float32",
            choices=("float32", "bfloat16"),
            help="of what the networks compute",
        ),
        Option("compile", bool, default=False, help="let torch compile the networks"),
        Option(
            "validate_every", int, default=500, bounds=(1, None), help="steps between validations"
        ),
        Option("save_every", int, default=100, bounds=(1, None), help="steps between saved states"),
    ),
)

_ANIMATE = Command(
    verb="animate",
    entry="bench.methods.vase_derenderer.animate:animate",
    help="Films of the vase in a photo, turning and under a moving light, and a textured mesh.",
    options=(
        Option(
            "image",
            Path,
            required=True,
            positional=True,
            help="photo of one upright vase: png, jpg, webp, tif, bmp, gif, exr or hdr",
        ),
        Option("out", Path, help="folder of what is written; default: NAME-vase"),
        _CHECKPOINT,
        _CONFIGURATION,
        _BACKEND,
        Option("device", str, default="auto", help="auto, cpu, cuda or cuda:N"),
        Option(
            "size",
            int,
            default=0,
            bounds=(0, 2048),
            help="pixels per side of a film, even; 0: as the networks see",
        ),
    ),
)

_OPTIONS = (
    _CHECKPOINT,
    _CONFIGURATION,
    _BACKEND,
    Option(
        "albedo",
        str,
        default="network",
        choices=("network", "photo"),
        help="the albedo network's, as published, or the photo's texture divided by "
        "the diffuse shading",
    ),
)

_LEAST_EVIDENCE = Option(
    "least_evidence",
    float,
    default=0.45,
    bounds=(0, 1),
    help="share of the found outline along which the photo must show its strongest "
    "edge; below it the photo shows no vase, and the outcome is a failure",
)
_STEPS = Option(
    "steps",
    int,
    default=40,
    bounds=(1, 1000),
    help="of gradient descent that move the found outline to the mask",
)
_PREDICTS = (
    "mask",
    "normal",
    "albedo",
    "depth",
    "environment",
    "roughness",
    "specular",
    "shading",
    "mesh",
    "front",
    "pitch",
)
_ANSWERS = {"relit": ("environment",), "view": ("camera",)}
_WEIGHTS = Weights("checkpoint", Path(__file__).parent / "weights" / "mini.safetensors")


@hookimpl
def bench_methods() -> list[MethodCard]:
    """Offer `vase-derenderer` and `vase-derenderer-fitted`."""
    return [
        MethodCard(
            name="vase-derenderer",
            title="Shape, pose, albedo, gloss and light of one vase, learned from photos",
            implementation="bench.methods.vase_derenderer.method:VaseDerenderer",
            licence="MIT; embedded weights CC0-1.0",
            paper=_PAPER,
            needs=("image",),
            predicts=_PREDICTS,
            answers=_ANSWERS,
            batch=8,
            training="in-domain",
            weights=_WEIGHTS,
            options=(*_OPTIONS, _LEAST_EVIDENCE),
            commands=(
                _TRAIN,
                _ANIMATE,
                Command("doctor", "bench.methods.vase_derenderer.doctor:diagnose"),
            ),
        ),
        MethodCard(
            name="vase-derenderer-fitted",
            title="The vase de-renderer, its outline fitted to a given mask",
            implementation="bench.methods.vase_derenderer.fitted:FittedVaseDerenderer",
            licence="MIT; embedded weights CC0-1.0",
            paper=_PAPER,
            needs=("image", "mask"),
            predicts=_PREDICTS,
            answers=_ANSWERS,
            batch=8,
            fit="per image",
            training="in-domain",
            weights=_WEIGHTS,
            options=(*_OPTIONS, _STEPS),
        ),
    ]
