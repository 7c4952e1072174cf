"""The networks under training: one update after the other, with a state that survives.

Specs: specs/neural_rerendering.md §6–§7. What a stage minimises stands in `stages`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._functorch.config as functorch
from torch import Tensor, nn

from bench.errors import BenchError, DataError
from bench.training.state_files import PREVIOUS, STATE, write_state

from .configuration import Configuration
from .networks import AppearanceEncoder, Discriminators, Generator

DAMAGED = "state.damaged.pt"
AVERAGED = ("generator", "encoder")
"""Those whose moving averages inference uses."""


class TrainingError(BenchError):
    """Training cannot go on; the text says at which step, why, and what is kept."""


class Networks(nn.Module):
    """The three that are trained."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.generator = Generator(configuration)
        self.encoder = AppearanceEncoder(configuration)
        self.discriminators = Discriminators(configuration)


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        stage: the one under way, or the last one done; 0 before the first.
        step: how many updates of that stage are done.
        seconds: that those took.
        done: (stage, steps, seconds) of each one that has ended.
    """

    stage: int = 0
    step: int = 0
    seconds: float = 0.0
    done: tuple[tuple[int, int, float], ...] = ()

    def __str__(self) -> str:
        return f"stage {self.stage} after step {self.step}"

    def has(self, stage: int) -> bool:
        """Whether the stage has ended."""
        return any(number == stage for number, _, _ in self.done)


class Trainer:
    """Networks, their moving averages, an optimiser for each, and how far they are.

    Args:
        precision: "float32", or "bfloat16" for what the networks compute.
        compiled: let torch compile the networks.
    """

    def __init__(
        self,
        networks: Networks,
        configuration: Configuration,
        device: str,
        precision: str = "float32",
        compiled: bool = False,
    ) -> None:
        self.configuration, self.device = configuration, torch.device(device)
        layout = torch.channels_last
        self.networks = networks.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        self.networks.train()
        averaged = {name: copy.deepcopy(getattr(networks, name)) for name in AVERAGED}
        self.averages = nn.ModuleDict(averaged).requires_grad_(False).eval()
        self.progress = Progress()
        self._optimisers: dict[str, torch.optim.Adam] = {}
        for part in self.networks.children():
            if precision == "bfloat16":
                part.forward = torch.autocast(self.device.type, torch.bfloat16)(part.forward)
            if compiled:
                part.compile()
        if compiled:  # two losses are differentiated through one pass of the discriminators
            functorch.donated_buffer = False

    def begin(self, stage: int, rates: Mapping[str, float]) -> None:
        """Start a stage from the weights as they are; moments and averages start afresh.

        Args:
            rates: learning rate of each network that the stage trains.
        """
        self.progress = Progress(stage, done=self.progress.done)
        for name, average in self.averages.named_children():
            average.load_state_dict(getattr(self.networks, name).state_dict())
        self._prepare(rates)

    def end(self) -> None:
        """Note that the stage under way has ended."""
        at = self.progress
        self.progress = Progress(
            at.stage, at.step, at.seconds, (*at.done, (at.stage, at.step, at.seconds))
        )

    def _prepare(self, rates: Mapping[str, float]) -> None:
        """An optimiser for each network that learns; the others stand still."""
        self.networks.requires_grad_(False)
        self._rates, self._optimisers = dict(rates), {}
        for name, rate in rates.items():
            part = getattr(self.networks, name).requires_grad_(True)
            self._optimisers[name] = torch.optim.Adam(
                part.parameters(),
                lr=rate,
                betas=(self.configuration.momentum, 0.99),
                eps=1e-8,
                fused=True,
            )

    def zero_grad(self) -> None:
        """Forget the gradients of the step before."""
        for optimiser in self._optimisers.values():
            optimiser.zero_grad(set_to_none=True)

    def update(
        self, losses: Mapping[str, Tensor], share: float, started: float
    ) -> dict[str, float]:
        """Step every optimiser of the stage, and the averages; the losses, as numbers.

        Args:
            share: of the learning rates.
            started: `time.perf_counter()` when the step began.

        Raises:
            TrainingError: a loss or a gradient is no number; nothing was updated.
        """
        values = self._finite(losses)
        for name, optimiser in self._optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self._rates[name] * share
            optimiser.step()
        self.progress.step += 1
        self._average()
        self.progress.seconds += time.perf_counter() - started
        return values

    @torch.no_grad()
    def _average(self) -> None:
        # Short runs would keep their first, random weights in an average over a thousand steps.
        step = self.progress.step
        decay = min(self.configuration.decay, (1 + step) / (10 + step))
        for name, average in self.averages.named_children():
            if name in self._optimisers:
                weights = list(getattr(self.networks, name).parameters())
                torch._foreach_lerp_(list(average.parameters()), weights, 1 - decay)

    def _finite(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        norms = {
            f"the gradient of {name}": torch.stack(torch._foreach_norm(self._gradients(name))).sum()
            for name in self._optimisers
        }
        terms = {f"the loss {name}": loss.detach() for name, loss in losses.items()} | norms
        # One transfer for all, so that an accelerator is not made to wait for each.
        values = torch.stack([term.float() for term in terms.values()]).cpu()
        if not values.isfinite().all():
            first = next(n for n, v in zip(terms, values.isfinite().tolist(), strict=True) if not v)
            raise TrainingError(
                f"stage {self.progress.stage}, step {self.progress.step + 1}: {first} is not "
                "finite; stopped before the update, and the weights of the step before are kept. "
                "The same command would stop here again: train into another --out with another "
                "--seed, another --batch, or --precision float32"
            )
        return dict(zip(losses, values.tolist(), strict=False))

    def _gradients(self, name: str) -> list[Tensor]:
        parameters = getattr(self.networks, name).parameters()
        return [p.grad for p in parameters if p.grad is not None]

    def save(self, folder: Path) -> None:
        """Write the state; the one before stays as `state.previous.pt`.

        Raises:
            TrainingError: the disk is full or cannot be written; the state before is kept.
        """
        at = self.progress
        state = {
            "progress": [at.stage, at.step, at.seconds, list(map(list, at.done))],
            "networks": self.networks.state_dict(),
            "averages": self.averages.state_dict(),
            "optimisers": {name: part.state_dict() for name, part in self._optimisers.items()},
        }
        try:
            write_state(folder, state)
        except OSError as error:
            raise TrainingError(
                f"stage {at.stage}, step {at.step}: the state cannot be written to {folder}: "
                f"{error}; free some space and run the same command again, it goes on from the "
                "last state"
            ) from error

    def resume(
        self,
        folder: Path,
        rates: Mapping[int, Mapping[str, float]],
        warn: Callable[[str], None],
    ) -> None:
        """Load the last good state, if there is one.

        Args:
            rates: stage → learning rate of each network that it trains.

        Raises:
            DataError: there are states and none can be read.
        """
        found = [folder / name for name in (STATE, PREVIOUS) if (folder / name).exists()]
        for path in found:
            try:
                state = torch.load(path, map_location=self.device, weights_only=True)
                self._load(state, rates)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # torch raises what a damaged file happens to cause
                warn(f"{path}: cannot be read ({error}); trying the state before")
                continue
            if path.name == PREVIOUS and len(found) > 1:  # it must not replace the good one
                found[0].replace(folder / DAMAGED)
            return
        if found:
            raise DataError(f"{folder}: none of its states can be read; train into another --out")

    def _load(self, state: Mapping[str, Any], rates: Mapping[int, Mapping[str, float]]) -> None:
        stage, step, seconds, done = state["progress"]
        self.networks.load_state_dict(state["networks"])
        self.averages.load_state_dict(state["averages"])
        self._prepare(rates[stage])
        for name, part in self._optimisers.items():
            part.load_state_dict(state["optimisers"][name])
        ended: Sequence[tuple[int, int, float]] = [(a, b, c) for a, b, c in done]
        self.progress = Progress(int(stage), int(step), float(seconds), tuple(ended))
