"""`bench train neural-rerenderer`: steps, stages, and a training that is broken off."""

import dataclasses
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.api import Key, Query, Sample, Source, Targets
from bench.errors import BenchError, ConfigError, DataError
from bench.graphics.colour import srgb_encode
from bench.methods.neural_rerenderer import course, stages, train
from bench.methods.neural_rerenderer.checkpoints import load_weights
from bench.methods.neural_rerenderer.configuration import Configuration
from bench.methods.neural_rerenderer.decoding import decode
from bench.methods.neural_rerenderer.examples import Crops, examples_of
from bench.methods.neural_rerenderer.losses import L1Loss
from bench.methods.neural_rerenderer.method import NeuralRerenderer
from bench.methods.neural_rerenderer.schedule import Schedule, stage_minutes
from bench.methods.neural_rerenderer.trainer import (
    DAMAGED,
    PREVIOUS,
    STATE,
    Networks,
    Progress,
    Trainer,
    TrainingError,
)
from bench.methods.neural_rerenderer.training_options import TRAIN
from bench.methods.neural_rerenderer.validation import validate

SIZE = 64
TINY = Configuration(
    "tiny",
    channels=4,
    widths=(4,) * 7,
    encoder_widths=(4,) * 4,
    discriminator_widths=(4,) * 4,
    crop=SIZE,
    batch=2,
    stage1_triplets=6,
    stage2_steps=3,
    stage3_steps=3,
)
KEPT = ("log.csv", "weights.safetensors", "warm_start.safetensors")


class Drawn:
    """Eight samples of random colours, each asked for under a reference of another's look."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.count = int(options.get("count", 8))
        self.channels = int(options.get("channels", 4))
        self.size = int(options.get("size", SIZE))

    def samples(self, split: str) -> list[Key]:
        return [Key(f"scene{index}", split) for index in range(self.count)]

    def fingerprint(self, split: str) -> str:
        return f"{self.count}-{self.channels}-{self.size}"

    def inputs(self, split: str, key: Key) -> Sample:
        number = int(key.scene.removeprefix("scene"))
        condition = {
            "framebuffer": self._noise(number, self.channels),
            "reference": self._noise(100 + (number + 1) % self.count, 3),
            "reference_framebuffer": self._noise((number + 1) % self.count, self.channels),
        }
        return Sample(key.scene, key.id, {}, (), (Query("asked", "view", condition),))

    def targets(self, split: str, key: Key) -> Targets:
        return Targets({}, {"asked": {"view": self.photo(key)}})

    def photo(self, key: Key) -> np.ndarray[Any, Any]:
        return self._noise(100 + int(key.scene.removeprefix("scene")), 3)

    def _noise(self, seed: int, channels: int) -> np.ndarray[Any, Any]:
        rng = np.random.default_rng(seed)
        colour = rng.uniform(0, 1, channels) * np.ones((self.size, self.size, 1))
        return (colour * rng.uniform(0.5, 1, (self.size, self.size, 1))).astype(np.float32)


def settings(**changes: Any) -> dict[str, Any]:
    """All options of the command but dataset and `out`."""
    defaults = {option.name: option.default for option in TRAIN.options if option.name != "out"}
    small = {"split": "train", "val_split": "val", "validate_every": 4, "save_every": 2}
    return {**defaults, **small, **changes}


Run = Callable[..., None]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Others may be at work, and a forked child can have no other threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """The command with the tiny configuration, in this process and on one thread."""

    def call(out: Path, data: Mapping[str, Any] | None = None, **changes: Any) -> None:
        source = Source("drawn", data or {}, Drawn(data or {}))
        train.train(dataset=source, out=out, **settings(**changes))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train.CONFIGURATIONS, "mini", TINY)
        yield call


@pytest.fixture(scope="module")
def undisturbed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stages of three steps in one go; not to be written to."""
    out = tmp_path_factory.mktemp("undisturbed")
    run(out)
    return out


def state(out: Path) -> dict[str, Any]:
    """What a state holds that the data and the seed decide: all but the seconds."""
    found = torch.load(out / STATE, weights_only=True)
    stage, step, _, done = found.pop("progress")
    return {"at": (stage, step, [entry[:2] for entry in done]), **flat("", found)}


