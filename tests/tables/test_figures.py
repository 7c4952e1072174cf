"""The figures: which there are, what they contain, and that nothing global changes."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from bench.tables import figures
from bench.tables.summary import summarise
from bench.tables.table import Column, Table


@pytest.fixture(scope="module")
def table(run: Any) -> Table:
    return summarise(run).tables[0]


def columns(table: Table, group: str) -> tuple[Column, ...]:
    return dict(table.groups())[group]


def test_every_task_has_its_distribution_and_all_share_one_against_time(table: Table) -> None:
    names = [name for name, _, _ in figures.figures(table)]
    groups = [group for group, _ in table.groups()]
    assert names == [*(f"distribution-{group}" for group in groups), "quality-against-time"]


def test_a_column_without_numbers_has_no_panel(table: Table) -> None:
    (figure,) = [f for name, _, f in figures.figures(table) if name == "distribution-relit"]
    labels = " ".join(axes.get_xlabel() for axes in figure.axes)
    assert "relit.psnr" in labels and "lpips" not in labels


def test_points_are_the_scene_means(table: Table) -> None:
    (column,) = columns(table, "shading")
    figure = figures.distribution(table, [column])
    points = figure.axes[0].collections[0].get_offsets()
    drawn = np.asarray(points)[:, 0]
    expected = [table.numbers[column.name].scene_means(i) for i in range(len(table.rows))]
    expected = np.concatenate(expected)
    np.testing.assert_allclose(np.sort(drawn), np.sort(expected[np.isfinite(expected)]))


def test_axes_name_metric_direction_and_unit(table: Table) -> None:
    figure = figures.distribution(table, columns(table, "normal")[:1])
    assert figure.axes[0].get_xlabel() == "normal.mae ↓ °"


def test_a_row_keeps_its_colour_and_what_is_no_method_is_grey(table: Table) -> None:
    palette = figures.palette(table)
    assert len({tuple(colour) for colour in palette.values()}) == len(table.rows)
    assert np.ptp(palette["flat"]) < 0.01 < np.ptp(palette["SH regular"])


def test_time_runs_logarithmically_and_every_timed_row_is_named(table: Table) -> None:
    seconds = next(c for c in table.columns if c.name == "cost.seconds")
    figure = figures.quality_against_time(table, seconds, columns(table, "normal")[:1])
    assert figure.axes[0].get_xscale() == "log"
    named = {text.get_text() for text in figure.legends[0].get_texts()}
    assert "flat" in named and "SH regular + normals‡" in named and "render noise" not in named


@pytest.mark.parametrize("label", ["_hidden", "a$b$c", r"$\frac$", "x" * 90, "many words " * 9])
def test_any_label_can_be_drawn(fake: Any, label: str, tmp_path: Path) -> None:
    parts = (fake.Part("vases", "mini", 3, 1),)
    run = fake.FakeRun(parts=parts, rows=[fake.a_row(label), fake.a_row("b")])
    for name, _, figure in figures.figures(summarise(run).tables[0]):
        assert figures.save(figure, tmp_path / f"{name}.png", dpi=30).stat().st_size


def test_the_importers_settings_stay_as_they_were(table: Table) -> None:
    before = dict(matplotlib.rcParams)
    backend = matplotlib.get_backend(auto_select=False)
    for _ in figures.figures(table):
        pass
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.get_backend(auto_select=False) == backend


def test_the_same_figure_gives_the_same_bytes(table: Table, tmp_path: Path) -> None:
    for suffix in ("png", "pdf"):
        files = [
            figures.save(
                figures.distribution(table, columns(table, "shading")), tmp_path / f"{i}.{suffix}"
            )
            for i in range(2)
        ]
        assert files[0].read_bytes() == files[1].read_bytes()
