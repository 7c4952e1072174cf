"""Plugins come by entry point; a broken one is named and spoils nobody else's."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import plugins
from bench.errors import ConfigError, PluginError
from bench.plugins import Registry, load, nearest, source_hash

GOOD = """
from bench.api import MethodCard, hookimpl

@hookimpl
def bench_methods():
    return (MethodCard(name={name!r}, title="Good", implementation="x:Y"),)
"""
DEFINITIONS = (ast.ClassDef, ast.FunctionDef)
METRIC = """
from bench.api import MetricCard, Score, hookimpl

@hookimpl
def bench_metrics():
    return (MetricCard(name={name!r}, title="", implementation="x:Y",
                       scores=(Score({score!r}, "", "lower"),)),)
"""

# what is wrong → module, a phrase of the error
BROKEN = {
    "raises on import": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "imports what is not there": ("import no_such_library", "No module named 'no_such_library'"),
    "is not Python": ("def (", "SyntaxError"),
    "exits on import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "misspells its hook": (GOOD.replace("bench_methods", "bench_method"), "unknown hook"),
    "wants an argument": (
        GOOD.replace("methods()", "methods(x)"),
        "Argument(s) {'x'} are declared in the hookimpl",
    ),
    "raises in its hook": (GOOD.replace("return", "raise KeyError('x')\n    return"), "KeyError"),
    "offers another kind": (
        GOOD.replace("def bench_methods", "def bench_datasets"),
        "a MethodCard where a DatasetCard belongs",
    ),
    "offers no cards": (
        "from bench.api import hookimpl\n@hookimpl\ndef bench_methods():\n    return (1,)",
        "a int where a MethodCard belongs",
    ),
    "offers nothing iterable": (
        "from bench.api import hookimpl\n@hookimpl\ndef bench_methods():\n    return 1",
        "TypeError",
    ),
    "has a card that is wrong": (GOOD.replace('title="Good"', 'tilte="Good"'), "TypeError"),
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_a_broken_plugin_is_named_and_the_others_work(stranger: Any, wrong: str) -> None:
    module, phrase = BROKEN[wrong]
    stranger.add("aaa-broken", module.replace("{name!r}", "'bad'"))
    stranger.add("bbb-good", GOOD.format(name="good"))
    found = stranger.registry("aaa-broken", "bbb-good")
    assert set(found.methods) == {"good"}
    (broken,) = found.broken
    assert broken.plugin == "aaa-broken"
    assert phrase in broken.error


def test_who_asks_for_what_a_broken_plugin_might_offer_is_told(stranger: Any) -> None:
    stranger.add("broken", "raise RuntimeError('no licence')")
    with pytest.raises(ConfigError, match=r"unknown method 'bad'.*broken: RuntimeError: no licenc"):
        stranger.registry("broken").find("method", "bad")


def test_a_name_claimed_twice_is_taken_from_both_and_both_are_named(stranger: Any) -> None:
    for name in ("first", "second"):
        stranger.add(name, GOOD.format(name="same"))
    stranger.add("third", GOOD.format(name="other"))
    found = stranger.registry("first", "second", "third")
    assert set(found.methods) == {"other"}
    with pytest.raises(PluginError, match="'same' is offered by both 'first' and 'second'"):
        found.find("method", "same")
    assert [broken.plugin for broken in found.broken] == ["second"]


def test_a_score_that_two_metrics_return_is_refused(stranger: Any) -> None:
    stranger.add("first", METRIC.format(name="one", score="normal.mine"))
    stranger.add("second", METRIC.format(name="two", score="normal.mine"))
    found = stranger.registry("first", "second")
    assert set(found.metrics) == {"one"}
    assert found.find("metric", "one").name == "one"
    with pytest.raises(PluginError, match=r"metric 'two' returns 'normal\.mine', as 'first: one'"):
        found.find("metric", "two")


def test_an_unknown_name_comes_with_the_nearest(stranger: Any) -> None:
    stranger.add("good", GOOD.format(name="inverse-shading"))
    with pytest.raises(ConfigError, match="unknown method 'inverse-shadng'; did you mean 'inver"):
        stranger.registry("good").find("method", "inverse-shadng")
    assert nearest("zzz", ["b", "a"]) == "; valid: a, b"
    assert nearest("zzz", []) == "; valid: none"


def test_the_built_in_plugins_use_the_same_door_and_none_is_broken() -> None:
    plugins.registry.cache_clear()
    found = plugins.registry()
    assert found.broken == []
    assert {"flat", "inverse-shading"} <= set(found.methods)
    assert {"vases", "landmarks", "folder"} <= set(found.datasets)
    assert {"markdown", "latex", "csv", "html"} <= set(found.reports)
    for kind, cards in found.cards.items():
        assert list(getattr(found, f"{kind}s")) == sorted(cards)


def test_every_card_names_an_implementation_that_exists() -> None:
    for cards in plugins.registry().cards.values():
        for card in cards.values():
            module, _, name = card.implementation.partition(":")
            spec = importlib.util.find_spec(module)
            assert spec is not None and spec.origin is not None
            body = ast.parse(Path(spec.origin).read_text()).body
            assert name in {entry.name for entry in body if isinstance(entry, DEFINITIONS)}


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("bench.errors", "is not of the form 'package.module:name'"),
        (":X", "is not of the form"),
        ("bench.errors:Missing", "bench.errors has no 'Missing', which the card names"),
    ],
)
def test_an_implementation_that_cannot_be_loaded_is_named(text: str, phrase: str) -> None:
    with pytest.raises(PluginError, match=phrase):
        load(text)


@pytest.fixture
def package(stranger: Any) -> Iterator[Path]:
    folder = stranger.site / "hashed"
    (folder / "deep").mkdir(parents=True)
    for file in ("__init__.py", "helper.py", "deep/__init__.py", "deep/method.py"):
        (folder / file).write_text("")
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "hashed"]:
        del sys.modules[name]


@pytest.mark.parametrize("file", ["helper.py", "deep/method.py", "deep/new.py"])
def test_the_source_hash_covers_the_whole_package(package: Path, file: str) -> None:
    before = source_hash("hashed.deep.method:Method")
    (package / "data.txt").write_text("no source")
    source_hash.cache_clear()
    assert source_hash("hashed.deep.method:Method") == before
    (package / file).write_text("x = 1")
    source_hash.cache_clear()
    assert source_hash("hashed.deep.method:Method") != before


def test_the_source_hash_of_a_lone_module_covers_that_module(stranger: Any) -> None:
    (stranger.site / "lone.py").write_text("")
    before = source_hash("lone:Method")
    (stranger.site / "neighbour.py").write_text("")
    source_hash.cache_clear()
    assert source_hash("lone:Method") == before != source_hash("bench.errors:BenchError")


def test_a_module_that_is_not_there_has_no_source() -> None:
    assert source_hash("no_such_package.module:Method") == "absent"


def test_list_shows_broken_plugins_with_their_error(stranger: Any, command: Any) -> None:
    stranger.add("broken", "raise RuntimeError('no licence')")
    shown = command("list")
    assert shown.returncode == 0
    assert "inverse-shading" in shown.stdout
    assert shown.stderr.strip() == "broken: broken: RuntimeError: no licence"


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["show", "vases"], ["run", "--help"]])
def test_asking_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom bench.cli import main\n"
        f"sys.argv = ['bench', *{arguments}]\n"
        "try: main()\nfinally: print('loaded', *sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.rpartition("loaded ")[2].split())
    assert "bench.cli" in loaded
    assert not loaded & {"torch", "numpy", "pandas", "scipy", "mitsuba", "matplotlib"}


def test_a_registry_starts_empty() -> None:
    assert Registry().methods == Registry().reports == {}
