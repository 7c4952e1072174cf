"""The forward pass against specs/vase_derenderer.md §1, §3.8, §5.5 and golden values."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.graphics import phong
from bench.methods.vase_derenderer.composition import (
    back_filled,
    composed,
    linear_colour,
    resized,
    whole_texture,
)
from bench.methods.vase_derenderer.configuration import (
    MINI,
    OFFICIAL_MET,
    OFFICIAL_SYNTHETIC,
    Configuration,
)
from bench.methods.vase_derenderer.derender import Shape, derender, posed, shape_of
from bench.methods.vase_derenderer.networks import Networks
from bench.methods.vase_derenderer.unwrap import front_crop, normal_crop, unwrap

EXTENT = OFFICIAL_MET.extent


@pytest.fixture
def golden(shared: Path) -> dict[str, Tensor]:
    with np.load(shared / "golden" / "vase_derenderer.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored}


def golden_shape(golden: dict[str, Tensor]) -> Shape:
    radius, half, pitch, roll, shift = (
        golden[name] for name in ("rad_col", "hscale", "rx", "rz", "txy")
    )
    return posed(radius * EXTENT, half * EXTENT, pitch, roll, shift)


def specified() -> tuple[Shape, Tensor]:
    """The surface and the light of §3.8."""
    radius = 0.5 + 0.3 * torch.sin(0.3 * torch.arange(32))[None]
    shape = posed(
        radius=radius * EXTENT,
        half_height=torch.tensor([0.8 * EXTENT]),
        pitch=torch.deg2rad(torch.tensor([10.0])),
        roll=torch.deg2rad(torch.tensor([5.0])),
        shift=torch.tensor([[0.02, -0.03]]),
    )
    e, a = torch.meshgrid(torch.arange(16), torch.arange(48), indexing="ij")
    return shape, (0.05 + 0.1 * torch.sin(0.4 * e + 0.2 * a) ** 2)[None]


def pattern() -> Tensor:
    """The image 1×3×256×256 of §2.6."""
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    channels = [0.5 + 0.5 * torch.sin(0.05 * (c + 1) * x + 0.07 * y) for c in range(3)]
    return torch.stack(channels)[None]


@pytest.fixture(scope="module")
def networks() -> Networks:
    torch.manual_seed(0)
    return Networks(MINI)


def test_unwrapping_is_the_published_codes(golden: dict[str, Tensor]) -> None:
    axis = torch.arange(256) / 256
    waves = [
        [torch.sin(2 * math.pi * ((c + 1) * 1.5 * axis + (b + 1) * 2.5 * axis[:, None]) + c)]
        for b in range(2)
        for c in range(3)
    ]
    images = 0.5 + 0.5 * torch.stack([wave[0] for wave in waves]).reshape(2, 3, 256, 256)
    small = dataclasses.replace(OFFICIAL_MET, size=64)
    texture = unwrap(images, golden_shape(golden).centres, small)[..., ::2, ::2]
    assert (texture - golden["unwrapped"]).abs().max() < 1e-5


def test_the_specified_picture_unwraps_to_the_specified_texture() -> None:
    shape, _ = specified()
    texture = unwrap(pattern(), shape.centres, OFFICIAL_MET)
    assert texture.shape == (1, 3, 256, 384)
    assert texture.mean().item() == pytest.approx(0.502324, abs=2e-6)
    for texel, expected in (
        ((0, 0), (0.004115, 0.973354, 0.141781)),
        ((128, 192), (0.695147, 0.514023, 0.331178)),
        ((255, 383), (0.647864, 0.149469, 0.974857)),
    ):
        np.testing.assert_allclose(texture[0, :, *texel], expected, atol=5e-6)


def test_what_lies_outside_the_picture_unwraps_to_zero() -> None:
    shape, _ = specified()
    moved = shape.centres + torch.tensor([10.0, 0, 0])
    assert not unwrap(pattern(), moved, OFFICIAL_MET).any()


def test_composition_is_the_published_codes(golden: dict[str, Tensor]) -> None:
    # The published values are those before the clamp.
    linear = linear_colour(
        golden["albedo"],
        golden["diffuse"][:, 0],
        golden["specular"][:, 0],
        torch.tensor([0.5, 1.5]),
    )
    found = phong.encode(linear)[..., ::4, ::4]
    np.testing.assert_allclose(found, golden["composed"], rtol=1e-5)


def test_the_specified_texture_composes_to_the_specified_colours() -> None:
    shape, light = specified()
    half = unwrap(pattern(), shape.centres, OFFICIAL_MET)
    albedo = torch.cat([half, half.flip(-1)], dim=-1)
    diffuse = phong.diffuse(-shape.normals, light)
    specular = phong.specular(shape.centres, -shape.normals, light, torch.tensor([30.0]))
    found = phong.encode(linear_colour(albedo, diffuse, specular, torch.tensor([0.5])))
    assert found.mean().item() == pytest.approx(0.655136, abs=2e-6)
    expected = (0.819097, 0.729733, 0.623683)
    np.testing.assert_allclose(found[0, :, 128, 192], expected, atol=5e-6)
    clamped = composed(albedo, diffuse, specular, torch.tensor([0.5]))
    assert torch.equal(clamped, found.clamp(max=1))


def test_the_golden_surface_is_rebuilt_from_the_networks_outputs(golden: dict[str, Tensor]) -> None:
    c = OFFICIAL_MET
    column = (golden["rad_col"] - c.radius[0]) / (c.radius[1] - c.radius[0])
    pose = [
        (golden["hscale"] - c.half_height[0]) / (c.half_height[1] - c.half_height[0]),
        torch.rad2deg(golden["rx"]) / 20,
        (torch.rad2deg(golden["rz"]) + 10) / 20,
        *((golden["txy"] / (c.shift * EXTENT) + 1) / 2).T,
    ]
    shape = shape_of(column, torch.stack(pose, dim=-1), c)
    difference = (shape.vertices[:, ::4, ::8] - golden["sor_vertices"]).abs().max()
    assert difference < 1e-5 * golden["sor_vertices"].abs().max()


def test_the_outputs_ranges_are_the_specified_ones() -> None:
    low, high = (
        shape_of(torch.full((1, 32), x), torch.full((1, 5), x), OFFICIAL_MET) for x in (0.0, 1.0)
    )
    for shape, radius, half, pitch, roll, shift in (
        (low, 0.05, 0.5, 0, -10, -0.2),
        (high, 0.95, 0.95, 20, 10, 0.2),
    ):
        np.testing.assert_allclose(shape.radius / EXTENT, radius, rtol=1e-5)
        np.testing.assert_allclose(shape.half_height / EXTENT, half, rtol=1e-5)
        np.testing.assert_allclose(torch.rad2deg(shape.pitch), pitch, atol=1e-5)
        np.testing.assert_allclose(torch.rad2deg(shape.roll), roll, atol=1e-5)
        np.testing.assert_allclose(shape.shift / EXTENT, shift, atol=1e-6)
    assert low.canonical[0, 0, 0, 1] < 0  # row 0 is the top, y is down


def test_the_synthetic_model_neither_rolls_nor_moves() -> None:
    shape = shape_of(torch.rand(3, 32), torch.rand(3, 5), OFFICIAL_SYNTHETIC)
    assert not shape.roll.any() and not shape.shift.any()


def test_the_front_is_extended_by_its_border_and_its_mirror() -> None:
    crop = torch.arange(256.0).expand(1, 1, 2, 256)
    whole = whole_texture(crop)[0, 0, 0]
    assert whole.shape == (768,)
    assert whole[:64].unique().tolist() == [0] and whole[320:384].unique().tolist() == [255]
    assert torch.equal(whole[64:320], crop[0, 0, 0])
    assert torch.equal(whole[384:], whole[:384].flip(0))


def test_the_back_is_filled_by_mirrors_of_the_cleaned_front() -> None:
    crop = torch.arange(256.0).expand(1, 1, 2, 256)
    clean = crop[0, 0, 0].clone()
    clean[:8], clean[-8:] = clean[8:16].flip(0), clean[-16:-8].flip(0)
    mirror = clean.flip(0)
    expected = torch.cat([clean[:64].flip(0), clean, mirror, clean[:192]])
    assert torch.equal(back_filled(crop)[0, 0, 0], expected)


def test_quads_are_resampled_between_their_centres_without_wrapping() -> None:
    quads = torch.arange(4.0).expand(1, 2, 4)
    row = resized(quads, (2, 8))[0, 0, 0]
    np.testing.assert_allclose(row, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


@pytest.mark.parametrize("configuration", [MINI, OFFICIAL_SYNTHETIC], ids=lambda c: c.name)
def test_an_explanation_has_the_specified_shapes_and_ranges(configuration: Configuration) -> None:
    c = configuration
    torch.manual_seed(0)
    model = Networks(c).eval()
    with torch.no_grad():
        found = derender(model, torch.rand(2, 3, c.size, c.size), c)
    assert found.radius.shape == (2, c.rows)
    assert found.vertices.shape == found.canonical.shape == (2, c.rows, c.columns, 3)
    assert found.centres.shape == found.normals.shape == (2, c.rows - 1, c.columns, 3)
    assert found.texture.shape == found.albedo.shape == (2, 3, c.size, c.size)
    assert found.environment.shape == (2, *c.environment)
    assert 0 <= found.albedo.min() and found.albedo.max() <= 1
    assert 0 <= found.environment.min() and found.environment.max() <= 1
    assert 1 <= found.shininess.min() and found.shininess.max() <= 196
    assert 0.1 <= found.specular_albedo.min() and found.specular_albedo.max() <= 2


def test_the_networks_see_what_the_specification_says(networks: Networks) -> None:
    images = torch.rand(2, 3, MINI.size, MINI.size)
    seen: dict[str, Tensor] = {}
    hooks = [
        getattr(networks, name).register_forward_pre_hook(
            lambda _, inputs, name=name: seen.__setitem__(name, inputs[0])
        )
        for name in ("netR", "netT", "netE")
    ]
    with torch.no_grad():
        found = derender(networks, images, MINI)
    for hook in hooks:
        hook.remove()
    texture = front_crop(unwrap(images, found.centres, MINI), MINI)
    np.testing.assert_allclose(seen["netR"], 2 * images - 1)
    np.testing.assert_allclose(seen["netT"], 2 * texture - 1)
    np.testing.assert_allclose(seen["netE"][:, :3], 2 * texture - 1)
    normals = seen["netE"][:, 3:]
    np.testing.assert_allclose(normals, normal_crop(found.normals, MINI))
    np.testing.assert_allclose(normals.norm(dim=1), 1, rtol=1e-4)
    assert normals[:, 2, 64, 64].min() > 0.5  # inward: what faces the camera points away from it


@pytest.mark.parametrize("output", ["albedo", "environment", "shininess", "specular_albedo"])
def test_no_gradient_is_stopped_on_its_way_to_the_shape(networks: Networks, output: str) -> None:
    networks.zero_grad()
    axis = torch.linspace(0, 6, MINI.size)
    image = 0.5 + 0.4 * torch.sin(axis[:, None] + 2 * axis).expand(1, 3, -1, -1)
    getattr(derender(networks, image, MINI), output).mean().backward()
    gradients = [parameter.grad for parameter in networks.netR.out_net2.parameters()]
    assert all(g is not None and g.isfinite().all() and g.any() for g in gradients)


def test_each_picture_of_a_batch_is_explained_by_itself(networks: Networks) -> None:
    images = torch.rand(3, 3, MINI.size, MINI.size)
    with torch.no_grad():
        batch = derender(networks, images, MINI)
        alone = [derender(networks, image[None], MINI) for image in images]
    for field in dataclasses.fields(batch):
        together = torch.cat([getattr(each, field.name) for each in alone])
        np.testing.assert_allclose(getattr(batch, field.name), together, atol=1e-5, rtol=1e-5)
