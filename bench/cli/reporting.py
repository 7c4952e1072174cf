"""`bench report` and `bench clean`."""

from __future__ import annotations

from pathlib import Path

import click

from bench.plugins import registry


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default: RUN/report.")
@click.option("--unverified", is_flag=True, help="Show unverified published numbers too.")
def report(runs: tuple[Path, ...], out: Path | None, unverified: bool) -> None:
    """Write the reports of each RUN's folder again, from its records alone."""
    from bench.reporting import write_reports
    from bench.view import StoredRun

    for path in runs:
        run = StoredRun(path, unverified)
        folder = path / "report" if out is None else out / run.name if len(runs) > 1 else out
        for written in write_reports(run, folder, registry()):
            click.echo(written)


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Remove the whole run.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(run: Path, everything: bool, yes: bool) -> None:
    """Remove from RUN what no current row refers to: stale predictions, fits and records."""
    from bench.cleaning import obsolete, remove

    paths = obsolete(run, everything)
    for path in paths:
        click.echo(path)
    if not paths:
        click.echo("nothing to remove")
    elif yes or click.confirm(f"remove these {len(paths)}?"):
        remove(run, paths)