def flat(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        return {k: v for key in value for k, v in flat(f"{name}.{key}", value[key]).items()}
    return {name: value.tolist() if torch.is_tensor(value) else value}


def tensors(path: Path) -> bytes:
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def assert_same(out: Path, other: Path) -> None:
    assert state(out) == state(other)
    assert (out / "log.csv").read_bytes() == (other / "log.csv").read_bytes()
    for name in ("weights.safetensors", "warm_start.safetensors"):
        assert tensors(out / name) == tensors(other / name)


def killed_at(stage: int, during: str, run: Run, out: Path) -> int | None:
    """The exit status of a training in a child that kills itself in the third step of a stage, or
    in the middle of writing the state that follows it."""

    def kill(trainer: Trainer, *rest: Any) -> Any:
        if (trainer.progress.stage, trainer.progress.step) == (stage, 2) and during == "step":
            os.kill(os.getpid(), signal.SIGKILL)
        return genuine[len(rest)](trainer, *rest)

    def save(content: Any, file: Any) -> None:
        saved(content, file)
        if content["progress"][:2] == [stage, 3] and during == "save":
            file.truncate(1000)
            os.kill(os.getpid(), signal.SIGKILL)

    genuine = {2: stages.encoder_step, 5: stages.rerendering_step}
    saved = torch.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "encoder_step", kill)
        patch.setattr(course, "rerendering_step", kill)
        patch.setattr(torch, "save", save)
        child = multiprocessing.get_context("fork").Process(target=run, args=(out,))
        child.start()
        child.join(60)
    return child.exitcode


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of fork; one thread is left
@pytest.mark.parametrize(
    ("stage", "during"),
    [(1, "step"), (2, "step"), (3, "step"), pytest.param(2, "save", marks=pytest.mark.slow)],
)
def test_a_killed_training_ends_as_an_undisturbed_one(
    run: Run, tmp_path: Path, undisturbed: Path, stage: int, during: str
) -> None:
    assert killed_at(stage, during, run, tmp_path) == -signal.SIGKILL
    assert state(tmp_path)["at"][:2] == (stage, 2)
    run(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_stages_one_by_one_give_what_all_at_once_give(
    run: Run, tmp_path: Path, undisturbed: Path
) -> None:
    for stage in "123":
        run(tmp_path, stages=stage, workers=1 if stage == "3" else 0)
    assert_same(tmp_path, undisturbed)


def test_a_call_whose_minutes_are_over_goes_on_later(
    run: Run, tmp_path: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, minutes=1e-9)
    assert "over in stage 1 after step 0" in capsys.readouterr().out
    run(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_stage_minutes_lead_through_every_stage(run: Run, tmp_path: Path) -> None:
    run(tmp_path, stage_minutes="1e-9,1e-9,1e-9", stage2_steps=10**6)
    assert state(tmp_path)["at"][2] == [[1, 1], [2, 1], [3, 1]]


def test_a_finished_training_is_left_as_it_is(run: Run, undisturbed: Path) -> None:
    before = {name: (undisturbed / name).read_bytes() for name in (STATE, *KEPT)}
    run(undisturbed)
    assert {name: (undisturbed / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("damage", ["truncated", pytest.param("absent", marks=pytest.mark.slow)])
def test_without_its_newest_state_it_goes_on_from_the_one_before(
    run: Run, tmp_path: Path, undisturbed: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, stages="1")
    newest = tmp_path / STATE
    newest.write_bytes(newest.read_bytes()[:1000]) if damage == "truncated" else newest.unlink()
    run(tmp_path)
    assert_same(tmp_path, undisturbed)
    assert (str(newest) in capsys.readouterr().out) == (damage == "truncated")
    assert (tmp_path / DAMAGED).exists() == (damage == "truncated")


def test_without_any_state_that_can_be_read_it_says_so(run: Run, tmp_path: Path) -> None:
    run(tmp_path, stages="1")
    for name in (STATE, PREVIOUS):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of its states can be read"):
        run(tmp_path)


def test_a_full_disk_keeps_the_last_state_and_says_what_to_do(
    run: Run, tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, stages="1")
    before = (tmp_path / STATE).read_bytes()

    def full(content: object, file: Any) -> None:
        file.write(b"the first half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(TrainingError, match=r"stage 2, step 2: .*; free some space"):
            run(tmp_path)
    assert (tmp_path / STATE).read_bytes() == before
    assert not list(tmp_path.glob(".*partial"))
    run(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_a_loss_that_is_no_number_changes_no_weight_and_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(torch.nn.Module):
        def forward(self, made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return (made - target).mean() * torch.nan

    run(tmp_path, stages="1")
    before = torch.load(tmp_path / STATE, weights_only=True)["networks"]
    monkeypatch.setattr(course, "L1Loss", Broken)
    with pytest.raises(TrainingError, match="stage 2, step 1: the loss reconstruction is not fini"):
        run(tmp_path)
    after = torch.load(tmp_path / STATE, weights_only=True)["networks"]
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_record_says_what_was_trained_on_and_how(undisturbed: Path) -> None:
    loaded = load_weights(undisturbed / "weights.safetensors")
    record = loaded.metadata["record"]
    assert [entry["steps"] for entry in record["stages"]] == [3, 3, 3]
    assert record["perceptual"] == "l1" and record["style"] == "lab"
    assert loaded.metadata["trained_on"] == ["drawn:train:8-4-64"]
    assert loaded.discriminators is None and record["validation"]["psnr"] > 0


def test_a_warm_start_takes_every_network_and_remembers_what_it_saw(
    run: Run, tmp_path: Path, undisturbed: Path
) -> None:
    start = undisturbed / "warm_start.safetensors"
    run(tmp_path, {"count": 5}, start_from=start, stages="3", minutes=1e-9)
    begun = load_weights(tmp_path / "warm_start.safetensors")
    assert tensors(tmp_path / "warm_start.safetensors") == tensors(start)
    assert begun.metadata["trained_on"] == ["drawn:train:5-4-64", "drawn:train:8-4-64"]


@pytest.mark.parametrize(
    ("data", "changes", "error", "message"),
    [
        ({}, {"stages": "2"}, ConfigError, "stage 2 begins with what stage 1 learned"),
        ({"count": 2}, {}, DataError, "2 photos: a triplet needs three"),
        ({"size": 48}, {}, DataError, "48×48 pixels: training needs 64×64"),
        ({}, {"stage_minutes": "1,2"}, ConfigError, "must be three numbers"),
        ({}, {"device": "cuda:99"}, BenchError, "--device cuda:99"),
        ({}, {"start_from": Path("no.safetensors")}, DataError, "--start-from no.* No such file"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    run: Run,
    tmp_path: Path,
    data: Mapping[str, Any],
    changes: Mapping[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        run(tmp_path, data, **changes)


def test_a_folder_of_another_training_is_refused(run: Run, undisturbed: Path) -> None:
    with pytest.raises(ConfigError, match="a training with other seed"):
        run(undisturbed, seed=1)


def test_a_start_from_another_architecture_is_refused(
    run: Run, tmp_path: Path, undisturbed: Path
) -> None:
    with pytest.raises(ConfigError, match=r"differ in channels \(4, not 7\)"):
        run(tmp_path, {"channels": 7}, start_from=undisturbed / "weights.safetensors")


def test_few_photos_are_said(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, {"count": 4}, stages="1")
    said = capsys.readouterr().out
    assert "only 4 photos: triplets take a positive of 2 and a negative of 1" in said


def test_a_step_differentiates_the_losses_of_the_paper() -> None:
    """The oracle passes forward for each loss anew and writes them out as spec §6 does."""
    trainer, batch = _trainer(3), _batch()
    plain = _plain_gradients(trainer.networks, batch)
    trainer.begin(3, stages.rates(TINY)[3])
    stages.rerendering_step(trainer, batch, None, L1Loss(), 50.0, share=0.0)
    for name, parameter in trainer.networks.named_parameters():
        assert parameter.grad is not None
        error = (parameter.grad - plain[name]).norm()
        assert error <= 1e-3 * plain[name].norm() + 1e-6, name


def _plain_gradients(networks: Networks, batch: Crops) -> dict[str, torch.Tensor]:
    condition, target, seen = (
        (each.float() / 127.5 - 1).permute(0, 3, 1, 2)
        for each in (batch.conditions, batch.targets, batch.seen)
    )
    judge = networks.discriminators
    made = networks.generator(condition, networks.encoder(seen))
    generator_loss = 50 * (made - target).abs().mean()
    for scores in judge(made, condition):
        generator_loss = generator_loss + ((scores - 1) ** 2).mean()
    discriminator_loss = torch.zeros(())
    for real, fake in zip(judge(target, condition), judge(made.detach(), condition), strict=True):
        discriminator_loss = discriminator_loss + ((real - 1) ** 2).mean() + (fake**2).mean()
    parts = {
        "generator": generator_loss,
        "encoder": generator_loss,
        "discriminators": discriminator_loss,
    }
    return {
        f"{part}.{name}": gradient
        for part, loss in parts.items()
        for (name, _), gradient in zip(
            getattr(networks, part).named_parameters(),
            torch.autograd.grad(
                loss, list(getattr(networks, part).parameters()), retain_graph=True
            ),
            strict=True,
        )
    }


def _trainer(seed: int) -> Trainer:
    torch.manual_seed(seed)
    return Trainer(Networks(TINY), TINY, "cpu")


def _batch() -> Crops:
    rng = np.random.default_rng(0)

    def drawn(channels: int) -> torch.Tensor:
        return torch.from_numpy(rng.integers(0, 256, (2, SIZE, SIZE, channels), np.uint8))

    return Crops(drawn(4), drawn(3), torch.tensor([0, 1]), drawn(7))


def test_rates_and_stillness_of_each_stage_are_the_papers() -> None:
    """Adam without momentum first moves every weight by its rate, whatever the gradient."""
    rates = {1: (0, 1e-3, 0), 2: (1e-3, 0, 1e-3), 3: (1e-3, 1e-4, 1e-3)}
    parts = ("generator", "encoder", "discriminators")
    for stage, expected in rates.items():
        trainer = _trainer(stage)
        before = {name: value.clone() for name, value in trainer.networks.state_dict().items()}
        trainer.begin(stage, stages.rates(TINY)[stage])
        if stage == 1:
            triplets = torch.stack([_batch().seen, _batch().seen.flip(0), 255 - _batch().seen], 1)
            stages.encoder_step(trainer, triplets, 1.0)
        else:
            codes = torch.ones(2, 8) if stage == 2 else None
            stages.rerendering_step(trainer, _batch(), codes, L1Loss(), 50.0, 1.0)
        for part, rate in zip(parts, expected, strict=True):
            moved = [
                float((value - before[name]).abs().max())
                for name, value in trainer.networks.state_dict().items()
                if name.startswith(part)
            ]
            assert max(moved) == pytest.approx(rate, rel=1e-2)


def test_adam_has_no_momentum_and_the_average_follows_it() -> None:
    trainer = _trainer(0)
    trainer.begin(2, stages.rates(TINY)[2])
    parameter = trainer.networks.generator.last.weight
    weight = average = parameter.detach().clone()
    variance = torch.zeros(())
    for step in range(1, 4):
        stages.rerendering_step(trainer, _batch(), torch.ones(2, 8), L1Loss(), 50.0, 1.0)
        assert parameter.grad is not None
        variance = 0.99 * variance + 0.01 * parameter.grad**2
        weight = weight - 1e-3 * parameter.grad / ((variance / (1 - 0.99**step)).sqrt() + 1e-8)
        decay = min(0.999, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(parameter, weight)
    torch.testing.assert_close(trainer.averages["generator"].last.weight, average)


def test_a_stage_begins_its_averages_afresh() -> None:
    trainer = _trainer(0)
    trainer.begin(2, stages.rates(TINY)[2])
    stages.rerendering_step(trainer, _batch(), torch.ones(2, 8), L1Loss(), 50.0, 1.0)
    raw, average = trainer.networks.generator, trainer.averages["generator"]
    assert not torch.equal(average.last.weight, raw.last.weight)
    trainer.begin(3, stages.rates(TINY)[3])
    assert torch.equal(average.last.weight, raw.last.weight)


def test_stage_1_draws_the_like_together_and_the_unlike_apart() -> None:
    trainer = _trainer(1)
    seen = _batch().seen
    triplets = torch.stack([seen, seen.flip(0), 255 - seen], dim=1)  # 2×3×H×W×7
    values = triplets.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
    codes = trainer.networks.encoder(values).detach().numpy().reshape(2, 3, 8)
    near, far = (((codes[:, 0] - codes[:, other]) ** 2).sum(1) for other in (1, 2))
    trainer.begin(1, stages.rates(TINY)[1])
    found = stages.encoder_step(trainer, triplets, 1.0)
    assert found["triplet"] == pytest.approx(np.maximum(near - far + 0.1, 0).mean(), rel=1e-4)
    assert found["ordered"] == (near < far).mean()


def test_validation_measures_what_the_method_answers(undisturbed: Path) -> None:
    method = NeuralRerenderer({"checkpoint": undisturbed / "weights.safetensors"}, "cpu")
    data = Drawn({})
    errors: list[Any] = []
    for key in data.samples("val"):
        answer = method.predict([data.inputs("val", key)])[0]["asked"]
        photo = data.photo(key)
        errors.append(np.round(255 * srgb_encode(answer)) - np.round(255 * srgb_encode(photo)))
    record = json.loads((undisturbed / "record.json").read_text())
    expected = {
        "l1": np.abs(errors).mean(),
        "psnr": np.mean([10 * np.log10(255**2 / (each**2).mean()) for each in errors]),
    }
    assert record["validation"] == pytest.approx(expected, rel=2e-3)


def test_validation_looks_through_the_averages_alone(tmp_path: Path) -> None:
    examples = examples_of(decode(Source("drawn", {}, Drawn({})), ["val"], 0, 0, tmp_path))
    trainer = _trainer(0)
    found, _ = validate(trainer, examples, 3)
    for parameter in trainer.networks.parameters():
        parameter.data.zero_()
    assert validate(trainer, examples, 3)[0] == found
    trainer.averages["encoder"].mean.bias.data += 1
    assert validate(trainer, examples, 3)[0] != found


def test_rates_fall_over_the_last_share_of_stage_3_by_steps_or_minutes() -> None:
    schedule = Schedule({1: 10, 2: 10, 3: 10}, {1: 0, 2: 0, 3: 1}, 0, 0.5, 1, 1, 1)
    at = [Progress(3, step) for step in (0, 5, 6, 9, 10)]
    assert [schedule.rate(each) for each in at] == pytest.approx([1, 1, 0.8, 0.2, 0])
    assert schedule.rate(Progress(3, 1, seconds=45)) == pytest.approx(0.5)
    assert schedule.rate(Progress(2, 9)) == 1
    assert stage_minutes("1,2.5,0") == {1: 1, 2: 2.5, 3: 0}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's own, when tracing
@pytest.mark.parametrize(
    "change", [{"precision": "bfloat16"}, pytest.param({"compile": True}, marks=pytest.mark.slow)]
)
def test_a_training_made_faster_ends_near_the_plain_one(
    run: Run, tmp_path: Path, undisturbed: Path, change: Mapping[str, Any]
) -> None:
    run(tmp_path, **change)
    found, plain = (
        load_weights(out / "weights.safetensors").metadata["record"]["validation"]["l1"]
        for out in (tmp_path, undisturbed)
    )
    assert found == pytest.approx(plain, rel=0.1)


@pytest.mark.slow
def test_a_rerenderer_learns_eight_pictures_by_heart(run: Run, tmp_path: Path) -> None:
    wide = dataclasses.replace(TINY, widths=(16,) * 7, batch=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train.CONFIGURATIONS, "mini", wide)
        run(tmp_path, stages="all", stage1_triplets=800, stage2_steps=600, validate_every=600)
    assert (
        load_weights(tmp_path / "weights.safetensors").metadata["record"]["validation"]["psnr"] > 20
    )
