"""Closed-form light with an albedo model: specs/inverse_shading.md §4.1-4.3, tests 3, 4, 6, 7."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.graphics.spherical_harmonics import basis, fibonacci_directions, rotation_matrix
from bench.methods.inverse_shading.models import (
    AlbedoModel,
    Observations,
    inverse_light,
    inverse_model,
    inverse_model_in_image_space,
    regular_light,
    regular_model,
    robust_regular_light,
)
from bench.methods.inverse_shading.weights import huber, robust_scale, tukey

NORMALS = np.array(
    [
        [1, 0, 0],
        [-1, 0, 0],
        [0, 1, 0],
        [0, -1, 0],
        [0, 0, 1],
        [0, 0, -1],
        np.array([1, 1, 1]) / 3**0.5,
        np.array([-1, 1, 0]) / 2**0.5,
    ]
)
MEAN = np.array([0.5, 0.4, 0.6, 0.5, 0.7, 0.3, 0.5, 0.4])
MODE = np.array([1, -1, 1, -1, 0, 0, 0.5, -0.5])
LIGHT, BETA = np.array([1.25, -0.25, 0.15, -0.4]), 0.08


def hand_example(change: float = 0.0) -> tuple[Observations, AlbedoModel]:
    design = np.concatenate([np.ones((8, 1)), NORMALS], axis=1)
    image = (MEAN + BETA * MODE) / (design @ LIGHT) + change * np.array([1, -1] * 4)
    seen = Observations(*map(torch.from_numpy, (design, image[:, None], np.ones((8, 1)))))
    model = AlbedoModel(
        torch.from_numpy(MEAN[:, None]), torch.from_numpy(MODE[:, None, None]), torch.tensor([0.1])
    )
    return seen, replace(model, sigma=model.sigma.double())


def test_the_hand_example_is_solved_exactly() -> None:
    light, beta = inverse_model(*hand_example(), ridge=0.0)
    np.testing.assert_allclose(light[:, 0], LIGHT, atol=1e-12)
    np.testing.assert_allclose(beta, [BETA], atol=1e-12)


def test_the_perturbed_hand_example_gives_the_listed_numbers() -> None:
    seen, model = hand_example(0.01)
    light, beta = inverse_model(seen, model, ridge=0.0)
    expected = [1.259398, -0.253605, 0.152765, -0.422415, 0.094243]
    np.testing.assert_allclose([*light[:, 0], *beta], expected, atol=1e-6)
    residual = seen.image * (seen.design @ light) - model.albedo(beta)
    assert float(residual.square().sum()) == pytest.approx(2.23e-4, abs=1e-6)


def test_the_ridge_counts_deviations_in_units_of_sigma() -> None:
    light, beta = inverse_model(*hand_example(0.01), ridge=1e-3)
    expected = [1.265715, -0.274860, 0.134993, -0.425707, 0.084537]
    np.testing.assert_allclose([*light[:, 0], *beta], expected, atol=1e-6)


class Scene(NamedTuple):
    seen: Observations
    model: AlbedoModel
    albedo: Tensor
    beta: Tensor
    shading: Tensor


def physical_scene(count: int = 4000) -> Scene:
    """§4.3: ambient, sky and one coloured sun on a hemisphere, five modes of albedo."""
    rng = np.random.default_rng(3)
    normals = fibonacci_directions(2 * count)[:count]
    normals = normals[:, [1, 0, 2]] * np.sign(normals[:, 2:])  # all face the viewer
    design = basis(normals, 2)
    smooth = basis(normals, 3)[:, None] @ rng.normal(size=(5, 3, 16)).transpose(0, 2, 1)[:, None]
    smooth = smooth.reshape(5, count, 3).transpose(1, 2, 0)
    smooth /= smooth.std(axis=(0, 1))
    modes = 0.04 * (0.6 * smooth + 0.8 * rng.normal(size=(count, 3, 5)))
    mean = np.broadcast_to([0.5, 0.42, 0.36], (count, 3))
    beta = np.array([0.8, -0.5, 0.6, -0.9, 0.4])
    albedo = mean + modes @ beta
    sun = np.maximum(normals @ np.array([0.6, 0.5, 0.6245]), 0)[:, None] * [0.7, 0.6, 0.45]
    shading = 0.25 + 0.3 * (1 + normals[:, 1:2]) / 2 * [0.8, 0.95, 1.2] + sun
    tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in (design, albedo * shading)]
    return Scene(
        seen=Observations(*tensors, torch.ones(count, 3, dtype=torch.float64)),
        model=AlbedoModel(
            torch.from_numpy(mean.copy()),
            torch.from_numpy(modes),
            torch.ones(5, dtype=torch.float64),
        ),
        albedo=torch.from_numpy(albedo),
        beta=torch.from_numpy(beta),
        shading=torch.from_numpy(shading),
    )


def albedo_error(scene: Scene, solution: tuple[Tensor, Tensor]) -> float:
    return float((scene.model.albedo(solution[1]) - scene.albedo).square().mean().sqrt())


@pytest.mark.parametrize("order", [1, 2, 3])
def test_consistent_data_give_light_and_albedo_back(order: int) -> None:
    scene = physical_scene()
    normals = fibonacci_directions(8000)
    design = torch.from_numpy(basis(normals[normals[:, 2] > 0], order))
    light = torch.zeros(design.shape[1], 3, dtype=torch.float64)
    light[0] = torch.tensor([5.0, 5.5, 6.0])
    light[1:4] = torch.tensor([[-0.6, 0.2, 0.4], [0.3, -0.5, 0.1], [0.2, 0.4, -0.7]])
    image = scene.albedo / (design @ light)
    seen = Observations(design, image, torch.ones_like(image))
    found, beta = inverse_model(seen, scene.model, ridge=0.0)
    assert float((found - light).abs().max()) < 1e-10
    assert float((beta - scene.beta).abs().max()) < 1e-10


def test_weights_of_image_space_halve_the_albedo_error() -> None:
    scene = physical_scene()
    plain = inverse_model(scene.seen, scene.model)
    weighted = inverse_model_in_image_space(scene.seen, scene.model, iterations=5)
    assert albedo_error(scene, weighted) < 0.5 * albedo_error(scene, plain)


def test_the_regular_model_alternates_to_about_the_same_albedo() -> None:
    scene = physical_scene()
    plain = inverse_model(scene.seen, scene.model)
    assert albedo_error(scene, regular_model(scene.seen, scene.model)) < 0.5 * albedo_error(
        scene, plain
    )


def with_outliers(scene: Scene) -> Observations:
    rng = np.random.default_rng(5)
    count = len(scene.albedo)
    hit = rng.random((count, 1)) < 0.08
    added = torch.from_numpy(hit * rng.uniform(0.3, 0.8, (count, 1)))
    return replace(scene.seen, image=scene.seen.image + added)


def test_robust_weights_withstand_outliers() -> None:
    scene = physical_scene()
    seen = with_outliers(scene)
    plain = albedo_error(scene, inverse_model(seen, scene.model))
    by_huber = inverse_model_in_image_space(seen, scene.model, 20, "huber")
    by_tukey = inverse_model_in_image_space(seen, scene.model, 20, "tukey")
    assert albedo_error(scene, by_huber) < 0.1 * plain
    assert albedo_error(scene, by_tukey) < albedo_error(scene, by_huber)


def test_the_bias_of_noise_is_removed() -> None:
    scene = physical_scene()
    sigma = 0.1
    noise = sigma * torch.from_numpy(np.random.default_rng(7).normal(size=scene.albedo.shape))
    seen = replace(scene.seen, image=scene.seen.image + noise)
    plain = albedo_error(scene, inverse_model(seen, scene.model))
    corrected = albedo_error(scene, inverse_model(seen, scene.model, noise=sigma))
    assert corrected < 0.5 * plain


def test_known_albedo_gives_the_light_by_brute_force_least_squares() -> None:
    scene = physical_scene(500)
    weights = torch.rand(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = replace(scene.seen, weights=weights)
    regular, inverse = regular_light(seen, scene.albedo), inverse_light(seen, scene.albedo)
    for channel in range(3):
        root = weights[:, channel].sqrt().numpy()[:, None]
        design, image = seen.design.numpy(), seen.image[:, channel].numpy()[:, None]
        albedo = scene.albedo[:, channel].numpy()[:, None]
        expected = np.linalg.lstsq(root * albedo * design, root * image)[0][:, 0]
        np.testing.assert_allclose(regular[:, channel], expected, rtol=1e-6)
        expected = np.linalg.lstsq(root * image * design, root * albedo)[0][:, 0]
        np.testing.assert_allclose(inverse[:, channel], expected, rtol=1e-6)


def test_the_closed_form_with_a_model_is_the_stacked_least_squares() -> None:
    scene = physical_scene(400)
    light, beta = inverse_model(scene.seen, scene.model, ridge=0.7)
    blocks = [scene.seen.image[:, c, None] * scene.seen.design for c in range(3)]
    modes = torch.cat([scene.model.modes[:, c] for c in range(3)])
    rows = torch.cat([torch.block_diag(*blocks), -modes], dim=1)
    ridge = torch.cat([torch.zeros(5, 27), 0.7**0.5 * torch.eye(5)], dim=1).double()
    target = torch.cat([scene.model.mean.T.flatten(), torch.zeros(5)])
    expected = torch.linalg.lstsq(torch.cat([rows, ridge]), target[:, None]).solution[:, 0]
    torch.testing.assert_close(torch.cat([light.T.flatten(), beta]), expected, rtol=1e-7, atol=1e-9)


def test_robust_light_ignores_shadows() -> None:
    scene = physical_scene()
    image = scene.seen.image.clone()
    image[::10] *= 0.2
    seen = replace(scene.seen, image=image)
    errors = [
        float((seen.design @ light - scene.shading).square().mean().sqrt())
        for light in (
            regular_light(seen, scene.albedo),
            robust_regular_light(seen, scene.albedo, 10, "tukey"),
        )
    ]
    assert errors[1] < 0.5 * errors[0]


def test_a_batch_gives_what_its_items_give() -> None:
    scene = physical_scene(300)
    twice = Observations(*(torch.stack([part, part.flip(0)]) for part in vars(scene.seen).values()))
    model = AlbedoModel(
        torch.stack([scene.model.mean, scene.model.mean.flip(0)]),
        torch.stack([scene.model.modes, scene.model.modes.flip(0)]),
        scene.model.sigma.expand(2, -1),
    )
    alone = inverse_model_in_image_space(scene.seen, scene.model, 3, "huber")
    together = inverse_model_in_image_space(twice, model, 3, "huber")
    for single, batched in zip(alone, together, strict=True):
        torch.testing.assert_close(batched[0], single, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(batched[1], single, rtol=1e-8, atol=1e-10)


def test_inverse_coefficients_turn_with_the_frame() -> None:
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    normals = fibonacci_directions(500)
    shading = 0.4 + 0.5 * np.maximum(normals @ np.array([0.6, 0.8, 0.0]), 0)[:, None]
    ones = np.ones_like(shading)
    before, after = (
        inverse_light(Observations(*map(torch.from_numpy, (basis(n, 2), shading, ones))), ONE)
        for n in (normals, normals @ turn.T)
    )
    turned = rotation_matrix(turn, 2) @ before.numpy()
    np.testing.assert_allclose(after, turned, atol=1e-9)


ONE = torch.ones(500, 1, dtype=torch.float64)


def test_robust_weights_follow_their_formulas() -> None:
    residuals = torch.tensor([0.0, -0.5, 1.0, -3.0, 9.0])
    valid = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])
    scale = robust_scale(residuals, valid)
    assert float(scale) == pytest.approx(1.4826 * 0.5)  # the lower median of 0, .5, 1, 3
    sigma = float(scale)
    expected = [min(1.0, 1.345 * sigma / max(abs(r), 1e-9)) for r in residuals.tolist()]
    np.testing.assert_allclose(huber(residuals, scale), expected, rtol=1e-6)
    expected = [max(0.0, 1 - (r / (4.685 * sigma)) ** 2) ** 2 for r in residuals.tolist()]
    np.testing.assert_allclose(tukey(residuals, scale), expected, rtol=1e-5, atol=1e-7)
