"""`bench doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> int:
    """Say which devices, libraries, weights and data work here, and what brings the rest.

    Exit status 1 where something the default benchmark needs is missing.
    """
    from bench.diagnosis import examine

    findings = list(examine())
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            mark = "ok  " if finding.works else "MISS" if finding.needed else "none"
            click.echo(f"{mark} {finding.what:<20} {finding.found}")
            if finding.remedy:
                click.echo(f"     {'':<20} → {finding.remedy}")
    return 1 if any(finding.needed and not finding.works for finding in findings) else 0
