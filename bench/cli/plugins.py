"""`bench new` and `bench check`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.group()
def new() -> None:
    """Start a plugin package."""


@new.command()
@click.argument("name")
@click.option("--in", "folder", type=click.Path(path_type=Path), default=Path(), help="Where.")
def method(name: str, folder: Path) -> None:
    """Write an installable package with a small working method called NAME, and its tests."""
    from bench.scaffold import new_method

    made = new_method(name, folder)
    click.echo(f"{made}: next:")
    click.echo(f"  pip install -e {made} && bench check {name}")
    click.echo(f'  add [[methods]] name = "{name}" to bench.toml && bench run')


@click.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(["method", "dataset", "metric"]), help="If NAME is two.")
@click.option("--device", default="auto", show_default=True)
@click.option("--split", help="Of a dataset; default: its first.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="An option.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(
    name: str,
    kind: str | None,
    device: str,
    split: str | None,
    options: tuple[str, ...],
    as_json: bool,
) -> int:
    """Compare the behaviour of the plugin NAME with its card. Exit status 1 where they differ."""
    from bench.config import pairs
    from bench.conformance.named import check as conform
    from bench.environment import choose_device

    given = pairs(options, "--option")
    findings = conform(name, given, choose_device(device), split or "", kind or "")
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.check}: {finding.message}")
    return 0 if all(finding.ok for finding in findings) else 1
