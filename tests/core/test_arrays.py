"""`bench.score`: a user's own arrays, compared as a run would compare them."""

from typing import Any

import numpy as np
import pytest

import bench
from bench.errors import ConfigError, InvalidValueError


def arrays(size: int = 16) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(size, size, 3)).astype(np.float32)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    albedo = rng.uniform(0.2, 0.8, (size, size, 3)).astype(np.float32)
    return {"normal": normal, "albedo": albedo}


def test_a_users_own_arrays_are_scored() -> None:
    truth = arrays()
    found = bench.score(truth, truth | {"mask": np.ones((16, 16), np.float32)})
    assert found["normal.mae"] == pytest.approx(0, abs=0.1)
    assert found["albedo.psnr"] > 100
    assert "albedo.psnr/single" in found
    assert not any(name.startswith(("relit", "depth", "cost")) for name in found)


def test_arrays_are_scored_as_a_run_scores_them() -> None:
    truth = arrays()
    half = {"normal": truth["normal"], "albedo": truth["albedo"][::2, ::2]}
    assert bench.score(half, truth)["albedo.psnr"] < bench.score(truth, truth)["albedo.psnr"]


def test_a_mask_may_stand_among_the_inputs() -> None:
    truth, mask = arrays(), np.zeros((16, 16), np.float32)
    mask[4:12, 4:12] = 1
    wrong = truth | {"albedo": np.where(mask[..., None] > 0, truth["albedo"], 0)}
    inside = bench.score(wrong, truth | {"mask": mask})
    assert bench.score(wrong, truth, inputs={"mask": mask}) == inside
    assert bench.score(wrong, truth)["albedo.psnr"] < inside["albedo.psnr"]


@pytest.mark.parametrize(
    ("prediction", "kind"),
    [
        ({"normal": np.zeros((4, 4), np.float32)}, "shape"),
        ({"normal": np.full((4, 4, 3), np.nan, np.float32)}, "non-finite"),
        ({"normal": np.full((4, 4, 3), 2, np.float32)}, "range"),
        ({"light": np.zeros(3)}, "shape"),
    ],
)
def test_arrays_that_break_their_contract_are_refused(
    prediction: dict[str, Any], kind: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        bench.score(prediction, {})
    assert caught.value.kind == kind


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'neutrl'; did you mean 'neutral'"):
        bench.score({}, {}, protocol="neutrl")


def test_what_the_package_does_not_offer_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = bench.scores
