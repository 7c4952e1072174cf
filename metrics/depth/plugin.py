"""The card of the depth errors (specs/metrics.md §3)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

DEPTH = MetricCard(
    name="depth",
    title="Depth error over the object's extent",
    implementation="bench.metrics.depth.metric:DepthError",
    quantity="depth",
    targets=("depth",),
    inputs=("camera",),
    reads=("prediction", "target", "inputs"),
    scores=(
        Score("depth.rmse", "depth RMSE ÷ extent", "lower", "", (0, None)),
        Score("depth.coverage", "depth known", "higher", "%", (0, 100), ranked=False),
    ),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the depth error."""
    return (DEPTH,)
