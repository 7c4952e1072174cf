"""The command line: parse, call, print. Each verb's module loads when the verb is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import click

from bench import __version__
from bench.errors import BenchError

_VERBS: Mapping[str, tuple[str, str]] = {
    "run": ("bench.cli.run:run", "Predict, score and report: the main job."),
    "plan": ("bench.cli.run:plan", "Show what a run would do, and what it would cost."),
    "list": ("bench.cli.listing:list_", "List methods, datasets, metrics, protocols, reports."),
    "show": ("bench.cli.listing:show", "Print a card or a protocol."),
    "score": ("bench.cli.scoring:score", "Score a folder of anybody's predictions."),
    "import": ("bench.cli.importing:import_", "Turn published numbers into a run of their own."),
    "export": ("bench.cli.importing:export", "Write a run in a benchmark's own form."),
    "verify": ("bench.cli.verifying:verify", "Recompute a run's records and say what differs."),
    "report": ("bench.cli.reporting:report", "Write the reports of finished runs again."),
    "clean": ("bench.cli.reporting:clean", "Remove what no current row of a run refers to."),
    "new": ("bench.cli.plugins:new", "Start a plugin package."),
    "check": ("bench.cli.plugins:check", "Test a plugin's behaviour against its card."),
    "doctor": ("bench.cli.doctor:doctor", "Say what works here, and what brings the rest."),
}


class _Verbs(click.Group):
    """The verbs above, and those that installed cards bring (render, train, …)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from bench.cli.commands import card_verbs

        return [*_VERBS, *sorted(set(card_verbs()) - set(_VERBS))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        from bench.cli.commands import card_verbs, verb_group

        if name in _VERBS:
            module, _, attribute = _VERBS[name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return verb_group(name) if name in card_verbs() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Click would import every verb's module for its one line of help.
        from bench.cli.commands import card_verbs

        rows = [(name, text) for name, (_, text) in _VERBS.items()]
        rows += [
            (verb, f"For {', '.join(sorted(names))}.")
            for verb, names in sorted(card_verbs().items())
            if verb not in _VERBS
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from bench.plugins import nearest

        if self.get_command(ctx, args[0]) is None:
            ctx.fail(f"no such command {args[0]!r}{nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="invrender-bench")
def cli() -> None:
    """Compare inverse-rendering methods: one command from nothing to a table."""


def main() -> None:
    """Entry point: 0 all values, 1 some failed, 2 could not start, 130 interrupted."""
    try:
        status = cli.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted; what is finished is kept, run again to go on", err=True)
        status = 130
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (BenchError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        status = 2
    sys.exit(status if isinstance(status, int) else 0)
