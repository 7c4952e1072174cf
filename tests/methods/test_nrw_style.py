"""Style descriptors, their distances and the neighbours drawn from them, against slow twins."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from bench.errors import DataError
from bench.methods.neural_rerenderer import style

Array = NDArray[np.float32]


def photos(seed: int, *shape: int) -> Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


def rows(count: int, width: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(3, 1, (count, width)).astype(np.float32)


def in_parts(descriptors: Array, size: int) -> Iterator[Array]:
    for start in range(0, len(descriptors), size):
        yield descriptors[start : start + size]


def two_layers(picture: Tensor) -> tuple[Tensor, Tensor]:
    """What stands for VGG: three and five channels of what a picture holds."""
    return picture.square(), torch.cat([picture, picture[:, :2].exp()], 1)[:, :, ::2, ::2]


def gram(features: NDArray[Any]) -> NDArray[np.float64]:
    channels, height, width = features.shape
    found = np.zeros((channels, channels))
    for i, j in np.ndindex(channels, channels):
        for y, x in np.ndindex(height, width):
            found[i, j] += float(features[i, y, x]) * float(features[j, y, x])
    return found / (channels * height * width)


def test_gram_descriptors_differ_as_the_matrices_do() -> None:
    pictures = photos(0, 2, 3, 4, 6)
    one, other = style.gram_descriptors(pictures, two_layers)
    expected = 0.0
    for layer in two_layers(pictures):
        difference = gram(layer[0].numpy()) - gram(layer[1].numpy())
        expected += float((difference**2).sum()) / difference.size
    assert float(((one - other) ** 2).sum()) == pytest.approx(expected, rel=1e-4)


def test_gram_descriptors_of_vgg_keep_the_upper_triangles() -> None:
    from bench.methods.neural_rerenderer.vgg import Vgg16

    found = style.gram_descriptors(photos(0, 1, 3, 16, 16), Vgg16())
    assert found.shape == (1, sum(c * (c + 1) // 2 for c in (64, 128, 256, 512, 512)))
    assert found.shape == (1, 305_888)


@pytest.mark.parametrize(
    "describe", [style.lab_descriptors, lambda p: style.gram_descriptors(p, two_layers)]
)
def test_only_the_centre_of_a_large_photo_tells_its_style(
    describe: Callable[[Tensor], Array],
) -> None:
    large = photos(0, 1, 3, 530, 514)
    centre = large[:, :, 9:521, 1:513]
    np.testing.assert_array_equal(describe(large), describe(centre))


def lab(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE 1976 L*a*b* of sRGB ...×3 in 0…1, white D65."""
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4123908, 0.3575843, 0.1804808],
            [0.2126390, 0.7151687, 0.0721923],
            [0.0193308, 0.1191948, 0.9505322],
        ]
    )
    ratio = linear @ to_xyz.T / [0.95047, 1.0, 1.08883]
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def test_lab_descriptors_are_means_and_deviations_of_sixteen_cells() -> None:
    pictures = photos(0, 2, 3, 16, 24)
    found = style.lab_descriptors(pictures).reshape(2, 4, 4, 2, 3)
    colours = lab((pictures.permute(0, 2, 3, 1).double().numpy() + 1) / 2) / 100
    for b, row, column in np.ndindex(2, 4, 4):
        cell = colours[b, 4 * row : 4 * row + 4, 6 * column : 6 * column + 6].reshape(24, 3)
        mean = cell.sum(0) / 24
        np.testing.assert_allclose(found[b, row, column, 0], mean, atol=2e-4)
        deviation = (((cell - mean) ** 2).sum(0) / 24) ** 0.5
        np.testing.assert_allclose(found[b, row, column, 1], deviation, atol=2e-4)


def test_photos_under_one_light_are_nearer_than_under_another() -> None:
    scenes = [photos(seed, 1, 3, 32, 32) for seed in (0, 1)]
    warm = torch.tensor([0.0, -0.2, -0.5])[:, None, None]
    shown = torch.cat([*scenes, *[scene + warm for scene in scenes]])
    matrix = style.distances([style.lab_descriptors(shown)])
    assert matrix[0, 1] < min(matrix[0, 2:])
    assert matrix[2, 3] < min(matrix[2, :2])


