"""Tables of numbers in text files."""

from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from bench.graphics.number_files import read_numbers


def test_numbers_come_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 2e-3\t-3\n\n 4 5 6 \n")
    found = read_numbers(tmp_path / "a.txt", 2, 3)
    np.testing.assert_array_equal(found, [[1, 2e-3, -3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 x\n", r"a\.txt:2: .*'x'"),
        ("1 2\n\n3 4 5\n", r"a\.txt:3: '3 4 5' is not 2 finite"),
        ("1 nan\n3 4\n", r"a\.txt:1: '1 nan' is not 2 finite"),
        ("1 2\n", r"a\.txt: 1 lines of numbers instead of 2"),
        ("1 2\n3 é\n", r"a\.txt: missing, or no text"),
    ],
)
def test_anything_else_is_an_error_that_names_the_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_numbers(tmp_path / "a.txt", 2, 2)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: missing"):
        read_numbers(tmp_path / "a.txt", 2, 2)
