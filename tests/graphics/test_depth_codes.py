import numpy as np
import pytest

from bench.errors import DataError
from bench.graphics.depth_codes import DepthCode, fitted


def test_near_is_255_far_is_1_and_empty_is_0() -> None:
    depth = np.array([[[0.0], [1.0], [2.0], [3.0], [9.0], [11.0], [-1.0]]], np.float32)
    codes = DepthCode(2, 10).encode(depth)
    # 254·(1 − 1/8) + 1 = 223.25 and 254·(1 − 7/8) + 1 = 32.75
    np.testing.assert_array_equal(codes[0, :, 0], [0, 255, 255, 223, 33, 1, 0])
    assert codes.dtype == np.uint8 and codes.shape == depth.shape


def test_nearer_is_never_coded_lower() -> None:
    codes = DepthCode(0.5, 0.7).encode(np.linspace(0.01, 1, 5000)[:, None, None]).astype(int)
    assert (np.diff(codes[:, 0, 0]) <= 0).all()
    assert set(np.unique(codes)) == set(range(1, 256))


def test_the_code_is_fitted_to_percentiles_of_all_views_together() -> None:
    rng = np.random.default_rng(0)
    depths = [rng.lognormal(i, 0.3, (40, 50, 1)).astype(np.float32) for i in range(3)]
    depths[1][:, :30] = 0
    known = np.concatenate([depth[depth > 0] for depth in depths])
    code = fitted(depths)
    np.testing.assert_allclose(
        [code.near, code.far],
        np.percentile(known, [5, 95], method="inverted_cdf"),
        rtol=5e-4,
    )
    assert fitted(reversed(depths)) == code


def test_views_of_one_depth_get_a_code_that_holds_it() -> None:
    code = fitted([np.full((3, 3, 1), 7.0)])
    assert code.near < 7.01 < code.far * 1.001
    assert (code.encode(np.full((3, 3, 1), 7.0)) > 0).all()


def test_depths_that_are_not_finite_count_as_unknown() -> None:
    code = fitted([np.array([[[np.nan], [np.inf], [2.0], [4.0]]])])
    np.testing.assert_allclose([code.near, code.far], [2, 4], rtol=5e-4)


def test_no_depth_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="no view shows a point"):
        fitted([np.zeros((4, 4, 1))])
    with pytest.raises(DataError, match="no view shows a point"):
        fitted([])


@pytest.mark.parametrize(("near", "far"), [(2, 2), (3, 2), (-1, 2), (1, np.inf), (np.nan, 1)])
def test_a_range_without_extent_is_refused(near: float, far: float) -> None:
    with pytest.raises(DataError, match="0 ≤ near < far"):
        DepthCode(near, far)
