"""Masks and their distance transforms."""

import numpy as np
import pytest

from bench.graphics.masks import distance_transform


def brute_force(mask: np.ndarray) -> np.ndarray:
    """Every pixel against every pixel of the object, in picture widths."""
    inside = np.argwhere(mask > 0)
    grid = np.stack(np.meshgrid(*map(np.arange, mask.shape), indexing="ij"), -1)
    return np.linalg.norm(grid[:, :, None] - inside, axis=-1).min(axis=-1) / mask.shape[1]


@pytest.mark.parametrize("shape", [(24, 24), (17, 31)])
def test_distances_are_those_of_a_search_over_all_pixels(shape: tuple[int, int]) -> None:
    mask = (np.random.default_rng(0).random(shape) > 0.97).astype(np.float32)
    np.testing.assert_allclose(distance_transform(mask), brute_force(mask), atol=1e-6)


def test_at_256_pixels_a_distance_is_the_published_one() -> None:
    mask = np.zeros((256, 256, 1), np.float32)
    mask[100, 100] = 1
    distance = distance_transform(mask)
    assert distance.shape == mask.shape
    assert distance.dtype == np.float32
    np.testing.assert_allclose(distance[103, 104, 0], 5 / 256, rtol=1e-6)


def test_a_soft_edge_counts_as_the_object() -> None:
    mask = np.zeros((8, 8))
    mask[3, 3] = 1 / 255
    assert distance_transform(mask)[3, 3] == 0
    assert distance_transform(mask)[3, 4] == 1 / 8


def test_a_full_mask_is_nowhere_far() -> None:
    assert not distance_transform(np.ones((8, 8, 1))).any()


@pytest.mark.parametrize(
    ("mask", "words"), [(np.zeros((8, 8, 1)), "empty"), (np.ones((8, 8, 3)), "not")]
)
def test_a_mask_without_object_or_of_another_shape_is_refused(mask: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        distance_transform(mask)
