"""Fitting inverse spherical harmonics: specs/inverse_shading.md §1.2, §3.1, §5, tests 2, 5."""

import numpy as np
import pytest
import scipy.optimize
import torch
from numpy.typing import NDArray

from bench.graphics.spherical_harmonics import basis, fibonacci_directions
from bench.methods.inverse_shading.lights import light_from_shading
from bench.methods.inverse_shading.reciprocal import (
    fit_reciprocal,
    is_positive,
    positive,
    regular_from_reciprocal,
    sphere_rows,
)

Floats = NDArray[np.float64]


def direction(polar: float, azimuth: float) -> Floats:
    t, p = np.radians(polar), np.radians(azimuth)
    return np.array([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)])


def peak_one(shading: Floats) -> Floats:
    return np.asarray(shading / shading.max())


def sky_and_sun(n: Floats) -> Floats:
    sun = np.array([np.sin(np.radians(70)), np.cos(np.radians(70)), 0])
    return peak_one(0.25 + 0.35 * (1 + n[:, 1]) / 2 + 0.55 * np.maximum(n @ sun, 0))


def key_and_rim(n: Floats) -> Floats:
    key = 0.75 * np.maximum(n @ direction(37, 40), 0)
    rim = 0.83 * np.maximum(n @ direction(127, 276), 0)
    return peak_one(0.25 + 0.30 * (1 - n[:, 2]) / 2 + key + rim)


def directional(n: Floats, ambient: float) -> Floats:
    return ambient + (1 - ambient) * np.maximum(n @ np.array([0.0, 0.6, 0.8]), 0)


SPHERE = fibonacci_directions(10_000)
HALF = fibonacci_directions(20_000)[:10_000]

CASES = {
    "A sphere": (SPHERE, sky_and_sun(SPHERE)),
    "A half": (HALF, sky_and_sun(HALF)),
    "B sphere": (SPHERE, key_and_rim(SPHERE)),
    "B half": (HALF, key_and_rim(HALF)),
    "ambient 0.1": (SPHERE, directional(SPHERE, 0.1)),
    "ambient 0.3": (SPHERE, directional(SPHERE, 0.3)),
    "ambient 0.5": (SPHERE, directional(SPHERE, 0.5)),
}

# (maximum, RMS) of regular, unit, lin and gn
TABLE = {
    "A sphere": [(0.0488, 0.0188), (0.1997, 0.0467), (0.1092, 0.0400), (0.0924, 0.0386)],
    "A half": [(0.0536, 0.0182), (0.1394, 0.0420), (0.1215, 0.0371), (0.1009, 0.0357)],
    "B sphere": [(0.1088, 0.0256), (0.3130, 0.0680), (0.2183, 0.0636), (0.1842, 0.0596)],
    "B half": [(0.1234, 0.0286), (0.2834, 0.0601), (0.2176, 0.0587), (0.1867, 0.0550)],
    "ambient 0.1": [(0.0843, 0.0325), (0.1606, 0.0575), (0.1272, 0.0460), (0.0937, 0.0383)],
    "ambient 0.3": [(0.0656, 0.0253), (0.2905, 0.0627), (0.1223, 0.0512), (0.1030, 0.0480)],
    "ambient 0.5": [(0.0469, 0.0180), (0.1333, 0.0338), (0.0808, 0.0315), (0.0789, 0.0312)],
}


def errors(fitted: Floats, shading: Floats) -> tuple[float, float]:
    difference = fitted - shading
    return float(np.abs(difference).max()), float(np.sqrt((difference**2).mean()))


