"""One training step after the other, with a state that survives (specs/vase_derenderer.md §5)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.errors import BenchError, DataError
from bench.graphics import phong
from bench.graphics.rasterisers import Rasteriser
from bench.training.state_files import PREVIOUS, STATE, write_state

from . import losses
from .configuration import Configuration
from .derender import Explanation, Shape, derender, shape_of
from .lighting import shaded_front
from .networks import Networks
from .patches import real_and_fake

_PARTS = ("netR", "netT", "netE", "netD")


class TrainingError(BenchError):
    """Training cannot go on; the text says at which step, why, and what is kept."""


@dataclass(frozen=True)
class LearningRate:
    """Constant, and over the last share `decay` of `steps` steps falling linearly to 0; as
    published, 2e-4 that never falls."""

    initial: float = 2e-4
    decay: float = 0.0
    steps: int = 1

    def at(self, step: int) -> float:
        """The rate of the step that follows `step` others."""
        if not self.decay:
            return self.initial
        left = (self.steps - step) / (self.decay * self.steps)
        return self.initial * min(max(left, 0.0), 1.0)


@dataclass(frozen=True, eq=False)
class Step:
    """What one step saw: unweighted losses, and the pictures for a look."""

    losses: Mapping[str, float]
    explanation: Explanation
    silhouettes: Tensor
    renders: Tensor


class Trainer:
    """Four networks, four optimisers, the number of steps done and the seconds they took.

    Args:
        compiled: let torch compile the networks.
        precision: "float32", or "bfloat16" for what the networks compute.
    """

    def __init__(
        self,
        networks: Networks,
        configuration: Configuration,
        rasteriser: Rasteriser,
        seed: int,
        device: str,
        precision: str = "float32",
        compiled: bool = False,
        rate: LearningRate = LearningRate(),
    ) -> None:
        self.networks = networks.to(device)
        self.configuration = configuration
        self.rasteriser = rasteriser
        self.step, self.seconds = 0, 0.0
        self._seed, self._device, self._rate = seed, device, rate
        self._optimisers = {
            name: torch.optim.Adam(getattr(networks, name).parameters(), lr=rate.initial)
            for name in _PARTS
        }
        for name in _PARTS:
            part = getattr(networks, name)
            if precision == "bfloat16":  # of the networks alone: geometry needs its 24 bits
                kind = torch.device(device).type
                part.forward = torch.autocast(kind, torch.bfloat16)(part.forward)
            if compiled:
                part.compile()

    def train(
        self, images: Tensor, masks: Tensor, distances: Tensor, pitch: Tensor | None = None
    ) -> Step:
        """Update all networks once.

        The discriminator learns from the patches that the others were judged by; its gradients are
        known before any network moves.

        Raises:
            TrainingError: naming the step and the tensor that is no number; nothing was updated.
        """
        started = time.perf_counter()
        explanation, terms, silhouettes, renders = self._forward(images, masks, distances, pitch)
        real, fake = self._patches(explanation)
        discriminator = self.networks.netD
        discriminator.requires_grad_(False)
        terms["adversarial"] = losses.adversarial(discriminator(2 * fake - 1))
        self._differentiate(("netR", "netT", "netE"), losses.total(terms), terms)
        discriminator.requires_grad_(True)
        scores = (discriminator(2 * patches.detach() - 1) for patches in (real, fake))
        judged = losses.discrimination(*scores)
        terms["discriminator"] = judged
        self._differentiate(("netD",), judged, {"discriminator": judged})
        values = self._update(_PARTS, terms, started)
        return Step(values, explanation, silhouettes.detach(), renders.detach())

    def warm_up(
        self, images: Tensor, masks: Tensor, distances: Tensor, pitch: Tensor | None = None
    ) -> Mapping[str, float]:
        """Update the shape network alone, by outlines and told pitch; the losses, unweighted.

        Several times as fast as a whole step, and not of the paper. Raises as `train`.
        """
        started = time.perf_counter()
        images, masks, distances, told = self._here(images, masks, distances, pitch)
        column, scalars = self.networks.netR(2 * images - 1)  # B×H, B×5
        shape = shape_of(column, scalars, self.configuration)
        self._refuse(_fields(shape))
        seen = losses.silhouettes(shape, self.rasteriser, self.configuration)  # B×1×S×S
        terms = losses.outline(seen, masks, distances) | losses.told_pitch(shape, told)
        self._differentiate(("netR",), losses.total(terms), terms)
        return self._update(("netR",), terms, started)

    @torch.no_grad()
    def evaluate(
        self, images: Tensor, masks: Tensor, distances: Tensor, pitch: Tensor | None = None
    ) -> Step:
        """The losses of a batch, but for the adversarial ones, without an update."""
        explanation, terms, silhouettes, renders = self._forward(images, masks, distances, pitch)
        values = {name: float(value) for name, value in terms.items()}
        return Step(values, explanation, silhouettes, renders)

    def save(self, folder: Path) -> None:
        """Write the state; the one before stays as `state.previous.pt`.

        Raises:
            TrainingError: the disk is full or cannot be written; the state before is kept.
        """
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "networks": self.networks.state_dict(),
            "optimisers": {name: part.state_dict() for name, part in self._optimisers.items()},
        }
        try:
            write_state(folder, state)
        except OSError as error:
            raise TrainingError(
                f"step {self.step}: the state cannot be written to {folder}: {error}; free some "
                "space and run the same command again, it goes on from the last state"
            ) from error

    def resume(self, folder: Path, warn: Callable[[str], None]) -> None:
        """Load the last good state, if there is one.

        Raises:
            DataError: there are states and none can be read.
        """
        found = [folder / name for name in (STATE, PREVIOUS) if (folder / name).exists()]
        for path in found:
            try:
                self._load(torch.load(path, map_location=self._device, weights_only=True))
                return
            except Exception as error:  # torch raises what a damaged file happens to cause
                warn(f"{path}: cannot be read ({error}); trying the state before")
        if found:
            raise DataError(f"{folder}: none of its states can be read; train into another --out")

    def _load(self, state: Mapping[str, Any]) -> None:
        self.networks.load_state_dict(state["networks"])
        for name, part in self._optimisers.items():
            part.load_state_dict(state["optimisers"][name])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def _here(
        self, images: Tensor, masks: Tensor, distances: Tensor, pitch: Tensor | None
    ) -> list[Tensor]:
        told = images.new_full((len(images),), torch.nan) if pitch is None else pitch  # B
        return [tensor.to(self._device) for tensor in (images, masks, distances, told)]

    def _update(
        self, parts: Sequence[str], terms: Mapping[str, Tensor], started: float
    ) -> dict[str, float]:
        for part in parts:
            for group in self._optimisers[part].param_groups:
                group["lr"] = self._rate.at(self.step)
            self._optimisers[part].step()
        values = {name: float(value.detach()) for name, value in terms.items()}
        self.step, self.seconds = self.step + 1, self.seconds + time.perf_counter() - started
        return values

    def _forward(
        self, images: Tensor, masks: Tensor, distances: Tensor, pitch: Tensor | None
    ) -> tuple[Explanation, dict[str, Tensor], Tensor, Tensor]:
        images, masks, distances, told = self._here(images, masks, distances, pitch)
        explanation = derender(self.networks, images, self.configuration)
        self._refuse(_fields(explanation))
        shaded = shaded_front(explanation, self.configuration)
        self._specular = shaded.specular
        terms, silhouettes, renders = losses.reconstruction(
            explanation, shaded, images, masks, distances, self.rasteriser, self.configuration
        )
        terms |= losses.told_pitch(explanation, told)
        return explanation, terms, silhouettes, renders

    def _patches(self, explanation: Explanation) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self._seed + 1_000_003 * self.step)
        albedo = phong.encode(explanation.albedo)
        return real_and_fake(albedo, self._specular, self.configuration.patch, generator)

    def _differentiate(
        self, parts: tuple[str, ...], total: Tensor, terms: Mapping[str, Tensor]
    ) -> None:
        for part in parts:
            self._optimisers[part].zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        gradients = {
            f"the gradient of {part}.{name}": parameter.grad
            for part in parts
            for name, parameter in getattr(self.networks, part).named_parameters()
            if parameter.grad is not None
        }
        losses_ = {f"the loss {name}": value for name, value in terms.items()}
        self._refuse(losses_ | gradients)

    def _refuse(self, tensors: Mapping[str, Tensor]) -> None:
        # One transfer for all, so that an accelerator is not made to wait for each.
        sums = torch.stack([tensor.detach().sum().float() for tensor in tensors.values()]).cpu()
        for name, value in zip(tensors, sums.tolist(), strict=True):
            if value - value != 0:
                raise TrainingError(
                    f"step {self.step + 1}: {name} is not finite; stopped before the update, and "
                    "the weights of the step before are kept. The same command would stop here "
                    "again: train into another --out with another --seed, or in float32"
                )


def _fields(shape: Shape) -> dict[str, Tensor]:
    return {field.name: getattr(shape, field.name) for field in dataclasses.fields(shape)}
