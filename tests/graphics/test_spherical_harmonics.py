from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre, sph_harm_y

from bench.graphics import environments
from bench.graphics import spherical_harmonics as sh

Array = NDArray[np.floating[Any]]

AXIS_TABLE = {0: 1.0625, 60: 0.460938, 90: 0.09375, 120: -0.039063, 180: 0.0625}


def real_harmonic(degree: int, m: int, vectors: Array) -> Array:
    """The real orthonormal harmonic from scipy's complex one, without its Condon-Shortley sign."""
    polar, azimuth = np.arccos(vectors[:, 2]), np.arctan2(vectors[:, 1], vectors[:, 0])
    value = (-1) ** m * sph_harm_y(degree, abs(m), polar, azimuth)
    if m == 0:
        return value.real
    return np.sqrt(2) * (value.real if m > 0 else value.imag)


@pytest.mark.parametrize("degree", range(5))
def test_basis_equals_scipy(degree: int) -> None:
    vectors = sh.fibonacci_directions(200)
    basis = sh.basis(vectors, 4)
    for m in range(-degree, degree + 1):
        expected = real_harmonic(degree, m, vectors)
        np.testing.assert_allclose(basis[:, degree**2 + degree + m], expected, atol=1e-12)


def test_basis_equals_the_polynomials_and_constants_of_the_specification() -> None:
    x, y, z = vectors = np.array([0.48, -0.6, 0.64])
    k0, k1, k2, k3, k4 = 0.28209479177, 0.48860251190, 1.09254843059, 0.31539156525, 0.54627421529
    low = [k0, k1 * y, k1 * z, k1 * x]
    high = [k2 * x * y, k2 * y * z, k3 * (3 * z * z - 1), k2 * x * z, k4 * (x * x - y * y)]
    np.testing.assert_allclose(sh.basis(vectors, 2), low + high, atol=1e-10)


@pytest.mark.parametrize("order", range(5))
def test_a_lower_order_is_the_beginning_of_a_higher_one(order: int) -> None:
    vectors = sh.fibonacci_directions(10).reshape(2, 5, 3)
    lower = sh.basis(vectors, order)
    assert lower.shape == (2, 5, (order + 1) ** 2)
    np.testing.assert_array_equal(lower, sh.basis(vectors, 4)[..., : lower.shape[-1]])


def test_clamped_cosine_equals_gauss_quadrature() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(20)
    u, weights = (nodes + 1) / 2, weights / 2
    by_quadrature = [2 * np.pi * weights @ (u * eval_legendre(degree, u)) for degree in range(5)]
    np.testing.assert_allclose(sh.CLAMPED_COSINE, by_quadrature, atol=1e-14)
    np.testing.assert_allclose(sh.CLAMPED_COSINE[::2], [3.141593, 0.785398, -0.130900], atol=1e-6)


def test_irradiance_equals_the_quadratic_form_of_ramamoorthi_and_hanrahan() -> None:
    light = np.random.default_rng(1).normal(size=9)
    l00, l1m1, l10, l11, l2m2, l2m1, l20, l21, l22 = light
    c1, c2, c3, c4, c5 = 0.429043, 0.511664, 0.743125, 0.886227, 0.247708
    matrix = np.array(
        [
            [c1 * l22, c1 * l2m2, c1 * l21, c2 * l11],
            [c1 * l2m2, -c1 * l22, c1 * l2m1, c2 * l1m1],
            [c1 * l21, c1 * l2m1, c3 * l20, c2 * l10],
            [c2 * l11, c2 * l1m1, c2 * l10, c4 * l00 - c5 * l20],
        ]
    )
    normals = sh.fibonacci_directions(50)
    homogeneous = np.concatenate([normals, np.ones((50, 1))], axis=1)
    expected = np.einsum("ni,ij,nj->n", homogeneous, matrix, homogeneous)
    irradiance = sh.evaluate(sh.irradiance_coefficients(light[:, None]), normals)[:, 0]
    np.testing.assert_allclose(irradiance, expected, atol=5e-6)


@pytest.mark.parametrize("degrees", AXIS_TABLE)
def test_order_2_irradiance_of_a_directional_light_takes_the_tabulated_values(
    degrees: float,
) -> None:
    light = np.array([[0.36, 0.48, 0.8]])
    across = np.cross(light, [[0.0, 0.0, 1.0]])
    across /= np.linalg.norm(across)
    angle = np.radians(degrees)
    normal = np.cos(angle) * light + np.sin(angle) * across
    shading = sh.shade(normal, sh.basis(light, 2).T)
    assert np.pi * shading[0, 0] == pytest.approx(AXIS_TABLE[degrees], abs=1e-6)


