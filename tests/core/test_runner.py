"""A plan carried out: what is stored, what becomes of each item, what a second run does."""
from typing import Any


def test_x(bench: Any, of: Any) -> None:
    run = bench('name = "tiny"')
    print(of(run))
