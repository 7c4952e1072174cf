"""The cards of the albedo and shading errors (specs/metrics.md §5)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

GROSSE = "Grosse et al., Ground truth dataset and baseline evaluations for intrinsic images, 2009"

ALBEDO = MetricCard(
    name="albedo",
    title="Albedo",
    implementation="bench.metrics.intrinsics.metric:AlbedoError",
    quantity="albedo",
    targets=("albedo",),
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
    quantity="shading",
    targets=("shading",),
    paper=GROSSE,
    scores=(Score("shading.lmse", "shading local MSE", "lower", "", (0, 1)),),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the errors of albedo and shading."""
    return (ALBEDO, SHADING)
