"""Other proportions out of one training picture."""

import numpy as np
import pytest

from bench.methods.vase_derenderer import stretching
from bench.methods.vase_derenderer.stretching import stretched

SIZE = 64


@pytest.fixture
def picture() -> np.ndarray:
    """A cylinder of 20×40 pixels over zeros: colour 0.5 and mask."""
    whole = np.zeros((SIZE, SIZE, 4), np.float32)
    whole[12:52, 22:42] = 0.5, 0.5, 0.5, 1.0
    return whole


def outline(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = picture[..., 3] > 0.5
    return inside.sum(axis=1), inside.sum(axis=0)


def drawn(picture: np.ndarray, count: int = 60) -> list[tuple[np.ndarray, float]]:
    return [stretched(picture, 10.0, np.random.default_rng(seed)) for seed in range(count)]


def test_some_pictures_stay_as_they_are(picture: np.ndarray) -> None:
    kept = [np.array_equal(found, picture) and pitch == 10 for found, pitch in drawn(picture, 200)]
    assert np.mean(kept) == pytest.approx(stretching._KEPT, abs=0.1)


def test_colour_and_mask_move_together(picture: np.ndarray) -> None:
    for found, _ in drawn(picture):
        np.testing.assert_allclose(found[..., 0], 0.5 * found[..., 3], atol=1e-6)


def test_a_cylinder_becomes_other_profiles_about_the_same_axis(picture: np.ndarray) -> None:
    spreads = []
    for found, _ in drawn(picture):
        widths, columns = outline(found)
        np.testing.assert_allclose(found[:, :, 3], found[:, ::-1, 3], atol=1e-4)
        assert columns[0] == columns[-1] == 0
        seen = widths[widths > 0]
        spreads.append(seen[2:-2].max() - seen[2:-2].min())
    assert np.median(spreads) >= 4


def test_without_waves_the_whole_is_scaled_and_the_pitch_follows(
    picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretching, "_KEPT", 0.0)
    monkeypatch.setattr(stretching, "_WAVES", 0.0)
    monkeypatch.setattr(stretching, "_MOVED", 0.0)
    for found, pitch in drawn(picture):
        widths, columns = outline(found)
        across, down = widths.max() / 20, columns.max() / 40
        expected = np.sin(np.radians(10)) * down / across
        assert np.sin(np.radians(pitch)) == pytest.approx(expected, rel=0.15)


def test_an_unknown_pitch_stays_unknown(picture: np.ndarray) -> None:
    assert all(np.isnan(stretched(picture, np.nan, np.random.default_rng(s))[1]) for s in range(9))
