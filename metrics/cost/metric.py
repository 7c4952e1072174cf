"""Cost of one item as the runner measured it."""

from collections.abc import Iterable, Mapping

from bench.api import Item, MetricCard
from bench.protocol import Comparison


class Cost:
    """Seconds and bytes; what was not measured is left out."""

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        return {
            f"cost.{name}": item.cost[name] for name in ("seconds", "memory") if name in item.cost
        }
