"""`bench list` and `bench show`: cards alone, nothing heavy is imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from bench.errors import ConfigError
from bench.plugins import nearest, registry
from bench.protocol import Protocol
from bench.protocol.named import PROTOCOLS
from bench.tables.protocols import Line, line

_KINDS = ("methods", "datasets", "metrics", "protocols", "reports")
_WIDTHS = (10, 24, 26, 18, 12, 30)
"""Characters of a protocol's table after the metric; what is longer goes on in the next line."""

_config = click.option(
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A benchmark file whose own protocols are meant too.",
)


@click.command(name="list")
@click.argument("kind", type=click.Choice(_KINDS), required=False)
@_config
@click.option("--json", "as_json", is_flag=True, help="Print names and titles as JSON.")
def list_(kind: str | None, file: Path | None, as_json: bool) -> None:
    """List what is installed, broken plugins with their error."""
    found = registry()
    shelves: dict[str, dict[str, str]] = {
        name: {card.name: card.title for card in getattr(found, name).values()}
        for name in _KINDS
        if name != "protocols"
    }
    shelves["protocols"] = {name: protocol.title for name, protocol in _protocols(file).items()}
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
@_config
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def show(name: str, file: Path | None, as_json: bool) -> None:
    """Print the card of a method, dataset, metric or report, or a protocol, called NAME."""
    protocols = _protocols(file)
    found = _named(name, protocols)
    if as_json:
        click.echo(json.dumps(found, indent=1, default=_text))
        return
    for kind, body in found.items():
        click.echo(f"{kind} {name}")
        click.echo(_rules(protocols[name]) if kind == "protocol" else _lines(body, 1))


def _protocols(file: Path | None) -> Mapping[str, Protocol]:
    if file is None:
        return PROTOCOLS
    from bench.config import read
    from bench.plan import known_protocols

    return known_protocols(read(file), registry())


def _named(name: str, protocols: Mapping[str, Protocol]) -> dict[str, Any]:
    found: dict[str, Any] = {
        kind: asdict(cards[name]) for kind, cards in registry().cards.items() if name in cards
    }
    for (kind, claimed), error in registry().clashes.items():
        if claimed == name:
            raise ConfigError(f"{kind} {error}")
    if name in protocols:
        protocol = protocols[name]
        table = [line(rule)._asdict() for rule in protocol.rules]
        found["protocol"] = asdict(protocol) | {"digest": protocol.digest, "table": table}
    if not found:
        known = [*protocols, *(n for cards in registry().cards.values() for n in cards)]
        raise ConfigError(f"nothing is called {name!r}{nearest(name, known)}")
    return found


def _rules(protocol: Protocol) -> str:
    """What a protocol says of itself, and its rules as a table."""
    head = {"version": protocol.version, "title": protocol.title, "source": protocol.source}
    lines = [_lines(head, 1), "  rules, the first that fits of each column:"]
    rows = [Line(*Line._fields), *map(line, protocol.rules)]
    widest = max(len(row.metric) for row in rows)
    for row in rows:
        lines += _wrapped(row, (widest, *_WIDTHS))
    lines += [f"  note: {note}" for note in protocol.notes]
    return "\n".join(lines)


def _wrapped(row: Line, widths: Sequence[int]) -> Iterator[str]:
    """A row of the table, as many lines as its longest cell takes."""
    cells = [wrap(text, width) for text, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*cells, fillvalue=""):
        padded = (part.ljust(width) for part, width in zip(parts, widths, strict=True))
        yield ("    " + "  ".join(padded)).rstrip()


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
