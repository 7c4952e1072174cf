"""The plug-in `vase-derenderer-fitted`: its outline is moved to the mask that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from bench.api import Sample
from bench.errors import DataError

from .derender import Explanation, Shape
from .fitting import fit_outline, nearest_covered
from .framing import Framed, framed_mask
from .method import Float32, VaseDerenderer
from .render import Seen

_MAPS = ("normal", "albedo", "depth", "roughness", "specular", "shading")


class FittedVaseDerenderer(VaseDerenderer):
    """`VaseDerenderer` with the outline of a given mask; predicts on all of that mask.

    Pixels of the mask that the fitted surface does not cover, handles say, take the values of the
    nearest one that it does. `mask` remains what the surface covers.
    """

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        """Load the weights; raises as `VaseDerenderer`."""
        super().__init__({**options, "least_evidence": 0.0}, device)  # the mask says: a vase
        self._steps = int(options["steps"])

    def _shape(
        self, samples: Sequence[Sample], photos: Sequence[Framed], column: Tensor, scalars: Tensor
    ) -> Shape:
        size = self._configuration.size
        masks = np.stack([framed_mask(_mask(sample), size) for sample in samples])  # B×S×S×1
        return fit_outline(
            column, scalars, masks, self._rasteriser, self._configuration, self._steps
        )

    def _prediction(
        self, sample: Sample, photo: Framed, found: Explanation, seen: Seen
    ) -> dict[str, Any]:
        prediction = super()._prediction(sample, photo, found, seen)
        mask, coverage = _mask(sample), prediction["mask"]
        if mask.shape != coverage.shape:
            raise DataError(
                f"{sample.scene}/{sample.id}: the mask is {mask.shape[:2]}, the image "
                f"{coverage.shape[:2]} pixels"
            )
        source = nearest_covered(coverage[..., 0] > 0, mask[..., 0] > 0)
        for name in _MAPS:
            prediction[name] = prediction[name][source]
        for query in sample.queries:
            if query.quantity == "relit":  # over black by the given mask's coverage, not its own
                colour = prediction[query.id] / np.where(coverage > 0, coverage, 1)
                prediction[query.id] = colour[source] * mask
        return prediction


def _mask(sample: Sample) -> Float32:
    """The given mask H×W×1 in [0, 1]."""
    mask = np.asarray(sample.inputs["mask"], np.float32)
    if not mask.any():
        raise DataError(f"{sample.scene}/{sample.id}: the mask is empty")
    return mask
