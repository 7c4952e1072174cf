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


def batch(count: int = 3) -> tuple[dict[str, Any], dict[str, Any]]:
    """Predictions and targets of a few items of 24² pixels, the mask of the last one empty."""
    rng = np.random.default_rng(5)
    image = rng.uniform(0.1, 0.9, (count, 24, 24, 3)).astype(np.float32)
    normal = image / np.linalg.norm(image, axis=-1, keepdims=True)
    mask = np.ones((count, 24, 24), np.float32)
    mask[-1] = 0
    truth = {"albedo": image, "relit": image, "normal": normal, "mask": mask}
    noise = rng.normal(0, 0.05, image.shape).astype(np.float32)
    lit = (image + noise).clip(0)
    return {"albedo": image + noise, "relit": lit, "normal": normal}, truth


@pytest.mark.parametrize("tensors", [False, True])
def test_a_batch_has_the_values_of_its_items(tensors: bool) -> None:
    torch = pytest.importorskip("torch")
    prediction, target = batch()
    given = (prediction, target)
    if tensors:
        given = tuple({n: torch.from_numpy(a) for n, a in part.items()} for part in given)
    found = bench.score(*given)
    assert {"albedo.psnr/single", "relit.ssim", "relit.l1", "normal.mae"} <= found.keys()
    for index in range(3):
        one = ({n: a[index] for n, a in part.items()} for part in (prediction, target))
        expected = bench.score(*one)
        assert expected.keys() <= found.keys()
        assert (index == 2) == ("relit.psnr" not in expected)
        for name, values in found.items():
            assert isinstance(values, torch.Tensor if tensors else np.ndarray)
            wanted = expected.get(name, np.nan)
            assert float(values[index]) == pytest.approx(wanted, nan_ok=True), name


def test_what_is_no_array_comes_as_a_list_of_one_for_each_item() -> None:
    points = [{"id": k, "x": 0.2 + 0.6 * k, "y": 0.5, "opaque": True} for k in (0, 1)]
    says = {"point1": 0, "point2": 1, "darker_score": 1.0}
    judged = [
        {"intrinsic_points": points, "intrinsic_comparisons": [says | {"darker": darker}]}
        for darker in ("1", "2")
    ]
    albedo = np.full((2, 8, 8, 3), 0.2, np.float32)
    albedo[:, :, 4:] = 0.8
    found = bench.score({"albedo": albedo}, {"judgements": judged}, protocol="iiw")
    assert found["albedo.whdr"].tolist() == [0, 1]
    one = bench.score({"albedo": albedo[0]}, {"judgements": judged[0]}, protocol="iiw")
    assert one["albedo.whdr"] == 0


def test_a_prediction_of_another_size_is_resized_also_in_a_batch() -> None:
    prediction, target = batch()
    halves = {"albedo": prediction["albedo"][:, ::2, ::2]}
    found = bench.score(halves, target)["albedo.psnr"]
    one = bench.score({"albedo": halves["albedo"][0]}, {n: a[0] for n, a in target.items()})
    assert found[0] == pytest.approx(one["albedo.psnr"])


@pytest.mark.parametrize(
    ("name", "change", "kind", "match"),
    [
        ("albedo", lambda a: a[:2], "shape", "not equally many: albedo 2"),
        ("albedo", lambda a: np.where(a > 0.8, np.nan, a), "non-finite", "item 0: albedo"),
        ("normal", lambda a: np.concatenate([a[:1], 2 * a[1:]]), "range", "item 1: normal"),
        ("relit", lambda a: a[..., :2], "shape", "item 0: relit"),
    ],
)
def test_a_batch_that_breaks_a_contract_is_refused_by_item(
    name: str, change: Any, kind: str, match: str
) -> None:
    prediction, target = batch()
    prediction[name] = change(prediction[name])
    with pytest.raises(InvalidValueError, match=match) as caught:
        bench.score(prediction, target)
    assert caught.value.kind == kind


def test_masks_of_another_size_are_refused() -> None:
    truth = arrays()
    for small in (np.ones((8, 8), np.float32), np.ones((8, 8, 1), np.float32)):
        with pytest.raises(InvalidValueError, match="the mask is") as caught:
            bench.score(truth, truth | {"mask": small})
        assert caught.value.kind == "shape"


def test_an_empty_mask_defines_nothing() -> None:
    truth = arrays()
    found = bench.score(truth, truth | {"mask": np.zeros((16, 16), np.float32)})
    assert not found


def test_zeros_are_scored_unscaled_and_negative_values_as_they_are() -> None:
    truth = {"albedo": arrays()["albedo"]}
    for factor in (0, -1):
        found = bench.score({"albedo": factor * truth["albedo"]}, truth)
        unscaled = -10 * np.log10((truth["albedo"].astype(float) ** 2).mean())
        # Least squares leave the sign free: what is only inverted is perfect.
        perfect = found["albedo.psnr"] > 200
        assert perfect if factor else found["albedo.psnr"] == pytest.approx(unscaled)


def test_without_any_truth_there_is_nothing_to_compare() -> None:
    truth = arrays()
    with pytest.raises(InvalidValueError, match=r"predicted \(albedo, normal\).*target \(mask\)"):
        bench.score(truth, {"mask": np.ones((16, 16), np.float32)})
    assert not any(n.startswith("albedo") for n in bench.score(truth, {"normal": truth["normal"]}))
