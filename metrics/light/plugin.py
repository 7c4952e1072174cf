"""The cards of the light errors (specs/metrics.md §8, the neutral default)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl


def _error(name: str, title: str) -> Score:
    return Score(f"light.{name}", title, "lower", "", (0, None))


def _angle(name: str, title: str, highest: float) -> Score:
    return Score(f"light.{name}", title, "lower", "°", (0, highest))


LIGHT = MetricCard(
    name="light",
    title="Environment light",
    implementation="bench.metrics.light.metric:LightError",
    version=2,
    quantity="environment",
    targets=("environment",),
    reads=("prediction", "target", "inputs"),
    scores=(
        _error("rmse", "light RMSE"),
        _error("si_rmse", "light si-RMSE"),
        _angle("angular", "light colour error", 90),
        _error("irradiance", "irradiance si-RMSE"),
    ),
)

COEFFICIENTS = MetricCard(
    name="light-sh",
    title="Spherical harmonics of the light",
    implementation="bench.metrics.light.coefficients:CoefficientError",
    quantity="light_sh",
    targets=("light_sh",),
    scores=(
        _error("sh_rmse", "light coefficients' si-RMSE"),
        _error("sh_irradiance", "irradiance si-RMSE of light coefficients"),
        _angle("sh_angle", "angle between main light directions", 180),
    ),
)

DIRECTION = MetricCard(
    name="light-direction",
    title="Direction of a distant light",
    implementation="bench.metrics.light.distant:DirectionError",
    quantity="light_direction",
    targets=("light_direction",),
    scores=(_angle("direction", "light direction error", 180),),
)

INTENSITY = MetricCard(
    name="light-intensity",
    title="Intensities of a scene's distant lights",
    implementation="bench.metrics.light.distant:IntensityError",
    quantity="light_intensity",
    targets=("light_intensity",),
    over="scene",
    scores=(_error("intensity", "relative error of light intensities"),),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the light errors."""
    return (LIGHT, COEFFICIENTS, DIRECTION, INTENSITY)
