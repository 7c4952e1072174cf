"""Published rows and claims in every report, whatever their texts hold."""

import csv
from pathlib import Path
from typing import Any

import pytest

from bench.published import read


def text_of(files: Any, report: str, name: str) -> str:
    return files(report)[name].read_text(encoding="utf-8")


def test_markdown_shows_the_row_its_mark_and_its_source(files: Any) -> None:
    text = text_of(files, "markdown", "report.md")
    assert "| *published, not measured here* |" in text
    (line,) = [line for line in text.splitlines() if "Paper\\_Net" in line and "1.25" in line]
    assert r"| Paper\_Net \<i\> §1 | published |" in line and "1.25 ± 0.50" in line
    assert "**" not in line and "<" not in line.replace(r"\<", "")
    assert r"§1: Tab. 1 \<script\>alert(2)\</script\>" in text and r"\| a\_b \& 50%" in text


def test_html_escapes_what_was_published_and_links_its_source(files: Any) -> None:
    text = text_of(files, "html", "index.html")
    assert "Paper_Net &lt;i&gt;" in text and "<script>alert(2)" not in text
    assert '<a href="#table-1-source-1">§1</a>' in text
    assert '<p id="table-1-source-1">§1 Tab. 1 &lt;script&gt;' in text
    assert "published, not measured here" in text and "1.25 ± 0.50" in text


def test_latex_escapes_what_was_published(files: Any) -> None:
    text = text_of(files, "latex", "table.tex")
    assert r"Paper\_Net \textless{}i\textgreater{}\textsuperscript{\S1}" in text
    assert r"1.25 \ensuremath{\pm} 0.50" in text
    assert r"{\scriptsize published, not measured here} \\" in text
    assert r"\input{/etc" not in text and r"\textbackslash{}" in text


def test_csv_keeps_published_values_in_a_file_that_can_be_imported(files: Any, fake: Any) -> None:
    written = files("csv")
    assert fake.PAPER in read(written["published.csv"])
    assert "Paper_Net" not in written["scores.csv"].read_text(encoding="utf-8")
    assert "Paper_Net" not in written["items.csv"].read_text(encoding="utf-8")


def test_without_published_values_and_claims_there_are_no_such_files(
    fake: Any, write: Any, tmp_path: Path
) -> None:
    assert set(write("csv", fake.FakeRun(), tmp_path)) == {"scores.csv", "items.csv"}


@pytest.mark.parametrize(
    ("report", "name"),
    [("markdown", "report.md"), ("html", "index.html"), ("latex", "table.tex")],
)
def test_claims_are_told_with_their_verdicts(files: Any, report: str, name: str) -> None:
    text = text_of(files, report, name).replace(r"\allowbreak{}", "").replace("{-}", "-")
    assert "Claims" in text and "off by" in text
    assert "not checked (this run has no absent/mini under neutral)" in text.replace("\\_", "_")


def test_claims_are_a_csv_too(files: Any) -> None:
    with files("csv")["claims.csv"].open(encoding="utf-8", newline="") as lines:
        first, second = csv.DictReader(lines)
    assert first["verdict"].startswith("off by") and float(first["low"]) < float(first["measured"])
    assert second["verdict"].startswith("not checked") and second["measured"] == ""