@pytest.mark.parametrize("block", [1, 7, 50, 1000])
@pytest.mark.parametrize("size", [1, 4, 9])
def test_distances_are_the_same_in_blocks(block: int, size: int, tmp_path: Path) -> None:
    descriptors = rows(9, 50)
    found = style.distances(in_parts(descriptors, size), block, tmp_path)
    expected = cdist(descriptors.astype(float), descriptors.astype(float), "sqeuclidean")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(found, found.T)
    assert not found.diagonal().any()
    assert not list(tmp_path.iterdir())


def test_nearly_equal_photos_keep_their_distance() -> None:
    descriptors = rows(4, 2000)
    descriptors[1] = descriptors[0]
    descriptors[1, 5] += 0.1
    assert style.distances([descriptors])[0, 1] == pytest.approx(0.01, rel=0.1)


def test_memory_is_a_block_and_two_matrices() -> None:
    count, block, width = 200, 300, 10_000
    parts = (rows(10, width, seed) for seed in range(count // 10))
    tracemalloc.start()
    try:
        style.distances(parts, block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    one_part = 10 * width * (8 + 4 + 1)  # drawn in float64 above, then float32, and its finiteness
    whole = count * width * 4
    assert peak < style.working_bytes(count, block) + 2 * one_part < whole / 2


def test_three_thousand_photos_of_gram_matrices_take_less_than_4_gb() -> None:
    assert style.working_bytes(3000, 16_384) < 0.5e9


@pytest.mark.slow
def test_three_thousand_photos_are_measured_to_take_less_than_4_gb(tmp_path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from bench.methods.neural_rerenderer.style import distances\n"
        "rng = np.random.default_rng(0)\n"
        "parts = (rng.standard_normal((8, 305_888), np.float32) for _ in range(375))\n"
        "assert distances(parts, folder=Path(sys.argv[1])).shape == (3000, 3000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) * 1024 < 4e9


def test_a_style_that_is_not_finite_is_named() -> None:
    descriptors = rows(6, 5)
    descriptors[4, 2] = np.nan
    with pytest.raises(DataError, match="photo 4: its style is not finite"):
        style.distances(in_parts(descriptors, 3))


def test_no_photo_has_no_distances() -> None:
    with pytest.raises(DataError, match="no photo"):
        style.distances([])


def ranked(matrix: Array, anchor: int) -> list[int]:
    others = [i for i in range(len(matrix)) if i != anchor]
    return sorted(others, key=lambda i: (matrix[anchor, i], i))


@pytest.mark.parametrize(
    ("count", "near", "far"),
    [(3, 1, 1), (4, 2, 1), (5, 2, 2), (13, 5, 6), (14, 5, 6), (27, 5, 13), (40, 5, 13)],
)
def test_neighbours_are_the_nearest_and_the_farthest(count: int, near: int, far: int) -> None:
    matrix = style.distances([rows(count, 3)])
    found = style.neighbours(matrix)
    assert found.positives.shape == (count, near)
    assert found.negatives.shape == (count, far)
    for anchor in range(count):
        order = ranked(matrix, anchor)
        assert found.positives[anchor].tolist() == order[:near]
        assert found.negatives[anchor].tolist() == order[-far:]
    assert found.clamped == (count < 27)


def test_a_photo_is_never_its_own_neighbour_even_among_identical_ones() -> None:
    matrix = style.distances([np.repeat(rows(5, 3), 6, axis=0)])  # 30 photos, five of them unlike
    found = style.neighbours(matrix)
    itself = np.arange(30)[:, None]
    assert not (found.positives == itself).any()
    assert not (found.negatives == itself).any()
    assert (found.positives // 6 == itself // 6).all()


def test_two_photos_have_no_triplet() -> None:
    with pytest.raises(DataError, match="2 photos: a triplet needs three"):
        style.neighbours(np.zeros((2, 2), np.float32))
