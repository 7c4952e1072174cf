"""The rerenderer's losses by hand, and VGG16 against torchvision's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import DataError
from bench.methods.neural_rerenderer import losses, vgg

TAPS = (3, 8, 13, 20, 27)
"""Of torchvision's `features`: after the rectified conv1_2, 2_2, 3_2, 4_2 and 5_2."""


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def maps(seed: int) -> list[Tensor]:
    return [normal(seed + k, 2, 1, side, side) for k, side in enumerate((4, 2, 1))]


def mean(values: Any) -> float:
    numbers = [float(value) for value in np.asarray(values).ravel()]
    return sum(numbers) / len(numbers)


def test_discriminators_want_one_for_real_and_zero_for_made() -> None:
    real, made = maps(0), maps(5)
    expected = 0.0
    for r, m in zip(real, made, strict=True):
        expected += mean((r.numpy() - 1) ** 2) + mean(m.numpy() ** 2)
    assert float(losses.discriminator_loss(real, made)) == pytest.approx(expected)


def test_the_generator_wants_one_at_every_scale() -> None:
    made = maps(0)
    expected = sum(mean((m.numpy() - 1) ** 2) for m in made)
    assert float(losses.generator_gan_loss(made)) == pytest.approx(expected)


def test_a_triplet_costs_what_its_margin_lacks() -> None:
    anchor, positive, negative = (normal(seed, 6, 8) / 4 for seed in range(3))
    costs = []
    for a, p, n in zip(anchor.tolist(), positive.tolist(), negative.tolist(), strict=True):
        near = sum((x - y) ** 2 for x, y in zip(a, p, strict=True))
        far = sum((x - y) ** 2 for x, y in zip(a, n, strict=True))
        costs.append(max(near - far + 0.1, 0))
    assert 0 in costs
    found = losses.triplet_loss(anchor, positive, negative, 0.1)
    assert float(found) == pytest.approx(sum(costs) / 6)


def test_l1_is_the_mean_difference() -> None:
    made, target = normal(0, 2, 3, 4, 5), normal(1, 2, 3, 4, 5)
    expected = mean(np.abs(made.numpy() - target.numpy()))
    assert float(losses.L1Loss()(made, target)) == pytest.approx(expected)


@pytest.fixture(scope="module")
def published() -> nn.Sequential:
    """torchvision's layers with weights at random, of no little magnitude."""
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    layers: nn.Sequential = make_layers(cfgs["D"])
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.normal_(layer.bias)
    return layers.requires_grad_(False)


@pytest.fixture(scope="module")
def weights(published: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that torchvision would keep, with tensors besides those that are wanted."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save({f"features.{name}": t for name, t in published.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def network(weights: Path) -> vgg.Vgg16:
    return vgg.read(weights)


def tapped(layers: nn.Sequential, picture: Tensor) -> list[Tensor]:
    """As torchvision's transforms of IMAGENET1K_FEATURES prepare a picture in −1…1."""
    shown = (picture + 1) / 2
    features = (shown - torch.tensor([0.48235, 0.45882, 0.40784])[:, None, None]) / (1 / 255)
    found = []
    for index, layer in enumerate(layers[: TAPS[-1] + 1]):
        features = layer(features.clone())
        if index in TAPS:
            found.append(features.clone())
    return found


def test_vgg_taps_the_layers_of_torchvisions(network: vgg.Vgg16, published: nn.Sequential) -> None:
    picture = normal(0, 1, 3, 32, 48).clamp(-1, 1)
    found = network(picture)
    assert [tuple(f.shape[1:]) for f in found] == [
        (64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)
    ]  # fmt: skip
    for a, b in zip(found, tapped(published, picture), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-2)


def test_the_perceptual_loss_is_the_weighted_sum_written_out(
    network: vgg.Vgg16, published: nn.Sequential
) -> None:
    made, target = (normal(seed, 2, 3, 16, 16).clamp(-1, 1) for seed in (0, 1))
    expected = 0.0
    layers = zip(tapped(published, made), tapped(published, target), strict=True)
    for weight, (a, b) in zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), layers, strict=True):
        expected += weight * float(((0.1 * (a - b).double()) ** 2).sum()) / a.numel()
    assert float(losses.PerceptualLoss(network)(made, target)) == pytest.approx(expected, rel=1e-4)


def test_the_perceptual_loss_moves_the_picture_and_nothing_else(network: vgg.Vgg16) -> None:
    made, target = (normal(seed, 1, 3, 16, 16).requires_grad_() for seed in (0, 1))
    losses.PerceptualLoss(network)(made, target).backward()
    assert made.grad is not None
    assert made.grad.any()
    assert target.grad is None
    assert all(tensor.grad is None for tensor in network.parameters())


def test_nothing_is_found_where_nothing_was_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert vgg.find() is None


def test_torchvisions_file_is_found_in_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / vgg.FILE).symlink_to(weights)
    assert vgg.find() is not None


def test_a_path_to_no_file_is_told_with_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)vgg\.pth: no such file.*torchvision"):
        vgg.find(tmp_path / "vgg.pth")


def test_a_damaged_file_is_named(tmp_path: Path, weights: Path) -> None:
    damaged = tmp_path / "half.pth"
    damaged.write_bytes(weights.read_bytes()[:10_000])
    with pytest.raises(DataError, match=r"half\.pth: cannot be read"):
        vgg.find(damaged)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "alexnet.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, other)
    with pytest.raises(DataError, match=r"alexnet\.pth: not VGG16: features\.0\.weight"):
        vgg.find(other)


def test_weights_of_another_scale_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    path = tmp_path / "vgg.pth"
    path.write_bytes(b"as if ImageNet's")
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(vgg.OTHER_SCALES, digits, "IMAGENET1K_V1")
    with pytest.raises(DataError, match="IMAGENET1K_V1, whose features are of another magnitude"):
        vgg.find(path)
