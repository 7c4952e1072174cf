"""The rerenderer's networks against the published counts and a NumPy twin of the spec's tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import correlate
from torch import Tensor, nn

from bench.errors import ConfigError, InvalidValueError
from bench.methods.neural_rerenderer import layers
from bench.methods.neural_rerenderer.configuration import MINI, OFFICIAL, Configuration
from bench.methods.neural_rerenderer.networks import AppearanceEncoder, Discriminators, Generator

Array = NDArray[np.float64]

TINY = Configuration(
    "tiny",
    channels=4,
    widths=(3, 4, 5, 6, 7, 8, 9),
    encoder_widths=(3, 5, 4, 6),
    discriminator_widths=(3, 4, 5, 6),
    crop=64,
)
"""No two widths that meet are equal, so that no tensor can stand for another."""


def parameters(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shaken(network: nn.Module) -> nn.Module:
    """The network with biases and norms that are not what they start as."""
    torch.manual_seed(0)
    for tensor in network.parameters():
        if tensor.dim() == 1:
            nn.init.normal_(tensor, mean=0.3)
    return network


@pytest.mark.parametrize(
    ("kind", "channels", "count"),
    [
        (Generator, 7, 29_894_819),
        (AppearanceEncoder, 7, 1_904_400),
        (AppearanceEncoder, 4, 1_901_328),
        (Discriminators, 7, 3 * 2_781_889),
    ],
)
def test_the_official_networks_have_the_published_numbers_of_parameters(
    kind: type[nn.Module], channels: int, count: int
) -> None:
    assert parameters(kind(OFFICIAL.with_channels(channels))) == count


def test_half_of_the_official_generator_encodes() -> None:
    generator = Generator(OFFICIAL)
    encoder = parameters(generator.first) + parameters(generator.down)
    assert encoder == 14_141_568
    assert parameters(generator) - encoder == 15_753_251


def test_each_of_the_three_discriminators_has_its_own_parameters() -> None:
    scales = Discriminators(OFFICIAL).scales
    assert [parameters(scale) for scale in scales] == [2_781_889] * 3


def test_the_official_widths_follow_the_rule() -> None:
    assert OFFICIAL.widths == tuple(min(2 ** (11 - scale), 512) for scale in range(6, -1, -1))


def test_mini_is_a_quarter_as_wide_and_ships_in_12_mb() -> None:
    assert MINI.widths == tuple(width // 4 for width in OFFICIAL.widths)
    shipped = parameters(Generator(MINI)) + parameters(AppearanceEncoder(MINI))
    assert 4 * shipped < 12e6


@pytest.mark.parametrize("size", [(256, 256), (512, 768)])
def test_a_picture_has_the_size_of_its_framebuffer(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert Generator(TINY)(normal(0, 2, 4, *size), normal(1, 2, 8)).shape == (2, 3, *size)


def test_three_discriminators_see_256_pixels_at_32_16_and_8() -> None:
    scores = Discriminators(TINY)(normal(0, 2, 3, 256, 256), normal(1, 2, 4, 256, 256))
    assert [tuple(s.shape) for s in scores] == [(2, 1, 32, 32), (2, 1, 16, 16), (2, 1, 8, 8)]


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (50, 20)])
def test_photos_of_any_size_have_a_code(size: tuple[int, int]) -> None:
    code = AppearanceEncoder(TINY)(normal(0, 2, 7, *size))
    assert code.shape == (2, 8)
    assert code.isfinite().all()


def test_the_code_of_a_photo_is_always_the_same() -> None:
    encoder = AppearanceEncoder(TINY).train()
    photo = normal(0, 1, 7, 32, 32)
    assert torch.equal(encoder(photo), encoder(photo))


def test_the_scale_of_a_convolution_is_the_specs() -> None:
    assert layers.EqualisedConv2d(512, 8, 3).scale == pytest.approx(0.020429, abs=5e-7)
    assert layers.EqualisedConv2d(256, 8, 1, slope=1.0).scale == pytest.approx(1 / 16)


def test_weights_start_normal_and_biases_at_zero() -> None:
    torch.manual_seed(0)
    networks = nn.ModuleList(
        [kind(MINI) for kind in (Generator, AppearanceEncoder, Discriminators)]
    )
    for name, tensor in networks.named_parameters():
        if name.endswith("bias"):
            assert not tensor.any(), name
        elif "norms" in name:
            assert (tensor == 1).all(), name
        elif tensor.numel() > 500:
            spread, values = 0.02 if tensor.dim() == 2 else 1.0, tensor.detach()
            assert float(values.std()) == pytest.approx(spread, rel=0.15), name
            assert abs(float(values.mean())) < 0.15 * spread, name


SAME = [
    # side, kernel, stride, zeros before, zeros after
    (6, 1, 1, 0, 0),
    (6, 3, 1, 1, 1),
    (6, 4, 2, 1, 1),
    (7, 4, 2, 1, 2),
    (6, 4, 1, 1, 2),
]


@pytest.mark.parametrize(("side", "kernel", "stride", "before", "after"), SAME)
def test_a_convolution_equals_its_sum_written_out(
    side: int, kernel: int, stride: int, before: int, after: int
) -> None:
    layer = shaken(layers.EqualisedConv2d(2, 3, kernel, stride))
    image = normal(1, 1, 2, side, side)
    padded = np.pad(image[0].numpy(), ((0, 0), (before, after), (before, after)))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    out = -(-side // stride)
    expected = np.zeros((3, out, out))
    for o, y, x in np.ndindex(3, out, out):
        seen = padded[:, y * stride : y * stride + kernel, x * stride : x * stride + kernel]
        scale = np.sqrt(2 / ((1 + 0.2**2) * kernel * kernel * 2))
        expected[o, y, x] = scale * (seen * weight[o]).sum() + bias[o]
    np.testing.assert_allclose(layer(image)[0].detach(), expected, atol=1e-5)


def test_pixel_norm_leaves_every_pixel_a_mean_square_of_one() -> None:
    image = normal(0, 2, 5, 3, 4)
    normed = layers.pixel_norm(image)
    for b, y, x in np.ndindex(2, 3, 4):
        pixel = image[b, :, y, x].double()
        expected = pixel / ((pixel**2).sum() / 5 + 1e-8) ** 0.5
        torch.testing.assert_close(normed[b, :, y, x].double(), expected, rtol=1e-5, atol=1e-6)


def test_the_last_channel_tells_the_deviation_over_the_batch() -> None:
    batch = normal(0, 3, 2, 2, 2)
    deviations = []
    for c, y, x in np.ndindex(2, 2, 2):
        values = [float(batch[b, c, y, x]) for b in range(3)]
        mean = sum(values) / 3
        deviations.append((sum((v - mean) ** 2 for v in values) / 3 + 1e-8) ** 0.5)
    told = layers.with_batch_deviation(batch)
    assert torch.equal(told[:, :2], batch)
    expected = torch.full((3, 2, 2), float(np.mean(deviations)))
    torch.testing.assert_close(told[:, 2], expected)


def test_a_batch_of_one_deviates_by_a_ten_thousandth() -> None:
    told = layers.with_batch_deviation(normal(0, 1, 2, 3, 3))
    torch.testing.assert_close(told[:, 2], torch.full((1, 3, 3), 1e-4))


# The networks once more, in NumPy, from the tables of specs/neural_rerendering.md §5. Pictures
# are C×H×W; `values` gives an `EqualisedConv2d`'s weight and bias.


def convolved(
    image: Array, layer: Any, slope: float = 0.2, stride: int = 1, pads: tuple[int, int] = (1, 1)
) -> Array:
    weight, bias = (tensor.detach().double().numpy() for tensor in (layer.weight, layer.bias))
    scale = np.sqrt(2 / ((1 + slope**2) * weight[0].size))
    padded = np.pad(image, ((0, 0), pads, pads))
    maps = [correlate(padded, kernel, "valid", "direct")[0] for kernel in weight]
    return scale * np.stack(maps)[:, ::stride, ::stride] + bias[:, None, None]


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def pixel_norm(x: Array) -> Array:
    return np.asarray(x / np.sqrt((x**2).mean(0) + 1e-8))


def halved(x: Array) -> Array:
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def doubled(x: Array) -> Array:
    return x.repeat(2, 1).repeat(2, 2)


def two_convolutions(x: Array, block: Any) -> Array:
    for layer in (block.first, block.second):
        x = pixel_norm(leaky(convolved(x, layer)))
    return x


def twin_generator(network: Any, framebuffer: Array, code: Array) -> Array:
    x = leaky(convolved(framebuffer, network.first, 1.0, pads=(0, 0)))
    skips = []
    for block in network.down:
        x = two_convolutions(halved(x), block)
        skips.append(x)
    x = np.concatenate([x, np.tile(code[:, None, None], (1, *x.shape[1:]))])
    x = two_convolutions(doubled(x), network.up[0])
    for block, skip in zip(network.up[1:], skips[4::-1], strict=True):
        x = two_convolutions(doubled(np.concatenate([x, skip])), block)
    return convolved(x, network.last, 1.0, pads=(0, 0))


def twin_encoder(network: Any, appearance: Array) -> Array:
    x = convolved(appearance, network.first, stride=2)
    for block in network.blocks:
        changed = convolved(leaky(x), block.first, 1.0)
        changed = halved(convolved(leaky(changed), block.second, 1.0))
        x = pixel_norm(changed + convolved(halved(x), block.shortcut, 1.0, pads=(0, 0)))
    pooled = leaky(x).mean((1, 2))
    mean, log_variance = (
        layer.weight.detach().double().numpy() @ pooled + layer.bias.detach().double().numpy()
        for layer in (network.mean, network.log_variance)
    )
    return np.asarray(mean + np.exp(log_variance / 2))


def instance_norm(x: Array, norm: Any) -> Array:
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    scale, shift = (t.detach().double().numpy()[:, None, None] for t in (norm.weight, norm.bias))
    return np.asarray((x - mean) / np.sqrt(variance + 1e-5) * scale + shift)


def twin_discriminator(network: Any, batch: Sequence[Array]) -> Array:
    first, second, third, fourth, last = network.convolutions
    maps = []
    for x in batch:
        x = leaky(convolved(x, first, stride=2))
        x = leaky(instance_norm(convolved(x, second, stride=2), network.norms[0]))
        maps.append(leaky(instance_norm(convolved(x, third, stride=2), network.norms[1])))
    deviation = np.sqrt(np.var(maps, axis=0) + 1e-8).mean()
    scores = []
    for x in maps:
        x = np.concatenate([x, np.full((1, *x.shape[1:]), deviation)])
        x = leaky(instance_norm(convolved(x, fourth, pads=(1, 2)), network.norms[2]))
        scores.append(convolved(x, last, pads=(1, 2)))
    return np.stack(scores)


def test_the_generator_equals_its_twin() -> None:
    network = shaken(Generator(TINY))
    framebuffer, code = normal(0, 1, 4, 64, 128), normal(1, 1, 8)
    expected = twin_generator(network, framebuffer[0].double().numpy(), code[0].double().numpy())
    np.testing.assert_allclose(network(framebuffer, code)[0].detach(), expected, atol=1e-4)


def test_the_encoder_equals_its_twin() -> None:
    network = shaken(AppearanceEncoder(TINY))
    appearance = normal(0, 1, 7, 32, 48)
    expected = twin_encoder(network, appearance[0].double().numpy())
    np.testing.assert_allclose(network(appearance)[0].detach(), expected, atol=1e-4)


def test_the_discriminators_equal_their_twins() -> None:
    network = shaken(Discriminators(TINY))
    picture, framebuffer = normal(0, 2, 3, 64, 64), normal(1, 2, 4, 64, 64)
    batch = list(torch.cat([picture, framebuffer], dim=1).double().numpy())
    for scores, scale in zip(network(picture, framebuffer), network.scales, strict=True):
        expected = twin_discriminator(scale, batch)
        np.testing.assert_allclose(scores.detach(), expected, atol=1e-4)
        batch = [halved(x) for x in batch]


def test_another_appearance_changes_the_picture_everywhere() -> None:
    generator = Generator(TINY).eval()
    framebuffer = normal(0, 1, 4, 64, 64)
    one, other = (generator(framebuffer, code) for code in normal(1, 2, 1, 8))
    assert ((one - other).abs().amax((0, 1)) > 1e-6).all()


def test_half_precision_inside_gives_whole_precision_outside() -> None:
    generator, encoder, judges = (
        kind(TINY) for kind in (Generator, AppearanceEncoder, Discriminators)
    )
    framebuffer, code, photo = normal(0, 2, 4, 64, 64), normal(1, 2, 8), normal(2, 2, 3, 64, 64)
    with torch.inference_mode():
        whole = [generator(framebuffer, code), encoder(torch.cat([photo, framebuffer], 1))]
        whole += judges(photo, framebuffer)
        with torch.autocast("cpu", torch.bfloat16):
            half = [generator(framebuffer, code), encoder(torch.cat([photo, framebuffer], 1))]
            half += judges(photo, framebuffer)
    for a, b in zip(whole, half, strict=True):
        assert b.dtype == torch.float32
        assert float((b - a).square().mean().sqrt() / a.square().mean().sqrt()) < 0.05


@pytest.mark.parametrize("size", [(64, 100), (32, 64)])
def test_framebuffers_that_cannot_be_halved_six_times_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidValueError, match=f"framebuffer of {size[0]}×{size[1]}"):
        Generator(TINY)(normal(0, 1, 4, *size), normal(0, 1, 8))


def test_an_appearance_photo_of_too_few_pixels_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="photo of 15×40"):
        AppearanceEncoder(TINY)(normal(0, 1, 7, 15, 40))


def test_a_configuration_survives_json() -> None:
    assert Configuration.from_json(MINI.as_json()) == MINI


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", 5),
        ("widths", [8, 16]),
        ("widths", [8, 16, 32, 64, 128, 128, 10**9]),
        ("encoder_widths", "wide"),
        ("code", 2.5),
        ("crop", 100),
        ("batch", True),
        ("margin", -1.0),
        ("name", ""),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{field} = "):
        Configuration.from_json({**MINI.as_json(), field: value})


def test_a_field_that_is_missing_or_unknown_is_named() -> None:
    values = {**MINI.as_json(), "colour": 1}
    del values["batch"]
    with pytest.raises(ConfigError, match="batch, colour"):
        Configuration.from_json(values)


@pytest.mark.slow
def test_mini_learns_one_picture_by_heart() -> None:
    torch.manual_seed(0)
    generator, code = Generator(MINI.with_channels(4)), normal(0, 1, 8)
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    waves = [torch.sin(rows / 9) * torch.cos(columns / 7), rows / 64 - 1, torch.sin(columns / 5)]
    target = torch.stack(waves)[None]  # 1×3×128×128
    framebuffer = torch.cat([target.flip(1), rows[None, None] / 128], dim=1)
    optimiser = torch.optim.Adam(generator.parameters(), 3e-3, betas=(0.9, 0.99))
    for _ in range(200):
        loss = (generator(framebuffer, code) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        error = ((generator(framebuffer, code) - target) / 2).square().mean()
    assert float(-10 * error.log10()) > 25
