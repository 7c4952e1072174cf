"""The cards of the albedo and shading errors (specs/metrics.md §5)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

GROSSE = "Grosse et al., Ground truth dataset and baseline evaluations for intrinsic images, 2009"
BELL = "Bell et al., Intrinsic Images in the Wild, SIGGRAPH 2014"


def _rate(name: str, of: str) -> Score:
    return Score(f"albedo.{name}", f"disagreement with people about {of}", "lower", "", (0, 1))


ALBEDO = MetricCard(
    name="albedo",
    title="Albedo",
    implementation="bench.metrics.intrinsics.metric:AlbedoError",
    quantity="albedo",
    targets=("albedo",),
    pools=True,
    paper=GROSSE,
    scores=(
        Score("albedo.psnr", "albedo PSNR", "higher", "dB"),
        Score("albedo.si_mse", "albedo scale-invariant MSE", "lower", "", (0, None)),
        Score("albedo.lmse", "albedo local MSE", "lower", "", (0, 1)),
    ),
)

SHADING = MetricCard(
    name="shading",
    title="Shading",
    implementation="bench.metrics.intrinsics.metric:ShadingError",
    version=2,
    quantity="shading",
    targets=("shading",),
    pools=True,
    paper=GROSSE,
    scores=(
        Score("shading.psnr", "shading PSNR after one scale", "higher", "dB"),
        Score("shading.si_mse", "shading scale-invariant MSE", "lower", "", (0, None)),
        Score("shading.lmse", "shading local MSE", "lower", "", (0, 1)),
    ),
)

INTRINSIC = MetricCard(
    name="intrinsic",
    title="Albedo and shading together",
    implementation="bench.metrics.intrinsics.metric:IntrinsicError",
    quantity="albedo",
    also=("shading",),
    targets=("albedo", "shading"),
    pools=True,
    paper=GROSSE,
    scores=(Score("intrinsic.lmse", "LMSE, ½ shading + ½ albedo", "lower", "", (0, 1)),),
)

WHDR = MetricCard(
    name="whdr",
    title="Weighted human disagreement rate",
    implementation="bench.metrics.intrinsics.whdr:DisagreementRate",
    quantity="albedo",
    targets=("judgements",),
    paper=BELL,
    scores=(
        _rate("whdr", "which point is darker"),
        _rate("whdr_eq", "points they call equal"),
        _rate("whdr_ineq", "points they call unequal"),
    ),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the errors of albedo and shading."""
    return (ALBEDO, SHADING, INTRINSIC, WHDR)
