"""The words and number formats that every report uses alike; plain text, no markup."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import floor, isinf, log10
from urllib.parse import quote

from bench.api import Row, Score
from bench.claims import LEVEL, Verdict
from bench.protocol import written
from bench.tables import statistics
from bench.tables.protocols import comparison, in_words
from bench.tables.table import Cell, Column, Table

_ARROWS = {"lower": "↓", "higher": "↑"}
_BYTES = ("B", "byte", "bytes")
_DEGREES = ("°", "deg", "degree", "degrees")
_DECIMALS = {"dB": 2, "°": 2, "%": 1}

CLAIM_HEADINGS = (
    "method",
    "dataset",
    "protocol",
    "metric",
    "claimed",
    "measured",
    "verdict",
    "claimed in",
)
CLAIM_LEGEND = (
    f"Measured: mean over scenes and its {LEVEL:.0%} bootstrap interval (BCa); a claim within it "
    "is reproduced, one outside is off by measured less claimed."
)


@dataclass(frozen=True)
class Shown:
    """A cell in words.

    Attributes:
        text: the number (with ± of a published one), "∞", "failed", "n/a", "given" or "–".
        coverage: "n/N" where † must stand, else empty.
        note: number of the footnote with the message, 0 for none.
        order: the number to sort by, None where there is none.
    """

    text: str
    bold: bool = False
    coverage: str = ""
    note: int = 0
    order: float | None = None


def arrow(score: Score) -> str:
    """↑ where higher is better, ↓ where lower is."""
    return _ARROWS[score.direction]


def unit(score: Score) -> str:
    """The unit that numbers are shown in: bytes become MB."""
    if score.unit in _BYTES:
        return "MB"
    return "°" if score.unit in _DEGREES else score.unit


def short_name(column: Column) -> str:
    """A column's name within its task: "psnr/single" of "albedo.psnr/single"."""
    return column.name.partition(".")[2] or column.name


def heading(column: Column) -> str:
    """Name, arrow and unit: "albedo.psnr ↑ dB"."""
    return " ".join(part for part in (column.name, arrow(column.score), unit(column.score)) if part)


def number(value: float, score: Score) -> str:
    """A number with the decimals that its unit deserves; ∞ for an infinite one."""
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    scaled = value / 1e6 if score.unit in _BYTES else value
    decimals = _DECIMALS.get(unit(score), 4)
    if scaled and abs(scaled) < (1e-3 if decimals == 4 else 10**-decimals):
        text = f"{scaled:.1e}".replace("e-0", "e-")
    elif score.unit in ("s", *_BYTES):
        text = f"{scaled:.{max(0, 2 - floor(log10(abs(scaled))))}f}" if scaled else "0"
    else:
        text = f"{scaled:.{decimals}f}"
    return text.replace("-", "−")


def label(row: Row) -> str:
    """A row's name, with ‡ where it was granted privileged quantities."""
    return f"{row.label}‡" if row.privileged else row.label


def input_words(row: Row) -> str:
    """The input class in a few words: "one view, mask, per image"; what is "none" is left out.

    Of a published row it is not known.
    """
    if row.kind == "published":
        return "published"
    return ", ".join(chain(_class_words(row), (f"granted {name}" for name in row.privileged)))


def _class_words(row: Row) -> Iterator[str]:
    for key, word in row.input_class.items():
        if key == "views":
            yield f"{word} view" if word == "one" else f"{word} views"
        elif key == "fit":
            yield word
        elif word in ("given", "yes"):
            yield key
        elif word not in ("none", "no", ""):
            yield f"{word} {key}"


def notes(table: Table, columns: Sequence[Column] | None = None) -> dict[str, int]:
    """Message of an unavailable outcome → number of its footnote, from 1, in reading order."""
    cells = _cells(table, table.columns if columns is None else columns)
    messages = [cell.message for cell in cells if cell.kind == "unavailable"]
    return {message: place for place, message in enumerate(dict.fromkeys(messages), 1)}


def sources(table: Table, columns: Sequence[Column] | None = None) -> dict[str, int]:
    """Where published rows come from → number of its mark §, from 1, in reading order."""
    rows = (row for section in table.sections(columns) for row in section.rows)
    told = (source for row in rows for source in table.sources.get(row.label, ()))
    return {source: place for place, source in enumerate(dict.fromkeys(told), 1)}


def marks(table: Table, row: Row, numbers: Mapping[str, int]) -> list[int]:
    """The numbers of a row's marks §; `numbers` are the table's `sources`."""
    return [numbers[source] for source in table.sources.get(row.label, ())]


def shown(cell: Cell, column: Column, numbers: Mapping[str, int]) -> Shown:
    """A cell in words; `numbers` are the table's `notes`."""
    if cell.kind == "value" and cell.mean is not None:
        coverage = f"{cell.covered}/{cell.expected}" if cell.partial else ""
        text = number(cell.mean, column.score)
        if cell.std is not None:
            text += f" ± {number(cell.std, column.score)}"
        return Shown(text, cell.bold, coverage, order=cell.mean)
    if cell.kind == "failed":
        return Shown("failed", coverage=f"{cell.covered}/{cell.expected}")
    if cell.kind == "unavailable":
        return Shown("n/a", note=numbers[cell.message])
    return Shown("given" if cell.kind == "given" else "–")


