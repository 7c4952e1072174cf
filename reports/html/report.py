"""index.html: tables that sort, figures and a gallery, in one file that asks no network."""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import PIL.Image
from matplotlib.figure import Figure

from bench.api import RunView
from bench.tables import wording
from bench.tables.figures import figures
from bench.tables.gallery import Gallery, gallery
from bench.tables.pictures import Picture
from bench.tables.summary import summarise
from bench.tables.table import Table

_FIGURE_DPI = 120
_QUALITY = 88


@dataclass(frozen=True)
class Embedded:
    """A figure as a data URI, with the size to show it at in CSS pixels."""

    uri: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Chapter:
    """All about one table."""

    anchor: str
    table: Table
    notes: dict[str, int]
    sources: dict[str, int]
    figures: Sequence[Embedded]
    gallery: Gallery


class Html:
    """Everything from outside passes the template's autoescaping."""

    def write(self, run: RunView, folder: Path) -> Sequence[Path]:
        """Write index.html."""
        summary = summarise(run)
        chapters = [
            Chapter(
                f"table-{number}",
                table,
                wording.notes(table),
                wording.sources(table),
                list(_embedded(table)),
                gallery(run, table, summary.outcomes),
            )
            for number, table in enumerate(summary.tables, 1)
        ]
        page = (
            _templates()
            .get_template("page.html.jinja")
            .render(
                run=run,
                chapters=chapters,
                failures=summary.failures,
                claims=summary.claims,
                manifest=json.dumps(run.manifest, indent=1, ensure_ascii=False, default=str),
            )
        )
        file = folder / "index.html"
        file.write_text(page, encoding="utf-8")
        return [file]


def data_uri(picture: Picture) -> str:
    """An 8-bit H×W×3 picture as a WebP in a data URI."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).save(buffer, "WEBP", quality=_QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _embedded(table: Table) -> Iterator[Embedded]:
    for _, caption, figure in figures(table):
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        yield Embedded(_figure_uri(figure), caption, width, height)


def _figure_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_FIGURE_DPI, metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": wording, "data_uri": data_uri}
    return environment
