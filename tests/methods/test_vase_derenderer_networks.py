"""The networks against the official ones' outputs, and against the padding trap."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.errors import ConfigError
from bench.methods.vase_derenderer.configuration import (
    MINI,
    OFFICIAL_MET,
    OFFICIAL_SYNTHETIC,
    Configuration,
)
from bench.methods.vase_derenderer.layers import DoubledConv2d
from bench.methods.vase_derenderer.networks import Networks

GOLDEN_INPUTS = {
    "netR": (2, 3, 256, 256),
    "netT": (1, 3, 256, 256),
    "netE": (2, 6, 256, 256),
    "netD": (2, 3, 64, 64),
}
PARAMETERS = {"netR": 15_618_181, "netT": 21_324_163, "netE": 14_552_770, "netD": 2_763_776}
CYLINDER = 0.388685
"""Every radius that the official weights of §2.6 give under true replicate padding."""


@pytest.fixture(scope="module")
def official() -> Networks:
    return Networks(OFFICIAL_MET).eval()


def fill(network: nn.Module, draw: Callable[[int, str, Tensor], NDArray[Any]]) -> None:
    for k, (name, tensor) in enumerate(network.state_dict().items()):
        tensor.copy_(torch.from_numpy(draw(k, name, tensor)))


def drawn_as_golden(k: int, name: str, tensor: Tensor) -> NDArray[np.float64]:
    draw = np.random.RandomState(k).standard_normal(tuple(tensor.shape))
    if tensor.dim() > 1:
        return draw * np.sqrt(2 / (draw.size / len(draw)))
    return 0.1 * draw + name.endswith("weight")


def drawn_as_spec(k: int, name: str, tensor: Tensor) -> NDArray[np.float64]:
    i = np.arange(tensor.numel(), dtype=np.float64)
    wave = np.sin(12.9898 * (i + 1) + 78.233 * (k + 1)) * 43758.5453
    u = (2 * (wave - np.floor(wave)) - 1).reshape(tuple(tensor.shape))
    if tensor.dim() > 1:
        return u * np.sqrt(6 / (u.size / len(u)))
    return 0.1 * u + name.endswith("weight")


def waves(batch: int, channels: int, height: int, width: int) -> Tensor:
    b, c, y, x = np.ogrid[:batch, :channels, :height, :width]
    turns = (c + 1) * 1.5 * x / width + (b + 1) * 2.5 * y / height
    return torch.from_numpy(np.sin(2 * np.pi * turns + c).astype(np.float32))


def spec_image() -> Tensor:
    c, y, x = np.ogrid[:3, :256, :256]
    image = 0.5 + 0.5 * np.sin(0.05 * (c + 1) * x + 0.07 * y)
    return torch.from_numpy(image.astype(np.float32))[None]  # 1×3×256×256


def outputs(network: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        found = network(inputs)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", GOLDEN_INPUTS)
def test_tensors_have_the_official_names_shapes_and_order(
    official: Networks, shared: Path, name: str
) -> None:
    listed = json.loads((shared / "golden/vase_derenderer_state_dict.json").read_text())[name]
    found = getattr(official, name).state_dict()
    assert [(k, list(v.shape)) for k, v in found.items()] == list(listed.items())
    assert sum(value.numel() for value in found.values()) == PARAMETERS[name]


@pytest.mark.parametrize("name", GOLDEN_INPUTS)
def test_outputs_are_the_official_ones(official: Networks, shared: Path, name: str) -> None:
    golden = np.load(shared / "golden/vase_derenderer.npz")
    network = getattr(official, name)
    fill(network, drawn_as_golden)
    for k, output in enumerate(outputs(network, waves(*GOLDEN_INPUTS[name]))):
        expected = golden[f"{name}_out{k}"]
        found = output[..., ::4, ::4] if output.shape[-1] > 64 else output
        error = np.abs(found.numpy().reshape(expected.shape) - expected).max()
        assert error < 1e-5 * np.abs(expected).max()


def test_shape_and_pose_are_those_of_the_spec(official: Networks) -> None:
    fill(official.netR, drawn_as_spec)
    column, scalars = outputs(official.netR, 2 * spec_image() - 1)
    expected = [0.534554, 0.370914, 0.473016, 0.431762, 0.456064]
    assert column[0, [0, 8, 16, 24, 31]].tolist() == pytest.approx(expected, abs=2e-6)
    expected = [0.543700, 0.191069, 0.778847, 0.594006, 0.210055]
    assert scalars[0].tolist() == pytest.approx(expected, abs=2e-6)


def test_albedo_is_that_of_the_spec(official: Networks) -> None:
    fill(official.netT, drawn_as_spec)
    (albedo,) = outputs(official.netT, 2 * spec_image() - 1)
    assert float(albedo.mean()) == pytest.approx(0.134915, abs=2e-6)
    assert float(albedo.std()) == pytest.approx(0.592008, abs=2e-6)
    expected = {
        (0, 0): [0.614924, 0.100967, 0.473788],
        (100, 37): [-0.228208, 0.824663, 0.453555],
        (255, 255): [-0.225283, -0.036687, -0.215818],
    }
    for (row, column), colour in expected.items():
        assert albedo[0, :, row, column].tolist() == pytest.approx(colour, abs=5e-6)


def light_input() -> Tensor:
    normals = torch.tensor([0.3, 0.2, 0.9])[None, :, None, None].expand(1, 3, 256, 256)
    return torch.cat([2 * spec_image() - 1, normals], 1)  # 1×6×256×256


def test_light_is_that_of_the_spec(official: Networks) -> None:
    fill(official.netE, drawn_as_spec)
    environment, scalars = outputs(official.netE, light_input())
    assert float(environment.mean()) == pytest.approx(0.108334, abs=2e-6)
    cells = environment[0, [0, 8, 15], [0, 24, 47]].tolist()
    assert cells == pytest.approx([0.132245, 0.093949, 0.086416], abs=2e-6)
    assert scalars[0].tolist() == pytest.approx([0.319709, 0.846164], abs=2e-6)


def test_the_discriminator_is_that_of_the_spec(official: Networks) -> None:
    fill(official.netD, drawn_as_spec)
    (score,) = outputs(official.netD, 2 * spec_image()[..., :64, :64] - 1)
    assert score.tolist() == pytest.approx([-0.156473], abs=2e-6)


class ReplicatePadded(nn.Module):
    """What the official sources ask for, and what must never be: the border repeated."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, features: Tensor) -> Tensor:
        if isinstance(self.convolution, DoubledConv2d):
            features = F.interpolate(features, scale_factor=2)
        rows, columns = (size // 2 for size in self.convolution.kernel_size)
        padded = F.pad(features, (columns, columns, rows, rows), mode="replicate")
        return F.conv2d(padded, self.convolution.weight, self.convolution.bias)


def fall_into_the_trap(network: nn.Module) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and max(child.kernel_size) in (3, 5):
                setattr(parent, name, ReplicatePadded(child))


def filled_as_spec(name: str) -> nn.Module:
    network: nn.Module = getattr(Networks(OFFICIAL_MET), name)
    fill(network, drawn_as_spec)
    return network


def test_a_profile_is_no_cylinder() -> None:
    network = filled_as_spec("netR")
    (column, _) = outputs(network, 2 * spec_image() - 1)
    assert float(column.max() - column.min()) > 0.1
    fall_into_the_trap(network)
    (trapped, _) = outputs(network, 2 * spec_image() - 1)
    assert trapped[0].tolist() == pytest.approx([CYLINDER] * 32, abs=2e-6)


def test_albedo_and_light_stay_out_of_the_padding_trap_too() -> None:
    albedo, light = filled_as_spec("netT"), filled_as_spec("netE")
    fall_into_the_trap(albedo)
    fall_into_the_trap(light)
    (colours,) = outputs(albedo, 2 * spec_image() - 1)
    expected = [0.832330, -0.150349, 0.336088]
    assert colours[0, :, 0, 0].tolist() == pytest.approx(expected, abs=5e-6)
    environment, _ = outputs(light, light_input())
    assert float(environment[0, 0, 0]) == pytest.approx(0.013475, abs=2e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_doubled_convolution_is_a_convolution_of_the_doubled(bias: bool) -> None:
    torch.manual_seed(0)
    layer, features = DoubledConv2d(5, 4, bias), torch.randn(2, 5, 6, 9, requires_grad=True)
    expected = F.conv2d(F.interpolate(features, scale_factor=2), layer.weight, layer.bias, 1, 1)
    found = layer(features)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    direction, inputs = torch.randn_like(found), (features, *layer.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, direction),
        torch.autograd.grad(expected, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "patch"), [(32, 16), (64, 32), (128, 32), (512, 64)])
def test_other_sizes_drop_or_add_halvings(size: int, patch: int) -> None:
    networks = Networks(Configuration("tiny", size=size, patch=patch, width=4))
    column, scalars = outputs(networks.netR, torch.zeros(2, 3, size, size))
    assert (column.shape, scalars.shape) == ((2, 32), (2, 5))
    assert outputs(networks.netT, torch.rand(2, 3, size, size))[0].shape == (2, 3, size, size)
    environment, gloss = outputs(networks.netE, torch.zeros(2, 6, size, size))
    assert (environment.shape, gloss.shape) == ((2, 16, 48), (2, 2))
    assert outputs(networks.netD, torch.rand(2, 3, patch, patch))[0].shape == (2,)


def test_mini_is_small_enough_to_ship() -> None:
    networks = Networks(MINI)
    shipped = (networks.netR, networks.netT, networks.netE)
    weights = sum(value.numel() for part in shipped for value in part.parameters())
    assert 2 * weights < 12e6


def test_mixed_precision_leaves_outputs_of_float32() -> None:
    networks = Networks(Configuration("tiny", size=32, patch=16, width=4))
    with torch.autocast("cpu", torch.bfloat16):
        found = [
            *outputs(networks.netR, torch.rand(1, 3, 32, 32)),
            *outputs(networks.netT, torch.rand(1, 3, 32, 32)),
            *outputs(networks.netE, torch.rand(1, 6, 32, 32)),
            *outputs(networks.netD, torch.rand(1, 3, 16, 16)),
        ]
    assert {output.dtype for output in found} == {torch.float32}


def test_the_official_camera_is_that_of_the_spec() -> None:
    assert OFFICIAL_MET.extent == pytest.approx(0.4374433, abs=1e-7)
    assert OFFICIAL_MET.focal == pytest.approx(1463.0467, abs=1e-4)
    expected = [[OFFICIAL_MET.focal, 0, 128], [0, OFFICIAL_MET.focal, 128], [0, 0, 1]]
    torch.testing.assert_close(OFFICIAL_MET.intrinsics, torch.tensor(expected))


def test_the_front_crop_is_that_of_the_spec() -> None:
    assert (OFFICIAL_MET.margin, OFFICIAL_MET.margin_quads) == (64, 8)
    assert range(96)[OFFICIAL_MET.front] == range(8, 40)
    assert OFFICIAL_MET.texture == (256, 768) and OFFICIAL_MET.half_texture == (256, 384)


@pytest.mark.parametrize("configuration", [OFFICIAL_MET, OFFICIAL_SYNTHETIC, MINI])
def test_a_configuration_survives_its_text(configuration: Configuration) -> None:
    text = json.dumps(configuration.as_json())
    assert Configuration.from_json(json.loads(text)) == configuration


@pytest.mark.parametrize(
    "change",
    [
        {"size": 200},
        {"size": 16},
        {"size": 2**30},
        {"size": True},
        {"size": 256.0},
        {"width": 6},
        {"width": 10**9},
        {"rows": 33},
        {"columns": 100},
        {"environment": (16, 50)},
        {"environment": (16, 48, 3)},
        {"environment": 16},
        {"patch": 256, "size": 128},
        {"radius": (0.9, 0.1)},
        {"radius": (float("nan"), 0.1)},
        {"shift": "0.1"},
        {"shift": (0.1,)},
        {"fov": 0.0},
        {"name": ""},
        {"name": "x" * 101},
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_built_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(change))} ="):
        Configuration(**{"name": "odd", **change})


def test_a_configuration_with_other_fields_is_refused() -> None:
    values = MINI.as_json()
    with pytest.raises(ConfigError, match="depth"):
        Configuration.from_json({**values, "depth": 1})
    del values["width"]
    with pytest.raises(ConfigError, match="width"):
        Configuration.from_json(values)
