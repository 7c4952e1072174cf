"""The cards of the material errors (specs/metrics.md §6, the neutral default)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl


def _card(quantity: str, title: str) -> MetricCard:
    return MetricCard(
        name=quantity,
        title=title,
        implementation="bench.metrics.material.metric:RootMeanSquare",
        quantity=quantity,
        targets=(quantity,),
        scores=(Score(f"{quantity}.rmse", f"{quantity} RMSE", "lower", "", (0, None)),),
    )


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the material errors."""
    return (
        _card("roughness", "Perceptual roughness"),
        _card("specular", "Reflectance at normal incidence"),
    )
