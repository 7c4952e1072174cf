"""The cards of the method `neural-rerenderer` and of its floor `point-splat`."""

from pathlib import Path

from bench.api import MethodCard, Weights, hookimpl

from .commands import CHECKPOINT, COMMANDS
from .training_options import TRAIN

_PAPER = (
    "M. Meshry, D. B. Goldman, S. Khamis, H. Hoppe, R. Pandey, N. Snavely and R. Martin-Brualla, "
    "Neural Rerendering in the Wild, CVPR 2019, arXiv:1904.04290"
)
_QUERIES = ("view", "relit", "reconstruction")
_CONDITIONS = (
    "framebuffer+reference+reference_framebuffer+reference_mask",
    "framebuffer+reference+reference_framebuffer",
)


@hookimpl
def bench_methods() -> list[MethodCard]:
    """Offer `neural-rerenderer` and `point-splat`."""
    return [
        MethodCard(
            name="neural-rerenderer",
            title="Splatted points made a photo that looks as a reference photo does",
            implementation="bench.methods.neural_rerenderer.method:NeuralRerenderer",
            licence="MIT; embedded weights CC0-1.0",
            paper=_PAPER,
            needs=(),
            answers={query: _CONDITIONS for query in _QUERIES},
            views="few",
            batch=8,
            training="in-domain",
            weights=Weights("checkpoint", Path(__file__).parent / "weights" / "mini.safetensors"),
            options=(CHECKPOINT,),
            commands=(TRAIN, *COMMANDS),
        ),
        MethodCard(
            name="point-splat",
            title="The splatted points as they are, small holes filled",
            implementation="bench.methods.neural_rerenderer.splat:PointSplat",
            licence="MIT",
            needs=(),
            answers={query: ("framebuffer",) for query in _QUERIES},
            views="few",
            batch=16,
            floor=True,
        ),
    ]
