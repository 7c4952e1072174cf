"""The card of the HTML report."""

from collections.abc import Iterable

from bench.api import ReportCard, hookimpl

CARD = ReportCard(
    name="html",
    title="One page with tables, figures and gallery",
    implementation="bench.reports.html.report:Html",
    files=("index.html",),
)


@hookimpl
def bench_reports() -> Iterable[ReportCard]:
    """Offer the HTML report."""
    return (CARD,)
