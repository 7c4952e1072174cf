"""The perceptual loss of Neural Rerendering in the Wild, against its formula in NumPy."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.api import Item, Key
from bench.errors import UnavailableError
from bench.metrics.images import backbones, vgg
from bench.protocol import Comparison
from bench.protocol.batched import Batch

SHOWN = Comparison(mask="full")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A random VGG-16 in torch.hub's cache, with a name that keeps its promise."""
    from torchvision.models import vgg16

    torch.manual_seed(0)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    state = {k: v for k, v in vgg16(weights=None).state_dict().items() if k.startswith("features")}
    torch.save(state, folder / "vgg.pth")
    name = f"vgg-{hashlib.sha256((folder / 'vgg.pth').read_bytes()).hexdigest()[:8]}.pth"
    path = (folder / "vgg.pth").rename(folder / name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(vgg, "FEATURES", replace(vgg.FEATURES, files=(name,)))
    return path


@pytest.fixture
def pair() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return tuple(rng.random((32, 48, 3), dtype=np.float32) for _ in range(2))  # type: ignore[return-value]


def item(pair: tuple[Any, Any]) -> Item:
    return Item(Key("", ""), None, {"view": pair[0]}, {"view": pair[1]})


def small() -> nn.Sequential:
    """As many layers as VGG has to conv5_2, all but five of them doing nothing."""
    layers: list[nn.Module] = [nn.Identity() for _ in range(28)]
    for place in vgg.LAYERS:
        layers[place] = nn.ReLU()
    return nn.Sequential(*layers)


def test_the_loss_is_its_formula() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 3, 4, 5), dtype=np.float32)
    mean = np.array([0.48235, 0.45882, 0.40784])[:, None, None]
    a, b = (np.maximum(255 * (image - mean), 0) for image in (first, second))
    expected = (1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1) * np.mean((0.1 * (a - b)) ** 2)
    found = vgg.loss(small(), *(torch.from_numpy(image)[None] for image in (first, second)))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_layers_are_those_after_the_named_convolutions() -> None:
    from torchvision.models import vgg16

    features = vgg16(weights=None).features
    convolutions = [index for index, layer in enumerate(features) if isinstance(layer, nn.Conv2d)]
    blocks = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3", "5_1", "5_2")
    named = dict(zip(blocks, convolutions, strict=False))
    assert list(vgg.LAYERS) == [named[name] + 1 for name in ("1_2", "2_2", "3_2", "4_2", "5_2")]
    assert all(isinstance(features[index], nn.ReLU) for index in vgg.LAYERS)


def test_equal_pictures_have_no_loss_and_others_do(
    weights: Path, measure: Callable[..., Any], pair: tuple[Any, Any]
) -> None:
    assert measure("view.vgg", item((pair[0], pair[0])), comparison=SHOWN) == 0
    assert measure("view.vgg", item(pair), comparison=SHOWN) > 0


def test_a_batch_is_what_its_items_are(
    weights: Path, cards: tuple[Any, ...], pair: tuple[Any, Any]
) -> None:
    (card,) = (card for card in cards if card.name == "view-vgg")
    metric: Any = vgg.metric(card)
    stacked = [torch.from_numpy(np.stack([each, each[::-1].copy()])) for each in pair]
    found = metric.batch(Batch({"view": stacked[0]}, {"view": stacked[1]}), SHOWN)["view.vgg"]
    turned = (pair[0][::-1].copy(), pair[1][::-1].copy())
    expected = [metric([item(each)], SHOWN)["view.vgg"] for each in (pair, turned)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_weights_it_is_unavailable_with_the_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    measure: Callable[..., Any],
    pair: tuple[Any, Any],
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"vgg16\(weights='IMAGENET1K_FEATURES'\)"):
        measure("view.vgg", item(pair), comparison=SHOWN)


def test_the_doctor_says_how_the_features_come(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbones, "FEATURES", vgg.FEATURES)
    (found,) = backbones.diagnose_features()
    assert found.works and found.found == str(weights)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    (missing,) = backbones.diagnose_features()
    assert not missing.works and "IMAGENET1K_FEATURES" in missing.remedy


def test_what_was_shown_to_the_method_is_said_and_never_ranked(cards: tuple[Any, ...]) -> None:
    shown = [card for card in cards if card.quantity == "reconstruction"]
    assert {score.id for card in shown for score in card.scores} == {
        "reconstruction.psnr", "reconstruction.l1", "reconstruction.vgg",
    }  # fmt: skip
    for card in shown:
        assert card.protocols == ("nrw",)
        assert all("target given" in score.title and not score.ranked for score in card.scores)


def test_only_covered_pixels_count_in_the_second_column(measure: Callable[..., Any]) -> None:
    target = np.full((64, 64, 3), 0.2, np.float32)
    prediction = target.copy()
    prediction[:, :32] += 0.3
    covered = np.zeros((64, 64, 1), np.float32)
    covered[:, 32:] = 1
    truth = {"view": target, "covered": covered}
    shown = SimpleNamespace(whole=Comparison(), covered=Comparison(within="covered"))
    only = Item(Key("", ""), None, {"view": prediction}, truth)
    assert measure("view.l1", only, comparison=shown.whole) == pytest.approx(255 * 0.15, rel=1e-5)
    assert measure("view.l1", only, comparison=shown.covered) == 0
    masked = Item(Key("", ""), None, {"view": prediction}, truth | {"mask": 1 - covered})
    assert measure("view.l1", masked, comparison=shown.covered) is None
    unknown = Item(Key("", ""), None, {"view": prediction}, {"view": target})
    assert measure("view.l1", unknown, comparison=shown.covered) is None


def test_covered_pixels_are_the_same_on_a_device() -> None:
    rng = np.random.default_rng(5)
    arrays = {name: rng.random((2, 20, 20, 3)) for name in ("prediction", "target")}
    covered = (rng.random((2, 20, 20, 1)) > 0.5).astype(np.float32)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    truth = {"view": tensors["target"], "covered": torch.from_numpy(covered)}
    batch = Batch({"view": tensors["prediction"]}, truth)
    found = batch.prepared("view", Comparison(within="covered")).psnr()
    squares = ((arrays["prediction"] - arrays["target"]) ** 2).mean(-1, keepdims=True)
    expected = (squares * covered).sum((1, 2, 3)) / covered.sum((1, 2, 3))
    np.testing.assert_allclose(found, -10 * np.log10(expected), rtol=1e-6)
