"""The official example: one capture's mask and pseudo albedo at 2048², one method's predictions."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from kornia.losses import ssim_loss

import bench
from bench.datasets.stanford_orb.reading import read_albedo, read_mask, read_photo
from bench.graphics.image_files import read_image
from bench.graphics.value_files import read_value

SCENE = "teapot_scene001"


@pytest.fixture
def example(shared: Path) -> Path:
    return shared / "data" / "stanford_orb_example" / "examples"


def decoded(encoded: np.ndarray) -> np.ndarray:
    """specs/metrics.md §0.1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def stored(path: Path) -> np.ndarray:
    """RGB in [0, 1] as the file has it, float64."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return (image if image.ndim == 2 else image[..., ::-1]) / 255


def quartered(image: np.ndarray) -> np.ndarray:
    """Mean over 4×4 blocks."""
    size = image.shape[0] // 4
    return image.reshape(size, 4, size, 4, -1).mean((1, 3))


def eroded(example: Path) -> np.ndarray:
    mask = quartered(stored(example / "data" / SCENE / "test_mask" / "0000.png")) > 0.5
    return cv2.erode(mask[..., 0].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def as_official(example: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction and truth 512×512×3 of the albedo, scaled, clipped, zero outside, and the mask
    (specs/metrics.md §5.1, §7.2)."""
    inside = eroded(example)
    truth = decoded(quartered(stored(example / "data" / SCENE / "albedo_maps" / "0000.png")))
    found = decoded(stored(example / "test" / "mymethod" / SCENE / "val_000000_kd.png"))
    p, g = found[inside], truth[inside]
    gains = (g * p).sum(axis=0) / (p * p).sum(axis=0)
    frames = np.zeros((2, 512, 512, 3))
    frames[0][inside], frames[1][inside] = np.clip(gains * p, 0, 1), np.clip(g, 0, 1)
    return frames[0], frames[1], inside


@cache
def scored(example: Path) -> dict[str, float]:
    data, predicted = example / "data" / SCENE, example / "test" / "mymethod" / SCENE
    return bench.score(
        {"albedo": read_photo(predicted / "val_000000_kd.png", 512)},
        {
            "albedo": read_albedo(data / "albedo_maps", "0000", 512),
            "mask": read_mask(data / "test_mask" / "0000.png", 512),
        },
        protocol="stanford-orb",
    )


def test_maps_of_2048_pixels_come_at_benchmark_size(example: Path) -> None:
    data = example / "data" / SCENE
    mask = read_mask(data / "test_mask" / "0000.png", 512)
    assert mask.shape == (512, 512, 1)
    assert mask.mean() == pytest.approx(0.103, abs=5e-4)  # 10.3 % of the frame
    np.testing.assert_allclose(mask, quartered(stored(data / "test_mask" / "0000.png")), atol=1e-6)
    albedo = read_albedo(data / "albedo_maps", "0000", 512)
    expected = decoded(quartered(stored(data / "albedo_maps" / "0000.png")))
    np.testing.assert_allclose(albedo, expected, atol=1e-6)


def test_albedo_is_scored_as_the_official_scorer_scores_it(example: Path) -> None:
    found, truth, inside = as_official(example)
    psnr = -10 * np.log10(np.mean((found - truth) ** 2))
    assert scored(example)["albedo.psnr"] == pytest.approx(psnr, abs=1e-4)
    coverage = -10 * np.log10(inside.mean())
    assert psnr - coverage == pytest.approx(
        -10 * np.log10(np.mean((found - truth)[inside] ** 2)), abs=1e-9
    )


def test_albedo_ssim_is_kornias(example: Path) -> None:
    found, truth, _ = as_official(example)
    pair = [torch.from_numpy(frame).permute(2, 0, 1)[None] for frame in (found, truth)]  # 1×3×H×W
    expected = 1 - 2 * float(ssim_loss(*pair, 3))
    assert scored(example)["albedo.ssim"] == pytest.approx(expected, abs=1e-5)


def test_this_method_lies_within_the_published_ones(example: Path) -> None:
    """Its file names are those of NVDiffRec(MC), published at 38.0 and 40.9 dB over ten images."""
    assert 36 < scored(example)["albedo.psnr"] < 43


def test_predictions_are_in_the_benchs_conventions(example: Path) -> None:
    folder = example / "test" / "mymethod" / SCENE
    inside = eroded(example)
    normal = read_value(folder / "normal_000000.exr", "normal")
    length = np.linalg.norm(normal, axis=2)
    assert set(np.round(np.unique(length), 3)) == {0, 1}
    assert np.mean(normal[inside][:, 2] > 0) > 0.99  # they face the viewer
    depth = read_image(folder / "depth_000000.exr")
    assert depth[inside].min() > 0
    assert depth[~inside].min() == -1  # where the official renderer sees nothing
