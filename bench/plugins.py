"""Finds plugins by entry point, collects their cards, names the broken ones."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeAlias

import pluggy

from bench import api
from bench.errors import ConfigError, PluginError

GROUP = "invrender_bench"
ABSENT = "absent"
Card: TypeAlias = api.MethodCard | api.DatasetCard | api.MetricCard | api.ReportCard

_HOOKS: Mapping[str, tuple[str, type]] = {
    "bench_methods": ("method", api.MethodCard),
    "bench_datasets": ("dataset", api.DatasetCard),
    "bench_metrics": ("metric", api.MetricCard),
    "bench_reports": ("report", api.ReportCard),
}


@dataclass(frozen=True)
class Broken:
    """A plugin, or one of its names, that cannot be used, and why."""

    plugin: str
    error: str


@dataclass
class Registry:
    """Every card by kind ("method", "dataset", "metric", "report") and name.

    A broken plugin, or a name two plugins claim, is listed in `broken` and fails when asked for.
    """

    cards: dict[str, dict[str, Card]] = field(
        default_factory=lambda: {kind: {} for kind, _ in _HOOKS.values()}
    )
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    clashes: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)

    @property
    def methods(self) -> dict[str, api.MethodCard]:
        """Method cards by name, sorted."""
        return self._of("method")

    @property
    def datasets(self) -> dict[str, api.DatasetCard]:
        """Dataset cards by name, sorted."""
        return self._of("dataset")

    @property
    def metrics(self) -> dict[str, api.MetricCard]:
        """Metric cards by name, sorted."""
        return self._of("metric")

    @property
    def reports(self) -> dict[str, api.ReportCard]:
        """Report cards by name, sorted."""
        return self._of("report")

    def find(self, kind: str, name: str) -> Any:
        """The card of that kind and name.

        Raises:
            PluginError: where two plugins claim the name.
            ConfigError: where nobody does; the text names the nearest, and the broken plugins.
        """
        if (kind, name) in self.clashes:
            raise PluginError(self.clashes[kind, name])
        if name in self.cards[kind]:
            return self.cards[kind][name]
        text = f"unknown {kind} {name!r}{nearest(name, self.cards[kind])}"
        if self.broken:
            text += "; broken plugins: " + "; ".join(f"{b.plugin}: {b.error}" for b in self.broken)
        raise ConfigError(text)

    def add(self, plugin: str, kind: str, card: Card) -> None:
        """Take one card; a name already claimed is taken from both."""
        claim = (kind, card.name)
        if claim in self.owners:
            text = f"{kind} {card.name!r} is offered by both {self.owners[claim]!r} and {plugin!r}"
            self.clashes[claim] = f"{text}; uninstall one, or rename its card"
            self.broken.append(Broken(plugin, text))
            self.cards[kind].pop(card.name, None)
            return
        if isinstance(card, api.MetricCard) and not self._claim_scores(plugin, card):
            return
        self.owners[claim] = plugin
        self.cards[kind][card.name] = card

    def _claim_scores(self, plugin: str, card: api.MetricCard) -> bool:
        """Whether no other metric returns a score of the same id, which would share its column."""
        for score in card.scores:
            owner = self.owners.setdefault(("score", score.id), f"{plugin}: {card.name}")
            if owner != f"{plugin}: {card.name}":
                text = f"metric {card.name!r} returns {score.id!r}, as {owner!r} does; rename it"
                self.clashes["metric", card.name] = text
                self.broken.append(Broken(plugin, text))
                return False
        return True

    def _of(self, kind: str) -> dict[str, Any]:
        return dict(sorted(self.cards[kind].items()))


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase that points to the valid name most like the given one."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid: {', '.join(names) or 'none'}"


@cache
def registry() -> Registry:
    """All installed plugins. Imports card modules alone: no torch, numpy or pandas."""
    return collect(entry_points(group=GROUP))


def collect(points: Iterable[EntryPoint]) -> Registry:
    """Load each entry point by itself, so that a broken one spoils nobody else's cards."""
    found = Registry()
    for point in sorted(points, key=lambda point: point.name):
        try:
            offered = _cards(point)
        except (Exception, SystemExit) as error:  # a stranger's module may raise anything at all
            found.broken.append(Broken(point.name, f"{type(error).__name__}: {error}"))
            continue
        for kind, card in offered:
            found.add(point.name, kind, card)
    return found


def _cards(point: EntryPoint) -> list[tuple[str, Card]]:
    # A manager for each plugin: check_pending then names the culprit of a misspelled hook.
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(api)
    manager.register(point.load(), point.name)
    manager.check_pending()
    return [
        (kind, _checked(card, wanted))
        for hook, (kind, wanted) in _HOOKS.items()
        for cards in getattr(manager.hook, hook)()
        for card in cards
    ]


def _checked(card: Card, wanted: type) -> Card:
    if not isinstance(card, wanted):
        raise PluginError(f"a {type(card).__name__} where a {wanted.__name__} belongs")
    return card


def load(implementation: str) -> Callable[..., Any]:
    """The object that "package.module:name" stands for.

    Raises:
        PluginError: where the text has another form or the module lacks the name; what importing
            the module raises passes through.
    """
    module_name, _, name = implementation.partition(":")
    if not module_name or not name:
        raise PluginError(f"{implementation!r} is not of the form 'package.module:name'")
    module = importlib.import_module(module_name)
    if not hasattr(module, name):
        raise PluginError(f"{module_name} has no {name!r}, which the card names")
    loaded: Callable[..., Any] = getattr(module, name)
    return loaded


@cache
def source_hash(implementation: str) -> str:
    """Sixteen digits over the Python files of the implementation's package, or its one module.

    The package is the outermost: what a plugin imports of itself decides its values too. `ABSENT`
    where the module cannot be found, which the worker that imports it will report.
    """
    try:
        spec = importlib.util.find_spec(implementation.partition(":")[0])
    except Exception:  # finding a module runs its packages, which may raise anything
        spec = None
    if spec is None or spec.origin is None:
        return ABSENT
    folder, files = Path(spec.origin).parent, [Path(spec.origin)]
    if (folder / "__init__.py").exists():
        while (folder.parent / "__init__.py").exists():
            folder = folder.parent
        files = sorted(folder.rglob("*.py"))
    return _digest_of(folder, files)


@cache
def package_hash(package: str) -> str:
    """Sixteen digits over the Python files of one package of the core."""
    folder = Path(__file__).parents[1].joinpath(*package.split("."))
    return _digest_of(folder, sorted(folder.rglob("*.py")))


def _digest_of(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
