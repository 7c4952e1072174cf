from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bench.graphics import cameras, environments
from bench.graphics import spherical_harmonics as sh
from bench.quantities import Camera, Environment

Array = NDArray[np.floating[Any]]


@pytest.fixture
def smooth() -> Array:
    """A band-limited environment 64×128×3."""
    coefficients = np.random.default_rng(0).normal(size=(16, 3))
    return sh.evaluate(coefficients, environments.directions(64, 128))


def total(radiance: Array) -> Array:
    return (radiance * environments.solid_angles(*radiance.shape[:2])[..., None]).sum((0, 1))


@pytest.mark.parametrize(
    ("u", "v", "direction"),
    [
        (0.5, 0.5, (0, 0, -1)),
        (0.75, 0.5, (1, 0, 0)),
        (0.25, 0.5, (-1, 0, 0)),
        (0.999, 0.5, (0, 0, 1)),
        (0.5, 0.001, (0, 1, 0)),
        (0.5, 0.999, (0, -1, 0)),
    ],
)
def test_pixels_look_where_the_convention_says(
    u: float, v: float, direction: tuple[int, ...]
) -> None:
    vectors = environments.directions(200, 400)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1)
    np.testing.assert_allclose(vectors[int(v * 200), int(u * 400)], direction, atol=0.02)


def test_solid_angles_cover_the_sphere_and_match_sin_theta() -> None:
    rows = environments.solid_angles(64, 128)
    assert rows.shape == (64, 1)
    assert 128 * rows.sum() == pytest.approx(4 * np.pi)
    theta = np.pi * (np.arange(64) + 0.5) / 64
    np.testing.assert_allclose(rows[:, 0], np.sin(theta) * (np.pi / 64) ** 2, rtol=2e-4)


def test_lookup_at_pixel_centres_returns_the_pixels() -> None:
    radiance = np.random.default_rng(1).random((8, 16, 3))
    found = environments.lookup(radiance, 2.5 * environments.directions(8, 16))
    np.testing.assert_allclose(found, radiance, atol=1e-12)


def test_lookup_is_bilinear_and_wraps_in_azimuth() -> None:
    radiance = np.random.default_rng(2).random((8, 16, 3))
    grid = environments.directions(16, 32)[1:-1]  # at quarters between the centres of 8×16
    found = environments.lookup(radiance, grid)
    wrapped = np.concatenate([radiance[:, -1:], radiance, radiance[:, :1]], axis=1)
    for row, column in [(0, 0), (5, 31), (13, 12), (6, 15)]:
        y, x = (row + 1.5) / 2 - 0.5, (column + 0.5) / 2 + 0.5
        top, left = int(y), int(x)
        b, a = y - top, x - left
        expected = (1 - b) * ((1 - a) * wrapped[top, left] + a * wrapped[top, left + 1]) + b * (
            (1 - a) * wrapped[top + 1, left] + a * wrapped[top + 1, left + 1]
        )
        np.testing.assert_allclose(found[row, column], expected, atol=1e-12)


def test_lookup_holds_the_rows_at_the_poles() -> None:
    radiance = np.arange(8.0)[:, None, None] * np.ones((8, 16, 3))
    poles = environments.lookup(radiance, np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]))
    np.testing.assert_allclose(poles, [[0, 0, 0], [7, 7, 7]])


def test_a_quarter_turn_about_up_moves_the_columns_by_a_quarter() -> None:
    radiance = np.random.default_rng(3).random((8, 16, 3))
    # A turn about +y takes +z to +x, so it takes the column of −z to that of −x: to the left.
    rotation = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    rotated = environments.rotate(radiance, rotation)
    np.testing.assert_allclose(rotated, np.roll(radiance, -4, axis=1), atol=1e-12)


def test_rotation_of_an_environment_agrees_with_rotation_of_its_coefficients(smooth: Array) -> None:
    rotation = Rotation.random(random_state=1).as_matrix()
    rotated = sh.project_environment(environments.rotate(smooth, rotation), 3)
    expected = sh.rotation_matrix(rotation, 3) @ sh.project_environment(smooth, 3)
    np.testing.assert_allclose(rotated, expected, atol=0.02)


def test_turning_light_and_normals_together_changes_no_irradiance(smooth: Array) -> None:
    rotation = Rotation.random(random_state=2).as_matrix()
    normals = sh.fibonacci_directions(50)
    turned = environments.irradiance(environments.rotate(smooth, rotation), normals @ rotation.T)
    np.testing.assert_allclose(turned, environments.irradiance(smooth, normals), atol=0.02)


