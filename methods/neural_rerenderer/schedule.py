"""How long each stage lasts and how its learning rates fall."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench.errors import ConfigError

from .trainer import Progress


@dataclass(frozen=True)
class Schedule:
    """How long, and what happens every so many steps.

    Attributes:
        steps: stage → its length.
        minutes: stage → of training, after which it ends earlier; 0 for no bound.
        until: `time.perf_counter()` after which the call stops; infinite for no bound.
        decay: share of stage 3 over which the learning rates fall to 0.
        validated: most pictures of one validation.
    """

    steps: Mapping[int, int]
    minutes: Mapping[int, float]
    until: float
    decay: float
    validate_every: int
    validated: int
    save_every: int

    def gone(self, at: Progress) -> float:
        """The share of the stage under way that is over, by steps or by minutes; from 1 on it has
        ended."""
        bound = 60 * self.minutes[at.stage]
        return max(at.step / self.steps[at.stage], at.seconds / bound if bound else 0.0)

    def rate(self, at: Progress) -> float:
        """The share of the learning rates that the next step takes."""
        if not self.decay or at.stage != 3:
            return 1.0
        return min(max((1 - self.gone(at)) / self.decay, 0.0), 1.0)

    def interrupted(self) -> bool:
        """Whether this call's minutes are over."""
        return time.perf_counter() >= self.until


def stage_minutes(text: str) -> dict[int, float]:
    """ "a,b,c" → stage → minutes.

    Raises:
        ConfigError: other than three numbers of at least 0.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(0 <= value < float("inf") for value in values):
        raise ConfigError(f"--stage-minutes {text}: must be three numbers, such as 10,40,10")
    return dict(zip((1, 2, 3), values, strict=True))
