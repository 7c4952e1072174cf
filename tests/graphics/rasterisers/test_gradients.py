"""Derivatives against finite differences of pictures sampled far more densely."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from bench.graphics.rasterisers import rasteriser
from bench.graphics.rasterisers.fragments import coverage, downsample, interpolate

Scene = tuple[Tensor, Tensor, Tensor]
Shade = Callable[[Tensor, Tensor, tuple[int, int], bool], Tensor]

SIZE, FINER = 64, 8


def smooth_weights(channels: int) -> Tensor:
    """What each pixel of SIZE² counts in a loss, SIZE×SIZE×C."""
    row, column, channel = torch.meshgrid(
        torch.arange(SIZE), torch.arange(SIZE), torch.arange(channels), indexing="ij"
    )
    return torch.sin(0.11 * column + channel + 0.3) + torch.cos(0.07 * row - channel)


def small(intrinsics: Tensor) -> Tensor:
    """The camera of 256² with pictures of SIZE²."""
    return intrinsics * torch.tensor([[SIZE / 256], [SIZE / 256], [1.0]])


def dense(intrinsics: Tensor) -> Tensor:
    return small(intrinsics) * torch.tensor([[FINER], [FINER], [1.0]])


def block_mean(image: Tensor) -> Tensor:
    """FINER·SIZE supersampled → SIZE×SIZE×C float64."""
    step = image.shape[1] // SIZE
    blocks = image[0].double().reshape(SIZE, step, SIZE, step, -1)
    return blocks.mean(dim=(1, 3))


def motions(vertices: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Directions B×V×3 to move the vase in: rigid ones, and ones that change its shape."""
    own = vertices - torch.tensor([0.0, 0.0, 5.0])
    x, y, z = own.unbind(dim=-1)
    zero = torch.zeros_like(x)
    for name, axis in (("right", [1.0, 0, 0]), ("down", [0, 1.0, 0]), ("away", [0, 0, 10.0])):
        yield name, torch.tensor(axis).expand_as(vertices)
    yield "larger", own
    yield "thicker", torch.stack([x, zero, z], dim=-1)
    yield "rolled", torch.stack([-y, x, zero], dim=-1)
    yield "pitched", torch.stack([zero, -z, y], dim=-1)
    yield "waved", torch.sin(7 * own)
    rim = torch.arange(vertices.shape[1]) < 96
    yield "rim lowered", rim[None, :, None] * torch.tensor([0.0, 1.0, 0.0])


def check_against_differences(
    vertices: Tensor, gradient: Tensor, loss: Callable[[Tensor], float], step: float
) -> None:
    """Within 2 %, or 1 % of what the parts of the sum amount to where they cancel."""
    for name, direction in motions(vertices):
        ahead, back = loss(vertices + step * direction), loss(vertices - step * direction)
        expected = (ahead - back) / (2 * step)
        parts = (gradient * direction).sum(dim=-1)
        slack = max(0.02 * abs(expected), 0.01 * parts.abs().sum().item())
        assert parts.sum().item() == pytest.approx(expected, abs=slack), name


def test_the_area_of_a_triangle_grows_as_geometry_says(triangle: Scene) -> None:
    vertices, faces, intrinsics = triangle
    vertices = vertices.clone().requires_grad_()
    fragments = rasteriser().rasterise(vertices, faces, intrinsics, (64, 64))
    mask = rasteriser().antialias(coverage(fragments), fragments, vertices, faces, intrinsics)
    downsample(mask).sum().backward()
    x, y = (vertices.detach()[0, :, axis] * 50 + 32 for axis in (0, 1))  # 3 each, pixels
    # twice the area is x₀(y₂ − y₁) + … for a triangle that is counter-clockwise with y up
    by_x = (y.roll(-2) - y.roll(-1)) / 2
    by_y = (x.roll(-1) - x.roll(-2)) / 2
    assert vertices.grad is not None
    found = vertices.grad[0, :, :2] / 50
    torch.testing.assert_close(found, torch.stack([by_x, by_y], dim=1), atol=0.3, rtol=0)


