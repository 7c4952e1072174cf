"""The benchmarks on rendered objects before white (specs/metrics.md §1, §2.1, §5.1, §6, §7)."""

from dataclasses import replace

from bench.protocol import Comparison, Protocol, Rule

_WHITE = Comparison(mask="zero-outside", background=1.0, threshold=0.0, clip=(0.0, 1.0))
_SHOWN = replace(_WHITE, space="srgb")
_TENSOIR_ALBEDO = replace(_WHITE, scale="median", unit="scene", views=20)
_TENSOIR_SINGLE = replace(_TENSOIR_ALBEDO, scale="median-red")


def _pooled(how: Comparison) -> Comparison:
    return replace(how, space="gamma22", reduction="pooled")


def _tensoir_images(quantity: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{quantity}.psnr", _SHOWN),
        Rule(f"{quantity}.ssim", _SHOWN),
        Rule(f"{quantity}.lpips", replace(_SHOWN, backbone="vgg")),
        Rule(f"{quantity}.lpips", _SHOWN, "alex"),
    )


TENSOIR = Protocol(
    name="tensoir",
    version=1,
    title="TensoIR-Synthetic as its scripts compute it; /single: one scale for three channels",
    source="github.com/Haian-Jin/TensoIR; specs/metrics.md §1, §2.1, §5.1, §7.3",
    rules=(
        *_tensoir_images("relit"),
        *_tensoir_images("view"),
        Rule("albedo.psnr", _pooled(_TENSOIR_ALBEDO)),
        Rule("albedo.psnr", _pooled(_TENSOIR_SINGLE), "single"),
        Rule("albedo.ssim", _TENSOIR_ALBEDO),
        Rule("albedo.ssim", _TENSOIR_SINGLE, "single"),
        Rule("albedo.lpips", replace(_TENSOIR_ALBEDO, backbone="vgg")),
        Rule("albedo.lpips", replace(_TENSOIR_SINGLE, backbone="vgg"), "single"),
        Rule(
            "normal.mae",
            Comparison(
                mask="zero-outside",
                threshold=0.0,
                unknown="counted",
                unit="scene",
                reduction="pooled",
            ),
        ),
    ),
    notes=(
        "TensoIR rescales its albedo before it relights; what is relit arrives here finished and "
        "is not rescaled.",
        "The median is torch's, the lower of two middle values; IllumiNeRF's script takes NumPy's.",
        "The albedo's scale is of 20 test views of a scene and its PSNR of one error pooled over "
        "all of them; SSIM and LPIPS are of linear albedo.",
        "normal.mae counts the background as right, in numerator and denominator: objects that "
        "fill less of the frame score better.",
        "The targets are 8-bit files; predictions are not rounded here.",
    ),
)

# What was sRGB in other benchmarks is x^(1/2.2) here, cut to 8 bit.
_BYTES = replace(_WHITE, space="gamma22", levels=255, rounding="down")
_VALIDATED = replace(_BYTES, scale="channel", fit_threshold=0.9, unit="scene", views=1)


def _nerfactor_images(quantity: str, how: Comparison) -> tuple[Rule, ...]:
    return (
        Rule(f"{quantity}.psnr", replace(how, channels="luma")),
        Rule(f"{quantity}.ssim", replace(how, channels="luma")),
        Rule(f"{quantity}.lpips", how),
    )


NERFACTOR = Protocol(
    name="nerfactor",
    version=1,
    title="NeRFactor: luma of 8-bit images, albedo scaled by its first view",
    source="github.com/google/nerfactor and its xiuminglib; specs/metrics.md §1, §5.1, §7.3",
    rules=(
        *_nerfactor_images("relit", _BYTES),
        *_nerfactor_images("view", _BYTES),
        *_nerfactor_images("albedo", _VALIDATED),
    ),
    notes=(
        "The script behind the paper's table is not released; gains and metrics are from its code.",
        "The gains are fitted on validation view 0; here on the first item of each scene, so that "
        "a split must begin with that view.",
        "NeRFactor relights with the same gains; what is relit arrives here finished and is not "
        "rescaled.",
        "PSNR and SSIM are of Rec. 709 luma of 8-bit values, LPIPS of their colours.",
    ),
)

_FIRST_VIEW = replace(_SHOWN, scale="median", unit="scene", views=1)


def _relightable_images(quantity: str, how: Comparison) -> tuple[Rule, ...]:
    return (
        Rule(f"{quantity}.psnr", how),
        Rule(f"{quantity}.ssim", replace(how, window="gauss11-zero")),
        Rule(f"{quantity}.lpips", replace(how, backbone="vgg")),
    )


SYNTHETIC4RELIGHT = Protocol(
    name="synthetic4relight",
    version=1,
    title="Synthetic4Relight as Relightable 3D Gaussian's code computes it",
    source="github.com/NJU-3DV/Relightable3DGaussian; specs/metrics.md §1, §6, §7.3",
    rules=(
        *_relightable_images("relit", _SHOWN),
        *_relightable_images("view", _SHOWN),
        *_relightable_images("albedo", _FIRST_VIEW),
        Rule("roughness.mse", replace(_WHITE, clip=None)),
    ),
    notes=(
        "The code holds one albedo scale per scene, found on view 0 and written into it, and "
        "rescales albedo before it relights; here the scale is fitted on a scene's first item, and "
        "what is relit arrives finished.",
        "SSIM pads with zeros beyond the border, as 3D Gaussian Splatting does.",
        "roughness.mse is a mean over the frame, whose background is 1 in both: objects that fill "
        "less of it score better.",
        "From which coverage on a pixel is foreground is not known; here from any.",
    ),
)
