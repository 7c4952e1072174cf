"""`sord`: the vase de-renderer's own script."""

from dataclasses import replace

from bench.protocol import Comparison, Protocol, Rule

_SOFT = Comparison(mask="soft")
_STORED = Comparison(mask="soft", clip=(0.0, 1.0), levels=255, rounding="down")
_STORED_LIGHT = replace(_STORED, mask="full", scale="scalar", fit="shown")

SORD = Protocol(
    name="sord",
    version=1,
    title="the official scores of the vase de-renderer, and the normals' also renormalised",
    source="github.com/elliottwu/sorderender, evaluation script; specs/vase_derenderer.md §7.1",
    rules=(
        Rule("sord.albedo_sie", replace(_STORED, space="gamma22", scale="scalar", fit="shown")),
        Rule("sord.normal_ad", _STORED),
        Rule("sord.normal_ad", _SOFT, "renormalised"),
        Rule("sord.compared", _SOFT),
        Rule("sord.light_sie", _STORED_LIGHT),
        Rule("sord.pitch_mae", Comparison(mask="full")),
        Rule("sord.*_mae", Comparison()),
    ),
)
