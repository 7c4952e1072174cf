"""The card of the normal errors (specs/metrics.md §2.1, §2.2)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl


def _within(threshold: str) -> Score:
    title = f"normals within {threshold}°"
    return Score(f"normal.within_{threshold}", title, "higher", "%", (0, 100))


NORMAL = MetricCard(
    name="normal",
    title="Angular error of normals",
    implementation="bench.metrics.normals.metric:NormalError",
    version=2,
    quantity="normal",
    targets=("normal",),
    pools=True,
    scores=(
        Score("normal.mae", "mean angular error", "lower", "°", (0, 180)),
        Score("normal.median", "median angular error", "lower", "°", (0, 180)),
        Score("normal.rmse", "angular RMSE", "lower", "°", (0, 180)),
        Score("normal.cosine", "mean cosine distance of normals", "lower", "", (0, 2)),
        _within("11.25"),
        _within("22.5"),
        _within("30"),
        Score("normal.coverage", "normals known", "higher", "%", (0, 100), ranked=False),
    ),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the angular errors."""
    return (NORMAL,)
