"""Protocols as they travel: from a manifest, or to the scorer's process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.protocol import Comparison, Protocol, Rule


def read_protocol(body: Mapping[str, Any]) -> Protocol:
    """The protocol that `dataclasses.asdict` gave `body` of; lists stand for tuples after JSON.

    Attributes that the body lacks, since an earlier version wrote it, have their defaults.

    Raises:
        KeyError, TypeError: where it is no protocol.
    """
    rules = tuple(
        Rule(rule["pattern"], _comparison(rule["comparison"]), rule["column"])
        for rule in body["rules"]
    )
    words = {name: body[name] for name in ("name", "version", "title", "source")}
    notes = tuple(body.get("notes", ()))
    return Protocol(**words, rules=rules, notes=notes, base=body.get("base", ""))


def _comparison(body: Mapping[str, Any]) -> Comparison:
    clip = body["clip"]
    return Comparison(**{**body, "clip": None if clip is None else (clip[0], clip[1])})
