"""A user's own protocols: a named one with some rules changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.config import parse
from bench.errors import ConfigError
from bench.own_protocols import ProtocolConfig, build
from bench.protocol import Comparison, Protocol
from bench.protocol.named import PROTOCOLS

SCORES = ("albedo.psnr", "albedo.si_mse", "albedo.ssim", "relit.psnr", "normal.mae")


def own(base: str, rules: dict[str, Any], title: str = "") -> Protocol:
    return build("mine", ProtocolConfig(base, title, rules), "b.toml: protocols.mine", SCORES)


def columns(protocol: Protocol, metric: str) -> dict[str, Comparison]:
    return dict(protocol.comparisons(metric))


def test_a_pattern_changes_the_rules_it_covers_and_no_other() -> None:
    mine = own("stanford-orb", {"albedo.*": {"scale": "scalar", "floor": "none"}})
    before, after = columns(PROTOCOLS["stanford-orb"], "albedo.psnr"), columns(mine, "albedo.psnr")
    assert (after[""].scale, after[""].floor) == ("scalar", None)
    assert (after[""].erosion, after[""].clip) == (before[""].erosion, before[""].clip)
    assert columns(mine, "relit.psnr") == columns(PROTOCOLS["stanford-orb"], "relit.psnr")


def test_a_metric_within_a_rule_is_changed_alone_in_every_column() -> None:
    mine = own("neutral", {"albedo.psnr": {"clip": [0, 1]}})
    found = columns(mine, "albedo.psnr")
    assert {column: how.clip for column, how in found.items()} == {"": (0, 1), "single": (0, 1)}
    assert {column: how.scale for column, how in found.items()} == {
        "": "channel",
        "single": "scalar",
    }
    assert columns(mine, "albedo.si_mse") == columns(PROTOCOLS["neutral"], "albedo.si_mse")


def test_patterns_that_overlap_in_part_change_what_both_fit() -> None:
    mine = own("neutral", {"*.si_mse": {"erosion": 3}})
    assert columns(mine, "albedo.si_mse")[""].erosion == 3
    assert columns(mine, "albedo.psnr")[""].erosion == 0


def test_the_later_change_stands_on_the_earlier() -> None:
    mine = own("neutral", {"*": {"erosion": 3}, "albedo.*": {"erosion": 5}})
    assert columns(mine, "albedo.psnr")[""].erosion == 5
    assert columns(mine, "relit.psnr")[""].erosion == 3


def test_one_column_may_be_changed_and_a_new_one_starts_as_the_first() -> None:
    tables = [{"column": "single", "erosion": 3}, {"column": "median", "scale": "median"}]
    found = columns(own("neutral", {"albedo.psnr": tables}), "albedo.psnr")
    assert {column: how.erosion for column, how in found.items()} == {
        "": 0,
        "single": 3,
        "median": 0,
    }
    assert found["median"] == Comparison(scale="median")


def test_a_metric_that_the_base_does_not_compare_is_added() -> None:
    mine = own("mit", {"normal.mae": {"mask": "full"}})
    assert columns(mine, "normal.mae") == {"": Comparison(mask="full")}
    assert columns(mine, "albedo.lmse") == columns(PROTOCOLS["mit"], "albedo.lmse")


def test_what_is_said_of_it_names_its_base() -> None:
    mine = own("sord", {})
    assert (mine.name, mine.base) == ("mine", "sord")
    assert "b.toml" in mine.source
    assert PROTOCOLS["sord"].source in mine.source
    assert own("sord", {}, "my title").title == "my title"
    assert mine.digest != PROTOCOLS["sord"].digest
    assert mine.digest != own("sord", {"albedo.psnr": {}}).digest


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"albdo.*": {}}, 'rules."albdo.*": fits no metric; did you mean'),
        ({"*": 3}, 'rules."*": must be a table, not 3'),
        ({"*": [3]}, 'rules."*": must be a table, not 3'),
        ({"*": {"scal": "none"}}, "rules.\"*\": unknown key 'scal'; did you mean 'scale'?"),
        ({"*": {"scale": "scaler"}}, "scale: 'scaler' is none of ['none', 'scalar', "),
        ({"*": {"scale": "scaler"}}, "; did you mean 'scalar'?"),
        ({"*": {"scale": 1}}, "scale: 1 is none of"),
        ({"*": {"scale": []}}, "scale: [] is none of"),
        ({"*": {"erosion": 1.5}}, "erosion: must be int, not 1.5"),
        ({"*": {"erosion": True}}, "erosion: must be int, not True"),
        ({"*": {"brightened": 1}}, "brightened: must be bool, not 1"),
        ({"*": {"peak": "1"}}, "peak: must be float, not '1'"),
        ({"*": {"clip": [0]}}, "clip: must be two numbers, not [0]"),
        ({"*": {"clip": [0, "1"]}}, "clip: must be two numbers"),
        ({"*": {"levels": 2.0}}, "levels: must be int, not 2.0"),
        ({"*": {"column": 1}}, "column: must be str, not 1"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(rules: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        own("neutral", rules)
    assert str(caught.value).startswith("b.toml: protocols.mine.")
    assert expected in str(caught.value)


def test_what_may_be_absent_is_written_as_none() -> None:
    how = columns(
        own("nrw-half", {"relit.psnr": {"clip": "none", "levels": "none"}}), "relit.psnr"
    )[""]
    assert (how.clip, how.levels) == (None, None)


def test_an_unknown_base_comes_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"mine\.base: unknown protocol 'tensor'; did you mean"):
        own("tensor", {})


def test_the_name_of_a_built_in_is_refused() -> None:
    with pytest.raises(ConfigError, match="a built-in protocol is called 'mit'"):
        build("mit", ProtocolConfig("neutral"), "b.toml: protocols.mit", SCORES)


def test_a_run_is_scored_under_it_and_states_it(bench: Any) -> None:
    rules = '[protocols.mine.rules."albedo.*"]\nscale = "none"\ncolumn = ""'
    text = f'protocols = ["neutral", "mine"]\n[protocols.mine]\nbase = "neutral"\n{rules}'
    bench.write('name = "tiny"', dataset="scenes = 1", run=text)
    run = bench.again()
    found = {json.loads(line)["protocol"] for line in bench.lines()}
    assert found == {"neutral", "mine"}
    body = run.manifest["protocols"]["mine"]
    assert body["base"] == "neutral"
    assert any(rule["comparison"]["scale"] == "none" for rule in body["rules"])
    assert {o.protocol for o in run.outcomes()} == {"neutral", "mine"}


def test_a_file_with_own_protocols_is_parsed() -> None:
    raw = {"protocols": {"mine": {"base": "mit", "rules": {"*.lmse": {"erosion": 3}}}}}
    benchmark = parse(raw, Path("/b.toml"))
    assert benchmark.protocols["mine"].base == "mit"
