"""The cards of the distances between meshes (specs/metrics.md §4)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

CHAMFER = MetricCard(
    name="chamfer",
    title="Chamfer distance",
    implementation="bench.metrics.meshes.metric:ChamferDistance",
    quantity="mesh",
    targets=("mesh",),
    paper="Kuang et al., Stanford-ORB, NeurIPS 2023 Datasets and Benchmarks, arXiv:2310.16044",
    scores=(
        Score(
            "mesh.chamfer",
            "mean squared Chamfer distance of both ways (Stanford-ORB's table: × 2000)",
            "lower",
            "",
            (0, None),
        ),
    ),
)

DTU = MetricCard(
    name="chamfer-dtu",
    title="Chamfer distance of meshes in millimetres",
    implementation="bench.metrics.meshes.metric:DtuDistance",
    quantity="mesh",
    targets=("mesh",),
    protocols=("dtu",),
    paper="Jensen et al., Large Scale Multi-view Stereopsis Evaluation, CVPR 2014",
    scores=(
        Score("mesh.accuracy_dtu", "distance from prediction to scan", "lower", "mm", (0, 20)),
        Score("mesh.completeness_dtu", "distance from scan to prediction", "lower", "mm", (0, 20)),
        Score("mesh.chamfer_dtu", "mean of accuracy and completeness", "lower", "mm", (0, 20)),
    ),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the distances."""
    return (CHAMFER, DTU)
