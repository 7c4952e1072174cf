"""Does a plugin keep what its card promises? `bench check`, and the pytest fixture `bench_check`.

The checks are `bench.conformance.method:check_method`, `dataset:check_dataset` and
`metric:check_metric`; `named:check` finds the card by name.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, whether it holds, and what was seen."""

    check: str
    ok: bool
    message: str = ""
