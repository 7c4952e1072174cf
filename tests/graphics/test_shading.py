from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.graphics import environments, shading
from bench.graphics import spherical_harmonics as sh

Array = NDArray[np.floating[Any]]

VIEW = np.array([0.0, 0.0, 1.0])


@pytest.fixture
def smooth() -> Array:
    """A positive band-limited environment 64×128×3."""
    coefficients = np.random.default_rng(0).normal(size=(9, 3))
    radiance = sh.evaluate(coefficients, environments.directions(64, 128))
    return radiance - radiance.min() + 0.1


def visible_normals(count: int) -> Array:
    vectors = sh.fibonacci_directions(2 * count)
    return vectors[vectors[:, 2] > 0.2]


def roughconductor(alpha: float) -> tuple[Any, Any]:
    """Mitsuba's GGX conductor that reflects everything, so that F = 1."""
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    description = {"type": "roughconductor", "material": "none", "alpha": alpha}
    return mitsuba, mitsuba.load_dict(description | {"distribution": "ggx"})


def frame_about(normal: Array) -> Array:
    """Rows: two tangents and the normal."""
    tangent = np.cross(normal, [0.0, 1.0, 0.0] if abs(normal[1]) < 0.9 else [1.0, 0.0, 0.0])
    tangent /= np.linalg.norm(tangent)
    return np.stack([tangent, np.cross(normal, tangent), normal])


def one_light(row: int, column: int) -> tuple[Array, Array]:
    """An environment 32×64 whose one bright pixel has L dω = 1, and that pixel's direction."""
    radiance = np.zeros((32, 64, 3))
    radiance[row, column] = 1 / environments.solid_angles(32, 64)[row]
    return radiance, environments.directions(32, 64)[row, column]


def test_lambertian_shading_is_irradiance_over_pi(smooth: Array) -> None:
    normals = sh.fibonacci_directions(20)
    expected = environments.irradiance(smooth, normals) / np.pi
    np.testing.assert_allclose(shading.lambertian(normals, smooth), expected)
    white = shading.lambertian(normals, np.ones((64, 128, 3)))
    np.testing.assert_allclose(white, 1, atol=1e-3)


@pytest.mark.parametrize("roughness", [0.3, 0.6, 1.0])
def test_microfacet_under_one_light_equals_mitsubas_conductor(roughness: float) -> None:
    mitsuba, conductor = roughconductor(roughness**2)
    context, interaction = mitsuba.BSDFContext(), mitsuba.SurfaceInteraction3f()
    normals = visible_normals(40)
    radiance, light = one_light(9, 60)
    found = shading.microfacet(
        normals, VIEW, np.full((len(normals), 1), roughness), np.ones((len(normals), 1)), radiance
    )
    assert (normals @ light > 0).sum() > 10
    for normal, value in zip(normals, found, strict=True):
        frame = frame_about(normal)
        interaction.wi = mitsuba.Vector3f(*(frame @ VIEW))
        toward_light = mitsuba.Vector3f(*(frame @ light))
        expected = np.array(conductor.eval(context, interaction, toward_light))
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("roughness", [0.5, 0.8])
def test_microfacet_under_an_environment_equals_sampling_mitsubas_conductor(
    roughness: float, smooth: Array
) -> None:
    mitsuba, conductor = roughconductor(roughness**2)
    context, interaction = mitsuba.BSDFContext(), mitsuba.SurfaceInteraction3f()
    normal = np.array([0.48, 0.36, 0.8])
    frame = frame_about(normal)
    interaction.wi = mitsuba.Vector3f(*(frame @ VIEW))
    outgoing, weights = [], []
    for u, v in (np.indices((50, 50)).reshape(2, -1).T + 0.5) / 50:
        sample, weight = conductor.sample(context, interaction, 0.5, mitsuba.Point2f(u, v))
        outgoing.append(np.array(sample.wo))
        weights.append(np.array(weight))
    reflected = np.array(weights) * environments.lookup(smooth, np.array(outgoing) @ frame)
    one = np.ones((1, 1))
    found = shading.microfacet(normal[None], VIEW, roughness * one, one, smooth)[0]
    np.testing.assert_allclose(found, reflected.mean(axis=0), rtol=0.01)


def test_fresnel_is_schlicks() -> None:
    radiance, light = one_light(14, 30)
    half = (light + VIEW) / np.linalg.norm(light + VIEW)
    rough, f0 = np.array([[0.7]]), np.array([[0.04, 0.3, 1.0]])
    mirror = shading.microfacet(half[None], VIEW, rough, np.ones((1, 1)), radiance)
    found = shading.microfacet(half[None], VIEW, rough, f0, radiance)
    schlick = f0 + (1 - f0) * (1 - half @ VIEW) ** 5
    assert 0.1 < (1 - half @ VIEW) ** 5 < 0.9
    np.testing.assert_allclose(found / mirror, schlick, rtol=1e-10)


def test_a_conductor_never_reflects_more_than_it_receives() -> None:
    normals = visible_normals(20)
    rough, f0 = np.linspace(0.35, 1, len(normals))[:, None], np.ones((len(normals), 1))
    white = shading.microfacet(normals, VIEW, rough, f0, np.ones((64, 128, 3)))
    assert white.max() < 1.005
    assert white.min() > 0.4


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, smooth: Array) -> None:
    normals = visible_normals(30).astype(np.float32)
    rough, f0 = np.full((len(normals), 1), 0.6), np.full((len(normals), 3), 0.2)
    whole = shading.microfacet(normals, VIEW, rough, f0, smooth)
    monkeypatch.setattr(shading, "CHUNK_BYTES", 8 * 7 * 64 * 128 * 4)
    chunked = shading.microfacet(normals, VIEW, rough, f0, smooth)
    np.testing.assert_allclose(chunked, whole, rtol=1e-5)
    assert whole.dtype == np.float32


def test_unknown_and_averted_normals_reflect_nothing(smooth: Array) -> None:
    normals = np.array([[0.0, 0, 0], [0.6, 0, -0.8]])
    half = np.full((2, 1), 0.5)
    assert not shading.microfacet(normals, VIEW, half, half, smooth).any()


@pytest.mark.parametrize("roughness", [0.0, 1.5, np.nan])
def test_roughness_outside_its_range_is_refused(roughness: float, smooth: Array) -> None:
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="roughness"):
        shading.microfacet(VIEW[None], VIEW, roughness * one, one, smooth)
