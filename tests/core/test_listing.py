"""What `bench list` and `bench show` print."""

import json

import pytest
from click.testing import CliRunner

from bench.cli.listing import list_, show
from bench.protocol.named import PROTOCOLS, SORD


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_shown_as_a_table_of_its_rules_in_words(name: str) -> None:
    lines = CliRunner().invoke(show, [name]).output.splitlines()
    assert lines[0] == f"protocol {name}"
    rules = [line for line in lines if line.startswith("    ")]
    assert len(rules) == len(PROTOCOLS[name].rules)
    starts = {len(line) - len(line[4:].partition("  ")[2].lstrip()) for line in rules}
    assert len(starts) == 1, "the words stand in one column"


def test_the_habits_of_sord_are_told() -> None:
    printed = CliRunner().invoke(show, ["sord"]).output
    (stored,) = [line for line in printed.splitlines() if "sord.albedo_sie" in line]
    for words in ("gamma 2.2", "soft mask", "fitted last", "rounded down to 255 levels"):
        assert words in stored
    assert "sord.normal_ad/renormalised" in printed
    assert SORD.source in printed


def test_a_protocol_as_json_is_its_data() -> None:
    found = json.loads(CliRunner().invoke(show, ["sord", "--json"]).output)
    assert found["protocol"]["rules"][0]["comparison"]["rounding"] == "down"


def test_protocols_are_listed_with_their_titles() -> None:
    lines = CliRunner().invoke(list_, ["protocols"]).output.splitlines()
    assert [line.split()[0] for line in lines] == ["protocols", *PROTOCOLS]