def test_to_frame_gives_the_camera_what_it_sees() -> None:
    pose = cameras.look_at((3, 1, 2), (0, 0.5, 0))
    camera = Camera(cameras.intrinsics_from_fov(30, 8, 8), pose, 8, 8)
    radiance = np.zeros((64, 128, 3))
    radiance[20, 100] = 1
    world = Environment(radiance, "world")
    light = environments.directions(64, 128)[20, 100]
    seen = environments.to_frame(world, "camera", camera)
    assert seen.frame == "camera"
    brightest = np.unravel_index(seen.radiance[..., 0].argmax(), (64, 128))
    direction = environments.directions(64, 128)[brightest]
    expected = light @ cameras.camera_rotation(camera)
    assert np.degrees(np.arccos(direction @ expected)) < 3
    back = environments.to_frame(seen, "world", camera).radiance
    assert np.unravel_index(back[..., 0].argmax(), (64, 128)) == pytest.approx((20, 100), abs=1)


def test_to_frame_leaves_an_environment_already_there() -> None:
    environment = Environment(np.ones((4, 8, 3)), "camera")
    camera = Camera(np.eye(3), np.eye(4), 4, 4)
    assert environments.to_frame(environment, "camera", camera) is environment


def test_resampling_down_is_the_mean_over_solid_angle() -> None:
    radiance = np.random.default_rng(4).random((12, 24, 3))
    weights = environments.solid_angles(12, 24)[..., None] * np.ones((1, 24, 1))
    small = environments.resample(radiance, 4, 8)
    for row in range(4):
        for column in range(8):
            block = np.s_[3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            expected = (radiance[block] * weights[block]).sum((0, 1)) / weights[block].sum()
            np.testing.assert_allclose(small[row, column], expected, atol=1e-12)


@pytest.mark.parametrize("size", [(5, 7), (12, 24), (31, 50)])
def test_resampling_to_any_size_keeps_the_light(size: tuple[int, int]) -> None:
    radiance = np.random.default_rng(5).random((12, 24, 3))
    np.testing.assert_allclose(total(environments.resample(radiance, *size)), total(radiance))


def test_resampling_to_the_same_size_changes_nothing() -> None:
    radiance = np.random.default_rng(6).random((6, 12, 3)).astype(np.float32)
    same = environments.resample(radiance, 6, 12)
    np.testing.assert_allclose(same, radiance, rtol=1e-6)
    assert same.dtype == np.float32


def test_a_constant_environment_has_irradiance_pi() -> None:
    irradiance = environments.irradiance(np.ones((64, 128, 3)), sh.fibonacci_directions(30))
    np.testing.assert_allclose(irradiance, np.pi, atol=2e-3)


def test_a_hemispherical_sky_gives_half_of_one_plus_cosine() -> None:
    up = np.array([0.0, 1.0, 0.0])
    sky = (environments.directions(64, 128) @ up > 0).astype(float)[..., None] * np.ones(3)
    normals = sh.fibonacci_directions(30)
    expected = np.pi * (1 + normals @ up)[:, None] / 2 * np.ones(3)
    np.testing.assert_allclose(environments.irradiance(sky, normals), expected, atol=3e-3)


def test_irradiance_in_chunks_equals_the_plain_sum_over_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    radiance = np.random.default_rng(7).random((6, 12, 3))
    normals = sh.fibonacci_directions(20).reshape(4, 5, 3)
    monkeypatch.setattr(environments, "CHUNK_BYTES", 3 * 72 * 8)
    irradiance = environments.irradiance(radiance, normals)
    vectors, angles = environments.directions(6, 12), environments.solid_angles(6, 12)
    for index in np.ndindex(4, 5):
        expected = np.zeros(3)
        for row, column in np.ndindex(6, 12):
            cosine = max(float(normals[index] @ vectors[row, column]), 0)
            expected += cosine * angles[row, 0] * radiance[row, column]
        np.testing.assert_allclose(irradiance[index], expected, rtol=1e-12)


def test_unknown_normals_receive_no_irradiance() -> None:
    assert not environments.irradiance(np.ones((4, 8, 3)), np.zeros((2, 3))).any()


def test_the_azimuth_is_mitsubas_after_half_a_turn_about_up() -> None:
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    vectors = environments.directions(8, 16)
    half_turn = mitsuba.ScalarTransform4f().rotate([0, 1, 0], 180)
    interaction = mitsuba.SurfaceInteraction3f()
    for pixel in [(1, 3), (3, 12), (4, 0), (6, 9)]:
        radiance = np.zeros((8, 16, 3), np.float32)
        radiance[pixel] = 1
        emitter = mitsuba.load_dict(
            {"type": "envmap", "bitmap": mitsuba.Bitmap(radiance), "to_world": half_turn}
        )
        seen = np.zeros((8, 16))
        for index in np.ndindex(8, 16):
            interaction.wi = mitsuba.Vector3f(*-vectors[index])
            seen[index] = np.array(emitter.eval(interaction))[0]
        assert np.unravel_index(seen.argmax(), seen.shape) == pixel
