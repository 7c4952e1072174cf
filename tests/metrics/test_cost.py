"""Cost is passed on, and what was not measured is left out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.api import Item
from bench.protocol import Comparison


def test_seconds_and_bytes_are_those_of_the_item(measure: Callable[..., Any], view: Item) -> None:
    assert measure("cost.seconds", view, comparison=Comparison()) == 0.25
    assert measure("cost.memory", view, comparison=Comparison()) == 3e6


def test_unmeasured_memory_is_left_out(measure: Callable[..., Any], view: Item) -> None:
    unmeasured = replace(view, cost={"seconds": 1.0})
    assert measure("cost.memory", unmeasured, comparison=Comparison()) is None
    assert measure("cost.seconds", unmeasured, comparison=Comparison()) == 1
