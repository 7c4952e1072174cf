"""`stanford-orb`: the scorer of that benchmark (specs/metrics.md §2.2, §3, §5.1, §7)."""

from dataclasses import replace

from bench.protocol import Comparison, Protocol, Rule, Scale

# Every mean is over the whole frame, whose background is zero in both (§0.2).
_FRAME = Comparison(mask="zero-outside", erosion=5, resize="area")
_LOW = replace(_FRAME, space="srgb", clip=(0.0, 1.0))
_HIGH = replace(_FRAME, brightened=True, clip=(0.0, 4.0))
_PSEUDO = replace(_FRAME, scale="channel", clip=(0.0, 1.0))
_DEPTH = replace(_FRAME, scale="scalar", unknown="counted")

_GREY = 0.5
"""PSNR is never below that of this grey inside the mask."""


def _images(quantity: str, scale: Scale) -> tuple[Rule, ...]:
    low, high = replace(_LOW, scale=scale), replace(_HIGH, scale=scale)
    return (
        Rule(f"{quantity}.psnr_hdr", replace(high, floor=_GREY)),
        Rule(f"{quantity}.psnr", replace(low, floor=_GREY)),
        Rule(f"{quantity}.ssim", replace(low, window="gauss3")),
        Rule(f"{quantity}.lpips", replace(low, backbone="vgg", encoded=2)),
    )


STANFORD_ORB = Protocol(
    name="stanford-orb",
    version=1,
    title="Stanford-ORB as its scorer computes it, at 512×512",
    source="github.com/StanfordORB/Stanford-ORB; specs/metrics.md §1–§7",
    rules=(
        *_images("relit", "channel"),
        *_images("view", "none"),
        Rule("normal.cosine", replace(_FRAME, mask="inside", unknown="counted")),
        Rule("depth.si_mse", _DEPTH),
        Rule("depth.si_mse_scene", replace(_DEPTH, unit="scene")),
        Rule("albedo.psnr", replace(_PSEUDO, floor=_GREY)),
        Rule("albedo.ssim", replace(_PSEUDO, window="gauss3")),
        Rule("albedo.lpips", replace(_PSEUDO, space="srgb", backbone="vgg")),
        Rule("mesh.chamfer", Comparison(mask="full")),
    ),
    notes=(
        "psnr is the benchmark's PSNR-L and psnr_hdr its PSNR-H, whose peak is 1 although it clips "
        "at 4.",
        "LPIPS of views encodes what is sRGB already once more; that of albedo encodes once.",
        "A coverage of 25 % of the frame raises PSNR by 6.02 dB over the same error in the mask.",
        "The site prints depth × 1000 (its Depth is depth.si_mse_scene) and Chamfer × 2000.",
        "A missing prediction is a failure here; the scorer scores a white image in its place.",
        "The scorer fits a channel whose squares sum to at most 1e-6 as if it were all ones, and "
        "replaces such a depth by ones; here both are taken as they are.",
        "Albedo is compared with a pseudo truth, captured in a light box.",
    ),
)
