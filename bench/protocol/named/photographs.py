"""The benchmarks on photographs under other light (specs/metrics.md §1, §7.5, §11)."""

from dataclasses import replace

from bench.protocol import Comparison, Protocol, Rule

_EXPOSED = Comparison(space="gamma22", scale="exposure", clip=(0.0, 1.0))
_MASKED = replace(_EXPOSED, mask="zero-outside", averaged="inside")


def _owl_images(quantity: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{quantity}.psnr", _EXPOSED),
        Rule(f"{quantity}.ssim", replace(_MASKED, window="uniform7")),
        Rule(f"{quantity}.lpips", replace(_MASKED, background=0.5)),
    )


OWL = Protocol(
    name="owl",
    version=1,
    title="Objects With Lighting: linear predictions, exposure and gains fitted as shown",
    source="github.com/isl-org/objects-with-lighting; specs/metrics.md §0.3, §7.3–§7.5",
    rules=(*_owl_images("relit"), *_owl_images("view")),
    notes=(
        "Exposure and gains minimise the mean absolute difference of tone-mapped pixels, as the "
        "code does; its README says least squares.",
        "A prediction that OWL finds as .png is tone-mapped already and gets no scale there; here "
        "every prediction is linear and is fitted.",
        "LPIPS sees mid-grey outside the mask; its map, like SSIM's, is averaged inside.",
        "OWL takes the mean over all images of all objects: 9 each, so that the mean over scenes "
        "is the same. Images 0–2 show the light of the training images.",
    ),
)

_SHOWN = Comparison(space="srgb", crop=64, clip=(0.0, 1.0), levels=255)
_COVERED = replace(_SHOWN, within="covered")
_FRAMED = replace(_SHOWN, mask="zero-outside", averaged="inside")
_NRW_SOURCE = "github.com/google/neural_rerendering_in_the_wild; specs/neural_rerendering.md §9"
_SMALL = "Images smaller than 64 px have no pixel left to compare."

NRW = Protocol(
    name="nrw",
    version=2,
    title="Neural Rerendering in the Wild: each photo again from its own appearance, target given",
    source=_NRW_SOURCE,
    rules=tuple(
        rule
        for name in ("l1", "psnr", "vgg")
        for rule in (
            Rule(f"reconstruction.{name}", _SHOWN),
            Rule(f"reconstruction.{name}", _COVERED, "covered"),
        )
    ),
    notes=(
        "The method is shown the photo that it is scored on, as the published evaluation does; "
        "such numbers are never ranked. `nrw-half` is the fair one.",
        "The released evaluation has L1 and PSNR; the loss on VGG features is the paper's third "
        "column, here on the whole frame.",
        "Second columns, `covered`, look at those pixels alone that a point covers.",
        _SMALL,
    ),
)

NRW_HALF = Protocol(
    name="nrw-half",
    version=1,
    title="Neural Rerendering in the Wild, appearance from the left half, scored on the right",
    source=f"{_NRW_SOURCE}; the halves are those of NeRF in the Wild",
    rules=tuple(
        rule
        for quantity in ("view", "relit")
        for name, how in (
            ("l1", _SHOWN),
            ("psnr", _SHOWN),
            ("vgg", _FRAMED),
            ("ssim", _FRAMED),
            ("lpips", _FRAMED),
            ("ms_ssim", _FRAMED),
        )
        for rule in (
            Rule(f"{quantity}.{name}", how),
            Rule(f"{quantity}.{name}", replace(how, within="covered"), "covered"),
        )
    ),
    notes=(
        "The dataset gives the halves: `aligned` hands over the left one and its mask is the right "
        "one. On other data the mask is the data's own.",
        "Semantic colours, where a framebuffer has them, are of the whole photo, as published.",
        "Second columns, `covered`, look at those pixels alone that a point covers.",
        _SMALL,
    ),
)
