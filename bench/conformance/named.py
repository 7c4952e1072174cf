"""Find a card by its name, whatever its kind, and check it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.config import from_text, resolve_options
from bench.conformance import Finding
from bench.errors import ConfigError
from bench.plugins import Registry, nearest, registry

KINDS = ("method", "dataset", "metric")


def check(
    name: str,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    split: str = "",
    kind: str = "",
) -> list[Finding]:
    """Check the method, dataset or metric of that name.

    Args:
        options: values, or their texts as a command line has them.
        split: of a dataset; "" for the first of its card.
        kind: "method", "dataset" or "metric", where the name alone says too little.

    Raises:
        ConfigError: where no card has the name, or an option does not fit.
        PluginError: where two plugins claim the name.
    """
    known = registry()
    kind = kind or _kind(known, name)
    card = known.find(kind, name)
    if kind == "metric":
        from bench.conformance.metric import check_metric

        return check_metric(card)
    texts = {key: value for key, value in (options or {}).items() if isinstance(value, str)}
    given = {**(options or {}), **from_text(card.options, texts, f"{name}: options")}
    if kind == "dataset":
        from bench.conformance.dataset import check_dataset

        resolved = resolve_options(card.options, given, f"{name}: options", Path.cwd())
        return check_dataset(card, resolved, split)
    from bench.conformance.method import check_method

    return check_method(card, given, device)


def _kind(known: Registry, name: str) -> str:
    for kind in KINDS:
        if name in known.cards[kind] or (kind, name) in known.clashes:
            return kind
    names = [name for kind in KINDS for name in known.cards[kind]]
    broken = "; ".join(f"{plugin.plugin}: {plugin.error}" for plugin in known.broken)
    text = f"no method, dataset or metric is called {name!r}{nearest(name, names)}"
    raise ConfigError(f"{text}; broken plugins: {broken}" if broken else text)
