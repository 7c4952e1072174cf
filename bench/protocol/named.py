"""The protocols that have a name."""

from collections.abc import Mapping

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
        Rule("consistency.albedo", Comparison(scale="scalar")),
        Rule("consistency.*", _SHOWN_ALIGNED),
        Rule("cost.*", Comparison(mask="full")),
        Rule("*", Comparison()),
    ),
)

PROTOCOLS: Mapping[str, Protocol] = {NEUTRAL.name: NEUTRAL}
