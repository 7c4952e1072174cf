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

_WHOLE = Comparison(
    space="srgb", mask="full", crop=64, clip=(0.0, 1.0), levels=255, rounding="down"
)

NRW = Protocol(
    name="nrw",
    version=1,
    title="Neural Rerendering in the Wild: L1 and PSNR of 8-bit images, cropped to 64 px",
    source="github.com/google/neural_rerendering_in_the_wild; specs/metrics.md §1, §11",
    rules=tuple(
        Rule(f"{quantity}.{name}", _WHOLE)
        for quantity in ("relit", "view")
        for name in ("l1", "psnr")
    ),
    notes=(
        "The paper's third column, a loss on VGG features, is not in the released evaluation and "
        "is not computed here.",
        "Images smaller than 64 px have no pixel left to compare.",
    ),
)
