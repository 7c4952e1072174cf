"""Pictures of quantities, and the errors beside them."""

import numpy as np
import pytest

from bench.errors import InvalidValueError
from bench.graphics.colour import srgb_encode
from bench.protocol import Comparison
from bench.tables import pictures

MASK = np.zeros((8, 8, 1), np.float32)
MASK[2:6, 2:6] = 1


def test_colour_is_srgb_encoded_and_clipped() -> None:
    linear = np.array([[[0.0, 0.5, 2.0]]])
    expected = np.rint(255 * srgb_encode(np.array([0.0, 0.5, 1.0])))
    assert pictures.of_colour(linear)[0, 0].tolist() == expected.tolist()


def test_normals_map_from_minus_one_to_one_and_unknown_is_black() -> None:
    normals = np.array([[[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    assert pictures.of_normals(normals)[0].tolist() == [[128, 128, 255], [0, 128, 128], [0, 0, 0]]


def test_an_environment_at_its_mean_is_shown_as_a_half() -> None:
    radiance = np.full((4, 8, 3), 7.0)
    expected = round(255 * float(srgb_encode(np.array(0.5))))
    assert (pictures.of_environment(radiance) == expected).all()
    assert (pictures.of_environment(np.zeros((4, 8, 3))) == 0).all()


def test_the_albedo_is_shown_after_the_scale_of_the_comparison() -> None:
    rng = np.random.default_rng(1)
    target = rng.uniform(0.1, 0.9, (8, 8, 3))
    factors = np.array([0.5, 2.0, 3.0])
    compared = pictures.compare(target / factors, target, MASK, Comparison(scale="channel"))
    np.testing.assert_allclose(compared.gain.scale, factors)
    np.testing.assert_allclose(compared.aligned, target)
    assert compared.error.max() < 1e-12


def test_the_error_is_that_of_the_comparison_space_inside_its_mask() -> None:
    target, prediction = np.full((8, 8, 3), 0.25), np.full((8, 8, 3), 0.5)
    compared = pictures.compare(prediction, target, MASK, Comparison(space="srgb", clip=(0, 1)))
    expected = srgb_encode(np.array(0.5)) - srgb_encode(np.array(0.25))
    np.testing.assert_allclose(compared.error, expected)
    np.testing.assert_array_equal(compared.inside, MASK[..., 0] > 0.5)


def test_the_scale_ignores_what_lies_outside_the_mask() -> None:
    target = np.ones((8, 8, 3))
    prediction = np.where(MASK > 0, 0.5, 100.0) * target
    compared = pictures.compare(prediction, target, MASK, Comparison(scale="scalar"))
    np.testing.assert_allclose(compared.gain.scale, 2.0)


def test_a_prediction_of_another_size_is_resized_to_the_target() -> None:
    compared = pictures.compare(np.ones((4, 4, 3)), np.ones((8, 8, 3)), MASK, Comparison())
    assert compared.aligned.shape == (8, 8, 3)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        pictures.compare(np.ones((4, 4, 3)), np.ones((4, 4, 3)), MASK, Comparison())


def test_the_error_of_normals_is_their_angle_where_both_are_known() -> None:
    target = np.zeros((8, 8, 3))
    target[..., 2] = 1
    prediction = np.zeros((8, 8, 3))
    prediction[..., 0] = prediction[..., 2] = np.sqrt(0.5)
    prediction[3, 3] = 0
    compared = pictures.compare_normals(prediction, target, MASK, Comparison())
    assert not compared.inside[3, 3] and not compared.inside[0, 0]
    np.testing.assert_allclose(compared.error[compared.inside], 45)


def test_error_maps_grow_brighter_and_are_grey_where_nothing_is_compared() -> None:
    error = np.array([[0.0, 0.15, 0.3, 9.0, 0.0]])
    inside = np.array([[True, True, True, True, False]])
    shown = pictures.of_error(error, inside, 0.3)[0].astype(int)
    brightness = shown.sum(axis=-1)
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]
    assert shown[4].tolist() == [128, 128, 128]


def test_tiles_keep_their_shape_and_their_mean() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (200, 400, 3)).astype(np.uint8)
    tile = pictures.tile(picture)
    assert tile.shape == (64, 128, 3)
    assert abs(float(tile.mean()) - float(picture.mean())) < 1


def test_small_pictures_are_enlarged_without_blur() -> None:
    picture = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert set(np.unique(pictures.tile(picture))) == {0, 255}


def test_the_background_of_masked_pictures_is_black() -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    shown = pictures.outside_black(white, MASK)
    assert shown[0, 0].tolist() == [0, 0, 0] and shown[3, 3].tolist() == [255, 255, 255]
