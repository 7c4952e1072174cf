"""Metrics of a batch on a device against the NumPy path, item by item."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import bench
from bench.api import Item, Key, MetricCard
from bench.batches import score_on_device
from bench.errors import InvalidValueError
from bench.items import work
from bench.metrics.images.batched import ssim as batched_ssim
from bench.metrics.images.ssim import ssim
from bench.plugins import load
from bench.protocol import Comparison
from bench.protocol.apply import prepare
from bench.protocol.batched import Batch
from bench.protocol.batched import prepare as prepare_batch
from bench.protocol.named import PROTOCOLS

COUNT, SIZE = 3, (37, 44)
CPU = torch.device("cpu")
CHOICES: Mapping[str, tuple[Any, ...]] = {
    "space": ("linear", "srgb", "gamma22"),
    "encoded": (1, 2),
    "channels": ("rgb", "grey", "luma"),
    "crop": (0, 8),
    "mask": ("inside", "zero-outside", "soft", "full"),
    "background": (0.0, 0.5, 1.0),
    "threshold": (0.3, 0.5),
    "erosion": (0, 2, 5),
    "brightened": (False, True),
    "scale": ("none", "scalar", "channel", "affine", "median", "median-red"),
    "fit_threshold": (None, 0.7),
    "fit": ("linear", "shown"),
    "clip": ((0.0, 1.0), (0.0, 4.0), None),
    "peak": (1.0, 2.0),
    "floor": (None, 0.5),
    "levels": (None, 255),
    "rounding": ("nearest", "down"),
    "window": ("gauss11", "gauss11-zero", "uniform7", "gauss3"),
    "averaged": ("frame", "inside"),
}  # fmt: skip


def comparison(seed: int) -> Comparison:
    """One of all that can be said."""
    rng = np.random.default_rng(seed)
    words: Any = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}
    if words["mask"] == "full":
        words["fit_threshold"] = None  # the empty mask would leave nothing to fit to
    return Comparison(**words)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are slowed by threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def arrays() -> SimpleNamespace:
    """B pairs of soft-masked pictures, the last mask of them empty."""
    rng = np.random.default_rng(11)
    target = rng.gamma(2, 0.3, (COUNT, *SIZE, 3)).astype(np.float32)
    prediction = target * rng.uniform(0.5, 1.5, (COUNT, 1, 1, 3)) + rng.normal(
        0, 0.05, target.shape
    )
    row, column = np.mgrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot(row - 17, column - 20)
    mask = np.clip((np.array([16, 12, -1])[:, None, None] - distance) / 3, 0, 1)[..., None]
    found = {"prediction": prediction, "target": target, "mask": mask}
    return SimpleNamespace(**{name: a.astype(np.float32) for name, a in found.items()})


@pytest.fixture
def metrics(cards: tuple[MetricCard, ...]) -> list[Any]:
    """Every metric that takes a batch and needs neither weights nor linear or shown images only."""
    made = (load(card.implementation)(card) for card in cards)
    apart = ("lpips", "vgg", "ms_ssim", "flip", "flip_hdr", "view", "reconstruction")
    return [
        metric
        for metric, card in zip(made, cards, strict=True)
        if hasattr(metric, "batch") and not set(apart) & set(card.scores[0].id.split("."))
    ]


@pytest.mark.parametrize("seed", range(60))
def test_a_batch_is_what_its_items_are(
    arrays: SimpleNamespace, metrics: list[Any], seed: int
) -> None:
    said = comparison(seed)
    names = ("albedo", "shading", "relit")
    batch = Batch(
        {name: torch.from_numpy(arrays.prediction) for name in names},
        {name: torch.from_numpy(arrays.target) for name in names}
        | {"mask": torch.from_numpy(arrays.mask)},
    )
    assert len(metrics) >= 6
    for metric in metrics:
        found = metric.batch(batch, said)
        for index in range(COUNT):
            prediction = dict.fromkeys(names, arrays.prediction[index])
            target = dict.fromkeys(names, arrays.target[index]) | {"mask": arrays.mask[index]}
            expected = metric([Item(Key("", ""), None, prediction, target)], said)
            for score, values in found.items():
                assert values.dtype == torch.float64 and values.shape == (COUNT,)
                wanted = expected.get(score, math.nan)
                assert values[index].item() == pytest.approx(wanted, 1e-5, 1e-5, nan_ok=True), score


def test_frames_and_pixels_are_those_of_the_readable_path(arrays: SimpleNamespace) -> None:
    for seed in range(60):
        said = comparison(seed)
        made = prepare_batch(
            *(torch.from_numpy(a) for a in (arrays.prediction, arrays.target, arrays.mask)), said
        )
        for index in range(COUNT):
            pair = arrays.prediction[index], arrays.target[index], arrays.mask[index]
            expected = prepare(*pair, said)
            if expected is None:
                assert not made.inside[index].any()
                continue
            for frame, wanted in zip(
                (made.prediction[index], made.target[index]), expected.frames(), strict=True
            ):
                np.testing.assert_allclose(frame, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("window", CHOICES["window"])
def test_ssim_around_an_object_in_the_dark_is_the_same_to_seven_digits(window: Any) -> None:
    first, second = np.zeros((2, 1, 60, 60, 3))
    first[:, 20:40, 20:40], second[:, 20:40, 20:40] = np.random.default_rng(2).random(
        (2, 1, 20, 20, 3)
    )
    said = Comparison(window=window)
    made = prepare_batch(torch.from_numpy(first), torch.from_numpy(second), None, said)
    expected = ssim(first[0], second[0], window)
    assert batched_ssim(made).item() == pytest.approx(expected, abs=1e-7)


def test_images_without_a_mask_count_whole(arrays: SimpleNamespace) -> None:
    pair = torch.from_numpy(arrays.prediction), torch.from_numpy(arrays.target)
    said = Comparison(scale="channel")
    found = prepare_batch(*pair, None, said).mean_squared_error()
    expected = [
        prepare(p, t, None, said).mean_squared_error()
        for p, t in zip(arrays.prediction, arrays.target, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_prediction_of_zeros_is_scored_unscaled_and_a_perfect_one_is_infinite(
    arrays: SimpleNamespace,
) -> None:
    target = torch.from_numpy(arrays.target)
    for scale in ("none", "scalar", "channel"):
        made = prepare_batch(torch.zeros_like(target), target, None, Comparison(scale=scale))
        expected = -10 * np.log10((arrays.target.astype(float) ** 2).mean((1, 2, 3)))
        np.testing.assert_allclose(made.psnr(), expected, rtol=1e-9)
    assert prepare_batch(target, target, None, Comparison()).psnr().isinf().all()


def test_pictures_or_masks_of_unlike_sizes_are_refused(arrays: SimpleNamespace) -> None:
    target, mask = torch.from_numpy(arrays.target), torch.from_numpy(arrays.mask)
    with pytest.raises(InvalidValueError, match="the prediction is"):
        prepare_batch(target[:, 1:], target, mask, Comparison())
    with pytest.raises(InvalidValueError, match="the mask is"):
        prepare_batch(target, target, mask[:, 1:], Comparison())


def test_what_differs_only_for_the_metric_is_prepared_once(
    arrays: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.protocol import batched

    made: list[Comparison] = []
    honest = batched.prepare

    def counted(*arguments: Any) -> Any:
        made.append(arguments[-1])
        return honest(*arguments)

    monkeypatch.setattr(batched, "prepare", counted)
    batch = Batch(
        {"relit": torch.from_numpy(arrays.prediction)}, {"relit": torch.from_numpy(arrays.target)}
    )
    inside = Comparison(space="srgb", clip=(0, 1))
    whole = replace(inside, mask="zero-outside", window="gauss3", peak=2.0, floor=0.5)
    for said in (inside, whole, replace(whole, backbone="vgg", averaged="inside")):
        assert batch.prepared("relit", said).comparison == said
    assert len(made) == 1


@pytest.mark.parametrize("protocol", ["neutral", "stanford-orb", "tensoir", "nrw-half"])
def test_the_path_of_a_device_returns_what_items_alone_do(
    arrays: SimpleNamespace, protocol: str
) -> None:
    shown = {"relit": arrays.prediction.clip(0), "albedo": arrays.prediction}
    truth = {"relit": arrays.target, "albedo": arrays.target, "mask": arrays.mask}
    parts = [{n: torch.from_numpy(a) for n, a in part.items()} for part in (shown, truth)]
    found = on_device(*parts, protocol)
    expected = bench.score(shown, truth, protocol)
    assert found
    for name, values in found.items():
        if name in expected:
            np.testing.assert_allclose(values, expected[name], 1e-5, 1e-5, err_msg=name)
        else:
            assert values.isnan().all()


def test_masks_may_lack_their_channel_on_a_device(arrays: SimpleNamespace) -> None:
    prediction = {"albedo": torch.from_numpy(arrays.prediction)}
    masks = torch.from_numpy(arrays.mask), torch.from_numpy(arrays.mask[..., 0])
    target = {"albedo": torch.from_numpy(arrays.target)}
    one, other = (on_device(prediction, target | {"mask": mask}, "neutral") for mask in masks)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])


def test_what_the_device_cannot_take_is_refused_by_item(arrays: SimpleNamespace) -> None:
    def refused(change: Callable[[Any], None], kind: str, match: str, name: str = "mask") -> None:
        changed = {"relit": arrays.target.copy(), "mask": arrays.mask.copy()}
        change(changed[name])
        target = {n: torch.from_numpy(a) for n, a in changed.items()}
        prediction = {"relit": torch.from_numpy(arrays.prediction)}
        with pytest.raises(InvalidValueError, match=match) as caught:
            on_device(prediction, target, "neutral")
        assert caught.value.kind == kind

    refused(lambda a: a[1].fill(2), "range", r"item 1: mask: values \[2, 2\]")
    refused(lambda a: a[2, 0].fill(np.nan), "non-finite", "item 2: relit", "relit")
    refused(lambda a: a[0, 3, 3].fill(np.inf), "non-finite", "item 0: relit", "relit")


def on_device(prediction: Any, target: Any, protocol: str) -> dict[str, torch.Tensor]:
    """What would be computed on a device, on the CPU."""
    parts = (prediction, target, {})
    calls = list(work(parts, PROTOCOLS[protocol], lambda *_: True))
    return score_on_device(parts, calls, CPU)[0]


@pytest.mark.gpu
def test_a_batch_on_a_gpu_is_scored_there(arrays: SimpleNamespace) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    parts = (
        {"relit": arrays.prediction.clip(0), "albedo": arrays.prediction},
        {"relit": arrays.target, "albedo": arrays.target, "mask": arrays.mask},
    )
    there = ({n: torch.from_numpy(a).cuda() for n, a in part.items()} for part in parts)
    found, expected = bench.score(*there), bench.score(*parts)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values.device.type == "cuda"
        np.testing.assert_allclose(values.cpu(), expected[name], 1e-5, 1e-5, err_msg=name)
