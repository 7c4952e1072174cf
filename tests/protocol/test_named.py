"""What the named protocols say."""

import json
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from bench.protocol import Comparison
from bench.protocol.bodies import read_protocol
from bench.protocol.named import NEUTRAL, PROTOCOLS, SORD


def test_every_protocol_is_found_under_its_own_name() -> None:
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())


def test_the_protocols_of_the_field_are_named() -> None:
    assert set(PROTOCOLS) >= {
        "neutral", "stanford-orb", "tensoir", "nerfactor", "synthetic4relight", "sord", "owl",
        "nrw", "nrw-half", "mit", "iiw", "marigold-iid",
    }  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_says_where_it_was_read_and_survives_json(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.title
    assert protocol.source or name == "neutral"
    assert read_protocol(json.loads(json.dumps(asdict(protocol)))) == protocol


def test_a_body_of_an_earlier_version_has_the_defaults() -> None:
    body = asdict(SORD)
    del body["notes"], body["base"], body["rules"][0]["comparison"]["crop"]
    assert read_protocol(body) == SORD


def test_no_rule_is_hidden_by_an_earlier_one() -> None:
    for protocol in PROTOCOLS.values():
        for place, rule in enumerate(protocol.rules):
            earlier = [r for r in protocol.rules[:place] if r.column == rule.column]
            assert not any(fnmatchcase(rule.pattern, r.pattern) for r in earlier), rule.pattern


@pytest.mark.parametrize(
    ("protocol", "metric"),
    [
        ("stanford-orb", "relit.flip"),
        ("tensoir", "depth.rmse"),
        ("mit", "albedo.psnr"),
        ("iiw", "albedo.psnr"),
        ("owl", "albedo.psnr"),
    ],
)
def test_a_benchmark_compares_nothing_but_its_own_scores(protocol: str, metric: str) -> None:
    assert not list(PROTOCOLS[protocol].comparisons(metric))


def test_whdr_has_no_second_column_in_neutral() -> None:
    assert [column for column, _ in NEUTRAL.comparisons("albedo.whdr_eq")] == [""]
    assert [column for column, _ in NEUTRAL.comparisons("albedo.lmse")] == ["", "single"]


@pytest.mark.parametrize(
    ("score", "columns"),
    [
        ("albedo.psnr", {"": "channel", "single": "scalar"}),
        ("normal.mae", {"": "none"}),
        ("shading.lmse", {"": "scalar"}),
        ("depth.rmse", {"": "affine", "given": "none"}),
        ("depth.abs_rel", {"": "scalar"}),
        ("depth.si_mse", {"": "scalar"}),
        ("depth.silog", {"": "none"}),
        ("light.rmse", {"": "none"}),
        ("normal.cosine", {"": "none"}),
        ("relit.l1", {"": "none", "aligned": "channel"}),
        ("albedo.whdr", {"": "none"}),
        ("depth.coverage", {"": "affine"}),
        ("roughness.rmse", {"": "none"}),
        ("relit.psnr", {"": "none", "aligned": "channel"}),
        ("view.psnr_hdr", {"": "none", "aligned": "channel"}),
        ("relit.lpips", {"": "none", "aligned": "channel"}),
        ("light.angular", {"": "scalar"}),
        ("consistency.psnr", {"": "channel"}),
        ("consistency.albedo", {"": "scalar"}),
        ("cost.seconds", {"": "none"}),
    ],
)
def test_neutral_scales_each_column_as_the_design_says(score: str, columns: dict[str, str]) -> None:
    found = {column: comparison.scale for column, comparison in NEUTRAL.comparisons(score)}
    assert found == columns


@pytest.mark.parametrize(
    ("score", "space", "clip", "mask"),
    [
        ("relit.psnr", "srgb", (0, 1), "inside"),
        ("relit.psnr_hdr", "linear", None, "inside"),
        ("view.ssim", "srgb", (0, 1), "zero-outside"),
        ("view.l1", "srgb", (0, 1), "inside"),
        ("relit.flip", "srgb", (0, 1), "zero-outside"),
        ("relit.flip_hdr", "linear", (0.0, 65504.0), "zero-outside"),
        ("albedo.ssim", "srgb", (0, 1), "zero-outside"),
        ("view.lpips", "srgb", (0, 1), "zero-outside"),
        ("albedo.psnr", "linear", None, "inside"),
        ("consistency.psnr", "srgb", (0, 1), "inside"),
        ("consistency.albedo", "linear", None, "inside"),
        ("light.si_rmse", "linear", None, "full"),
    ],
)
def test_neutral_compares_in_the_space_the_design_says(
    score: str, space: str, clip: Any, mask: Any
) -> None:
    for _, comparison in NEUTRAL.comparisons(score):
        assert (comparison.space, comparison.clip, comparison.mask) == (space, clip, mask)


def test_digest_changes_with_the_comparison() -> None:
    assert Comparison().digest == Comparison().digest
    assert len({Comparison().digest, Comparison(erosion=5).digest, Comparison(peak=2).digest}) == 3


def test_digest_changes_with_a_rule() -> None:
    assert NEUTRAL.digest != replace(NEUTRAL, rules=NEUTRAL.rules[1:]).digest


def test_a_strangers_metric_is_compared_as_it_is() -> None:
    assert list(NEUTRAL.comparisons("mine.score")) == [("", Comparison())]


@pytest.mark.parametrize(
    ("score", "space", "mask", "scale", "stored"),
    [
        ("sord.albedo_sie", "gamma22", "soft", "scalar", True),
        ("sord.normal_ad", "linear", "soft", "none", True),
        ("sord.light_sie", "linear", "full", "scalar", True),
        ("sord.pitch_mae", "linear", "full", "none", False),
        ("sord.shininess_mae", "linear", "inside", "none", False),
        ("sord.specular_mae", "linear", "inside", "none", False),
    ],
)
def test_sord_compares_8_bit_files_as_its_script_does(
    score: str, space: str, mask: str, scale: str, stored: bool
) -> None:
    how = dict(SORD.comparisons(score))[""]
    assert (how.space, how.mask, how.scale) == (space, mask, scale)
    assert (how.levels, how.rounding, how.clip) == (
        (255, "down", (0, 1)) if stored else (None, "nearest", None)
    )
    assert (how.fit == "shown") == (scale == "scalar")


def test_sord_has_the_renormalised_normals_beside_the_stored_ones() -> None:
    columns = dict(SORD.comparisons("sord.normal_ad"))
    assert columns.keys() == {"", "renormalised"}
    assert columns["renormalised"] == Comparison(mask="soft")


@pytest.mark.parametrize("score", ["normal.mae", "albedo.psnr", "mask.iou", "cost.seconds"])
def test_sord_compares_nothing_but_its_own_scores(score: str) -> None:
    assert not list(SORD.comparisons(score))
