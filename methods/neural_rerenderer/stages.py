"""The three stages: which networks learn, how fast, and from what (spec §6–§7)."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .configuration import Configuration
from .examples import Crops, Examples, normalised
from .losses import discriminator_loss, generator_gan_loss, triplet_loss
from .trainer import Trainer

STAGES = (1, 2, 3)
_ENCODED = 32
"""Appearances of one pass of the encoder outside of training."""


def rates(configuration: Configuration) -> dict[int, dict[str, float]]:
    """Stage → the learning rate of each network that it trains."""
    both = {
        "generator": configuration.generator_rate,
        "discriminators": configuration.discriminator_rate,
    }
    return {
        1: {"encoder": configuration.stage1_rate},
        2: both,
        3: both | {"encoder": configuration.stage3_encoder_rate},
    }


def encoder_step(trainer: Trainer, stored: Tensor, share: float) -> dict[str, float]:
    """Stage 1: triplets B×3×H×W×(3+C) uint8 → losses; `ordered` is the share already in order.

    Raises:
        TrainingError: see `Trainer.update`.
    """
    started = time.perf_counter()
    trainer.zero_grad()
    appearances = normalised(stored.to(trainer.device).flatten(0, 1))  # 3B×(3+C)×H×W
    codes = trainer.networks.encoder(appearances).unflatten(0, (-1, 3))  # B×3×8
    anchor, positive, negative = codes.unbind(1)  # B×8
    loss = triplet_loss(anchor, positive, negative, trainer.configuration.margin)
    loss.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        near, far = (anchor - positive).square().sum(1), (anchor - negative).square().sum(1)  # B
        ordered = (near < far).float().mean()
    return trainer.update({"triplet": loss, "ordered": ordered}, share, started)


def rerendering_step(
    trainer: Trainer,
    batch: Crops,
    codes: Tensor | None,
    reconstruction: nn.Module,
    weight: float,
    share: float,
) -> dict[str, float]:
    """Stages 2 and 3: generator, discriminators and perhaps the encoder, once each.

    All of them learn from one picture y, and the discriminators judge it once: the gradients of
    both losses come from the same scores, before anything moves.

    Args:
        codes: A×8 of every appearance (stage 2); None: they are encoded, and the encoder learns.
        reconstruction: loss of y and the target, unweighted.
        weight: of that loss.

    Raises:
        TrainingError: see `Trainer.update`.
    """
    started = time.perf_counter()
    trainer.zero_grad()
    networks, device = trainer.networks, trainer.device
    condition = normalised(batch.conditions.to(device))  # B×C×h×w
    target = normalised(batch.targets.to(device))  # B×3×h×w
    if codes is None:
        code = networks.encoder(normalised(batch.seen.to(device)))  # B×8
    else:
        code = codes[batch.appearances.to(codes.device)]  # B×8
    made = networks.generator(condition, code)  # B×3×h×w
    shown = made.detach().requires_grad_(True)
    scores = networks.discriminators(shown, condition)
    adversarial = generator_gan_loss(scores)
    restored = reconstruction(shown, target)
    total = trainer.configuration.gan_weight * adversarial + weight * restored
    (gradient,) = torch.autograd.grad(total, shown, retain_graph=True)
    judged = discriminator_loss(networks.discriminators(target, condition), scores)
    judged.backward(inputs=list(networks.discriminators.parameters()))  # type: ignore[no-untyped-call]
    made.backward(gradient)
    losses = {"reconstruction": restored, "adversarial": adversarial, "discriminator": judged}
    return trainer.update(losses, share, started)


@torch.no_grad()
def codes_of(
    encoder: Callable[[Tensor], Tensor], examples: Examples, device: torch.device
) -> Tensor:
    """The code of every appearance, A×8: what stage 2 caches, its encoder standing still."""
    found = []
    for start in range(0, len(examples.pairs), _ENCODED):
        numbers = range(start, min(start + _ENCODED, len(examples.pairs)))
        seen = [torch.from_numpy(examples.appearance(each)) for each in numbers]
        stored = torch.stack(seen)  # B×H×W×(3+C)
        found.append(encoder(normalised(stored.to(device))))
    return torch.cat(found)  # A×8
