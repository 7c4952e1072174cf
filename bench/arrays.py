"""`bench.score`: a user's own arrays, compared as a run would compare them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from bench.errors import ConfigError
from bench.items import score_item
from bench.plugins import nearest
from bench.protocol.named import PROTOCOLS


def score(
    prediction: Mapping[str, Any],
    target: Mapping[str, Any],
    protocol: str = "neutral",
    inputs: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = ("*",),
) -> dict[str, Any]:
    """Score a user's own arrays, of one item or of a batch.

    An item's arrays are H×W×C NumPy (H×W accepted for one-channel quantities). A batch's are
    B×H×W×C, NumPy or torch, on any device; of what is no array (an environment, judgements) it has
    a list of B. Image metrics are computed where the tensors are, the others on the CPU.

    Args:
        prediction: quantity → array.
        target: quantity → truth, with `mask` where there is one, and `judgements` for WHDR.
        protocol: name of a protocol; see `bench list protocols`.
        inputs: quantity → value, for metrics that read them (camera, image).
        metrics: patterns of the metric ids that are wanted, such as "relit.*".

    Returns:
        Metric id → value, a second column's as "albedo.psnr/single". Of a batch B values: a tensor
        on the tensors' device, or an array. Each item is a unit of its own: no scale is shared.

    What is not a good pair of images:
        - A prediction of another size is resized to its truth's as the protocol says. A mask, or
          items of a batch, of unlike sizes are refused.
        - Where the mask is empty, or the frame smaller than a metric's window, the metric is not
          defined: its id is absent, in a batch NaN.
        - NaN and ∞, and values that leave a quantity's range, are refused. An albedo or image may
          be negative: no metric clips but where its protocol does. HDR-FLIP is defined neither
          of negative values nor of a black truth, and refuses them; `metrics` leaves it out.
        - A prediction of zeros fits any scale and is scored unscaled.
        - A metric whose weights or library cannot be had is left out. So is a quantity without a
          truth; where nothing predicted has one, that is refused.

    Raises:
        ConfigError: where the protocol is unknown.
        InvalidValueError: where an array breaks the contract of its quantity: of kind "shape",
            "range", "non-finite" or "missing". Of a batch the message names the item.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {protocol!r}{nearest(protocol, PROTOCOLS)}")
    chosen = PROTOCOLS[protocol]

    def wanted(score: str, name: str) -> bool:
        return any(fnmatchcase(score, pattern) for pattern in metrics)

    if any(map(_is_batch, [*prediction.values(), *target.values()])):
        from bench.batches import score_batch

        return score_batch(prediction, target, chosen, inputs or {}, wanted)
    return score_item(prediction, target, chosen, inputs or {}, wanted)


def _is_batch(value: object) -> bool:
    # Whoever has a tensor has imported torch; nobody else needs it.
    torch = sys.modules.get("torch")
    return getattr(value, "ndim", 0) == 4 or (torch is not None and isinstance(value, torch.Tensor))
