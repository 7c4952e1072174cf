"""The card of the CSV report."""

from collections.abc import Iterable

from bench.api import ReportCard, hookimpl

CARD = ReportCard(
    name="csv",
    title="Scores and single outcomes for other programs",
    implementation="bench.reports.csv.report:Csv",
    files=("scores.csv", "items.csv", "published.csv", "claims.csv"),
)


@hookimpl
def bench_reports() -> Iterable[ReportCard]:
    """Offer the CSV report."""
    return (CARD,)