@pytest.mark.parametrize("case", TABLE)
def test_the_table_of_fits_comes_out(case: str) -> None:
    (normals, shading), (regular, *inverse) = CASES[case], TABLE[case]
    design = basis(normals, 2)
    light = np.linalg.lstsq(design, shading)[0]
    assert errors(design @ light, shading) == pytest.approx(regular, abs=0.001)
    rows, target = torch.from_numpy(design), torch.from_numpy(shading)
    for objective, expected, tolerance in zip(
        ("unit", "lin", "gn"), inverse, (0.001, 0.001, 0.01), strict=True
    ):
        reciprocal = design @ fit_reciprocal(rows, target, objective).numpy()
        assert errors(1 / reciprocal, shading) == pytest.approx(expected, abs=tolerance), objective


def test_without_ambient_light_the_fits_are_as_listed() -> None:
    shading = directional(SPHERE, 0.0)
    design = basis(SPHERE, 2)
    light = np.linalg.lstsq(design, shading)[0]
    assert errors(design @ light, shading) == pytest.approx((0.0937, 0.0361), abs=0.001)
    rows, target = torch.from_numpy(design), torch.from_numpy(shading)
    for objective, expected in (("unit", (0.1998, 0.0700)), ("lin", (0.1905, 0.0897))):
        reciprocal = design @ fit_reciprocal(rows, target, objective).numpy()
        assert errors(1 / reciprocal, shading) == pytest.approx(expected, abs=0.001)


COEFFICIENTS = {
    ("A", "regular"): "1.88727 .52119 0 .50057 .14356 0 -.12895 0 .17109",
    ("A", "unit"): "7.73121 -2.28204 0 -1.67569 .27095 0 -.01230 0 -.67118",
    ("A", "lin"): "7.50795 -1.99722 0 -1.75501 .28488 0 -.05008 0 -.36415",
    ("B", "regular"): "2.99868 -.35683 -.58234 .43477 .06378 .50943 .36520 .16191 -.19076",
    ("B", "unit"): "4.34208 .68152 1.26142 -1.23488 -.13898 -.91732 -.87024 -.19629 .58278",
}


@pytest.mark.parametrize(("environment", "objective"), COEFFICIENTS)
def test_the_coefficients_are_those_listed(environment: str, objective: str) -> None:
    normals = SPHERE if environment == "A" else HALF
    shading = sky_and_sun(normals) if environment == "A" else key_and_rim(normals)
    rows, target = torch.from_numpy(basis(normals, 2)), torch.from_numpy(shading)
    if objective == "regular":
        found = torch.linalg.lstsq(rows, target[:, None]).solution[:, 0]
    else:
        found = fit_reciprocal(rows, target, objective)
    expected = [float(number) for number in COEFFICIENTS[environment, objective].split()]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_order_three_inverse_matches_order_two_regular() -> None:
    shading = sky_and_sun(SPHERE)
    rows, target = torch.from_numpy(basis(SPHERE, 3)), torch.from_numpy(shading)
    for objective, expected in (("unit", (0.0507, 0.0188)), ("lin", (0.0642, 0.0176))):
        fitted = 1 / (rows @ fit_reciprocal(rows, target, objective)).numpy()
        assert errors(fitted, shading) == pytest.approx(expected, abs=0.001)


def test_order_one_costs_what_is_listed() -> None:
    shading = sky_and_sun(SPHERE)
    rows, target = torch.from_numpy(basis(SPHERE, 1)), torch.from_numpy(shading)
    regular = torch.linalg.lstsq(rows, target[:, None]).solution[:, 0]
    assert errors((rows @ regular).numpy(), shading) == pytest.approx((0.130, 0.075), abs=0.001)
    inverse = fit_reciprocal(rows, target, "lin")
    assert errors(1 / (rows @ inverse).numpy(), shading) == pytest.approx((0.177, 0.061), abs=0.001)


def test_the_plain_reciprocal_fit_is_worse_than_the_relative_one() -> None:
    shading = directional(SPHERE, 0.1)
    rows, target = torch.from_numpy(basis(SPHERE, 2)), torch.from_numpy(shading)
    relative = [
        float((target * (rows @ fit_reciprocal(rows, target, objective)) - 1).square().mean())
        for objective in ("recip", "unit")
    ]
    assert relative[1] < relative[0]


