"""Weighted human disagreement rate of an albedo (Bell et al. 2014; specs/metrics.md §5.4)."""

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from bench.api import Item, MetricCard
from bench.errors import InvalidValueError
from bench.protocol import Comparison
from bench.protocol.showing import show

DELTA = 0.10
"""By what share one of two points must be lighter to be called so."""

_DARKEST = 1e-10


class Point(NamedTuple):
    """A judged point: x to the right and y down in [0, 1], from the image's top left corner."""

    x: float
    y: float
    opaque: bool


class Judgement(NamedTuple):
    """Which of two points people called darker, "1", "2" or "E" for equal, and how surely."""

    first: Point
    second: Point
    darker: str
    weight: float


def judged(judgements: Mapping[str, Any]) -> Iterator[Judgement]:
    """The comparisons of a parsed IIW file that count: decided, weighted, of two opaque points.

    Raises:
        InvalidValueError: naming the entry that is malformed.
    """
    points = dict(_points(judgements["intrinsic_points"]))
    for index, entry in enumerate(judgements["intrinsic_comparisons"]):
        where = f"judgements.intrinsic_comparisons[{index}]"
        darker, weight = _field(entry, "darker", where), _field(entry, "darker_score", where)
        first, second = (
            _known(points, _field(entry, name, where), where) for name in ("point1", "point2")
        )
        if darker not in ("1", "2", "E", None):
            raise InvalidValueError("range", f"{where}: darker is {darker!r}, not '1', '2' or 'E'")
        if darker is None or weight is None or not (first.opaque and second.opaque):
            continue
        if (sure := _number(weight, f"{where}: darker_score")) > 0:
            yield Judgement(first, second, darker, sure)


def disagreement(albedo: NDArray[Any], judgements: Mapping[str, Any]) -> dict[str, float]:
    """WHDR in [0, 1] of an albedo H×W×C; over all comparisons, those judged equal, and the others.

    Where none of a kind counts, its rate is left out.

    Raises:
        InvalidValueError: naming the entry that is malformed.
    """
    wrong = {"E": 0.0, "12": 0.0}
    total = dict(wrong)
    for judgement in judged(judgements):
        kind = "E" if judgement.darker == "E" else "12"
        lightness = _lightness(albedo, judgement.first), _lightness(albedo, judgement.second)
        total[kind] += judgement.weight
        wrong[kind] += judgement.weight * (darker_of(*lightness) != judgement.darker)
    rates = {
        "albedo.whdr": (sum(wrong.values()), sum(total.values())),
        "albedo.whdr_eq": (wrong["E"], total["E"]),
        "albedo.whdr_ineq": (wrong["12"], total["12"]),
    }
    return {score: part / whole for score, (part, whole) in rates.items() if whole > 0}


def darker_of(first: float, second: float, delta: float = DELTA) -> str:
    """The darker of two lightnesses, "1" or "2"; "E" where neither is lighter by more than δ."""
    if second / first > 1 + delta:
        return "1"
    return "2" if first / second > 1 + delta else "E"


class DisagreementRate:
    """WHDR of the albedo at any size, as the comparison shows it: linear, or encoded.

    Masks and scales do not apply. Raises `InvalidValueError` for malformed judgements.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        albedo = show(np.asarray(item.prediction["albedo"], np.float64), comparison)  # H×W×3
        return disagreement(albedo, cast(Mapping[str, Any], item.target["judgements"]))


def _points(entries: Iterable[object]) -> Iterator[tuple[Hashable, Point]]:
    for index, entry in enumerate(entries):
        where = f"judgements.intrinsic_points[{index}]"
        x, y = (_number(_field(entry, name, where), f"{where}: {name}") for name in ("x", "y"))
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise InvalidValueError("range", f"{where}: ({x}, {y}) is not inside [0, 1]²")
        yield _field(entry, "id", where), Point(x, y, bool(_field(entry, "opaque", where)))


def _lightness(albedo: NDArray[Any], point: Point) -> float:
    """Mean of the channels at a point; the far border belongs to the last row and column."""
    rows, columns, _ = albedo.shape
    row, column = min(int(point.y * rows), rows - 1), min(int(point.x * columns), columns - 1)
    return max(_DARKEST, float(albedo[row, column].mean()))


def _field(entry: object, name: str, where: str) -> Any:
    if not isinstance(entry, Mapping) or name not in entry:
        raise InvalidValueError("shape", f"{where}: no {name!r}")
    return entry[name]


def _known(points: Mapping[Hashable, Point], name: object, where: str) -> Point:
    if not isinstance(name, Hashable) or name not in points:
        raise InvalidValueError("missing", f"{where}: no point has the id {name!r}")
    return points[name]


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidValueError("non-finite", f"{where} is {value!r}, not a finite number")
    return float(value)
