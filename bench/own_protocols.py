"""`[protocols.NAME]` of a benchmark file → a `Protocol`: a named one with some rules changed."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bench.errors import ConfigError
from bench.plugins import nearest
from bench.protocol import Comparison, Protocol, Rule
from bench.protocol.named import PROTOCOLS

_WORDS = get_type_hints(Comparison)


@dataclass(frozen=True)
class ProtocolConfig:
    """One `[protocols.NAME]` table.

    Attributes:
        base: the named protocol it starts from.
        rules: metric pattern → attributes of `Comparison` and optionally `column`; or a list of
            such tables, one for each column.
    """

    base: str
    title: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)


def build(name: str, config: ProtocolConfig, where: str, scores: Collection[str]) -> Protocol:
    """The base's rules with those of `config` applied in their order, the later on the earlier.

    Args:
        where: "FILE: protocols.NAME".
        scores: every metric id there is.

    Raises:
        ConfigError: where the name is taken, the base is unknown, a pattern fits no metric, or an
            attribute is unknown or of another type.
    """
    if name in PROTOCOLS:
        raise ConfigError(f"{where}: a built-in protocol is called {name!r}; choose another name")
    if config.base not in PROTOCOLS:
        raise ConfigError(
            f"{where}.base: unknown protocol {config.base!r}{nearest(config.base, PROTOCOLS)}"
        )
    base = PROTOCOLS[config.base]
    rules = base.rules
    for pattern, body in config.rules.items():
        inside = f'{where}.rules."{pattern}"'
        if not any(fnmatchcase(score, pattern) for score in scores):
            raise ConfigError(f"{inside}: fits no metric{nearest(pattern, scores)}")
        for table in body if isinstance(body, list) else [body]:
            rules = _live(_changed(rules, pattern, *_read(table, inside), scores))
    return Protocol(
        name=name,
        version=base.version,
        title=config.title or f"{base.name} with changes to {', '.join(config.rules) or 'nothing'}",
        rules=rules,
        source=f"{where}; {base.name} version {base.version}: {base.source}",
        notes=base.notes,
        base=base.name,
    )


def _changed(
    rules: tuple[Rule, ...],
    pattern: str,
    column: str | None,
    parts: Mapping[str, Any],
    scores: Collection[str],
) -> tuple[Rule, ...]:
    """Rules in which what `pattern` fits is changed: in one column, or (None) in all.

    A column that is new here starts as the first one; a metric that is new, as it is.
    """
    fitting = [(rule, part) for rule in rules for part in _common(rule.pattern, pattern, scores)]
    if not fitting:
        return (Rule(pattern, Comparison(**parts), column or ""), *rules)
    if column and all(rule.column != column for rule, _ in fitting):
        first = [(rule.comparison, part) for rule, part in fitting if not rule.column]
        return (*rules, *(Rule(part, replace(how, **parts), column) for how, part in first))
    found: list[Rule] = []
    for rule in rules:
        changed = replace(rule, comparison=replace(rule.comparison, **parts))
        chosen = column is None or column == rule.column
        for part in _common(rule.pattern, pattern, scores) if chosen else ():
            if part == rule.pattern:
                rule = changed
            else:
                found.append(replace(changed, pattern=part))
        found.append(rule)
    return tuple(found)


def _live(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Rules but those that an earlier one of their column leaves nothing to."""
    found: list[Rule] = []
    for rule in rules:
        if not any(r.column == rule.column and _covers(r.pattern, rule.pattern) for r in found):
            found.append(rule)
    return tuple(found)


def _common(rule: str, pattern: str, scores: Collection[str]) -> list[str]:
    """What two patterns both fit: the narrower, or else the metric ids."""
    if _covers(pattern, rule):
        return [rule]
    if _covers(rule, pattern):
        return [pattern]
    return [score for score in scores if _covers(rule, score) and _covers(pattern, score)]


def _covers(pattern: str, other: str) -> bool:
    """Whether `pattern` fits whatever `other` fits."""
    return pattern == other or fnmatchcase(other, pattern)


def _read(table: Any, where: str) -> tuple[str | None, dict[str, Any]]:
    """The column, None where it is not said, and the attributes."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: must be a table, not {table!r}")
    column = table.get("column")
    if column is not None and not isinstance(column, str):
        raise ConfigError(f"{where}.column: must be str, not {column!r}")
    attributes = {key: value for key, value in table.items() if key != "column"}
    return column, {key: _typed(key, value, where) for key, value in attributes.items()}


def _typed(key: str, value: Any, where: str) -> Any:
    """An attribute of `Comparison` from what TOML says; "none" for one that may be absent."""
    if key not in _WORDS:
        raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, (*_WORDS, 'column'))}")
    where, wanted = f"{where}.{key}", _WORDS[key]
    if get_origin(wanted) is Literal:
        choices = get_args(wanted)
        if value not in choices:
            hint = nearest(value, choices) if isinstance(value, str) else ""
            raise ConfigError(f"{where}: {value!r} is none of {list(choices)}{hint}")
        return value
    if isinstance(wanted, types.UnionType):
        if value == "none":
            return None
        wanted = get_args(wanted)[0]
    if get_origin(wanted) is tuple:
        if not (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))):
            raise ConfigError(f"{where}: must be two numbers, not {value!r}")
        return (float(value[0]), float(value[1]))
    if wanted is float and _is_number(value):
        return float(value)
    if type(value) is not wanted:
        raise ConfigError(f"{where}: must be {wanted.__name__}, not {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
