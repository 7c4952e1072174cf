"""The card of the mask's overlap (specs/vase_derenderer.md §7.3)."""

from collections.abc import Iterable

from bench.api import MetricCard, Score, hookimpl

MASK = MetricCard(
    name="mask",
    title="Overlap of the mask",
    implementation="bench.metrics.masks.metric:MaskOverlap",
    quantity="mask",
    targets=("mask",),
    scores=(Score("mask.iou", "mask intersection over union", "higher", "", (0, 1)),),
)


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the overlap."""
    return (MASK,)
