"""The card of the Markdown report."""

from collections.abc import Iterable

from bench.api import ReportCard, hookimpl

CARD = ReportCard(
    name="markdown",
    title="Tables as Markdown",
    implementation="bench.reports.markdown.report:Markdown",
    files=("report.md",),
)


@hookimpl
def bench_reports() -> Iterable[ReportCard]:
    """Offer the Markdown report."""
    return (CARD,)
