"""Albedo patches and the discriminator that judges them: specs/vase_derenderer.md §5."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import map_coordinates
from torch import Tensor

from bench.graphics import phong
from bench.methods.vase_derenderer import losses
from bench.methods.vase_derenderer.patches import WINDOWS, cut, random_windows, real_and_fake

Array = NDArray[np.float64]


def test_windows_are_uniform_in_size_and_place() -> None:
    drawn_windows = random_windows(4000, torch.Generator().manual_seed(0)).double().numpy()
    position, extent = drawn_windows[:, :2], drawn_windows[:, 2:]
    assert extent.min() >= 0.25 and extent.max() <= 0.5
    assert position.min() >= 0 and (position + extent).max() <= 1
    free = position / (1 - extent)
    for axis in (0, 1):
        assert stats.kstest(extent[:, axis], "uniform", (0.25, 0.25)).pvalue > 1e-3
        assert stats.kstest(free[:, axis], "uniform").pvalue > 1e-3
    independent = np.corrcoef(np.hstack([free, extent]).T) - np.eye(4)
    assert abs(independent).max() < 0.06


def cropped(maps: Array, window: Array, size: int) -> Array:
    """One window of C×h×w, its sample grid ending on the window's corners; C×size×size."""
    left, top, width, height = window
    steps = np.arange(size) / (size - 1)
    x, y = np.meshgrid(left + width * steps, top + height * steps)
    places = [y * maps.shape[1] - 0.5, x * maps.shape[2] - 0.5]  # texel centres at k + ½
    return np.stack([map_coordinates(m, places, order=1, mode="nearest") for m in maps])


def test_a_patch_is_its_window_resampled() -> None:
    torch.manual_seed(0)
    maps, windows = torch.rand(2, 4, 24, 40), torch.rand(6, 4) * 0.5
    found = cut(maps, windows, 16)
    assert found.shape == (6, 4, 16, 16)
    for index in range(6):
        expected = cropped(maps[index // 3].double().numpy(), windows[index].double().numpy(), 16)
        np.testing.assert_allclose(found[index], expected, atol=2e-6)


def expected_patches(albedo: Tensor, specular: Tensor, seed: int) -> tuple[Array, Array]:
    """All 8B patches 8B×3×16×16, and the variances of their specular channel."""
    windows = random_windows(8 * len(albedo), torch.Generator().manual_seed(seed))
    maps = torch.cat([albedo, specular], 1).double().numpy()
    found = np.stack([cropped(maps[k // 8], w, 16) for k, w in enumerate(windows.double().numpy())])
    return found[:, :3], found[:, 3].var((1, 2))


def chosen(patches: Tensor, among: Array) -> set[int]:
    """Which of `among` these patches are; every one of them is one, and none comes twice."""
    distance = abs(patches.double().numpy()[:, None] - among).max((2, 3, 4))
    assert (distance.min(1) < 1e-5).all()
    found = set(distance.argmin(1).tolist())
    assert len(found) == len(patches)
    return found


def test_the_least_specular_quarter_is_real_and_half_the_upper_half_fake() -> None:
    torch.manual_seed(1)
    albedo = torch.rand(3, 3, 32, 32)
    specular = torch.rand(3, 1, 32, 32) ** 4 * torch.tensor([0.2, 1.0, 2.0])[:, None, None, None]
    picks = []
    for seed in range(6):
        real, fake = real_and_fake(albedo, specular, 16, torch.Generator().manual_seed(seed))
        assert real.shape == fake.shape == (2 * 3, 3, 16, 16)
        among, variances = expected_patches(albedo, specular, seed)
        order = np.argsort(variances).tolist()
        assert chosen(real, among) == set(order[: 2 * 3])
        picked = chosen(fake, among)
        assert picked <= set(order[4 * 3 :])
        picks.append(frozenset(order.index(k) for k in picked))
    assert len(set(picks)) == 6 and min(map(min, picks)) < 18  # not merely the most specular


def test_a_batch_of_one_has_patches_too() -> None:
    real, fake = real_and_fake(
        torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8), 16, torch.Generator().manual_seed(0)
    )
    assert len(real) == len(fake) == WINDOWS // 4


def test_patches_hand_gradients_back_to_the_albedo() -> None:
    albedo = torch.rand(1, 3, 8, 8, requires_grad=True)
    _, fake = real_and_fake(
        phong.encode(albedo), torch.rand(1, 1, 8, 8), 16, torch.Generator().manual_seed(0)
    )
    (pulled,) = torch.autograd.grad(fake.sum(), albedo)
    assert float(pulled.sum()) > 0


def test_the_adversaries_play_least_squares() -> None:
    real, fake = torch.tensor([0.9, 0.4]), torch.tensor([0.2, -0.3, 1.1, 0.0])
    judged = ((0.1**2 + 0.6**2) / 2 + (0.2**2 + 0.3**2 + 1.1**2) / 4) / 2
    assert float(losses.discrimination(real, fake)) == pytest.approx(judged, rel=1e-6)
    fooled = (0.8**2 + 1.3**2 + 0.1**2 + 1) / 4
    assert float(losses.adversarial(fake)) == pytest.approx(fooled, rel=1e-6)
