"""`bench import` and `bench export`: numbers that others measured, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.api import Command, PublishedValue
from bench.cli.commands import arguments, card_commands, parameters
from bench.plugins import load, nearest, registry

_TABLE = Command(
    verb="import",
    entry="bench.published:read_all",
    help="Literature numbers: a .csv with one value per line; see docs/published.md.",
)


class _Cards(click.Group):
    """A subcommand for each card that has the verb, and those that are built in."""

    def __init__(
        self,
        verb: str,
        make: Callable[[str, Command], click.Command],
        built_in: dict[str, Command],
        help: str,
    ) -> None:
        super().__init__(name=verb, help=help)
        self._make, self._built_in = make, built_in

    def _named(self) -> dict[str, Command]:
        return card_commands(str(self.name)) | self._built_in

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._named())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = self._named()
        if name not in found:
            ctx.fail(f"nothing to {self.name} is called {name!r}{nearest(name, found)}")
        return self._make(name, found[name])


def _importer(name: str, command: Command) -> click.Command:
    def call(files: tuple[Path, ...], out: Path | None, **given: Any) -> None:
        from bench.published import store_values
        from bench.reporting import summarise, write_reports
        from bench.store import Store

        options = arguments(name, command, given)
        values: list[PublishedValue] = load(command.entry)(files=files, **options)
        store = Store(out or Path("runs") / f"{name}-published")
        run = store_values(values, store, f"published, imported by `bench import {name}`")
        write_reports(run, run.path / "report", registry())
        click.echo(summarise(run).as_text())

    files = click.Argument(
        ["files"], nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
    )
    return _command(name, command, call, files, "Default: runs/NAME-published.")


def _exporter(name: str, command: Command) -> click.Command:
    def call(run: Path, out: Path | None, **given: Any) -> None:
        from bench.view import StoredRun

        options = arguments(name, command, given)
        folder = out or run / "export" / name
        for path in load(command.entry)(run=StoredRun(run), out=folder, **options):
            click.echo(path)

    argument = click.Argument(["run"], type=click.Path(exists=True, path_type=Path))
    return _command(name, command, call, argument, "Default: RUN/export/NAME.")


def _command(
    name: str,
    command: Command,
    call: Callable[..., None],
    argument: click.Argument,
    default: str,
) -> click.Command:
    out = click.Option(["--out"], type=click.Path(path_type=Path), help=default)
    params = [argument, out, *parameters(command)]
    return click.Command(name=name, callback=call, params=params, help=command.help)


import_ = _Cards(
    "import",
    _importer,
    {"table": _TABLE},
    "Turn published numbers into a run, which is never merged with a measured one.",
)
export = _Cards("export", _exporter, {}, "Write a run in the form that a benchmark asks for.")
