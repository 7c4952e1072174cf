"""`bench list` and `bench show`: cards alone, nothing heavy is imported."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from bench.errors import ConfigError
from bench.plugins import nearest, registry
from bench.protocol import Protocol, written
from bench.protocol.named import PROTOCOLS
from bench.tables.protocols import in_words

_KINDS = ("methods", "datasets", "metrics", "protocols", "reports")


@click.command(name="list")
@click.argument("kind", type=click.Choice(_KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print names and titles as JSON.")
def list_(kind: str | None, as_json: bool) -> None:
    """List what is installed, broken plugins with their error."""
    found = registry()
    shelves: dict[str, dict[str, str]] = {
        name: {card.name: card.title for card in getattr(found, name).values()}
        for name in _KINDS
        if name != "protocols"
    }
    shelves["protocols"] = {name: protocol.title for name, protocol in PROTOCOLS.items()}
    shown = {name: shelves[name] for name in ([kind] if kind else _KINDS)}
    if as_json:
        broken = [asdict(entry) for entry in found.broken]
        click.echo(json.dumps(shown | {"broken": broken}, indent=1))
        return
    for name, shelf in shown.items():
        click.echo(name)
        for entry, title in shelf.items():
            click.echo(f"  {entry:<24} {title}")
    for broken_plugin in found.broken:
        click.echo(f"broken: {broken_plugin.plugin}: {broken_plugin.error}", err=True)


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def show(name: str, as_json: bool) -> None:
    """Print the card of a method, dataset, metric or report, or a protocol, called NAME."""
    found = _named(name)
    if as_json:
        click.echo(json.dumps(found, indent=1, default=_text))
        return
    for kind, body in found.items():
        click.echo(f"{kind} {name}")
        click.echo(_rules(PROTOCOLS[name]) if kind == "protocol" else _lines(body, 1))


def _named(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        kind: asdict(cards[name]) for kind, cards in registry().cards.items() if name in cards
    }
    for (kind, claimed), error in registry().clashes.items():
        if claimed == name:
            raise ConfigError(f"{kind} {error}")
    if name in PROTOCOLS:
        found["protocol"] = asdict(PROTOCOLS[name])
    if not found:
        known = [*PROTOCOLS, *(n for cards in registry().cards.values() for n in cards)]
        raise ConfigError(f"nothing is called {name!r}{nearest(name, known)}")
    return found


def _rules(protocol: Protocol) -> str:
    """What a protocol says of itself, and its rules in words, one line each."""
    rules = [(written(rule.pattern, rule.column), rule.comparison) for rule in protocol.rules]
    width = max(len(pattern) for pattern, _ in rules)
    head = {"version": protocol.version, "title": protocol.title, "source": protocol.source}
    lines = [_lines(head, 1), "  rules, the first that fits of each column:"]
    return "\n".join([*lines, *(f"    {name:<{width}}  {in_words(how)}" for name, how in rules)])


def _lines(body: Any, depth: int) -> str:
    pad = "  " * depth
    lines = []
    for key, value in body.items():
        if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            lines.append(f"{pad}{key}:")
            lines += [f"{pad}  - {_inline(entry)}" for entry in value]
        elif value not in ("", (), {}, None):
            lines.append(f"{pad}{key}: {_inline(value)}")
    return "\n".join(lines)


def _inline(value: Any) -> str:
    if isinstance(value, dict) and "default" in value:
        return _option(value)
    if isinstance(value, dict) and "verb" in value:
        return f"bench {value['verb']} … --help: {value['help'] or value['entry']}"
    if isinstance(value, dict):
        pairs = {key: entry for key, entry in value.items() if entry not in ("", (), None)}
        return ", ".join(f"{key} {_inline(entry)}" for key, entry in pairs.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(entry) for entry in value) + "]"
    return _text(value)


def _option(value: dict[str, Any]) -> str:
    """name = default (choices or range): what it does."""
    low, high = value["bounds"]
    admitted = " | ".join(map(_text, value["choices"])) or value["type"].__name__
    if (low, high) != (None, None):
        admitted += f" {'' if low is None else low} … {'' if high is None else high}"
    default = "required" if value["required"] else f"= {_text(value['default'])}"
    return f"{value['name']} {default} ({admitted}): {value['help']}"


def _text(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)
