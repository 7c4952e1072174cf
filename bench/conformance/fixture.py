"""The pytest plugin: `def test_it_conforms(bench_check): bench_check("my-method")`."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest


@pytest.fixture
def bench_check() -> Callable[..., None]:
    """bench_check(name, options, device, split, kind): fails where the plugin breaks its card.

    The name is that of an installed method, dataset or metric. Everything but pytest is imported
    on the first call, so that the plugin costs other test suites nothing.
    """

    def check(
        name: str,
        options: Mapping[str, Any] | None = None,
        device: str = "cpu",
        split: str = "",
        kind: str = "",
    ) -> None:
        from bench.conformance import named

        findings = named.check(name, options, device, split, kind)
        failed = [finding for finding in findings if not finding.ok]
        if failed:
            lines = [f"  {finding.check}: {finding.message}" for finding in failed]
            notes = [f"  {found.message}" for found in findings if found.check == "log"]
            pytest.fail("\n".join([f"{name} breaks its card:", *lines, *notes]), pytrace=False)

    return check