def test_a_silhouette_moves_as_its_exact_area_does(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    weights = smooth_weights(1)

    def loss(moved: Tensor) -> float:
        size = (SIZE * FINER, SIZE * FINER)
        fragments = rasteriser().rasterise(moved, faces, dense(intrinsics), size)
        return float((block_mean(coverage(fragments)) * weights).sum())

    leaf, camera = vertices.clone().requires_grad_(), small(intrinsics)
    fragments = rasteriser().rasterise(leaf, faces, camera, (SIZE, SIZE))
    mask = rasteriser().antialias(coverage(fragments), fragments, leaf, faces, camera)
    (downsample(mask)[0] * weights).sum().backward()
    assert leaf.grad is not None
    check_against_differences(vertices, leaf.grad, loss, step=4e-3)


def test_colour_moves_by_silhouette_occlusion_and_surface(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    row, column = torch.arange(vertices.shape[1]) // 96, torch.arange(vertices.shape[1]) % 96
    colours = torch.stack([row / 32, torch.cos(column / 96 * 6.283), torch.sin(row / 5)], dim=1)
    weights = smooth_weights(3)

    def picture(moved: Tensor, camera: Tensor, size: int, tracked: bool) -> Tensor:
        fragments = rasteriser().rasterise(
            moved, faces, camera, (size, size), through_weights=tracked
        )
        mask = coverage(fragments)
        image = interpolate(fragments, faces, colours[None]) * mask + (1 - mask)  # on white
        return rasteriser().antialias(image, fragments, moved, faces, camera)

    def loss(moved: Tensor) -> float:
        image = picture(moved, dense(intrinsics), SIZE * FINER, tracked=False)
        return float((block_mean(image) * weights).sum())

    leaf = vertices.clone().requires_grad_()
    image = downsample(picture(leaf, small(intrinsics), SIZE, tracked=True))[0]
    (image * weights).sum().backward()
    assert leaf.grad is not None
    check_against_differences(vertices, leaf.grad, loss, step=4e-3)


def test_an_edge_before_a_surface_takes_the_difference_of_their_colours() -> None:
    # a square of colour 0.9 whose right border slides over a wall of colour 0.2
    square = [[-0.2, -0.2, 1.0], [-0.2, 0.2, 1.0], [0.1, -0.2, 1.0], [0.1, 0.2, 1.0]]
    wall = [[-2.0, -2.0, 2.0], [-2.0, 2.0, 2.0], [2.0, -2.0, 2.0], [2.0, 2.0, 2.0]]
    vertices = torch.tensor([square + wall], requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [3, 2, 1], [4, 5, 6], [7, 6, 5]])
    intrinsics = torch.tensor([[100.0, 0.0, 32.0], [0.0, 100.0, 32.0], [0.0, 0.0, 1.0]])
    colours = torch.tensor([0.9] * 4 + [0.2] * 4)[None, :, None]
    fragments = rasteriser().rasterise(vertices, faces, intrinsics, (64, 64))
    image = interpolate(fragments, faces, colours)
    image = rasteriser().antialias(image, fragments, vertices, faces, intrinsics)
    downsample(image).sum().backward()
    assert vertices.grad is not None
    # 40 pixels of border × 100 pixels per unit × 0.7, shared by both ends; the wall's are unseen
    right = vertices.grad[0, 2:4, 0]
    torch.testing.assert_close(right, torch.full((2,), 40 * 100 * 0.7 / 2), rtol=0.02, atol=0)
    assert not vertices.grad[0, 4:].any()


def test_an_edge_that_is_hidden_has_no_gradient() -> None:
    front = [[-0.3, -0.3, 1.0], [-0.3, 0.3, 1.0], [0.3, -0.3, 1.0], [0.3, 0.3, 1.0]]
    behind = [[-0.1, -0.1, 2.0], [-0.1, 0.1, 2.0], [0.1, -0.1, 2.0]]
    vertices = torch.tensor([front + behind], requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [3, 2, 1], [4, 5, 6]])
    intrinsics = torch.tensor([[100.0, 0.0, 32.0], [0.0, 100.0, 32.0], [0.0, 0.0, 1.0]])
    fragments = rasteriser().rasterise(vertices, faces, intrinsics, (64, 64))
    noise = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(0))
    image = rasteriser().antialias(noise, fragments, vertices, faces, intrinsics)
    image.square().sum().backward()
    assert vertices.grad is not None
    assert not vertices.grad[0, 4:].any()
    assert vertices.grad[0, :4].any()


