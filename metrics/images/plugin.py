"""The cards of the image metrics, once for relit and once for view (specs/metrics.md §7, §13)."""

from collections.abc import Iterable

from bench.api import Command, MetricCard, Score, hookimpl

WANG = "Wang et al., Image quality assessment: from error visibility to structural similarity, 2004"
ZHANG = "Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, 2018"


def _cards(quantity: str) -> tuple[MetricCard, ...]:
    return (
        MetricCard(
            name=f"{quantity}-psnr",
            title="Peak signal-to-noise ratio",
            implementation="bench.metrics.images.metric:Psnr",
            quantity=quantity,
            targets=(quantity,),
            scores=(Score(f"{quantity}.psnr", f"{quantity} PSNR", "higher", "dB"),),
        ),
        MetricCard(
            name=f"{quantity}-psnr-hdr",
            title="Peak signal-to-noise ratio, linear and unclipped",
            implementation="bench.metrics.images.metric:Psnr",
            quantity=quantity,
            targets=(quantity,),
            scores=(Score(f"{quantity}.psnr_hdr", f"{quantity} PSNR, HDR", "higher", "dB"),),
        ),
        MetricCard(
            name=f"{quantity}-ssim",
            title="Structural similarity, Gaussian window of 11 taps",
            implementation="bench.metrics.images.metric:Ssim",
            quantity=quantity,
            targets=(quantity,),
            scores=(Score(f"{quantity}.ssim", f"{quantity} SSIM", "higher", "", (-1, 1)),),
            paper=WANG,
        ),
        MetricCard(
            name=f"{quantity}-lpips",
            title="LPIPS 0.1, AlexNet backbone",
            implementation="bench.metrics.images.perceptual:Lpips",
            quantity=quantity,
            targets=(quantity,),
            scores=(Score(f"{quantity}.lpips", f"{quantity} LPIPS", "lower", "", (0, None)),),
            licence="BSD-2-Clause",
            paper=ZHANG,
            commands=(Command("doctor", "bench.metrics.images.perceptual:diagnose"),),
        ),
    )


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the image metrics."""
    return (*_cards("relit"), *_cards("view"))
