"""The protocols that have a name."""

from collections.abc import Mapping
from dataclasses import replace

from bench.protocol import Comparison, Protocol, Rule

_SHOWN = Comparison(space="srgb", clip=(0.0, 1.0))
_SHOWN_WHOLE = Comparison(space="srgb", clip=(0.0, 1.0), mask="zero-outside")
_SHOWN_ALIGNED = Comparison(space="srgb", clip=(0.0, 1.0), scale="channel")
_SHOWN_WHOLE_ALIGNED = Comparison(
    space="srgb", clip=(0.0, 1.0), mask="zero-outside", scale="channel"
)

NEUTRAL = Protocol(
    name="neutral",
    version=1,
    title="in-mask, least-squares scale where scale is unknowable, nothing hidden",
    rules=(
        Rule("normal.*", Comparison()),
        Rule("albedo.*", Comparison(scale="channel")),
        Rule("albedo.*", Comparison(scale="scalar"), "single"),
        Rule("shading.*", Comparison(scale="scalar")),
        Rule("depth.*", Comparison(scale="affine")),
        Rule("depth.rmse", Comparison(), "given"),
        Rule("roughness.*", Comparison()),
        Rule("specular.*", Comparison()),
        Rule("relit.psnr", _SHOWN),
        Rule("relit.psnr", _SHOWN_ALIGNED, "aligned"),
        Rule("view.psnr", _SHOWN),
        Rule("view.psnr", _SHOWN_ALIGNED, "aligned"),
        Rule("relit.psnr_hdr", Comparison()),
        Rule("relit.psnr_hdr", Comparison(scale="channel"), "aligned"),
        Rule("view.psnr_hdr", Comparison()),
        Rule("view.psnr_hdr", Comparison(scale="channel"), "aligned"),
        Rule("relit.*", _SHOWN_WHOLE),
        Rule("relit.*", _SHOWN_WHOLE_ALIGNED, "aligned"),
        Rule("view.*", _SHOWN_WHOLE),
        Rule("view.*", _SHOWN_WHOLE_ALIGNED, "aligned"),
        Rule("light.*", Comparison(scale="scalar", mask="full")),
        Rule("mask.*", Comparison(mask="full")),
        Rule("consistency.albedo", Comparison(scale="scalar")),
        Rule("consistency.*", _SHOWN_ALIGNED),
        Rule("cost.*", Comparison(mask="full")),
        Rule("*", Comparison()),
    ),
)

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

PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in (NEUTRAL, SORD)}
