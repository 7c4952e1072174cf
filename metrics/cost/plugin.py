"""The card of the cost per item (specs/metrics.md §12)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

COST = MetricCard(
    name="cost",
    title="Time and peak memory per item",
    implementation="bench.metrics.cost.metric:Cost",
    reads=("cost",),
    scores=(
        Score("cost.seconds", "seconds per item", "lower", "s", (0, None), ranked=False),
        Score("cost.memory", "peak memory", "lower", "B", (0, None), ranked=False),
    ),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the cost."""
    return (COST,)
