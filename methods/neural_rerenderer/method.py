"""The plug-in `neural-rerenderer`: framebuffers and reference photos in, photos out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.api import Prediction, Query, Sample
from bench.errors import DataError
from bench.quantities import Values

from .encoding import Floating
from .rerender import Rerenderer

_APPEARANCE = ("reference", "reference_framebuffer", "reference_mask")


class NeuralRerenderer:
    """Answers each query with the photo that its framebuffer shows as the reference photo looks."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        """Load the weights.

        Raises:
            DataError: the checkpoint cannot be read.
            UnavailableError: no weights came with this installation.
        """
        checkpoint = options.get("checkpoint")
        self._rerenderer = Rerenderer.from_file(Path(checkpoint) if checkpoint else None, device)

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Answer all queries of the batch: linear RGB in [0, 1], of the framebuffer's size.

        A reference photo that several queries share is encoded once.

        Raises:
            DataError: a framebuffer, or a photo and its framebuffer, that do not fit; the text
                names sample and query.
        """
        codes = dict[str, Tensor]()
        return [self._answers(sample, codes) for sample in samples]

    def _answers(self, sample: Sample, codes: dict[str, Tensor]) -> dict[str, Any]:
        """Query id → H×W×3; codes 8 by digest of the reference are looked up and added.

        The queries of one sample go in together, and no others: rounding depends on a batch's size.
        """
        if not sample.queries:
            return {}
        conditions, asked = [], []
        for query in sample.queries:
            try:
                conditions.append(self._rerenderer.condition(_array(query.condition)))
                asked.append(self._code(query, codes))
            except DataError as error:
                where = f"{sample.scene}/{sample.id}, query {query.id}"
                raise DataError(f"{where}: {error}") from error
        pictures = self._rerenderer.render(conditions, torch.stack(asked))
        return {query.id: each for query, each in zip(sample.queries, pictures, strict=True)}

    def _code(self, query: Query, known: dict[str, Tensor]) -> Tensor:
        """The code 8 of the query's reference photo, from those known or added to them."""
        given = [_array(query.condition, name) for name in _APPEARANCE if name in query.condition]
        digest = _digest(given)
        if digest not in known:
            known[digest] = self._rerenderer.codes([self._rerenderer.appearance(*given)])[0]
        return known[digest]


def _array(values: Values, name: str = "framebuffer") -> Floating:
    value = values[name]
    if not isinstance(value, np.ndarray):
        raise DataError(f"{name}: expected an array, got {type(value).__name__}")
    return value


def _digest(arrays: Sequence[Floating]) -> str:
    total = hashlib.blake2b()
    for array in arrays:
        total.update(repr((array.shape, array.dtype)).encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()
