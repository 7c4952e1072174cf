"""table.tex: booktabs tables of at most ten metric columns, fit for \\input."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from bench.api import Row, RunView, Score
from bench.reports.latex.escaping import breakable, escaped
from bench.tables import wording
from bench.tables.summary import Summary, summarise
from bench.tables.table import Column, Table

MOST_COLUMNS = 10
# Points at \footnotesize on a landscape A4 page, beside the columns of label and input class.
_WIDTH, _PER_CHARACTER, _PER_SMALL, _SEPARATION = 500.0, 4.6, 3.6, 8.0

_HEAD = """\
% Needs \\usepackage{array,booktabs}.
"""
_REPORT = r"""\documentclass[10pt]{article}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{array}
\usepackage{booktabs}
\begin{document}
\input{table.tex}
\end{document}
"""


class Latex:
    """Tables for a paper."""

    def write(self, run: RunView, folder: Path) -> Sequence[Path]:
        """Write table.tex, and report.tex that compiles it alone."""
        table, report = folder / "table.tex", folder / "report.tex"
        table.write_text(_HEAD + "\n".join(_document(run)), encoding="utf-8")
        report.write_text(_REPORT, encoding="utf-8")
        return [table, report]


def _document(run: RunView) -> Iterator[str]:
    summary = summarise(run)
    for table in summary.tables:
        for columns in batches(table):
            yield from _float(table, columns)
    yield r"\clearpage"
    yield from _claims(summary, run.scores)
    yield from _failures(summary)


def batches(table: Table) -> list[list[Column]]:
    """The columns in pages' widths, tasks kept whole where they fit."""
    pages: list[list[Column]] = [[]]
    for _, columns in table.groups():
        if not _fits(table, [*pages[-1], *columns]):
            pages.append([])
        for column in columns:
            if not _fits(table, [*pages[-1], column]):
                pages.append([])
            pages[-1].append(column)
    return [page for page in pages if page]


def _fits(table: Table, columns: Sequence[Column]) -> bool:
    width = sum(_width(table, column) for column in columns)
    return not columns or len(columns) == 1 or (len(columns) <= MOST_COLUMNS and width <= _WIDTH)


def _width(table: Table, column: Column) -> float:
    notes = wording.notes(table, [column])
    shown = [wording.shown(table.cell(row, column), column, notes) for row in table.rows]
    widest = max(
        (len(s.text) + bool(s.coverage)) * _PER_CHARACTER + len(s.coverage) * _PER_SMALL
        for s in shown
    )
    return max(widest, len(wording.short_name(column)) * _PER_SMALL) + _SEPARATION


def _float(table: Table, columns: list[Column]) -> Iterator[str]:
    notes = wording.notes(table, columns)
    sources = wording.sources(table, columns)
    groups = ", ".join(dict.fromkeys(column.group for column in columns))
    places = "r" * len(columns)
    yield r"\begin{table}[htbp]\centering\footnotesize\setlength{\tabcolsep}{4pt}"
    yield r"\setlength{\belowcaptionskip}{4pt}"
    yield rf"\caption{{{escaped(f'{groups} on {wording.caption(table)}')}}}"
    text = r">{\raggedright\arraybackslash}p"
    yield rf"\begin{{tabular}}{{@{{}}{text}{{34mm}}{text}{{38mm}}{places}@{{}}}}"
    yield r"\toprule"
    yield from _headings(columns)
    for section in table.sections(columns):
        yield r"\midrule"
        if section.rows[0].kind == "published":
            span = rf"\multicolumn{{{len(columns) + 2}}}{{@{{}}l@{{}}}}"
            yield rf"{span}{{\scriptsize {escaped(section.title)}}} \\"
        for row in section.rows:
            cells = (_cell(table, row, column, notes) for column in columns)
            words = rf"{{\scriptsize {breakable(wording.input_words(row))}}}"
            yield " & ".join([_label(table, row, sources), words, *cells]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield from _notes(table, columns, notes, sources)
    yield r"\end{table}"


def _label(table: Table, row: Row, sources: Mapping[str, int]) -> str:
    marks = wording.marks(table, row, sources)
    raised = ",".join(rf"\S{mark}" for mark in marks)
    text: str = breakable(wording.label(row))
    return text + (rf"\textsuperscript{{{raised}}}" if marks else "")


def _headings(columns: Sequence[Column]) -> Iterator[str]:
    spans, rules, at = [], [], 3
    for group, part in groupby(columns, lambda column: column.group):
        count = len(list(part))
        spans.append(rf"\multicolumn{{{count}}}{{c}}{{{escaped(group)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + count - 1}}}")
        at += count
    yield " & ".join(["", "", *spans]) + r" \\"
    yield "".join(rules)
    names = (rf"{{\scriptsize {escaped(wording.short_name(column))}}}" for column in columns)
    yield " & ".join(["method", "input class", *names]) + r" \\"
    units = (escaped(f"{wording.arrow(c.score)} {wording.unit(c.score)}") for c in columns)
    yield " & ".join(["", "", *units]) + r" \\"


def _cell(table: Table, row: Row, column: Column, notes: Mapping[str, int]) -> str:
    shown = wording.shown(table.cell(row, column), column, notes)
    text = escaped(shown.text)
    if shown.bold:
        text = rf"\textbf{{{text}}}"
    if shown.coverage:
        text += rf"\ensuremath{{\dagger}}{{\tiny {shown.coverage}}}"
    return rf"{text}\textsuperscript{{{shown.note}}}" if shown.note else text


def _notes(
    table: Table, columns: list[Column], notes: Mapping[str, int], sources: Mapping[str, int]
) -> Iterator[str]:
    yield r"\par\medskip\raggedright\scriptsize"
    yield " ".join(breakable(line) for line in wording.legend(table, columns))
    for message, number in notes.items():
        yield rf"n/a\textsuperscript{{{number}}}: {breakable(message)}."
    for source, number in sources.items():
        yield rf"\textsuperscript{{\S{number}}} {breakable(source)}."
    explained = (f"{name}: {meaning}" for name, meaning in wording.glossary(table, columns))
    yield rf"\par {breakable('; '.join(explained))}."


def _claims(summary: Summary, scores: Mapping[str, Score]) -> Iterator[str]:
    if not summary.claims:
        return
    yield r"\begingroup\footnotesize\raggedright\noindent Claims:\par"
    for verdict in summary.claims:
        cells = wording.claim_cells(verdict, scores.get(verdict.claim.metric))
        told = zip(wording.CLAIM_HEADINGS, cells, strict=True)
        line = ", ".join(f"{heading} {text}" for heading, text in told if text)
        yield rf"\noindent {breakable(line)}\par"
    yield rf"\noindent {breakable(wording.CLAIM_LEGEND)}\par\medskip\endgroup"


def _failures(summary: Summary) -> Iterator[str]:
    if not summary.failures:
        return
    yield r"\begingroup\footnotesize\raggedright\noindent Failures:\par"
    for f in summary.failures:
        items = f"{f.items} item" if f.items == 1 else f"{f.items} items"
        line = f"{f.row} on {f.dataset}/{f.split}: {items} ({f.reason}), first at {f.unit}: "
        yield rf"\noindent {breakable(line + f.message)}\par"
    yield r"\endgroup"
