"""The cards of the depth errors (specs/metrics.md §3)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl


def _error(name: str, title: str) -> Score:
    return Score(f"depth.{name}", title, "lower", "", (0, None))


def _within(k: int) -> Score:
    return Score(f"depth.delta{k}", f"depth within a factor of 1.25^{k}", "higher", "", (0, 1))


DEPTH = MetricCard(
    name="depth",
    title="Depth",
    implementation="bench.metrics.depth.metric:DepthError",
    version=2,
    quantity="depth",
    targets=("depth",),
    pools=True,
    scores=(
        _error("si_mse", "depth scale-invariant MSE"),
        _error("si_rmse", "depth scale-invariant RMSE"),
        _error("abs_rel", "mean |depth error| ÷ depth"),
        _error("sq_rel", "mean squared depth error ÷ depth"),
        _error("rmse", "depth RMSE in scene units"),
        _error("rmse_log", "RMSE of log depth"),
        _error("log10", "mean |error| of log₁₀ depth"),
        _error("silog", "variance of the log depth error (λ = 1)"),
        _within(1),
        _within(2),
        _within(3),
        Score("depth.coverage", "depth known", "higher", "%", (0, 100), ranked=False),
    ),
)

SCENE = MetricCard(
    name="depth-scene",
    title="Depth of a scene's views under one scale",
    implementation="bench.metrics.depth.metric:SceneError",
    quantity="depth",
    targets=("depth",),
    over="scene",
    scores=(_error("si_mse_scene", "depth MSE after one scale per scene"),),
)

EXTENT = MetricCard(
    name="depth-extent",
    title="Depth error over the object's extent",
    implementation="bench.metrics.depth.metric:ExtentError",
    quantity="depth",
    targets=("depth",),
    inputs=("camera",),
    reads=("prediction", "target", "inputs"),
    scores=(_error("rmse_extent", "depth RMSE ÷ extent"),),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the depth errors."""
    return (DEPTH, SCENE, EXTENT)
