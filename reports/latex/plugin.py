"""The card of the LaTeX report."""

from collections.abc import Iterable

from bench.api import ReportCard, hookimpl

CARD = ReportCard(
    name="latex",
    title="Tables for a paper, with booktabs",
    implementation="bench.reports.latex.report:Latex",
    files=("table.tex", "report.tex"),
)


@hookimpl
def bench_reports() -> Iterable[ReportCard]:
    """Offer the LaTeX report."""
    return (CARD,)
