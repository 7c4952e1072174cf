"""Which claims a run can speak to, and what it says."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from bench.api import Outcome, PublishedValue
from bench.claims import Verdict
from bench.tables import wording
from bench.tables.summary import summarise

CLAIM = PublishedValue("Net", "relit.psnr", 23.4, "vases", "mini", "neutral", source="Tab. 2")


def outcomes(count: int = 8) -> list[Outcome]:
    """Means 20, 21, … of as many scenes."""
    return [
        Outcome("net", "vases", "mini", f"s{i}", f"s{i}/0/q", "relit.psnr", "", "neutral", "value",
                20.0 + i)
        for i in range(count)
    ]  # fmt: skip


def verdict(fake: Any, listed: list[Outcome], row: Any = None, **change: Any) -> Verdict:
    rows = [row or fake.a_row("net")]
    run = fake.FakeRun(parts=(fake.Part("vases", "mini", 8, 1),), rows=rows, listed=listed)
    entry = {"label": "net", "dataset": "vases", "split": "mini"}
    entry["claims"] = [asdict(replace(CLAIM, **change))]
    run.manifest = run.manifest | {"rows": [entry]}
    (found,) = summarise(run).claims
    return found


def test_a_claim_is_held_against_the_mean_over_scenes(fake: Any) -> None:
    found = verdict(fake, outcomes())
    assert (found.label, found.kind, found.measured) == ("net", "reproduced", 23.5)


def test_a_claim_that_the_run_misses_is_off_by_the_difference(fake: Any) -> None:
    assert verdict(fake, outcomes(), value=30.0).words == "off by −6.5"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"dataset": "other"}, "this run has no other/mini under neutral"),
        ({"split": "test"}, "this run has no vases/test under neutral"),
        ({"protocol": "sord"}, "this run has no vases/mini under sord"),
        ({"metric": "view.psnr"}, "this run has no value of view.psnr"),
        ({"column": "aligned"}, "this run has no value of relit.psnr/aligned"),
        ({"n": 42}, "claimed over 42, this run has 8"),
        ({"scene": "s1"}, "of a single scene"),
    ],
)
def test_a_claim_about_something_else_is_not_checked(fake: Any, change: Any, why: str) -> None:
    found = verdict(fake, outcomes(), **change)
    assert found.kind == "not checked" and why in found.words


def test_a_claim_over_as_many_scenes_is_checked(fake: Any) -> None:
    assert verdict(fake, outcomes(), n=8).kind == "reproduced"


def test_a_single_scene_checks_nothing(fake: Any) -> None:
    assert "a single scene" in verdict(fake, outcomes(1)).words


def test_what_failed_somewhere_checks_nothing(fake: Any) -> None:
    *whole, last = outcomes()
    failed = last._replace(kind="failed", value=None, reason="crash")
    assert "only 7 of 8 were scored" in verdict(fake, [*whole, failed]).words


def test_a_row_with_privilege_checks_nothing(fake: Any) -> None:
    row = fake.a_row("net", privileged=("normal",))
    assert "was granted normal" in verdict(fake, outcomes(), row).words


def test_a_verdict_is_told_with_its_interval(fake: Any) -> None:
    found = verdict(fake, outcomes())
    cells = wording.claim_cells(found, summarise(fake.FakeRun()).tables[0].columns[0].score)
    assert len(cells) == len(wording.CLAIM_HEADINGS)
    assert cells[:3] == ["net", "vases/mini", "neutral"] and cells[-2:] == ["reproduced", "Tab. 2"]
    assert cells[5].startswith("23.50 [") and cells[5].endswith("]")