def test_an_inner_edge_is_no_silhouette() -> None:
    corners = [[-0.2, -0.2, 1.0], [-0.2, 0.2, 1.0], [0.2, -0.2, 1.0], [0.2, 0.2, 1.0]]
    vertices = torch.tensor([[*corners, [0.0, 0.0, 1.0]]], requires_grad=True)
    faces = torch.tensor([[4, 0, 1], [4, 1, 3], [4, 3, 2], [4, 2, 0]])
    intrinsics = torch.tensor([[100.0, 0.0, 32.0], [0.0, 100.0, 32.0], [0.0, 0.0, 1.0]])
    fragments = rasteriser().rasterise(vertices, faces, intrinsics, (64, 64))
    noise = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(0))
    image = rasteriser().antialias(noise, fragments, vertices, faces, intrinsics)
    image.square().sum().backward()
    assert vertices.grad is not None
    assert not vertices.grad[0, 4].any()


def test_the_values_pass_unchanged_and_their_gradients_too(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    fragments = rasteriser().rasterise(vertices, faces, small(intrinsics), (SIZE, SIZE))
    image = torch.rand(1, 2 * SIZE, 2 * SIZE, 3, requires_grad=True)
    same = rasteriser().antialias(image, fragments, vertices, faces, small(intrinsics))
    assert torch.equal(same, image)
    given = torch.rand_like(image)
    same.backward(given)
    assert image.grad is not None
    assert torch.equal(image.grad, given)


def test_weights_and_depth_move_with_the_vertices(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    camera, size, step = small(intrinsics), (SIZE, SIZE), 1e-5
    vertices, generator = vertices.double(), torch.Generator().manual_seed(0)
    direction = torch.randn(vertices.shape, generator=generator).double()
    leaf = vertices.clone().requires_grad_()
    here = rasteriser().rasterise(leaf, faces, camera, size, through_weights=True)
    ahead, back = (
        rasteriser().rasterise(vertices + sign * step * direction, faces, camera, size)
        for sign in (1, -1)
    )
    same = (here.face == ahead.face) & (here.face == back.face) & (here.face >= 0)
    assert same.sum() > 3000
    for values, up, down in (
        (here.weights, ahead.weights, back.weights),
        (here.depth[..., None], ahead.depth[..., None], back.depth[..., None]),
    ):
        count = torch.randn(values.shape, generator=generator) * same[..., None]
        (gradient,) = torch.autograd.grad((values * count).sum(), leaf, retain_graph=True)
        expected = ((up - down).double() * count).sum() / (2 * step)
        found = (gradient * direction).sum()
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


def test_weights_carry_no_gradient_unless_asked(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    leaf = vertices.clone().requires_grad_()
    plain = rasteriser().rasterise(leaf, faces, small(intrinsics), (SIZE, SIZE))
    tracked = rasteriser().rasterise(
        leaf, faces, small(intrinsics), (SIZE, SIZE), through_weights=True
    )
    assert not plain.weights.requires_grad
    assert not plain.depth.requires_grad
    torch.testing.assert_close(tracked.weights, plain.weights)
    torch.testing.assert_close(tracked.depth, plain.depth)


def test_a_mask_pulls_the_vase_into_place(vase: Scene) -> None:
    vertices, faces, intrinsics = vase
    camera = small(intrinsics)
    wanted = downsample(coverage(rasteriser().rasterise(vertices, faces, camera, (SIZE, SIZE))))
    shift = torch.tensor([0.03, -0.02, 0.0], requires_grad=True)
    optimiser = torch.optim.Adam([shift], lr=2e-3)
    for _ in range(40):
        moved = vertices + shift
        fragments = rasteriser().rasterise(moved, faces, camera, (SIZE, SIZE))
        mask = rasteriser().antialias(coverage(fragments), fragments, moved, faces, camera)
        optimiser.zero_grad()
        (downsample(mask) - wanted).square().mean().backward()
        optimiser.step()
    assert shift.detach()[:2].abs().max() < 3e-3
