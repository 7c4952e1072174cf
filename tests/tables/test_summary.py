"""A run in tables: aggregation, coverage, kinds of cells, and who is bold."""

import math
from typing import Any

import numpy as np
import pytest

from bench.api import Outcome
from bench.errors import StoreError
from bench.protocol.named import NEUTRAL
from bench.tables.outcomes import item_within, long_table
from bench.tables.summary import summarise
from bench.tables.table import Cell, Table


def outcome(
    label: str,
    unit: str,
    value: float | None = None,
    metric: str = "albedo.psnr",
    column: str = "",
    kind: str = "value",
    **more: Any,
) -> Outcome:
    scene = unit.partition("/")[0].partition("~")[0]
    head = (label, "vases", "mini", scene, unit, metric, column, NEUTRAL.name, kind, value)
    return Outcome(*head, **more)


def a_run(fake: Any, outcomes: Any, rows: Any = ("a", "b")) -> Any:
    rows = [fake.a_row(row) if isinstance(row, str) else row for row in rows]
    return fake.FakeRun(parts=(fake.Part("vases", "mini", 12, 2),), rows=rows, listed=outcomes)


def table_of(fake: Any, outcomes: Any, rows: Any = ("a", "b")) -> Table:
    (table,) = summarise(a_run(fake, outcomes, rows)).tables
    return table


def cell_of(
    fake: Any, outcomes: Any, label: str = "a", name: str = "albedo.psnr", rows: Any = ("a", "b")
) -> Cell:
    return table_of(fake, outcomes, rows).cells[label, name]


@pytest.mark.parametrize(
    ("scene", "unit", "item"),
    [
        ("s", "s/1", "1"),
        ("s", "s/1/light2", "1"),
        ("s", "s/1~2", "1~2"),
        ("s", "s", ""),
        ("", "", ""),
        ("a/b", "a/b/1/light2", "1"),
    ],
)
def test_a_unit_names_its_item(scene: str, unit: str, item: str) -> None:
    assert item_within(scene, unit) == item


def test_queries_within_items_within_scenes_then_over_scenes(fake: Any) -> None:
    outcomes = [
        outcome("a", "s0/0/light1", 1.0, "relit.psnr"),
        outcome("a", "s0/0/light2", 3.0, "relit.psnr"),
        outcome("a", "s0/1/light1", 10.0, "relit.psnr"),
        outcome("a", "s1/0/light1", 20.0, "relit.psnr"),
    ]
    assert cell_of(fake, outcomes, name="relit.psnr").mean == 13.0


def test_second_columns_are_columns_of_their_own(fake: Any) -> None:
    outcomes = [outcome("a", "s0/0", 1.0), outcome("a", "s0/0", 2.0, column="single")]
    table = table_of(fake, outcomes)
    assert [column.name for column in table.columns] == ["albedo.psnr", "albedo.psnr/single"]
    assert table.cells["a", "albedo.psnr/single"].mean == 2.0


def test_columns_follow_the_tasks_and_then_the_order_of_the_scores(fake: Any) -> None:
    metrics = ["cost.seconds", "albedo.lmse", "albedo.psnr", "normal.mae"]
    table = table_of(fake, [outcome("a", "s0/0", 1.0, metric) for metric in metrics])
    assert [column.score.id for column in table.columns] == [
        "normal.mae",
        "albedo.psnr",
        "albedo.lmse",
        "cost.seconds",
    ]


def test_a_failure_is_never_a_value(fake: Any) -> None:
    failed = outcome("a", "s1/0", kind="failed", reason="crash", message="segfault")
    cell = cell_of(fake, [outcome("a", "s0/0", 4.0), failed])
    assert (cell.kind, cell.mean, cell.covered, cell.expected) == ("value", 4.0, 1, 2)
    assert cell.partial and cell.reasons == {"crash": 1}


def test_a_cell_without_any_value_is_failed(fake: Any) -> None:
    cell = cell_of(fake, [outcome("a", "s0/0", kind="failed", reason="shape")])
    assert (cell.kind, cell.mean, cell.partial) == ("failed", None, True)


def test_what_others_were_scored_on_is_expected_of_every_row(fake: Any) -> None:
    outcomes = [outcome("b", "s0/0", 1.0), outcome("b", "s1/0", 1.0), outcome("a", "s0/0", 1.0)]
    cell = cell_of(fake, outcomes)
    assert (cell.covered, cell.expected, cell.reasons) == (1, 2, {"not scored": 1})


def test_a_whole_item_that_failed_is_no_unit_beside_its_queries(fake: Any) -> None:
    outcomes = [
        outcome("a", "s0/0", metric="relit.psnr", kind="failed", reason="crash"),
        outcome("b", "s0/0/light1", 1.0, "relit.psnr"),
        outcome("b", "s0/0/light2", 2.0, "relit.psnr"),
    ]
    table = table_of(fake, outcomes)
    failed, whole = (table.cells[label, "relit.psnr"] for label in "ab")
    assert (failed.kind, failed.covered, failed.expected) == ("failed", 0, 2)
    assert (whole.covered, whole.expected, whole.partial) == (2, 2, False)


def test_a_metric_over_the_whole_dataset_has_one_unit(fake: Any) -> None:
    cell = cell_of(fake, [outcome("a", "", 3.0)])
    assert (cell.mean, cell.covered, cell.expected) == (3.0, 1, 1)


