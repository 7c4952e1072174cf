"""MS-SSIM against its formula on SciPy's filters, and where it is defined."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bench.api import Item, Key
from bench.metrics.images.multiscale import SMALLEST, metric, ms_ssim
from bench.protocol import Comparison
from bench.protocol.batched import Batch

SIZE = (177, 192)
FRAMED = Comparison(mask="zero-outside")


@pytest.fixture
def pair() -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    first = rng.random((*SIZE, 3)).cumsum(0).cumsum(1)
    first = (first % 7 / 7).astype(np.float32)
    return first, np.clip(first + rng.normal(0, 0.2, first.shape), 0, 1).astype(np.float32)


def planes(image: Any) -> torch.Tensor:
    return torch.from_numpy(image).double().permute(2, 0, 1)[None]


def formula(x: Any, y: Any, peak: float) -> float:
    """Wang et al. 2003 on grey images; SciPy cuts Gaussians of σ = 1.5 at 11 taps."""

    def mean(image: Any) -> Any:
        return gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]

    result = 1.0
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mx, my = mean(x), mean(y)
        vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        index = (2 * vxy + c2) / (vx + vy + c2)
        if scale == 4:
            index = index * (2 * mx * my + c1) / (mx**2 + my**2 + c1)
        result *= index.mean() ** weight
        x, y = (i[: len(i) // 2 * 2, : i.shape[1] // 2 * 2] for i in (x, y))
        x, y = (i.reshape(len(i) // 2, 2, i.shape[1] // 2, 2).mean((1, 3)) for i in (x, y))
    return float(result)


@pytest.mark.parametrize("peak", [1.0, 2.0])
def test_it_is_its_formula(pair: tuple[Any, Any], peak: float) -> None:
    first, second = (image[..., 0].astype(np.float64) for image in pair)
    found = ms_ssim(planes(pair[0][..., :1]), planes(pair[1][..., :1]), peak)
    assert float(found[0]) == pytest.approx(formula(first, second, peak), abs=1e-9)


def test_channels_are_averaged(pair: tuple[Any, Any]) -> None:
    each = [float(ms_ssim(*(planes(image[..., c : c + 1]) for image in pair))) for c in range(3)]
    assert float(ms_ssim(*map(planes, pair))) == pytest.approx(np.mean(each), abs=1e-12)


def test_equal_pictures_score_one(pair: tuple[Any, Any]) -> None:
    assert float(ms_ssim(planes(pair[0]), planes(pair[0]))) == pytest.approx(1)


def test_it_looks_at_the_box_of_the_mask(
    measure: Callable[..., Any], pair: tuple[Any, Any]
) -> None:
    mask = np.zeros((2 * SIZE[0], 2 * SIZE[1], 1), np.float32)
    mask[5 : 5 + SIZE[0], 9 : 9 + SIZE[1]] = 1
    rng = np.random.default_rng(4)
    frames = [rng.random((*mask.shape[:2], 3)).astype(np.float32) for _ in pair]
    for frame, image in zip(frames, pair, strict=True):
        frame[5 : 5 + SIZE[0], 9 : 9 + SIZE[1]] = image
    item = Item(Key("", ""), None, {"view": frames[0]}, {"view": frames[1], "mask": mask})
    expected = float(ms_ssim(*map(planes, pair)))
    assert measure("view.ms_ssim", item, comparison=FRAMED) == pytest.approx(expected, abs=1e-6)


def test_a_small_box_has_no_number(measure: Callable[..., Any], cards: tuple[Any, ...]) -> None:
    frame = np.ones((SMALLEST, SMALLEST, 3), np.float32)
    whole = Item(Key("", ""), None, {"view": frame}, {"view": frame})
    assert measure("view.ms_ssim", whole, comparison=FRAMED) == pytest.approx(1)
    cut = Item(Key("", ""), None, {"view": frame[:, 1:]}, {"view": frame[:, 1:]})
    assert measure("view.ms_ssim", cut, comparison=FRAMED) is None
    (card,) = (card for card in cards if card.name == "view-ms-ssim")
    both = torch.from_numpy(np.stack([frame, frame]))
    masks = torch.ones(2, SMALLEST, SMALLEST, 1)
    masks[1, 0] = 0
    batch = Batch({"view": both}, {"view": both, "mask": masks})
    found = metric(card).batch(batch, FRAMED)["view.ms_ssim"]
    assert found[0] == pytest.approx(1) and found[1].isnan()
