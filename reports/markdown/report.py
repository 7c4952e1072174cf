"""report.md: the tables task by task, their legend, and the failures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from bench.api import Row, RunView
from bench.tables import wording
from bench.tables.summary import summarise
from bench.tables.table import Column, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$&])")


class Markdown:
    """Readable as it is, and where Markdown is rendered."""

    def write(self, run: RunView, folder: Path) -> Sequence[Path]:
        """Write report.md."""
        template = _templates().get_template("report.md.jinja")
        file = folder / "report.md"
        file.write_text(template.render(run=run, summary=summarise(run)), encoding="utf-8")
        return [file]


def escaped(text: str) -> str:
    """Any text as one line that Markdown shows literally, in a table too."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def cell_text(table: Table, notes: Mapping[str, int], row: Row, column: Column) -> str:
    """One cell: bold, † with coverage, or the number of its note."""
    shown = wording.shown(table.cell(row, column), column, notes)
    text = f"**{shown.text}**" if shown.bold else shown.text
    if shown.coverage:
        text += f"† ({shown.coverage})"
    return f"{text} [{shown.note}]" if shown.note else text


def _templates() -> jinja2.Environment:
    # Everything from outside passes the `md` filter; HTML escaping would spoil Markdown.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = escaped
    environment.globals |= {"words": wording, "cell": cell_text}
    return environment