def test_a_directional_light_has_the_listed_shading() -> None:
    light = np.array([0.0, 0.6, 0.8])
    across = np.array([0.0, 0.8, -0.6])
    angles = np.radians([0, 60, 90, 120, 180])
    normals = np.cos(angles)[:, None] * light + np.sin(angles)[:, None] * across
    shading = np.maximum(SPHERE @ light, 0)[:, None] / np.pi
    coefficients = torch.from_numpy(np.linalg.lstsq(basis(SPHERE, 2), shading)[0])
    np.testing.assert_allclose(light_from_shading(coefficients)[:, 0], basis(light, 2), atol=1e-3)
    found = np.pi * basis(normals, 2) @ coefficients.numpy()[:, 0]
    np.testing.assert_allclose(found, [1.0625, 0.460938, 0.09375, -0.039063, 0.0625], atol=1e-3)


def test_regular_light_comes_back_from_the_reciprocal() -> None:
    coefficients = torch.tensor([[3.0], [0.3], [-0.2], [0.25]], dtype=torch.float64)
    shading = torch.from_numpy(basis(SPHERE, 1)) @ coefficients
    inverse = fit_reciprocal(torch.from_numpy(basis(SPHERE, 3)), shading[:, 0], "unit")
    back = regular_from_reciprocal(inverse[:, None])
    np.testing.assert_allclose(back[:4], coefficients, atol=2e-3)
    assert float(back[4:].abs().max()) < 5e-3


def lit_from_the_side() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normal equations K×K and K of the relative fit on visible normals, and its rows."""
    visible = SPHERE[SPHERE[:, 2] > 0.15]
    shading = 0.2 + 0.5 * np.maximum(visible @ np.array([0.1, -0.4, -0.9]), 0)
    shading += 0.7 * np.maximum(visible @ np.array([-0.8, 0.3, 0.6]), 0)
    rows = torch.from_numpy(shading[:, None] * basis(visible, 2))
    return rows.T @ rows, rows.sum(0), rows


def test_positivity_on_the_sphere_costs_little_on_visible_normals() -> None:
    matrix, vector, rows = lit_from_the_side()
    everywhere = sphere_rows(2, matrix)
    free = torch.linalg.solve(matrix, vector)
    lifted = positive(matrix, vector, everywhere)
    assert float((everywhere @ free).min()) < -0.6
    assert is_positive(lifted, everywhere, 0.0)
    before, after = (float((rows @ x - 1).square().mean().sqrt()) for x in (free, lifted))
    assert after < 1.01 * before


def test_positivity_is_the_constrained_minimum() -> None:
    matrix, vector, _ = lit_from_the_side()
    everywhere = sphere_rows(2, matrix)
    found = positive(matrix, vector, everywhere)
    floor = 0.05 * (everywhere @ torch.linalg.solve(matrix, vector)).abs().mean()
    system, target, design = matrix.numpy(), vector.numpy(), everywhere.numpy()
    oracle = scipy.optimize.minimize(
        lambda x: 0.5 * x @ system @ x - target @ x,
        found.numpy() + 0.1,
        jac=lambda x: system @ x - target,
        constraints={"type": "ineq", "fun": lambda x: design @ x - float(floor)},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    np.testing.assert_allclose(found, oracle.x, atol=1e-3)
    assert float((everywhere @ found).min()) == pytest.approx(float(floor), rel=1e-6)


def test_a_positive_solution_is_left_alone() -> None:
    matrix = torch.diag(torch.tensor([4.0, 1.0, 2.0, 3.0], dtype=torch.float64))
    vector = torch.tensor([4.0, 0.1, 0.1, 0.1], dtype=torch.float64)
    found = positive(matrix, vector, sphere_rows(1, matrix))
    torch.testing.assert_close(found, vector / matrix.diagonal())
