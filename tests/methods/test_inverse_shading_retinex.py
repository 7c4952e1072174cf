"""Free albedo and known normals: specs/inverse_shading.md §2.4, §4.4, §4.5, tests 8, 9."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.graphics.spherical_harmonics import basis, fibonacci_directions
from bench.methods.inverse_shading.frames import solve_frames
from bench.methods.inverse_shading.pixels import Pixels, gather, inside, neighbours
from bench.methods.inverse_shading.retinex import inverse_retinex, pair_up, regular_retinex

Floats = NDArray[np.float64]
SIZE = 96


def sphere() -> tuple[Floats, Floats]:
    """Normals SIZE×SIZE×3 and mask of an orthographic sphere."""
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(axis / 0.95, -axis / 0.95)
    z = 1 - x**2 - y**2
    mask = (z > 0)[..., None].astype(np.float64)
    return np.stack([x, y, np.sqrt(np.maximum(z, 0))], -1) * mask, mask


def voronoi_sphere(noise: float = 0.005) -> tuple[Floats, Floats, Floats, Floats]:
    """Image, normals, mask and albedo: 14 patches of random colour under sky and sun."""
    rng = np.random.default_rng(11)
    normals, mask = sphere()
    seeds = rng.random((14, 2)) * SIZE
    grid = np.stack(np.mgrid[:SIZE, :SIZE], -1)[:, :, None]
    colours = rng.uniform(0.1, 0.9, (14, 3))
    albedo = colours[((grid - seeds) ** 2).sum(-1).argmin(-1)] * mask
    sun = np.maximum(normals @ np.array([0.6, 0.48, 0.64]), 0)[..., None] * [0.6, 0.55, 0.45]
    sky = 0.15 + 0.3 * (1 + normals[..., 1:2]) / 2 * np.array([0.8, 0.95, 1.2])
    image = albedo * (sun + sky) + noise * rng.normal(size=albedo.shape) * mask
    return np.maximum(image, 1e-4) * mask, normals, mask, albedo


def aligned_error(found: Floats, truth: Floats) -> float:
    scale = (found * truth).sum(0) / (found**2).sum(0)
    return float(((found * scale - truth) ** 2).mean())


def test_retinex_on_the_voronoi_sphere_beats_the_image_as_albedo_fivefold() -> None:
    image, normals, mask, albedo = voronoi_sphere()
    pixels = gather([image], [normals], [mask], "cpu")
    design = basis(pixels.normals, 2)
    chosen = inside(mask)
    truth, shown = albedo.reshape(-1, 3)[chosen], image.reshape(-1, 3)[chosen]
    pairs = pair_up(design, pixels)
    by_image = aligned_error(shown, truth)
    reciprocal = design @ inverse_retinex(pairs, iterations=0)
    assert aligned_error((pixels.image * reciprocal)[0].numpy(), truth) < by_image / 5
    shading = (design @ regular_retinex(pairs)).clamp(min=0.05)
    assert aligned_error((pixels.image / shading)[0].numpy(), truth) < by_image / 5


def test_without_the_chroma_gate_retinex_fails_there() -> None:
    image, normals, mask, albedo = voronoi_sphere()
    pixels = gather([image], [normals], [mask], "cpu")
    truth = albedo.reshape(-1, 3)[inside(mask)]
    design = basis(pixels.normals, 2)
    errors = []
    for width in (1e-3, 1e6):
        light = inverse_retinex(pair_up(design, pixels, width), iterations=0)
        errors.append(aligned_error((pixels.image * (design @ light))[0].numpy(), truth))
    assert errors[0] < errors[1] / 5


@pytest.mark.parametrize("constraint", ["mean-inverse-shading", "mean-albedo"])
def test_the_closed_form_is_the_brute_force_minimum_under_its_constraint(constraint: str) -> None:
    pixels, where = small_pixels()
    design = basis(pixels.normals, 2)
    found = inverse_retinex(pair_up(design, pixels), constraint, iterations=0)[0]
    for channel in range(3):
        matrix, mean = brute_force(pixels, where, design, channel, constraint)
        solution = np.linalg.solve(matrix, mean)
        np.testing.assert_allclose(found[:, channel], solution / (mean @ solution), atol=1e-5)


def small_pixels() -> tuple[Pixels, Floats]:
    image, normals, mask, _ = (array[::4, ::4] for array in voronoi_sphere())
    return gather([image], [normals], [mask], "cpu"), inside(mask)


def brute_force(
    pixels: Pixels, where: Floats, design: torch.Tensor, channel: int, constraint: str
) -> tuple[Floats, Floats]:
    """Pixel by pixel: the readable twin of the pair lists."""
    image, rows, good = pixels.image[0].numpy(), design[0].numpy(), pixels.usable[0].numpy()
    matrix, place = np.zeros((9, 9)), {index: p for p, index in enumerate(where)}
    for index, p in place.items():
        for q in (place.get(index + 1), place.get(index + SIZE // 4)):
            if q is None or not (good[p] and good[q]):
                continue
            cosine = image[p] @ image[q] / np.linalg.norm(image[p]) / np.linalg.norm(image[q])
            weight = np.exp((cosine**2 - 1) / 1e-3)
            step = image[p, channel] * rows[p] - image[q, channel] * rows[q]
            matrix += weight * np.outer(step, step)
    by_albedo = image[:, channel, None] * rows
    mean = (by_albedo if constraint == "mean-albedo" else rows)[good > 0].mean(axis=0)
    return matrix + 1e-10 * np.trace(matrix) / 9 * np.eye(9), mean


def test_neighbours_are_those_of_the_grid() -> None:
    rng = np.random.default_rng(2)
    mask = rng.random((7, 9)) < 0.6
    indices = np.flatnonzero(mask)
    for stride in (1, 2, 8):
        expected = set()
        for row, column in zip(*np.nonzero(mask), strict=True):
            for other in ((row, column + stride), (row + stride, column)):
                if other[0] < 7 and other[1] < 9 and mask[other]:
                    expected.add((row * 9 + column, other[0] * 9 + other[1]))
        found = {(indices[a], indices[b]) for a, b in neighbours(indices, 7, 9, stride)}
        assert found == expected


def test_a_cylinder_whose_normals_do_not_span_the_basis_is_solved() -> None:
    x = np.linspace(-0.95, 0.95, 40)
    normals = np.broadcast_to(np.stack([x, 0 * x, np.sqrt(1 - x**2)], -1), (30, 40, 3))
    shading = (0.3 + np.maximum(normals @ np.array([0.6, 0.0, 0.8]), 0))[..., None]
    image = shading * [0.5, 0.3, 0.2]
    pixels = gather([image], [normals], [np.ones((30, 40, 1))], "cpu")
    design = basis(pixels.normals, 2)
    found = (design @ regular_retinex(pair_up(design, pixels)))[0].numpy()
    relative = found / shading.reshape(-1, 1)
    assert (relative.std(0) / relative.mean(0)).max() < 0.05


def test_no_usable_pixel_gives_ambient_light() -> None:
    pixels = gather([np.zeros((5, 5, 3))], [np.zeros((5, 5, 3))], [np.ones((5, 5, 1))], "cpu")
    design = basis(pixels.normals, 2)
    shading = design @ regular_retinex(pair_up(design, pixels))
    np.testing.assert_allclose(shading, 1, atol=1e-6)


def static_frames(texture: float = 0.3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Designs, images and albedo of three frames of one surface under three lights."""
    rng = np.random.default_rng(8)
    normals = fibonacci_directions(3000)
    normals = normals[normals[:, 2] > 0]  # 1500×3
    albedo = 0.4 * np.exp(texture * rng.normal(size=(len(normals), 3)))
    suns = np.array([[0.7, 0.1, 0.7], [-0.6, 0.4, 0.69], [0.1, -0.7, 0.7]])
    images = [
        albedo * (0.35 + 0.7 * np.maximum(normals @ sun, 0))[:, None] * tint
        for sun, tint in zip(suns, ([1, 0.9, 0.8], [0.8, 0.9, 1], [1, 1, 1]), strict=True)
    ]
    design = torch.from_numpy(basis(normals, 2)).expand(3, -1, -1)
    return design, torch.from_numpy(np.stack(images)), torch.from_numpy(albedo)


