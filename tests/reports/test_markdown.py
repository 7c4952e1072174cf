"""report.md."""

from typing import Any

import pytest

from bench.protocol.named import NEUTRAL


@pytest.fixture(scope="module")
def text(files: Any) -> str:
    return files("markdown")["report.md"].read_text(encoding="utf-8")


def lines_of(text: str, label: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"| {label}")]


def tables(text: str) -> list[list[list[str]]]:
    """Blocks of neighbouring lines that begin with a bar, as lists of cells."""
    blocks, block = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            block.append(line.replace(r"\|", "¦").strip("|").split("|"))
        elif block:
            blocks.append(block)
            block = []
    return blocks


def test_every_table_is_rectangular(text: str) -> None:
    assert len(tables(text)) > 10
    for table in tables(text):
        assert len({len(line) for line in table}) == 1


def test_headings_have_arrows_and_units(text: str) -> None:
    assert "| normal.mae ↓ ° |" in text and "| albedo.psnr/single ↑ dB |" in text


def test_labels_cannot_break_out_of_their_cell(text: str) -> None:
    assert r"many-views \| twin" in text
    assert r"\<b\>bold\</b\>" in text and "<b>" not in text


def test_marks_are_shown(text: str) -> None:
    assert any("**" in line for line in lines_of(text, "many-views net"))
    assert "† (35/36)" in text
    assert "failed† (0/36)" in text
    assert "SH regular + normals‡" in text and "| given |" in text
    assert "| ∞ |" in text
    assert "n/a [1]: LPIPS has no AlexNet weights" in text


def test_floors_stand_apart_and_are_never_bold(text: str) -> None:
    assert "*floors, not ranked*" in text
    assert not any("**" in line for line in lines_of(text, "flat"))


def test_the_input_class_is_in_every_line(text: str) -> None:
    assert all("one view, mask, per image" in line for line in lines_of(text, "SH regular |"))


def test_the_caption_and_the_ledger_are_there(text: str) -> None:
    assert f"12 scenes, 36 items. Protocol neutral version {NEUTRAL.version}" in text
    assert "| timeout | 1 | scene00/000 | over 60 s;" in text
