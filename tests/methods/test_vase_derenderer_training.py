"""Training steps: determinism under a seed, what is updated, and what stops them."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.graphics.rasterisers import rasteriser
from bench.methods.vase_derenderer import losses
from bench.methods.vase_derenderer.derender import derender, posed
from bench.methods.vase_derenderer.lighting import shaded_front
from bench.methods.vase_derenderer.networks import Networks
from bench.methods.vase_derenderer.patches import real_and_fake
from bench.methods.vase_derenderer.sheets import sheet
from bench.methods.vase_derenderer.trainer import LearningRate, Trainer, TrainingError
from bench.methods.vase_derenderer.validation import normal_maps, overlap

Learned = Callable[[Path], Mapping[str, Any]]
PARTS = ("netR", "netT", "netE", "netD")


@pytest.fixture
def trainer(course: Any) -> Trainer:
    torch.manual_seed(0)
    return made(course)


def made(course: Any, precision: str = "float32") -> Trainer:
    chosen = course.configuration
    return Trainer(Networks(chosen), chosen, rasteriser(None, "cpu"), 0, "cpu", precision)


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, 32, 32, generator=rng)
    masks = torch.zeros(2, 1, 32, 32)
    masks[:, :, 6:26, 10:22] = 1
    return images, masks, torch.rand(2, 1, 32, 32, generator=rng) * (1 - masks)


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.networks.state_dict().items()}


def log_of(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_loss_is_weighted_as_published() -> None:
    ones = {name: torch.tensor(1.0) for name in losses.WEIGHTS}
    assert dict(losses.WEIGHTS) == {
        "mask": 10,
        "mask_distance": 100,
        "image": 1,
        "mean_albedo_image": 1,
        "diffuse": 1,
        "adversarial": 0.01,
        "pitch": 10,  # not published, and off unless asked for
    }
    assert float(losses.total(ones)) == pytest.approx(123.01)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    course: Any, learned: Learned, tmp_path: Path
) -> None:
    for name, changes in {"a": {}, "b": {"workers": 1}, "c": {"seed": 1}}.items():
        course(tmp_path / name, steps=4, **changes)
    first, same, other = (learned(tmp_path / name) for name in "abc")
    assert first == same
    assert first.keys() == other.keys() and first != other
    begun_with = [np.array(found["networks.netR.encoder.0.weight"]) for found in (first, other)]
    assert abs(begun_with[0] - begun_with[1]).max() > 0.05  # four steps move 0.001 at most
    logs = [(tmp_path / name / "log.csv").read_bytes() for name in "abc"]
    assert logs[0] == logs[1] != logs[2]


def test_the_log_tells_means_of_every_loss_and_what_validation_says(
    course: Any, tmp_path: Path
) -> None:
    course(tmp_path, steps=5, save_every=4, validate_every=3)
    rows = log_of(tmp_path)
    train = [row for row in rows if row["part"] == "train"]
    assert [row["step"] for row in train if row["name"] == "mask"] == ["4", "5"]
    assert {row["name"] for row in train} == ({*losses.WEIGHTS, "discriminator"} - {"pitch"})
    val = [row for row in rows if row["part"] == "val"]
    assert [row["step"] for row in val if row["name"] == "iou"] == ["3", "5"]
    assert {"mask", "image", "iou", "normal"} <= {row["name"] for row in val}
    assert all(np.isfinite(float(row["value"])) for row in rows)


def test_a_first_step_moves_every_network_by_the_learning_rate(trainer: Trainer) -> None:
    before = weights(trainer)
    trainer.train(*batch())
    for part in PARTS:
        moved = [
            (value - before[name]).abs().max()
            for name, value in trainer.networks.state_dict().items()
            if name.startswith(part)
        ]
        assert float(max(moved)) == pytest.approx(2e-4, rel=1e-2)


def test_a_learning_rate_that_decays_falls_straight_to_zero() -> None:
    assert [LearningRate(0.5, 0.0, 10).at(step) for step in (0, 9, 99)] == [0.5] * 3
    rate = LearningRate(0.5, 0.4, 10)
    found = [rate.at(step) for step in range(12)]
    expected = [0.5] * 7 + [0.375, 0.25, 0.125, 0.0, 0.0]
    assert found == pytest.approx(expected)


def test_steps_are_as_long_as_the_learning_rate_says(course: Any) -> None:
    chosen = course.configuration
    torch.manual_seed(0)
    parts = Networks(chosen), chosen, rasteriser(None, "cpu"), 0, "cpu"
    trainer = Trainer(*parts, rate=LearningRate(1e-3, 1.0, 2))
    for longest in (1e-3, 5e-4, 0.0):
        before = weights(trainer)
        trainer.train(*batch())
        moved = [(value - before[name]).abs().max() for name, value in weights(trainer).items()]
        assert float(max(moved)) == pytest.approx(longest, rel=0.05)


def test_only_its_own_loss_moves_the_discriminator(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "discrimination", lambda real, fake: 0 * (real.sum() + fake.sum()))
    before = weights(trainer)
    trainer.train(*batch())
    for name, value in trainer.networks.state_dict().items():
        still = torch.equal(value, before[name])
        assert still or not name.startswith("netD")


def test_the_discriminator_teaches_no_one_but_itself(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "total", lambda terms: 0 * sum(terms.values()))
    before = weights(trainer)
    trainer.train(*batch())
    for name, value in trainer.networks.state_dict().items():
        still = torch.equal(value, before[name])
        assert still or name.startswith("netD")


def test_adversaries_alone_reach_shape_albedo_but_not_gloss(trainer: Trainer) -> None:
    chosen, images = trainer.configuration, batch()[0]
    explanation = derender(trainer.networks, images, chosen)
    specular = shaded_front(explanation, chosen).specular
    _, fake = real_and_fake(explanation.albedo, specular, 16, torch.Generator().manual_seed(0))
    losses.adversarial(trainer.networks.netD(2 * fake - 1)).backward()
    reached = {part: 0.0 for part in PARTS}
    for name, parameter in trainer.networks.named_parameters():
        if parameter.grad is not None:
            part = name.split(".")[0]
            reached[part] = max(reached[part], float(parameter.grad.abs().max()))
    assert reached["netT"] > 0 and reached["netR"] > 0 and reached["netE"] == 0


def test_a_warm_up_moves_the_shape_network_alone(trainer: Trainer) -> None:
    before, expected = weights(trainer), trainer.evaluate(*batch()).losses
    found = trainer.warm_up(*batch())
    assert found == pytest.approx({name: expected[name] for name in ("mask", "mask_distance")})
    for name, value in trainer.networks.state_dict().items():
        assert name.startswith("netR") or torch.equal(value, before[name])
    assert not torch.equal(
        weights(trainer)["netR.out_net2.0.weight"], before["netR.out_net2.0.weight"]
    )
    assert trainer.step == 1


def test_a_warm_up_takes_the_first_steps_as_many_as_asked_for(course: Any, tmp_path: Path) -> None:
    course(tmp_path, steps=4, warm_up=2, save_every=1)
    rows = [row for row in log_of(tmp_path) if row["part"] == "train"]
    steps = {
        name: [row["step"] for row in rows if row["name"] == name] for name in ("mask", "image")
    }
    assert steps == {"mask": ["1", "2", "3", "4"], "image": ["3", "4"]}


def test_a_told_pitch_pulls_at_the_shape_network(trainer: Trainer) -> None:
    for step in (trainer.warm_up, trainer.train):
        told = step(*batch(), torch.tensor([3.0, float("nan")]))
        terms = told if isinstance(told, dict) else told.losses  # type: ignore[attr-defined]
        assert terms["pitch"] > 0
    pitch = trainer.evaluate(*batch()).explanation.pitch.rad2deg()
    found = trainer.evaluate(*batch(), pitch + torch.tensor([2.0, -4.0])).losses
    assert found["pitch"] == pytest.approx((0.1**2 + 0.2**2) / 2, rel=1e-4)


def test_an_evaluation_changes_nothing(trainer: Trainer) -> None:
    before = weights(trainer)
    found = trainer.evaluate(*batch()).losses
    assert found == trainer.evaluate(*batch()).losses
    assert all(map(torch.equal, weights(trainer).values(), before.values()))
    assert trainer.step == 0


def test_mixed_precision_leaves_the_geometry_exact(course: Any) -> None:
    torch.manual_seed(0)
    found = made(course, "bfloat16").train(*batch()).explanation
    again = posed(found.radius, found.half_height, found.pitch, found.roll, found.shift, columns=24)
    torch.testing.assert_close(found.vertices, again.vertices, rtol=0, atol=1e-7)
    torch.manual_seed(0)
    exact = made(course).train(*batch()).explanation
    assert not torch.equal(exact.albedo, found.albedo)
    torch.testing.assert_close(exact.albedo, found.albedo, rtol=0, atol=0.05)


def broken(value: Tensor) -> Tensor:
    return value * float("nan")


def test_a_loss_that_is_no_number_stops_training_and_keeps_the_last_good_weights(
    course: Any, learned: Learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course(tmp_path / "good", steps=3, save_every=100)
    genuine, calls = losses.masked_difference, []

    def differs(*arguments: Tensor) -> Tensor:
        calls.append(None)
        value = genuine(*arguments)
        return broken(value) if len(calls) == 7 else value  # the first of step 4

    monkeypatch.setattr(losses, "masked_difference", differs)
    with pytest.raises(TrainingError, match="step 4: the loss image is not finite"):
        course(tmp_path / "bad", steps=6, save_every=100, validate_every=100)
    assert learned(tmp_path / "bad") == learned(tmp_path / "good")
    assert not (tmp_path / "bad" / "weights.safetensors").exists()


@pytest.mark.parametrize("part", PARTS)
def test_a_gradient_that_is_no_number_is_named_and_no_network_moves(
    trainer: Trainer, part: str
) -> None:
    trainer.train(*batch())
    before = weights(trainer)
    name, parameter = list(getattr(trainer.networks, part).named_parameters())[-1]
    parameter.register_hook(broken)
    with pytest.raises(TrainingError, match=f"step 2: the gradient of {part}.{name} is not"):
        trainer.train(*batch(1))
    assert all(map(torch.equal, weights(trainer).values(), before.values()))
    assert trainer.step == 1


@pytest.mark.parametrize(
    ("part", "tensor"),
    [("netR.out_net2.0", "half_height"), ("netE.decoder_light_param.0", "shininess")],
)
def test_an_explanation_that_is_no_number_is_named(
    trainer: Trainer, part: str, tensor: str
) -> None:
    torch.nn.init.constant_(trainer.networks.get_submodule(part).bias, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=f"step 1: {tensor} is not finite"):
        trainer.train(*batch())
    if part.startswith("netR"):
        with pytest.raises(TrainingError, match=f"step 1: {tensor} is not finite"):
            trainer.warm_up(*batch())


def test_overlap_is_intersection_over_union() -> None:
    first, second = np.random.default_rng(0).random((2, 3, 1, 9, 9))
    second[2] = first[2]
    a, b = first > 0.5, second > 0.5
    expected = np.mean([(a[k] & b[k]).sum() / (a[k] | b[k]).sum() for k in range(3)])
    assert overlap(torch.tensor(first), torch.tensor(second)) == pytest.approx(expected, rel=1e-6)
    nothing = torch.zeros(1, 1, 4, 4)
    assert overlap(nothing, nothing) == 0


def test_normals_that_validation_looks_at_are_those_of_a_cylinder(trainer: Trainer) -> None:
    found = trainer.evaluate(*batch()).explanation
    radius, zero = 0.6 * trainer.configuration.extent, torch.zeros(2)
    cylinder = posed(
        torch.full((2, 8), radius), zero + 0.3, zero, zero, torch.zeros(2, 2), columns=24
    )
    seen = normal_maps(trainer, type(found)(**{**vars(found), **vars(cylinder)}))[0]
    x = (torch.arange(32) + 0.5 - 16) / trainer.configuration.focal * 5
    inside = x.abs() < 0.7 * radius
    expected = torch.stack([x / radius, 0 * x, (1 - (x / radius) ** 2).clamp(min=0).sqrt()], -1)
    torch.testing.assert_close(seen[16, inside], expected[inside], rtol=0, atol=0.03)
    assert float(seen[0].abs().max()) == 0


def test_a_sheet_shows_what_a_step_made_of_its_first_photos(trainer: Trainer) -> None:
    images, masks, distances = batch()
    shown = sheet(images, masks, trainer.train(images, masks, distances))
    assert shown.shape == (7 * 32, 2 * 32, 3) and shown.dtype == np.float32
    assert shown.min() >= 0 and shown.max() <= 1
    np.testing.assert_array_equal(shown[:32, :32], images[0].permute(1, 2, 0))
    np.testing.assert_array_equal(shown[32:64, 32:, 0], masks[1, 0])
