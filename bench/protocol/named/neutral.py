"""`neutral`: in-mask, a least-squares scale where scale is unknowable, nothing hidden."""

from dataclasses import replace

from bench.protocol import Comparison, Protocol, Rule

_PLAIN = Comparison()
_CHANNEL = Comparison(scale="channel")
_SCALAR = Comparison(scale="scalar")
_FULL = Comparison(mask="full")
_GREY = Comparison(channels="grey")
_SHOWN = Comparison(space="srgb", clip=(0.0, 1.0))
_SHOWN_WHOLE = replace(_SHOWN, mask="zero-outside")
# FLIP knows no negative light; what half floats hold bounds it above.
_LINEAR_WHOLE = Comparison(mask="zero-outside", clip=(0.0, 65504.0))


def _images(quantity: str) -> tuple[Rule, ...]:
    """Pixel errors inside the mask, SSIM, LPIPS and FLIP over the frame; all also aligned."""
    pairs = (
        ("psnr", _SHOWN),
        ("l1", _SHOWN),
        ("psnr_hdr", _PLAIN),
        ("flip_hdr", _LINEAR_WHOLE),
        ("*", _SHOWN_WHOLE),
    )
    return tuple(
        rule
        for name, how in pairs
        for rule in (
            Rule(f"{quantity}.{name}", how),
            Rule(f"{quantity}.{name}", replace(how, scale="channel"), "aligned"),
        )
    )


def _albedo() -> tuple[Rule, ...]:
    # "[!w]*" is every score of albedo but WHDR, which knows no scale and so no second column.
    shown = (
        rule
        for name in ("ssim", "dssim", "lpips")
        for rule in (
            Rule(f"albedo.{name}", replace(_SHOWN_WHOLE, scale="channel")),
            Rule(f"albedo.{name}", replace(_SHOWN_WHOLE, scale="scalar"), "single"),
        )
    )
    return (
        *shown,
        Rule("albedo.whdr*", _FULL),
        Rule("albedo.*", _CHANNEL),
        Rule("albedo.[!w]*", _SCALAR, "single"),
    )


_DEPTH = (
    # What is divided by depth, or its logarithm, must stay positive: a scale, and no shift.
    *(
        Rule(f"depth.{name}", _SCALAR)
        for name in ("si_mse", "si_rmse", "abs_rel", "sq_rel", "rmse_log", "log10", "delta?")
    ),
    Rule("depth.si_mse_scene", replace(_SCALAR, unit="scene")),
    Rule("depth.silog", _PLAIN),
    Rule("depth.*", Comparison(scale="affine")),
    Rule("depth.rmse", _PLAIN, "given"),
    Rule("depth.rmse_extent", _PLAIN, "given"),
)

NEUTRAL = Protocol(
    name="neutral",
    version=2,
    title="in-mask, least-squares scale where scale is unknowable, nothing hidden",
    rules=(
        Rule("normal.*", _PLAIN),
        *_albedo(),
        Rule("shading.*", _SCALAR),
        Rule("intrinsic.*", _GREY),
        *_DEPTH,
        *_images("relit"),
        *_images("view"),
        Rule("light.rmse", _FULL),
        Rule("light.*", replace(_FULL, scale="scalar")),
        Rule("mask.*", _FULL),
        Rule("mesh.*", _FULL),
        Rule("consistency.albedo", _SCALAR),
        Rule("consistency.*", replace(_SHOWN, scale="channel")),
        Rule("cost.*", _FULL),
        Rule("*", _PLAIN),
    ),
)
