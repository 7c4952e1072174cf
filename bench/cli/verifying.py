"""`bench verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bench.verifying import Verdict


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def verify(run: Path, as_json: bool) -> int:
    """Recompute every record of RUN from its stored predictions, and say what differs.

    Nothing is written. Exit status: 0 all the same; 1 something differs, or nothing could be
    recomputed; 2 RUN cannot be read.
    """
    from bench.plugins import registry
    from bench.verifying import verify

    verdict = verify(run, registry())
    click.echo(json.dumps(_body(verdict), indent=1) if as_json else _text(verdict))
    return 0 if verdict.holds else 1


def _body(verdict: Verdict) -> dict[str, object]:
    left_out = [
        {"job": job, "reason": reason, "outcomes": count}
        for (job, reason), count in verdict.left_out.items()
    ]
    return {**asdict(verdict), "left_out": left_out, "holds": verdict.holds}


def _text(verdict: Verdict) -> str:
    lines = [
        f"differs: {d.job} {d.unit or 'whole split'} {d.metric} ({d.protocol}): "
        f"stored {d.stored}, recomputed {d.recomputed}"
        for d in verdict.different
    ]
    lines += [
        f"cannot be recomputed: {job}: {count} outcomes: {reason}"
        for (job, reason), count in verdict.left_out.items()
    ]
    lines += [f"published, not recomputable: {job}" for job in verdict.published]
    left_out = verdict.left_out.total()
    lines.append(
        f"{verdict.same} outcomes the same, {len(verdict.different)} differ, "
        f"{left_out} cannot be recomputed"
    )
    return "\n".join(lines)
