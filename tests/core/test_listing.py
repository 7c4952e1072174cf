"""What `bench list` and `bench show` print."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.listing import list_, show
from bench.protocol import written
from bench.protocol.named import PROTOCOLS, SORD


def table(name: str, *arguments: str) -> dict[str, str]:
    """Metric pattern → all that its row says, its lines joined."""
    rows: dict[str, str] = {}
    output = CliRunner().invoke(show, [name, *arguments]).output
    for line in output.partition(f"protocol {name}\n")[2].splitlines():
        if not line.startswith("    "):
            continue
        if line[4] != " ":
            rows[line.split()[0]] = ""
        rows[list(rows)[-1]] += " " + line
    return {pattern: " ".join(text.split()) for pattern, text in rows.items()}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_shown_as_a_table_of_its_rules(name: str) -> None:
    printed = CliRunner().invoke(show, [name]).output.splitlines()
    assert f"protocol {name}" in printed
    head, *rows = table(name)
    assert head == "metric"
    assert rows == [written(rule.pattern, rule.column) for rule in PROTOCOLS[name].rules]
    for note in PROTOCOLS[name].notes:
        assert f"  note: {note}" in printed


@pytest.mark.parametrize(
    ("name", "metric", "phrases"),
    [
        ("sord", "sord.albedo_sie", ("gamma 2.2", "soft mask", "fitted last", "down to 255")),
        ("stanford-orb", "relit.psnr_hdr", ("÷ all pixels", "eroded by 5 px", "[0, 4]", "peak 1")),
        ("stanford-orb", "relit.psnr_hdr", ("brightened", "never below a grey of 0.5")),
        ("stanford-orb", "view.lpips", ("sRGB twice", "VGG")),
        ("stanford-orb", "view.ssim", ("3 Gaussian taps", "no scale")),
        ("stanford-orb", "depth.si_mse_scene", ("all items of a scene", "mean per scene")),
        ("tensoir", "albedo.psnr", ("1 outside mask", "lower median", "20 spaced items", "pooled")),
        ("tensoir", "albedo.psnr/single", ("lower median of red ratios",)),
        ("nerfactor", "albedo.psnr", ("coverage exceeds 0.9", "first item of a scene", "luma")),
        ("synthetic4relight", "view.ssim", ("zeros beyond the border",)),
        ("owl", "relit.lpips", ("exposure", "0.5 outside mask", "averaged inside mask", "AlexNet")),
        ("nrw", "reconstruction.l1", ("multiples of 64 px", "255 levels", "in mask")),
        ("nrw-half", "view.psnr/covered", ("multiples of 64 px", "only what points cover")),
        ("mit", "albedo.lmse", ("mean of channels",)),
    ],
)
def test_the_habits_of_a_protocol_are_told(
    name: str, metric: str, phrases: tuple[str, ...]
) -> None:
    output = CliRunner().invoke(show, [name, "--json"]).output
    rows = {row["metric"]: row for row in json.loads(output)["protocol"]["table"]}
    said = "; ".join(rows[metric].values())
    for phrase in phrases:
        assert phrase in said


def test_a_protocol_states_its_source() -> None:
    assert SORD.source in CliRunner().invoke(show, ["sord"]).output
    assert "sord.normal_ad/renormalised" in table("sord")


def test_a_users_own_protocol_is_shown_and_listed(tmp_path: Path) -> None:
    file = tmp_path / "bench.toml"
    file.write_text('[protocols.mine]\nbase = "mit"\n[protocols.mine.rules."*.lmse"]\nerosion = 3')
    assert "mask eroded by 3 px" in table("mine", "--config", str(file))["albedo.lmse"]
    listed = CliRunner().invoke(list_, ["protocols", "--config", str(file)]).output
    assert "mine" in listed.split()
    unknown = CliRunner().invoke(show, ["mine"])
    assert "nothing is called 'mine'" in str(unknown.exception)


def test_a_protocol_as_json_is_its_data() -> None:
    found = json.loads(CliRunner().invoke(show, ["sord", "--json"]).output)
    assert found["protocol"]["rules"][0]["comparison"]["rounding"] == "down"


def test_protocols_are_listed_with_their_titles() -> None:
    lines = CliRunner().invoke(list_, ["protocols"]).output.splitlines()
    assert [line.split()[0] for line in lines] == ["protocols", *PROTOCOLS]