def caption(table: Table) -> str:
    """What a table shows: dataset, split, counts, and the comparison's name and version."""
    protocol = table.protocol
    covered = f"{_counted(table.scenes, 'scene')}, {_counted(table.items, 'item')}"
    if not table.measured:
        covered = f"published, {_counted(table.scenes, 'scene')}"
    return (
        f"{table.name}: {covered}. "
        f"Protocol {protocol.name} version {protocol.version}: {protocol.title}. "
        "Mean over scenes of scene means."
    )


def legend(table: Table, columns: Sequence[Column] | None = None) -> list[str]:
    """The marks that occur in a table, or in some of its columns, one sentence each."""
    cells = list(_cells(table, table.columns if columns is None else columns))
    kinds = {cell.kind for cell in cells}
    lines = []
    if any(cell.bold for cell in cells):
        peers = "methods of the same views, geometry and light"
        if not table.measured:
            peers = "published rows with numbers per scene, whatever their input"
        lines.append(
            f"Bold: the best among {peers}, and those that a "
            f"paired bootstrap over scenes ({statistics.RESAMPLES} resamples, "
            f"{statistics.LEVEL:.0%}) cannot tell from it; fewer than {statistics.FEWEST_SCENES} "
            "common scenes tell nothing apart."
        )
    if any(cell.partial for cell in cells):
        lines.append(
            "† n/N: only n of N units (items, their queries, pairs or scenes) have a number; the "
            "mean is over these, bold is decided on what is common to both rows."
        )
    if table.sources:
        lines.append(
            "§: published, not measured here, over the scenes that its source names or those of "
            "this run; never ranked or bold among measured rows."
        )
        lines += _published_notes(table, table.columns if columns is None else columns)
    if any(cell.std is not None for cell in cells):
        lines.append("±: standard deviation over scenes (population).")
    if any(row.privileged for row in table.rows):
        lines.append("‡: was granted quantities that others have to estimate; not ranked.")
    if "given" in kinds:
        lines.append("given: the method was granted this quantity, so it is not scored.")
    shown = table.columns if columns is None else columns
    if table.timed_together and any(column.group == "cost" for column in shown):
        lines.append("Seconds were taken while other rows ran beside them (jobs > 1).")
    if "absent" in kinds:
        lines.append("–: not predicted by the method or not known to the dataset.")
    return lines


def _published_notes(table: Table, columns: Sequence[Column]) -> Iterator[str]:
    published = [row for row in table.rows if row.kind == "published"]
    for column in columns:
        numbered = [row for row in published if table.cell(row, column).kind == "value"]
        for (name, note), labels in table.published_notes.items():
            if name == column.name:
                of_all = len(labels) == len(numbered)
                yield f"{name} §" + ("" if of_all else f" of {', '.join(labels)}") + f": {note}."


def glossary(table: Table, columns: Sequence[Column] | None = None) -> list[tuple[str, str]]:
    """Column name → what it measures and under which comparison."""
    chosen = table.columns if columns is None else columns
    return [(column.name, _explained(table, column)) for column in chosen]


def _explained(table: Table, column: Column) -> str:
    how = comparison(table.protocol, column.score.id, column.second)
    if how is None or column.group == "cost":
        return column.score.title
    return f"{column.score.title} ({in_words(how)})"


def _cells(table: Table, columns: Sequence[Column]) -> Iterator[Cell]:
    return (table.cell(row, column) for row in table.rows for column in columns)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def file_stem(table: Table) -> str:
    """Dataset, split and protocol as part of a file name, whatever they contain."""
    parts = (table.dataset, table.split, table.protocol.name)
    return "-".join(quote(part, safe=" ") for part in parts)


def claim_cells(verdict: Verdict, score: Score | None) -> list[str]:
    """A line under `CLAIM_HEADINGS`; `score` is None where the run does not know the metric."""
    claim = verdict.claim
    told = Score(claim.metric, "", "lower") if score is None else score
    claimed, measured = number(claim.value, told), "–"
    if claim.std is not None:
        claimed += f" ± {number(claim.std, told)}"
    if verdict.measured is not None and verdict.low is not None and verdict.high is not None:
        ends = f"{number(verdict.low, told)}, {number(verdict.high, told)}"
        measured = f"{number(verdict.measured, told)} [{ends}]"
    where = f"{claim.dataset}/{claim.split}" + (f"/{claim.scene}" if claim.scene else "")
    name = " ".join(filter(None, (written(claim.metric, claim.column), unit(told))))
    return [
        verdict.label,
        where,
        claim.protocol,
        name,
        claimed,
        measured,
        verdict.words,
        claim.source,
    ]
