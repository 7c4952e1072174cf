"""Writes every report of a run, and the few lines that stand at its end."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.api import RunView
from bench.errors import PluginError, StoreError
from bench.plugins import Registry, load


def write_reports(run: RunView, folder: Path, registry: Registry) -> list[Path]:
    """Write all reports into `folder`; one that fails spoils no other.

    Raises:
        StoreError: where the folder cannot be written.
        PluginError: naming each report that raised, once the others are written.
    """
    written: list[Path] = []
    failed: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: reports cannot be written: {error}") from error
    for card in registry.reports.values():
        try:
            made: Any = load(card.implementation)()
            written += made.write(run, folder)
        except OSError as error:
            raise StoreError(f"{folder}: report {card.name!r}: {error}") from error
        except Exception as error:  # a stranger's report may raise anything at all
            traceback.print_exception(error)
            failed.append(f"report {card.name!r}: {type(error).__name__}: {error}")
    if failed:
        raise PluginError("; ".join(failed))
    return written


@dataclass(frozen=True)
class Summary:
    """Counts of outcomes, failures by row and reason, and where the report is."""

    counts: dict[str, int]
    failures: dict[str, int]
    reasons: dict[str, str]
    unavailable: dict[str, str]
    report: Path

    @property
    def failed(self) -> int:
        """How many outcomes failed."""
        return self.counts.get("failed", 0)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "outcomes": self.counts,
            "failures": self.failures,
            "unavailable": self.unavailable,
            "report": str(self.report),
        }

    def as_text(self) -> str:
        """A line of counts, one per kind of failure with an example, and the report's place."""
        lines = [", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))]
        lines += [
            f"  † {where}: {count} outcomes failed, for example: {self.reasons[where]}"
            for where, count in self.failures.items()
        ]
        lines += [f"  unavailable: {what}: {why}" for what, why in self.unavailable.items()]
        return "\n".join([*lines, f"report: {self.report / 'index.html'}"])


def summarise(run: RunView) -> Summary:
    """Count what became of every outcome of a run."""
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    unavailable: dict[str, str] = {}
    for outcome in run.outcomes():
        counts[outcome.kind] += 1
        if outcome.kind == "failed":
            where = f"{outcome.label} on {outcome.dataset}/{outcome.split}: {outcome.reason}"
            failures[where] += 1
            reasons.setdefault(where, f"{outcome.unit}: {outcome.message}")
        if outcome.kind == "unavailable":
            unavailable.setdefault(outcome.metric, outcome.message)
    return Summary(dict(counts), dict(failures), reasons, unavailable, run.path / "report")
