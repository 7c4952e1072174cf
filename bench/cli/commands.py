"""`bench VERB NAME …` for the commands that cards bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bench.api import Command, DatasetCard, MethodCard, Option, Source
from bench.config import from_text, pairs, resolve_options
from bench.plugins import load, registry

# Verbs of the core, which call the cards' commands in their own way.
_CALLED = ("doctor", "import", "export")


def card_verbs() -> dict[str, dict[str, Command]]:
    """Verb → card name → command, of all methods and datasets; verbs of the core left out."""
    return {verb: names for verb, names in _all_verbs().items() if verb not in _CALLED}


def _all_verbs() -> dict[str, dict[str, Command]]:
    verbs: dict[str, dict[str, Command]] = {}
    cards: list[MethodCard | DatasetCard] = [
        *registry().methods.values(),
        *registry().datasets.values(),
    ]
    for card in cards:
        for command in card.commands:
            verbs.setdefault(command.verb, {})[card.name] = command
    return verbs


def card_commands(verb: str) -> dict[str, Command]:
    """Card name → command, of the methods and datasets that have the verb."""
    return _all_verbs().get(verb, {})


def verb_group(verb: str) -> click.Group:
    """The click group of one verb, a subcommand for each card that has it."""
    commands = card_verbs()[verb]
    return click.Group(
        name=verb,
        commands={name: _command(name, command) for name, command in commands.items()},
        help=f"{verb.capitalize()}: {', '.join(sorted(commands))}.",
    )


def _command(name: str, command: Command) -> click.Command:
    def call(**given: Any) -> None:
        load(command.entry)(**arguments(name, command, given))

    return click.Command(
        name=name,
        callback=call,
        params=parameters(command),
        help="\n\n".join([command.help, *_positional_help(command.options)]),
    )


def arguments(name: str, command: Command, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a command's entry is called with, from what was given on the command line.

    Raises:
        ConfigError: where an option does not fit, or names no dataset.
    """
    named = {option.name: given[option.name] for option in command.options}
    filled = {key: value for key, value in named.items() if value is not None}
    options = resolve_options(command.options, filled, f"{command.verb} {name}", Path.cwd())
    made = {option.name: _as_path(option, options[option.name]) for option in command.options}
    if command.dataset:
        chosen = given["dataset"]
        made["dataset"] = _source(chosen, given["dataset_option"]) if chosen else None
    return made


def _dataset_parameters(required: bool) -> tuple[click.Parameter, ...]:
    text = "Name of the dataset; see `bench list`."
    return (
        click.Option(["--dataset"], required=required, help=text),
        click.Option(["--dataset-option"], multiple=True, metavar="KEY=VALUE", help="Its options."),
    )


def _source(name: str, texts: tuple[str, ...]) -> Source:
    card: DatasetCard = registry().find("dataset", name)
    given = from_text(card.options, pairs(texts, "--dataset-option"), "--dataset-option")
    options = resolve_options(card.options, given, f"--dataset {name}", Path.cwd())
    return Source(name, options, load(card.implementation)(dict(options)))


def _as_path(option: Option, value: Any) -> Any:
    return Path(value) if option.type is Path and value is not None else value


def _positional_help(options: Sequence[Option]) -> list[str]:
    """Click prints none by itself."""
    return [f"{each.name.upper()}: {each.help}" for each in options if each.positional]


def parameters(command: Command) -> list[click.Parameter]:
    """The command line of a command."""
    head = _dataset_parameters(command.dataset is True) if command.dataset else ()
    return [*head, *(_parameter(option) for option in command.options)]


def _parameter(option: Option) -> click.Parameter:
    flag = "--" + option.name.replace("_", "-")
    kinds: dict[type, Any] = {Path: click.Path(path_type=Path)}
    kind = click.Choice(option.choices) if option.choices else kinds.get(option.type, option.type)
    if option.positional:
        return click.Argument([option.name], type=kind, required=option.required)
    names = [option.name, f"{flag}/--no-{flag[2:]}" if option.type is bool else flag]
    return click.Option(
        names,
        type=kind,
        default=None,
        required=option.required,
        help=option.help + ("" if option.default is None else f"  [default: {option.default}]"),
    )
