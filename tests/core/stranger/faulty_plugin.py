"""Metrics that fail, each in its own way."""

from tiny_plugin import FAULTY_METRICS

from bench.api import MetricCard, hookimpl


@hookimpl
def bench_metrics() -> tuple[MetricCard, ...]:
    return FAULTY_METRICS
