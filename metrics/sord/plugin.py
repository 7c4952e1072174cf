"""The cards of the official scores (specs/vase_derenderer.md §7.1)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

PAPER = "Wu et al., De-rendering the World's Revolutionary Artefacts, CVPR 2021, arXiv:2104.03954"


def _card(
    name: str, quantity: str, targets: tuple[str, ...], implementation: str, score: Score
) -> MetricCard:
    return MetricCard(
        name=f"sord-{name}",
        title=f"The vase de-renderer's own score: {name}",
        implementation=f"bench.metrics.sord.metric:{implementation}",
        quantity=quantity,
        targets=targets,
        reads=("prediction", "target", "inputs"),
        protocols=("sord",),
        scores=(score,),
        paper=PAPER,
    )


def _error(name: str, title: str, unit: str = "", highest: float | None = None) -> Score:
    return Score(f"sord.{name}", title, "lower", unit, (0, highest))


NORMAL = _card(
    "normal",
    "normal",
    ("normal", "mask"),
    "NormalError",
    _error(
        "normal_ad",
        "mean angle of normals in the front strip: normal_err_ad, of 8-bit files as they are; "
        "renormalised: of unit vectors",
        "°",
        180,
    ),
)
ALBEDO = _card(
    "albedo",
    "albedo",
    ("albedo", "mask"),
    "AlbedoError",
    _error("albedo_sie", "scale-invariant MSE of albedo in the front strip: albedo_err_sie"),
)
FRONT = _card(
    "front",
    "front",
    ("mask",),
    "FrontShare",
    Score(
        "sord.compared",
        "share of the true mask that the predicted front strip leaves to be compared",
        "higher",
        "%",
        (0, 100),
        ranked=False,
    ),
)
PITCH = _card(
    "pitch",
    "pitch",
    ("pitch",),
    "PitchError",
    _error("pitch_mae", "mean absolute error of the pitch: pose_err_rmse", "°"),
)
SHININESS = _card(
    "shininess",
    "roughness",
    ("roughness", "mask"),
    "ShininessError",
    _error("shininess_mae", "mean absolute error of the Phong exponent α: spec_alpha_rmse"),
)
SPECULAR = _card(
    "specular",
    "specular",
    ("specular", "mask"),
    "SpecularError",
    _error("specular_mae", "mean absolute error of the specular albedo: spec_albedo_rmse"),
)
LIGHT = _card(
    "light",
    "environment",
    ("environment",),
    "LightError",
    _error("light_sie", "scale-invariant MSE of light from the camera's side: env_map_err_sie"),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the six scores, and what share of an object they look at."""
    return (NORMAL, ALBEDO, PITCH, SHININESS, SPECULAR, LIGHT, FRONT)
