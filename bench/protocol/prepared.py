"""Pairs as a comparison wants them, and their squared error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.protocol import Comparison
from bench.protocol.showing import Float64

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A pair ready to be measured.

    Attributes:
        prediction: N×C, the inside pixels in row-major order, in the comparison's space.
        target: N×C, likewise.
        inside: H×W, where those pixels lie.
        pixels: how many pixels a mean goes over: N, or H·W where the background counts as equal.
        weights: N, the coverage of soft comparisons; None where every inside pixel counts alike.
        background: what stands outside in both frames.
    """

    prediction: Float64
    target: Float64
    inside: Mask
    pixels: int
    weights: Float64 | None = None
    background: float = 0.0

    def frames(self) -> tuple[Float64, Float64]:
        """(prediction, target), H×W×C each, the background outside the mask."""
        return self._frame(self.prediction), self._frame(self.target)

    def mean_squared_error(self) -> float:
        """Mean over the comparison's pixels, by their weights, and all channels."""
        return self.squares(self.prediction - self.target) / self.count()

    def squares(self, difference: Float64) -> float:
        """Sum of squares of N×C differences, by the pixels' weights."""
        if self.weights is not None:
            return float(np.einsum("n,nc,nc->", self.weights, difference, difference))
        return float(np.einsum("nc,nc->", difference, difference))

    def count(self) -> float:
        """How many numbers a mean goes over: pixels, or their weights, times channels."""
        pixels = self.pixels if self.weights is None else self.weights.sum()
        return float(pixels * self.target.shape[1])

    def _frame(self, values: Float64) -> Float64:
        channels = values.shape[1]
        frame = np.full((self.inside.size, channels), self.background)  # HW×C
        frame[np.flatnonzero(self.inside)] = values
        return frame.reshape(*self.inside.shape, channels)  # H×W×C


def psnr(prepared: Prepared | Sequence[Prepared], comparison: Comparison) -> float:
    """10 log₁₀(peak² / mean squared error) in dB; ∞ for identical arrays.

    Of several images the mean, or that of their pooled error; with the comparison's floor, never
    below that of a grey image.
    """
    parts = [prepared] if isinstance(prepared, Prepared) else list(prepared)
    groups = [parts] if comparison.reduction == "pooled" else [[part] for part in parts]
    return float(np.mean([_decibels(group, comparison) for group in groups]))


def pooled_error(parts: Sequence[Prepared]) -> float:
    """Mean squared error over all pixels of several images."""
    total = sum(part.squares(part.prediction - part.target) for part in parts)
    return total / sum(part.count() for part in parts)


def _decibels(parts: Sequence[Prepared], comparison: Comparison) -> float:
    error = pooled_error(parts)
    if comparison.floor is not None:
        grey = sum(part.squares(comparison.floor - part.target) for part in parts)
        error = min(error, grey / sum(part.count() for part in parts))
    return math.inf if error == 0 else 10 * math.log10(comparison.peak**2 / error)