def test_unavailable_and_given_and_absent_cells_say_so(fake: Any) -> None:
    outcomes = [
        outcome("a", "s0/0", kind="unavailable", message="no weights"),
        outcome("b", "s0/0", kind="given"),
    ]
    table = table_of(fake, outcomes, rows=("a", "b", "c"))
    kinds = {label: table.cells[label, "albedo.psnr"].kind for label in "abc"}
    assert kinds == {"a": "unavailable", "b": "given", "c": "absent"}
    assert table.cells["a", "albedo.psnr"].message == "no weights"
    assert not any(cell.partial for cell in table.cells.values())


def test_infinite_values_stay_infinite(fake: Any) -> None:
    outcomes = [outcome("a", "s0/0", math.inf), outcome("a", "s1/0", 30.0)]
    assert cell_of(fake, outcomes).mean == math.inf


def test_a_value_without_a_number_is_refused_by_name(fake: Any) -> None:
    with pytest.raises(StoreError, match=r"'a' on vases/mini, s0/0: albedo\.psnr"):
        long_table(a_run(fake, [outcome("a", "s0/0", math.nan)]))


def test_outcomes_of_an_unknown_row_are_refused(fake: Any) -> None:
    with pytest.raises(StoreError, match="row 'z'"):
        summarise(a_run(fake, [outcome("z", "s0/0", 1.0)]))


def test_a_protocol_the_manifest_does_not_state_is_refused(fake: Any) -> None:
    run = a_run(fake, [outcome("a", "s0/0", 1.0)])
    run.manifest = {"protocols": {}}
    with pytest.raises(StoreError, match="does not state protocol 'neutral'"):
        summarise(run)


def scores(label: str, lead: float = 0.0, metric: str = "albedo.psnr") -> Any:
    return [
        outcome(label, f"s{scene}/0", 20 + scene + lead + 0.01 * (scene % 3), metric)
        for scene in range(8)
    ]


def bold_of(fake: Any, outcomes: Any, rows: Any, name: str = "albedo.psnr") -> set[str]:
    table = table_of(fake, outcomes, rows)
    return {row.label for row in table.rows if table.cells[row.label, name].bold}


def test_the_best_of_a_group_is_bold(fake: Any) -> None:
    assert bold_of(fake, scores("a") + scores("b", 1), ("a", "b")) == {"b"}


def test_where_lower_is_better_the_lowest_is_bold(fake: Any) -> None:
    lines = scores("a", metric="normal.mae") + scores("b", 1, metric="normal.mae")
    assert bold_of(fake, lines, ("a", "b"), "normal.mae") == {"a"}


def test_bold_stays_within_rows_of_like_inputs(fake: Any) -> None:
    many = [fake.a_row(label, input_class={"views": "many"}) for label in ("c", "d")]
    lines = scores("a") + scores("b", 1) + scores("c", 5) + scores("d", 9)
    assert bold_of(fake, lines, ("a", "b", *many)) == {"b", "d"}


def test_a_sole_row_in_its_group_is_not_bold(fake: Any) -> None:
    other = fake.a_row("c", input_class={"geometry": "given"})
    assert bold_of(fake, scores("a") + scores("c", 5), ("a", other)) == set()


@pytest.mark.parametrize("kind", ["floor", "oracle", "noise", "published"])
def test_floors_oracle_noise_and_published_rows_are_never_bold_and_never_compete(
    fake: Any, kind: str
) -> None:
    rows = ("a", "b", fake.a_row("c", kind=kind))
    assert bold_of(fake, scores("a") + scores("b", 1) + scores("c", 9), rows) == {"b"}


def test_privileged_rows_are_never_bold(fake: Any) -> None:
    rows = ("a", "b", fake.a_row("c", privileged=("normal",)))
    assert bold_of(fake, scores("a") + scores("b", 1) + scores("c", 9), rows) == {"b"}


def test_unranked_scores_make_nobody_bold(fake: Any) -> None:
    lines = scores("a", metric="consistency.psnr") + scores("b", 1, metric="consistency.psnr")
    assert bold_of(fake, lines, ("a", "b"), "consistency.psnr") == set()


def test_ranked_rows_come_first_group_by_group_and_sections_divide_them(fake: Any) -> None:
    rows = (
        fake.a_row("oracle", kind="oracle"),
        fake.a_row("flat", kind="floor"),
        fake.a_row("p", privileged=("normal",)),
        "a",
        fake.a_row("m", input_class={"views": "many"}),
        "b",
    )
    sections = table_of(fake, scores("a"), rows).sections()
    assert [[row.label for row in section.rows] for section in sections] == [
        ["a", "b"],
        ["m"],
        ["p"],
        ["flat"],
        ["oracle"],
    ]


def test_the_ledger_counts_items_once_however_many_metrics_they_lack(fake: Any) -> None:
    lines = [
        outcome("a", "s0/0", metric=metric, kind="failed", reason="crash", message="boom")
        for metric in ("albedo.psnr", "albedo.lmse")
    ]
    (failure,) = summarise(a_run(fake, lines)).failures
    assert (failure.row, failure.reason, failure.items, failure.message) == (
        "a",
        "crash",
        1,
        "boom",
    )


def test_datasets_and_protocols_never_share_a_table(run: Any) -> None:
    assert [table.name for table in summarise(run).tables] == ["vases/mini", "landmarks/all"]


def test_a_run_is_read_once_however_many_reports_ask(fake: Any) -> None:
    run = a_run(fake, scores("a"))
    assert summarise(run) is summarise(run)
    assert summarise(a_run(fake, scores("a"))) is not summarise(run)


def test_scenes_and_items_are_those_the_run_covered(run: Any) -> None:
    table = summarise(run).tables[0]
    assert (table.scenes, table.items) == (12, 36)
    assert np.isfinite(table.numbers["normal.mae"].scene_means(0)).sum() == 12
