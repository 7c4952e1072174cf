"""The cards of the image metrics (specs/metrics.md §7, §11, §13)."""

from collections.abc import Iterable
from dataclasses import replace

from bench.api import Command, MetricCard, Score, hookimpl

SIMONYAN = "Simonyan and Zisserman, Very deep convolutional networks, 2015"
WANG = "Wang et al., Image quality assessment: from error visibility to structural similarity, 2004"
ZHANG = "Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, 2018"
WANG_MULTISCALE = "Wang, Simoncelli and Bovik, Multi-scale structural similarity, 2003"
FLIP = "Andersson et al., FLIP: a difference evaluator for alternating images, 2020"
FLIP_HDR = "Andersson et al., Visualizing errors in rendered high dynamic range images, 2021"


def _card(
    quantity: str,
    suffix: str,
    title: str,
    implementation: str,
    score: Score,
    licence: str = "",
    paper: str = "",
    commands: tuple[Command, ...] = (),
) -> MetricCard:
    return MetricCard(
        name=f"{quantity}-{suffix}",
        title=title,
        implementation=f"bench.metrics.images.{implementation}",
        quantity=quantity,
        targets=(quantity,),
        scores=(score,),
        pools=True,
        licence=licence,
        paper=paper,
        commands=commands,
    )


def _psnr(quantity: str) -> MetricCard:
    score = Score(f"{quantity}.psnr", f"{quantity} PSNR", "higher", "dB")
    return _card(quantity, "psnr", "Peak signal-to-noise ratio", "metric:Psnr", score)


def _psnr_hdr(quantity: str) -> MetricCard:
    score = Score(f"{quantity}.psnr_hdr", f"{quantity} PSNR, HDR", "higher", "dB")
    title = "Peak signal-to-noise ratio, linear and unclipped"
    return _card(quantity, "psnr-hdr", title, "metric:Psnr", score)


def _ssim(quantity: str) -> MetricCard:
    score = Score(f"{quantity}.ssim", f"{quantity} SSIM", "higher", "", (-1, 1))
    return _card(quantity, "ssim", "Structural similarity", "ssim:metric", score, paper=WANG)


def _dssim(quantity: str) -> MetricCard:
    score = Score(f"{quantity}.dssim", f"{quantity} DSSIM", "lower", "", (0, 1))
    title = "Structural dissimilarity, (1 − SSIM) ÷ 2"
    return _card(quantity, "dssim", title, "ssim:dissimilarity", score, paper=WANG)


def _lpips(quantity: str) -> MetricCard:
    return _card(
        quantity,
        "lpips",
        "LPIPS 0.1",
        "perceptual:metric",
        Score(f"{quantity}.lpips", f"{quantity} LPIPS", "lower", "", (0, None)),
        licence="BSD-2-Clause",
        paper=ZHANG,
        commands=(Command("doctor", "bench.metrics.images.backbones:diagnose"),),
    )


def _flip(quantity: str) -> MetricCard:
    return _card(
        quantity,
        "flip",
        "FLIP of what is shown, 67 pixels per degree",
        "flip:ldr",
        Score(f"{quantity}.flip", f"{quantity} FLIP", "lower", "", (0, 1)),
        licence="BSD-3-Clause",
        paper=FLIP,
    )


def _flip_hdr(quantity: str) -> MetricCard:
    return _card(
        quantity,
        "flip-hdr",
        "HDR-FLIP of linear images, 67 pixels per degree",
        "flip:hdr",
        Score(f"{quantity}.flip_hdr", f"{quantity} FLIP, HDR", "lower", "", (0, 1)),
        licence="BSD-3-Clause",
        paper=FLIP_HDR,
    )


def _l1(quantity: str) -> MetricCard:
    score = Score(f"{quantity}.l1", f"{quantity} L1", "lower", "of 255", (0, None))
    return _card(quantity, "l1", "Mean absolute difference × 255", "metric:mean_absolute", score)


def _ms_ssim(quantity: str) -> MetricCard:
    score = Score(f"{quantity}.ms_ssim", f"{quantity} MS-SSIM", "higher", "", (0, 1))
    title = "Multi-scale structural similarity"
    card = _card(quantity, "ms-ssim", title, "multiscale:metric", score, paper=WANG_MULTISCALE)
    return replace(card, protocols=("nrw-half",))


def _vgg(quantity: str) -> MetricCard:
    score = Score(f"{quantity}.vgg", f"{quantity} VGG loss", "lower", "", (0, None))
    title = "Perceptual loss of Neural Rerendering in the Wild"
    commands = (Command("doctor", "bench.metrics.images.backbones:diagnose_features"),)
    card = _card(quantity, "vgg", title, "vgg:metric", score, paper=SIMONYAN, commands=commands)
    return replace(card, protocols=("nrw-half",))


def _unranked(card: MetricCard) -> MetricCard:
    """A score of what the method was shown: it says so, no row is best at it."""
    scores = tuple(
        replace(score, title=f"{score.title}, target given", ranked=False) for score in card.scores
    )
    return replace(card, scores=scores, protocols=("nrw",))


@hookimpl
def bench_metrics() -> Iterable[MetricCard]:
    """Offer the image metrics."""
    made = (_psnr, _psnr_hdr, _ssim, _lpips, _flip, _flip_hdr, _l1)
    images = (make(quantity) for quantity in ("relit", "view") for make in (*made, _vgg, _ms_ssim))
    shown = (_unranked(make("reconstruction")) for make in (_psnr, _l1, _vgg))
    intrinsic = (_ssim("albedo"), _lpips("albedo"), _dssim("albedo"), _dssim("shading"))
    return (*images, *shown, *intrinsic)
