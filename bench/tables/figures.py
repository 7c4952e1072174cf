"""The figures of a table: distributions over scenes, and quality against time.

Figures are made without pyplot, under a style of their own, so that nothing global changes.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.api import Row
from bench.tables import statistics, wording
from bench.tables.statistics import Floats
from bench.tables.table import Column, Table

Colours = Mapping[str, Any]

_PANELS_ACROSS = 4
_PANEL_WIDTH = 2.4
_LABEL_WIDTH = 24
_LEGEND_WIDTH = 2.4
_LEAST_SPAN = 10
_MARKERS = {"method": "o", "floor": "s", "oracle": "*", "noise": "D", "published": "^"}


@lru_cache(maxsize=8)
def figures(table: Table) -> tuple[tuple[str, str, Figure], ...]:
    """(name, caption, figure) each: one distribution per task, then quality against time.

    Names are fit for files; a figure without a single finite number is left out. Those of the
    tables drawn last are kept, as several reports show them; save them, but do not change them.
    """
    return tuple(_figures(table))


def _figures(table: Table) -> Iterator[tuple[str, str, Figure]]:
    for group, columns in table.groups():
        drawable = [column for column in columns if _finite(table, column)]
        if drawable:
            caption = (
                f"{table.name}, {group}: means of single scenes; bars are the mean and its "
                f"{statistics.LEVEL:.0%} bootstrap interval"
            )
            if any(np.isinf(table.numbers[column.name].values).any() for column in drawable):
                caption += "; infinite values are left out"
            yield f"distribution-{group}", caption, distribution(table, drawable)
    time = _time_column(table)
    headline = [] if time is None else _headlines(table)
    if time is not None and headline:
        caption = (
            f"{table.name}: quality against {time.name}; bars are {statistics.LEVEL:.0%} bootstrap "
            "intervals of the mean over scenes"
        )
        yield "quality-against-time", caption, quality_against_time(table, time, headline)


def distribution(table: Table, columns: Sequence[Column]) -> Figure:
    """One panel per column: each row's scene means as points, their mean and its interval."""
    rows = [row for row in table.rows if any(table.cell(row, c).covered for c in columns)]
    colours = palette(table)
    left = 0.3 + 0.07 * max(len(line) for row in rows for line in plain(row.label).split("\n"))
    with _styled():
        figure, panels = _grid(len(columns), 0.3 * len(rows), left, gap=0.2)
        for place, (axes, column) in enumerate(zip(panels, columns, strict=True)):
            _draw_distribution(axes, table, column, rows, colours)
            axes.tick_params(labelleft=place % _PANELS_ACROSS == 0)
    return figure


def quality_against_time(table: Table, time: Column, columns: Sequence[Column]) -> Figure:
    """One panel per column: its mean, with a bootstrap interval, against mean seconds per item."""
    colours = palette(table)
    with _styled():
        figure, panels = _grid(len(columns), 1.9, left=0.7, gap=0.7, right=_LEGEND_WIDTH)
        for axes, column in zip(panels, columns, strict=True):
            _draw_against_time(axes, table, time, column, colours)
        handles = _handles([row for row in table.rows if table.cell(row, time).covered], colours)
        figure.legend(handles, [str(handle.get_label()) for handle in handles], loc="upper right")
    return figure


def palette(table: Table) -> Colours:
    """Row label → colour, the same in every figure of a table; greys for what is no method."""
    coloured = "method" if table.measured else "published"
    methods = [row.label for row in table.rows if row.kind == coloured]
    others = [row.label for row in table.rows if row.kind != coloured]
    name = "colorblind" if len(methods) <= 10 else "husl"
    colours = dict(zip(methods, seaborn.color_palette(name, len(methods)), strict=True))
    greys = seaborn.color_palette("Greys_r", len(others) + 2)[: len(others)]
    return colours | dict(zip(others, greys, strict=True))


def save(figure: Figure, path: Path, dpi: int = 150) -> Path:
    """Write a figure as its suffix says; the same figure gives the same bytes."""
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
    figure.savefig(path, dpi=dpi, metadata=metadata)
    return path


