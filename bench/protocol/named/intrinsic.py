"""The benchmarks of intrinsic images (specs/metrics.md §1, §5.3, §5.4)."""

from bench.protocol import Comparison, Protocol, Rule

_GREY = Comparison(channels="grey")

MIT = Protocol(
    name="mit",
    version=1,
    title="MIT Intrinsic Images: local MSE of grey reflectance and shading",
    source="Grosse et al. 2009; davidstutz/grosse2009-intrinsic-images; specs/metrics.md §5.3",
    rules=tuple(Rule(f"{name}.lmse", _GREY) for name in ("intrinsic", "albedo", "shading")),
    notes=(
        "Windows of 20 px every 10 px, each with a scale of its own; intrinsic.lmse is half the "
        "shading's and half the reflectance's.",
        "The first release added up the denominator outside its inner loop and could exceed 1; "
        "this is the later and usual form.",
    ),
)

IIW = Protocol(
    name="iiw",
    version=1,
    title="Intrinsic Images in the Wild: weighted disagreement with people, linear reflectance",
    source="github.com/seanbell/intrinsic; specs/metrics.md §5.4",
    rules=(Rule("albedo.whdr*", Comparison(mask="full")),),
    notes=(
        "δ is 0.10 and reflectance is the mean of linear channels. Papers that tune δ, rescale "
        "the output (InverseRenderNet) or judge encoded reflectance (CGIntrinsics) differ.",
        "An image without weighted judgements has no value.",
    ),
)

MARIGOLD_IID = Protocol(
    name="marigold-iid",
    version=1,
    title="Marigold-IID appearance: albedo in sRGB over the whole frame, no scale",
    source="github.com/prs-eth/Marigold, script/iid/eval.py (b1dffaa): peers.md; few facts known",
    rules=tuple(
        Rule(f"albedo.{name}", Comparison(space="srgb", mask="full", clip=(0.0, 1.0)))
        for name in ("psnr", "ssim", "lpips")
    ),
    notes=(
        "Known: PSNR, SSIM and LPIPS by torchmetrics on sRGB images in [0, 1], without a scale.",
        "Assumed, not read in its code: no mask; SSIM of torchmetrics' default, 11 Gaussian taps "
        "with the mirrored border cropped; LPIPS of torchmetrics' default backbone, AlexNet.",
    ),
)
