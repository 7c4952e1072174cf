"""Words and number formats."""

import math
from dataclasses import replace
from typing import Any

import pytest

from bench.api import Score
from bench.protocol import Comparison
from bench.protocol.named import NEUTRAL
from bench.tables import wording
from bench.tables.protocols import comparison, in_words, stated
from bench.tables.summary import summarise
from bench.tables.table import Cell, Column


def score(unit: str = "", direction: str = "higher") -> Score:
    return Score("albedo.psnr", "albedo PSNR", direction, unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (23.456, "dB", "23.46"),
        (-3.2, "dB", "−3.20"),
        (7.041, "deg", "7.04"),
        (61.27, "%", "61.3"),
        (0.9876543, "", "0.9877"),
        (0.00001234, "", "1.2e−5"),
        (0.0, "", "0.0000"),
        (0.01234, "s", "0.0123"),
        (12.34, "s", "12.3"),
        (1234.5, "s", "1234"),
        (0.0, "s", "0"),
        (384_107_936, "bytes", "384"),
        (1_500_000, "bytes", "1.50"),
        (math.inf, "dB", "∞"),
        (-math.inf, "dB", "−∞"),
    ],
)
def test_numbers_have_the_decimals_of_their_unit(value: float, unit: str, text: str) -> None:
    assert wording.number(value, score(unit)) == text


def test_headings_have_name_arrow_and_unit() -> None:
    assert wording.heading(Column(score("dB"), "single")) == "albedo.psnr/single ↑ dB"
    assert wording.heading(Column(score("", "lower"), "")) == "albedo.psnr ↓"
    assert wording.heading(Column(score("bytes", "lower"), "")) == "albedo.psnr ↓ MB"


def test_input_classes_are_told_in_words_without_what_is_none(fake: Any) -> None:
    row = fake.a_row("a", input_class={"light": "photo", "training": "general"})
    assert wording.input_words(row) == "one view, mask, photo light, per image, general training"


def test_privileged_rows_carry_their_mark_and_what_they_were_granted(fake: Any) -> None:
    row = fake.a_row("a", privileged=("normal",))
    assert wording.label(row) == "a‡"
    assert wording.input_words(row).endswith("granted normal")


@pytest.mark.parametrize(
    ("cell", "text", "coverage", "note"),
    [
        (Cell("value", 20.0, 3, 3), "20.00", "", 0),
        (Cell("value", 20.0, 2, 3), "20.00", "2/3", 0),
        (Cell("value", math.inf, 3, 3), "∞", "", 0),
        (Cell("failed", None, 0, 3), "failed", "0/3", 0),
        (Cell("unavailable", message="no weights"), "n/a", "", 4),
        (Cell("given"), "given", "", 0),
        (Cell("absent"), "–", "", 0),
    ],
)
def test_a_cell_shows_a_number_or_why_there_is_none(
    cell: Cell, text: str, coverage: str, note: int
) -> None:
    shown = wording.shown(cell, Column(score("dB"), ""), {"no weights": 4})
    assert (shown.text, shown.coverage, shown.note) == (text, coverage, note)


def test_the_caption_names_protocol_version_dataset_and_counts(run: Any) -> None:
    caption = wording.caption(summarise(run).tables[0])
    assert "vases/mini: 12 scenes, 36 items." in caption
    assert f"Protocol neutral version {NEUTRAL.version}" in caption


def test_the_legend_explains_only_the_marks_that_occur(run: Any) -> None:
    table = summarise(run).tables[0]
    whole = " ".join(wording.legend(table))
    assert all(mark in whole for mark in ("Bold", "†", "‡", "given", "–"))
    cost = [column for column in table.columns if column.group == "cost"]
    few = " ".join(wording.legend(table, cost))
    assert "Bold" not in few and "given:" not in few and "†" in few


def test_notes_number_each_message_once(run: Any, fake: Any) -> None:
    assert wording.notes(summarise(run).tables[0]) == {fake.LPIPS_MESSAGE: 1}


def test_the_glossary_states_the_comparison_of_each_column(run: Any) -> None:
    meanings = dict(wording.glossary(summarise(run).tables[0]))
    assert "one least-squares scale" in meanings["albedo.psnr/single"]
    assert "scale per channel" in meanings["albedo.psnr"]
    assert meanings["cost.seconds"] == "seconds per item"


def test_file_stems_stay_file_names_whatever_a_dataset_is_called(run: Any) -> None:
    table = replace(summarise(run).tables[0], dataset="../a/b", split="x y")
    assert wording.file_stem(table) == "..%2Fa%2Fb-x y-neutral"


def test_the_manifest_gives_the_protocol_back(run: Any) -> None:
    assert stated(run, "neutral") == NEUTRAL


def test_a_comparison_is_found_by_metric_and_column() -> None:
    assert comparison(NEUTRAL, "albedo.psnr", "single") == Comparison(scale="scalar")
    assert comparison(NEUTRAL, "albedo.psnr", "other") is None


def test_a_comparison_is_told_in_words() -> None:
    unusual = Comparison(erosion=5, clip=(0.0, 1.0), levels=255, reduction="pooled")
    assert in_words(unusual) == (
        "linear, in mask, no scale, mask eroded by 5 px, clipped to [0, 1], 255 levels, "
        "pooled over pixels"
    )
    official = Comparison(mask="soft", scale="scalar", fit="shown", levels=255, rounding="down")
    assert in_words(official) == (
        "linear, weighted by soft mask, one least-squares scale fitted last, rounded down to "
        "255 levels"
    )


def test_seconds_taken_beside_other_rows_are_marked(run: Any) -> None:
    alone = summarise(run).tables[0]
    together = replace(alone, timed_together=True)
    cost = [column for column in alone.columns if column.group == "cost"]
    assert not any("beside" in line for line in wording.legend(alone, cost))
    assert any("beside" in line for line in wording.legend(together, cost))
