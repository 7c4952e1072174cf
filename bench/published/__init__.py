"""Numbers that others measured: their .csv, and the run that they become.

They are never merged with measured rows: a run holds the one or the other.
"""

from bench.published.files import COLUMNS, check, read, read_all, write
from bench.published.runs import store_values

__all__ = ["COLUMNS", "check", "read", "read_all", "store_values", "write"]
