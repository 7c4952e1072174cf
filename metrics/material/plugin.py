"""The cards of the material errors (specs/metrics.md §6)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl


def _card(quantity: str, title: str, version: int) -> MetricCard:
    return MetricCard(
        name=quantity,
        title=title,
        implementation="bench.metrics.material.metric:SquaredError",
        version=version,
        quantity=quantity,
        targets=(quantity,),
        pools=True,
        scores=tuple(
            Score(f"{quantity}.{kind}", f"{quantity} {kind.upper()}", "lower", "", (0, None))
            for kind in ("rmse", "mse")
        ),
    )


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the material errors."""
    return (
        _card("roughness", "Perceptual roughness", 2),
        _card("metallic", "Metalness", 1),
        _card("specular", "Reflectance at normal incidence", 2),
    )
