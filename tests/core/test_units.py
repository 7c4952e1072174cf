"""One number of a scene or of the dataset, from a metric that pools items."""

from collections import Counter
from typing import Any

import pytest

from bench.api import MetricCard, Score
from bench.protocol import Comparison, Protocol, Rule
from bench.scoring import calls, cells
from bench.view import StoredRun

PLUGIN = '''
from bench.api import MetricCard, Score, hookimpl


class Count:
    """How many items, and their ids and queries, in one number that tells them."""

    def __init__(self, card):
        self.id = card.scores[0].id

    def __call__(self, items, comparison):
        items = list(items)
        if comparison.peak == 9:
            import ctypes
            ctypes.string_at(0)
        asked = sum(item.query is not None for item in items)
        return {self.id: len(items) + 100 * asked} if items else {}


def card(quantity, **parts):
    name = f"pooled-{quantity}"
    return MetricCard(
        name=name, title=name, implementation="pooled_module:Count", quantity=quantity,
        targets=(quantity,), scores=(Score(f"{quantity}.count", name, "lower"),), pools=True,
    )


@hookimpl
def bench_metrics():
    return [card("albedo"), card("relit")]
'''

OWN = """
protocols = ["mine"]
[protocols.mine]
base = "neutral"
[[protocols.mine.rules."albedo.count"]]
column = "each"
unit = "item"
[[protocols.mine.rules."albedo.count"]]
unit = "scene"
column = ""
[[protocols.mine.rules."albedo.count"]]
unit = "dataset"
column = "single"
[[protocols.mine.rules."relit.count"]]
unit = "scene"
"""


@pytest.fixture(scope="module")
def installed(tiny: Any) -> Any:
    tiny.add("pooled", PLUGIN)
    return tiny


@pytest.fixture
def pooling(bench: Any, installed: Any) -> Any:
    bench.plugins = ("tiny", "pooled")
    return bench


def counted(run: StoredRun, metric: str, column: str = "") -> dict[str, Any]:
    return {
        o.unit: o.value if o.kind == "value" else o.reason
        for o in run.outcomes()
        if (o.metric, o.column) == (metric, column)
    }


def test_a_scene_a_dataset_and_each_item_may_be_units_of_one_metric(pooling: Any) -> None:
    pooling.write('name = "tiny"', dataset="scenes = 2", run=OWN)
    run = pooling.again()
    assert counted(run, "albedo.count") == {"scene0": 2, "scene1": 2}
    assert counted(run, "albedo.count", "single") == {"": 4}
    each = counted(run, "albedo.count", "each")
    assert each == {f"scene{s}/item{i}": 1 for s in (0, 1) for i in (0, 1)}


def test_every_query_of_a_scene_is_an_item_of_its_unit(pooling: Any) -> None:
    pooling.write('name = "tiny"', dataset="scenes = 1", run=OWN)
    assert counted(pooling.again(), "relit.count") == {"scene0": 202}


def test_a_second_run_has_nothing_to_score(pooling: Any) -> None:
    pooling.write('name = "tiny"', dataset="scenes = 2", run=OWN)
    pooling.again()
    before = pooling.lines()
    assert len(before) == len(set(before))
    pooling.again()
    assert pooling.lines() == before


def test_one_failed_item_fails_its_scene_and_no_other(pooling: Any) -> None:
    method = 'name = "tiny"\n[methods.options]\nmode = "raise"\non = "scene0/item1"'
    pooling.write(method, dataset="scenes = 2", run=OWN)
    run = pooling.again()
    assert counted(run, "albedo.count") == {"scene0": "crash", "scene1": 2}
    assert counted(run, "albedo.count", "single") == {"": "crash"}
    each = counted(run, "albedo.count", "each")
    assert Counter(each.values()) == {1: 3, "crash": 1}


def test_a_pooled_metric_that_kills_the_scorer_fails_its_own_cells_alone(pooling: Any) -> None:
    deadly = OWN.replace('unit = "scene"\ncolumn = ""', 'unit = "scene"\npeak = 9\ncolumn = ""')
    pooling.write('name = "tiny"', dataset="scenes = 1", run=deadly)
    run = pooling.again()
    assert counted(run, "albedo.count") == {"scene0": "crash"}
    assert counted(run, "albedo.count", "single") == {"": 2}
    assert set(counted(run, "albedo.count", "each").values()) == {1}
    assert counted(run, "relit.count") == {"scene0": 202}


def test_calls_of_all_levels_together_are_those_of_each() -> None:
    score = Score("albedo.x", "x", "lower")
    pooled = MetricCard("x", "", "m:M", (score,), quantity="albedo", pools=True)
    rules = (
        Rule("albedo.x", Comparison(unit="scene")),
        Rule("albedo.x", Comparison(), "each"),
    )
    protocol = Protocol("p", 1, "", rules)
    assert cells(pooled, protocol, "scene") == [("albedo.x", "")]
    assert cells(pooled, protocol, "item") == [("albedo.x", "each")]
    assert cells(pooled, protocol, "dataset") == []
    assert len(list(calls(pooled, protocol))) == 2


def test_a_metric_that_does_not_pool_keeps_its_own_unit() -> None:
    score = Score("albedo.x", "x", "lower")
    protocol = Protocol("p", 1, "", (Rule("*", Comparison(unit="scene")),))
    single = MetricCard("x", "", "m:M", (score,), quantity="albedo")
    assert cells(single, protocol, "item") == [("albedo.x", "")]
    pair = MetricCard("x", "", "m:M", (score,), quantity="albedo", over="pair")
    assert cells(pair, protocol, "scene") == [("albedo.x", "")]
