"""How fast the neural rerenderer trains."""

import time

import pytest
import torch

from bench.methods.neural_rerenderer import stages
from bench.methods.neural_rerenderer.configuration import MINI, OFFICIAL, Configuration
from bench.methods.neural_rerenderer.examples import Crops
from bench.methods.neural_rerenderer.losses import L1Loss, PerceptualLoss
from bench.methods.neural_rerenderer.trainer import Networks, Trainer
from bench.methods.neural_rerenderer.vgg import Vgg16


def _batch(chosen: Configuration, photo: int) -> Crops:
    def drawn(side: int, channels: int) -> torch.Tensor:
        return torch.randint(256, (chosen.batch, side, side, channels), dtype=torch.uint8)

    numbers = torch.arange(chosen.batch)
    conditions, targets = drawn(chosen.crop, chosen.channels), drawn(chosen.crop, 3)
    return Crops(conditions, targets, numbers, drawn(photo, 3 + chosen.channels))


def _seconds(trainer: Trainer, stage: int, loss: torch.nn.Module, photo: int, steps: int) -> float:
    """Of one step, the shortest of several."""
    trainer.begin(stage, stages.rates(trainer.configuration)[stage])
    batch = _batch(trainer.configuration, photo)
    codes = torch.randn(trainer.configuration.batch, 8, device=trainer.device)
    taken = []
    for _ in range(steps):
        started = time.perf_counter()  # a step ends with its losses on the host
        stages.rerendering_step(trainer, batch, codes if stage == 2 else None, loss, 0.3, 1.0)
        taken.append(time.perf_counter() - started)
    return min(taken)


@pytest.mark.gpu
@pytest.mark.parametrize("stage", [2, 3])
def test_an_official_step_takes_120_ms(stage: int) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    trainer = Trainer(Networks(OFFICIAL), OFFICIAL, "cuda", "bfloat16")
    loss = PerceptualLoss(Vgg16()).cuda()  # of random weights, which cost what others cost
    assert _seconds(trainer, stage, loss, 512, 20) <= 0.120


def test_a_mini_step_takes_half_a_second_on_two_cores() -> None:
    chosen = MINI.with_channels(4)
    assert _seconds(Trainer(Networks(chosen), chosen, "cpu"), 2, L1Loss(), 128, 6) <= 0.5
