"""The table of semantic colours against the specification's."""

import re
from pathlib import Path

import numpy as np
import pytest

from bench.graphics.semantic_colours import ADE20K_CLASSES, SEMANTIC_COLOURS, semantic_colours

ROW = re.compile(r"\| ([\d, ]+) \| [a-z, /]+ \| (\d+),(\d+),(\d+) ")


def test_every_class_has_the_colour_of_the_specification(shared: Path) -> None:
    text = (shared / "specs" / "neural_rerendering.md").read_text(encoding="utf-8")
    table = text[text.index("### 2.2") : text.index("### 2.3")]
    wanted = {
        int(number): tuple(map(int, colour))
        for numbers, *colour in ROW.findall(table)
        for number in numbers.split(",")
    }
    assert len(wanted) == 30
    assert {n: SEMANTIC_COLOURS[name] for n, name in ADE20K_CLASSES.items()} == wanted


def test_what_is_not_in_the_table_has_the_colour_of_the_unlabelled() -> None:
    painted = semantic_colours(np.array([[0, 13, 150]]))
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[0, 0, 142], [190, 153, 153], [0, 0, 142]]]


@pytest.mark.parametrize("number", [-1, 151, 255])
def test_an_id_that_ade20k_does_not_know_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="0 to 150"):
        semantic_colours(np.array([[number]]))