def _draw_distribution(
    axes: Axes, table: Table, column: Column, rows: Sequence[Row], colours: Colours
) -> None:
    scenes = _finite_scene_means(table, column, rows)  # per row
    chosen = [colours[row.label] for row in rows]
    heights = np.repeat(np.arange(len(rows)), [len(means) for means in scenes])
    values = np.concatenate(scenes)
    points = {"x": values, "y": heights, "c": [chosen[place] for place in heights]}
    seaborn.scatterplot(**points, s=12, alpha=0.45, legend=False, ax=axes)
    _draw_means(axes, scenes, chosen)
    axes.set_yticks(range(len(rows)), [plain(row.label) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if column.score.unit == "s" and (values > 0).all():
        _scale_for_time(axes)
    axes.set(xlabel=wording.heading(column), ylabel="")


def _draw_means(axes: Axes, scenes: Sequence[Floats], colours: Sequence[Any]) -> None:
    drawn = [place for place, means in enumerate(scenes) if len(means)]
    chosen = [colours[place] for place in drawn]
    low, high = zip(*(statistics.interval(scenes[place]) for place in drawn), strict=True)
    axes.hlines(drawn, low, high, colors=chosen, linewidth=2)
    axes.scatter([scenes[place].mean() for place in drawn], drawn, s=70, c=chosen, marker="|")


def _finite_scene_means(table: Table, column: Column, rows: Sequence[Row]) -> list[Floats]:
    """The scene means of each row in the unit shown, without ∞ and what is not known."""
    numbers = table.numbers[column.name]
    places = {row.label: place for place, row in enumerate(table.rows)}
    factor = 1e-6 if wording.unit(column.score) == "MB" else 1.0
    means = (numbers.scene_means(places[row.label]) * factor for row in rows)
    return [values[np.isfinite(values)] for values in means]


def _draw_against_time(
    axes: Axes, table: Table, time: Column, column: Column, colours: Colours
) -> None:
    for place, row in enumerate(table.rows):
        seconds, quality = table.cell(row, time).mean, table.cell(row, column).mean
        if seconds is None or quality is None or not isfinite(quality) or seconds <= 0:
            continue
        if not table.cell(row, column).covered:
            continue  # a published mean alone
        low, high = statistics.interval(table.numbers[column.name].scene_means(place))
        axes.errorbar(
            seconds,
            quality,
            yerr=_ends(quality, low, high),
            fmt=_MARKERS[row.kind],
            color=colours[row.label],
            markersize=5,
            elinewidth=1,
        )
    _scale_for_time(axes)
    axes.set(xlabel=wording.heading(time), ylabel=wording.heading(column))


def _scale_for_time(axes: Axes) -> None:
    """A logarithmic axis of at least a decade, so that small differences look small."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    reach = max(1.0, np.sqrt(_LEAST_SPAN * low / high))
    axes.set_xlim(low / reach, high * reach)
    subdivided = high / low < 100
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if subdivided else (1,), numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _ends(mean: float, low: float, high: float) -> list[list[float]]:
    # With hardly any scenes, rounding can put the mean an ulp outside its interval.
    return [[max(0.0, mean - low)], [max(0.0, high - mean)]]


def _handles(rows: Sequence[Row], colours: Colours) -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            linestyle="",
            marker=_MARKERS[row.kind],
            color=colours[row.label],
            label=plain(wording.label(row)),
        )
        for row in rows
    ]


def plain(label: str) -> str:
    """A label in at most two lines that matplotlib neither reads as mathematics nor hides."""
    text = textwrap.fill(label, _LABEL_WIDTH, max_lines=2, placeholder=" …").replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _grid(
    count: int, height: float, left: float, gap: float, right: float = 0.1
) -> tuple[Figure, list[Axes]]:
    """Panels of one size, `_PANELS_ACROSS` in a line; margins in inches.

    Matplotlib's layout engines would find the margins too, at twice the time of everything else.
    """
    across = min(count, _PANELS_ACROSS)
    down = -(-count // across)
    top, bottom = 0.1, 0.5
    width_all = left + across * (_PANEL_WIDTH + gap) - gap + right
    height_all = down * (top + height + bottom)
    figure = Figure(figsize=(width_all, height_all))
    FigureCanvasAgg(figure)
    edges = {
        "left": left / width_all,
        "right": 1 - right / width_all,
        "top": 1 - top / height_all,
        "bottom": bottom / height_all,
        "wspace": gap / _PANEL_WIDTH,
        "hspace": (top + bottom) / height,
    }
    panels = figure.subplots(down, across, squeeze=False, gridspec_kw=edges).ravel()
    for spare in panels[count:]:
        spare.remove()
    return figure, list(panels[:count])


def _finite(table: Table, column: Column) -> bool:
    numbers = table.numbers[column.name]
    return any(np.isfinite(numbers.scene_means(row)).any() for row in range(len(table.rows)))


def _time_column(table: Table) -> Column | None:
    return next((c for c in table.columns if c.group == "cost" and c.score.unit == "s"), None)


def _headlines(table: Table) -> list[Column]:
    """The first ranked column of each task."""
    ranked = [
        next((c for c in columns if c.score.ranked and _finite(table, c)), None)
        for group, columns in table.groups()
        if group != "cost"
    ]
    return [column for column in ranked if column is not None]


@contextmanager
def _styled() -> Iterator[None]:
    style = seaborn.axes_style("whitegrid") | seaborn.plotting_context("paper")
    with matplotlib.rc_context(style):
        yield