def test_order_2_error_of_a_directional_light_is_as_published() -> None:
    normals = sh.fibonacci_directions(20000)
    light = np.array([[0.0, 0.6, 0.8]])
    error = np.pi * sh.shade(normals, sh.basis(light, 2).T) - np.maximum(normals @ light.T, 0)
    assert np.abs(error).max() == pytest.approx(0.09375, abs=1e-4)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(0.03608, abs=1e-4)


@pytest.mark.parametrize("order", range(5))
def test_rotation_moves_a_direction_and_is_orthogonal(order: int) -> None:
    rotation = Rotation.random(random_state=order).as_matrix()
    matrix = sh.rotation_matrix(rotation, order)
    vectors = sh.fibonacci_directions(30)
    moved = sh.basis(vectors @ rotation.T, order)
    np.testing.assert_allclose(sh.basis(vectors, order) @ matrix.T, moved, atol=1e-13)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye((order + 1) ** 2), atol=1e-13)


def test_rotated_coefficients_are_those_of_the_rotated_function() -> None:
    rotation = Rotation.random(random_state=7).as_matrix()
    coefficients = np.random.default_rng(2).normal(size=(25, 3))
    vectors = sh.fibonacci_directions(40)
    rotated = sh.evaluate(sh.rotation_matrix(rotation, 4) @ coefficients, vectors)
    expected = sh.evaluate(coefficients, vectors @ rotation)  # f(Rᵀ ω)
    np.testing.assert_allclose(rotated, expected, atol=1e-12)


def test_projection_recovers_a_band_limited_environment() -> None:
    coefficients = np.random.default_rng(3).normal(size=(25, 3))
    radiance = sh.evaluate(coefficients, environments.directions(128, 256))
    np.testing.assert_allclose(sh.project_environment(radiance, 4), coefficients, atol=2e-3)


def test_projection_of_a_constant_environment_has_irradiance_pi() -> None:
    light = sh.project_environment(np.ones((64, 128, 3)), 2)
    assert light[0] == pytest.approx(np.full(3, np.sqrt(4 * np.pi)), rel=1e-12)
    shading = sh.shade(sh.fibonacci_directions(20), light)
    np.testing.assert_allclose(shading, 1, atol=1e-3)


def test_shading_from_coefficients_agrees_with_the_direct_sum_over_the_environment() -> None:
    coefficients = np.random.default_rng(4).normal(size=(25, 3))
    radiance = sh.evaluate(coefficients, environments.directions(64, 128))
    normals = sh.fibonacci_directions(100)
    direct = environments.irradiance(radiance, normals) / np.pi
    projected = sh.shade(normals, sh.project_environment(radiance, 4))
    np.testing.assert_allclose(projected, direct, atol=3e-3)


def test_results_keep_single_precision() -> None:
    normals = sh.fibonacci_directions(5).astype(np.float32)
    assert sh.basis(normals, 4).dtype == np.float32
    assert sh.shade(normals, np.ones((9, 3))).dtype == np.float32
    assert sh.project_environment(np.ones((4, 8, 3), np.float32), 2).dtype == np.float32


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_torch_tensors_give_what_numpy_arrays_give(device: str) -> None:
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    normals, light = sh.fibonacci_directions(20), np.random.default_rng(5).normal(size=(16, 3))
    rotation = Rotation.random(random_state=3).as_matrix()
    radiance = np.random.default_rng(6).random((8, 16, 3))
    for function, arguments in (
        (sh.shade, (normals, light)),
        (sh.evaluate, (light, normals)),
        (sh.irradiance_coefficients, (light,)),
        (sh.rotation_matrix, (rotation, 3)),
        (sh.project_environment, (radiance, 3)),
    ):
        tensors = [
            torch.tensor(value, device=device) if isinstance(value, np.ndarray) else value
            for value in arguments
        ]
        result = function(*tensors)
        assert result.device.type == device
        np.testing.assert_allclose(result.cpu().numpy(), function(*arguments), atol=1e-13)


def test_gradients_flow_to_normals_and_light() -> None:
    torch = pytest.importorskip("torch")
    normals = torch.tensor(sh.fibonacci_directions(6), requires_grad=True)
    light = torch.tensor(np.random.default_rng(8).normal(size=(25, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(sh.shade, (normals, light))


@pytest.mark.parametrize("order", [-1, 5])
def test_an_order_beyond_4_is_refused(order: int) -> None:
    with pytest.raises(ValueError, match=f"0 to 4, not {order}"):
        sh.basis(np.eye(3), order)


def test_coefficients_that_fill_no_order_are_refused() -> None:
    with pytest.raises(ValueError, match="8 rows"):
        sh.shade(np.eye(3), np.ones((8, 3)))


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        sh.basis(np.ones((5, 2)), 1)