def relative_error(found: torch.Tensor, truth: torch.Tensor) -> float:
    scale = (found * truth).sum(0) / (found**2).sum(0)
    return float(((found * scale - truth) / truth.mean(0)).square().mean().sqrt())


def test_static_frames_without_a_prior_are_flagged_as_ill_posed() -> None:
    designs, images, albedo = static_frames()
    weights = torch.ones(len(albedo), dtype=torch.float64)
    free = solve_frames(designs, images, weights, prior=0.0)
    assert free.ill_posed
    assert float(free.eigenvalues[:, 0].max()) < 1e-3
    drawn = solve_frames(designs, images, weights, prior=0.3)
    assert not drawn.ill_posed
    assert relative_error(drawn.albedo, albedo) < 0.25


def test_frames_eliminate_the_albedo_exactly() -> None:
    designs, images, _ = static_frames()
    designs, images = designs[:, ::50], images[:, ::50, :1]
    frames, count, columns = designs.shape
    found = solve_frames(designs, images, torch.ones(count, dtype=torch.float64), 0.3, 0.4)
    rows = [torch.block_diag(*(images[:, n] * designs[:, n])) for n in range(count)]
    light = torch.stack(rows).reshape(-1, frames * columns)  # N·F×F·J
    albedo = torch.eye(count).double().repeat_interleave(frames, 0)  # N·F×N
    prior = torch.cat([torch.zeros(count, frames * columns), torch.eye(count)], 1) * 0.3**0.5
    system = torch.cat([torch.cat([light, -albedo], 1), prior.double()])
    target = torch.cat([torch.zeros(count * frames), torch.full((count,), 0.4 * 0.3**0.5)]).double()
    expected = torch.linalg.lstsq(system, target[:, None]).solution[:, 0]
    stacked = found.light[..., 0].flatten()
    torch.testing.assert_close(stacked, expected[: frames * columns], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        found.albedo[:, 0], expected[frames * columns :], rtol=1e-5, atol=1e-6
    )


def test_a_turning_object_under_one_light_is_not_ill_posed_in_albedo() -> None:
    designs, images, albedo = static_frames()
    weights = torch.ones(len(albedo), dtype=torch.float64)
    plain = solve_frames(designs, images, weights, prior=0.1)
    weighted = solve_frames(designs, images, weights, prior=0.1, iterations=3)
    assert relative_error(weighted.albedo, albedo) < 1.2 * relative_error(plain.albedo, albedo)
