"""The card of the light errors (specs/metrics.md §8, the neutral default)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

LIGHT = MetricCard(
    name="light",
    title="Environment light",
    implementation="bench.metrics.light.metric:LightError",
    quantity="environment",
    targets=("environment",),
    reads=("prediction", "target", "inputs"),
    scores=(
        Score("light.si_rmse", "light si-RMSE", "lower", "", (0, None)),
        Score("light.angular", "light colour error", "lower", "°", (0, 90)),
        Score("light.irradiance", "irradiance si-RMSE", "lower", "", (0, None)),
    ),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the light errors."""
    return (LIGHT,)
