"""WHDR against §5.4 of specs/metrics.md and a slow twin; malformed judgements are named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Item, Key
from bench.errors import InvalidValueError
from bench.metrics.intrinsics.whdr import disagreement
from bench.protocol import Comparison

Array = NDArray[np.floating[Any]]


def written(*entries: tuple[Any, Any, str | None, Any], points: Any = None) -> dict[str, Any]:
    """Judgements of points (x, y): each entry is first, second, darker, score."""
    ends = [end for entry in entries for end in entry[:2]]
    return {
        "intrinsic_points": points
        or [{"id": k, "x": x, "y": y, "opaque": True} for k, (x, y) in enumerate(ends)],
        "intrinsic_comparisons": [
            {"point1": 2 * k, "point2": 2 * k + 1, "darker": entry[2], "darker_score": entry[3]}
            for k, entry in enumerate(entries)
        ],
    }


LEFT, RIGHT = 0.25, 0.75


@pytest.fixture
def example() -> tuple[Array, dict[str, Any]]:
    """The three comparisons of §5.4, one per row of a 3×2 image."""
    albedo = np.array([[0.2, 0.3], [0.5, 0.54], [0.3, 0.29]])[..., None] * [0.5, 1, 1.5]  # 3×2×3
    judged = [("1", 1), ("E", 0.5), ("2", 0.25)]
    rows = [((LEFT, (k + 0.5) / 3), (RIGHT, (k + 0.5) / 3), *said) for k, said in enumerate(judged)]
    return albedo, written(*rows)


def test_the_example_of_the_specification(example: tuple[Array, dict[str, Any]]) -> None:
    found = disagreement(*example)
    assert found["albedo.whdr"] == pytest.approx(0.142857, abs=5e-7)
    assert found["albedo.whdr_eq"] == 0
    assert found["albedo.whdr_ineq"] == pytest.approx(0.25 / 1.25)


def test_it_is_scored_where_judgements_are_the_truth(
    measure: Callable[..., Any], example: tuple[Array, dict[str, Any]]
) -> None:
    albedo, judgements = example
    item = Item(Key("iiw", "1"), None, {"albedo": albedo}, {"judgements": judgements})
    assert measure("albedo.whdr", item, comparison=Comparison()) == pytest.approx(1 / 7)
    scaled = Item(Key("iiw", "1"), None, {"albedo": 3 * albedo}, item.target)
    assert measure("albedo.whdr", scaled, comparison=Comparison()) == pytest.approx(1 / 7)


def test_the_transfer_function_is_the_comparisons(measure: Callable[..., Any]) -> None:
    """0.2 to 0.23 is lighter by 15 % linear and by 6.6 % encoded with gamma."""
    judgements = written(((LEFT, 0.5), (RIGHT, 0.5), "1", 1))
    item = Item(
        Key("iiw", "1"), None, {"albedo": np.array([[[0.2], [0.23]]])}, {"judgements": judgements}
    )
    assert measure("albedo.whdr", item, comparison=Comparison()) == 0
    assert measure("albedo.whdr", item, comparison=Comparison(space="gamma22")) == 1


def by_loops(albedo: Array, judgements: dict[str, Any], kinds: str) -> float:
    points = {point["id"]: point for point in judgements["intrinsic_points"]}
    rows, columns, _ = albedo.shape
    wrong = total = 0.0
    for entry in judgements["intrinsic_comparisons"]:
        ends = [points[entry["point1"]], points[entry["point2"]]]
        if entry["darker"] is None or entry["darker"] not in kinds or entry["darker_score"] <= 0:
            continue
        if not all(end["opaque"] for end in ends):
            continue
        first, second = (
            max(1e-10, sum(albedo[int(end["y"] * rows), int(end["x"] * columns)]) / 3)
            for end in ends
        )
        said = "1" if second > 1.1 * first else "2" if first > 1.1 * second else "E"
        total += entry["darker_score"]
        wrong += entry["darker_score"] if said != entry["darker"] else 0
    return wrong / total


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_a_slow_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    albedo = np.round(rng.uniform(-0.1, 1, (13, 29, 3)), 1)
    said = rng.choice(["1", "2", "E", None], 300)
    judgements = written(
        *((rng.random(2), rng.random(2), darker, rng.uniform(-0.2, 1)) for darker in said)
    )
    for point in judgements["intrinsic_points"]:
        point["opaque"] = bool(rng.random() < 0.8)
    found = disagreement(albedo, judgements)
    for score, kinds in (("whdr", "12E"), ("whdr_eq", "E"), ("whdr_ineq", "12")):
        assert found[f"albedo.{score}"] == pytest.approx(by_loops(albedo, judgements, kinds))
    assert 0.2 < found["albedo.whdr"] < 0.9


def test_constant_reflectance_always_says_equal(example: tuple[Array, dict[str, Any]]) -> None:
    _, judgements = example
    for constant in (0.0, 0.5):
        found = disagreement(np.full((4, 4, 3), constant), judgements)
        assert found == {
            "albedo.whdr": pytest.approx(1.25 / 1.75),
            "albedo.whdr_eq": 0,
            "albedo.whdr_ineq": 1,
        }


def test_a_negative_lightness_is_black() -> None:
    judgements = written(((LEFT, 0.5), (RIGHT, 0.5), "2", 1))
    assert disagreement(np.array([[[0.5], [-3.0]]]), judgements)["albedo.whdr"] == 0


def test_the_far_border_belongs_to_the_last_pixel() -> None:
    judgements = written(((0, 0), (1, 1), "1", 1))
    assert disagreement(np.array([[[0.1], [0.9]]]), judgements)["albedo.whdr"] == 0


@pytest.mark.parametrize("entry", [("1", 0), ("2", -1), ("E", None), (None, 1)])
def test_where_nothing_is_weighted_it_is_undefined(entry: tuple[Any, Any]) -> None:
    judgements = written(((LEFT, 0.5), (RIGHT, 0.5), *entry))
    assert disagreement(np.ones((4, 4, 3)), judgements) == {}
    assert disagreement(np.ones((4, 4, 3)), written()) == {}


ENTRY = {"point1": 0, "point2": 1, "darker": "E", "darker_score": 1}
POINT = {"id": 0, "x": 0.5, "y": 0.5, "opaque": True}


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"point2": 7}, "missing", r"intrinsic_comparisons\[1\]: no point has the id 7"),
        ({"point1": [0]}, "missing", r"intrinsic_comparisons\[1\]: no point has the id \[0\]"),
        ({"darker": "3"}, "range", r"intrinsic_comparisons\[1\]: darker is '3'"),
        ({"darker": 1}, "range", r"intrinsic_comparisons\[1\]: darker is 1"),
        ({"darker_score": "1"}, "non-finite", r"\[1\]: darker_score is '1'"),
        ({"darker_score": float("nan")}, "non-finite", r"\[1\]: darker_score is nan"),
    ],
)
def test_a_malformed_comparison_is_named(change: dict[str, Any], kind: str, message: str) -> None:
    points = [POINT, POINT | {"id": 1}]
    judgements = {"intrinsic_points": points, "intrinsic_comparisons": [ENTRY, ENTRY | change]}
    with pytest.raises(InvalidValueError, match=message) as caught:
        disagreement(np.ones((4, 4, 3)), judgements)
    assert caught.value.kind == kind


@pytest.mark.parametrize("name", ENTRY)
def test_a_comparison_that_lacks_a_field_is_named(name: str) -> None:
    lacking = {key: value for key, value in ENTRY.items() if key != name}
    points = [POINT, POINT | {"id": 1}]
    with pytest.raises(InvalidValueError, match=rf"intrinsic_comparisons\[0\]: no '{name}'"):
        disagreement(
            np.ones((4, 4, 3)), {"intrinsic_points": points, "intrinsic_comparisons": [lacking]}
        )


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (POINT | {"x": 1.5}, r"intrinsic_points\[0\]: \(1.5, 0.5\) is not inside"),
        (POINT | {"y": None}, r"intrinsic_points\[0\]: y is None"),
        ({"id": 0, "x": 0.5, "y": 0.5}, r"intrinsic_points\[0\]: no 'opaque'"),
        ("0", r"intrinsic_points\[0\]: no 'x'"),
    ],
)
def test_a_malformed_point_is_named(point: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        disagreement(np.ones((4, 4, 3)), {"intrinsic_points": [point], "intrinsic_comparisons": []})
