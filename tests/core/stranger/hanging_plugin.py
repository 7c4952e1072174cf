"""A metric that never answers."""

from tiny_plugin import HANGING_METRIC

from bench.api import MetricCard, hookimpl


@hookimpl
def bench_metrics() -> tuple[MetricCard, ...]:
    return (HANGING_METRIC,)
