"""Whether a run reproduces what a method's card claims. The tolerance is the run's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from bench.api import PublishedValue

LEVEL = 0.95
RESAMPLES = 9_999
SEED = 0


@dataclass(frozen=True)
class Verdict:
    """What became of one claim.

    Attributes:
        label: the row that was held against it.
        measured: the mean over scenes, in the score's unit.
        low: with `high` the bootstrap interval of that mean over scenes, at `LEVEL`.
        why: of "not checked".
    """

    label: str
    claim: PublishedValue
    kind: Literal["reproduced", "off", "not checked"]
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """The verdict: "reproduced", "off by −0.51" (measured less claimed), or why neither."""
        if self.kind == "not checked" or self.measured is None:
            return f"not checked ({self.why})"
        off = f"{self.measured - self.claim.value:+.3g}".replace("-", "−")
        return "reproduced" if self.kind == "reproduced" else f"off by {off}"


def judge(label: str, claim: PublishedValue, means: NDArray[np.float64]) -> Verdict:
    """Hold a claim against S scene means of a whole split, in the score's unit.

    It is reproduced where it lies in the BCa bootstrap interval of the mean over scenes
    (specs/metrics.md §15.2), and not checked where the scenes give none.
    """
    if claim.scene:
        return not_checked(label, claim, "of a single scene; nothing to draw a tolerance from")
    if len(means) < 2:
        return not_checked(label, claim, "a single scene gives no tolerance")
    if not np.isfinite(means).all():
        return not_checked(label, claim, "a scene's mean is not finite")
    if np.ptp(means) == 0:
        return not_checked(label, claim, "all scenes have one value, which gives no tolerance")
    low, high = interval(means)
    kind: Any = "reproduced" if low <= claim.value <= high else "off"
    return Verdict(label, claim, kind, float(means.mean()), low, high)


def not_checked(label: str, claim: PublishedValue, why: str) -> Verdict:
    """The verdict on a claim that this run cannot speak to."""
    return Verdict(label, claim, "not checked", why=why)


def interval(means: NDArray[np.float64]) -> tuple[float, float]:
    """The BCa bootstrap interval, at `LEVEL`, of the mean of S ≥ 2 finite numbers, not all alike.

    The same numbers give the same interval in every call.
    """
    found = scipy.stats.bootstrap(
        (means,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="BCa",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)
