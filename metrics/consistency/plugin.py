"""The cards of the consistency diagnostics (specs/inverse_rendernet.md §3.1, §6.3)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

RERENDERED = MetricCard(
    name="consistency",
    title="The prediction re-rendered against the input",
    implementation="bench.metrics.consistency.metric:RerenderedError",
    quantity="albedo",
    also=("shading",),
    inputs=("image",),
    reads=("prediction", "inputs"),
    scores=(Score("consistency.psnr", "re-rendered PSNR", "higher", "dB", ranked=False),),
)

ACROSS_VIEWS = MetricCard(
    name="albedo-across-views",
    title="Albedo of one view warped into another",
    implementation="bench.metrics.consistency.metric:AcrossViews",
    quantity="albedo",
    targets=("depth",),
    inputs=("camera",),
    over="pair",
    reads=("prediction", "target", "inputs"),
    scores=(
        Score("consistency.albedo", "albedo across views", "lower", "", (0, None), ranked=False),
    ),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the diagnostics."""
    return (RERENDERED, ACROSS_VIEWS)
