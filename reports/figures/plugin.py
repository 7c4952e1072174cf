"""The card of the figures report."""

from collections.abc import Iterable

from bench.api import ReportCard, hookimpl

CARD = ReportCard(
    name="figures",
    title="Distributions, and quality against time",
    implementation="bench.reports.figures.report:Figures",
    files=("figures/*.png", "figures/*.pdf"),
)


@hookimpl
def bench_reports() -> Iterable[ReportCard]:
    """Offer the figures report."""
    return (CARD,)
