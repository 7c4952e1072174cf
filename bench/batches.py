"""`bench.score` of a batch: in threads on the CPU, all at once on another device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from torch import Tensor

from bench.errors import InvalidValueError
from bench.items import Call, Wanted, call, one_channel, score_item, work
from bench.protocol import Protocol
from bench.protocol.batched import Batch, supports
from bench.quantities import VOCABULARY, Quantity

Arrays: TypeAlias = "Mapping[str, Any]"
"""Quantity → B×H×W×C array or tensor, a list of B values, or one value for all."""


def score_batch(
    prediction: Arrays, target: Arrays, protocol: Protocol, inputs: Arrays, wanted: Wanted
) -> dict[str, Any]:
    """`bench.score` of B items: metric id → B values, NaN where one is not defined.

    Raises:
        InvalidValueError: as `bench.score`; the message names the item.
    """
    parts = (prediction, target, inputs)
    count = _count(parts)
    tensors = [value for part in parts for value in part.values() if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else torch.device("cpu")
    calls = list(work(parts, protocol, wanted))
    values: dict[str, Tensor] = {}
    if device.type != "cpu":
        values, calls = score_on_device(parts, calls, device)
    rest = {name for *_, names in calls for name in names.values()}
    if rest:
        host = [{name: _host(value) for name, value in part.items()} for part in parts]
        each = _score_each(host, protocol, count, lambda _, name: name in rest)
        values |= {name: found.to(device) for name, found in each.items()}
    return dict(values) if tensors else {name: found.numpy() for name, found in values.items()}


def score_on_device(
    parts: Sequence[Arrays], calls: Sequence[Call], device: torch.device
) -> tuple[dict[str, Tensor], list[Call]]:
    """B values of the metrics that take a batch of prediction, target and inputs; other calls.

    Raises:
        InvalidValueError: as `bench.score`.
    """
    given, truth, offered = (_tensors(part, device) for part in parts)
    if any(name in truth and given[name].shape != truth[name].shape for name in given):
        return {}, list(calls)  # pictures are resized one by one
    batch = Batch(given, {**offered, **truth})
    values: dict[str, Tensor] = {}
    others = []
    for metric, comparison, names in calls:
        if hasattr(metric, "batch") and supports(comparison):
            values |= call(metric.batch, names, batch, comparison)
        else:
            others.append((metric, comparison, names))
    return values, others


def _score_each(
    parts: Sequence[Arrays], protocol: Protocol, count: int, wanted: Wanted
) -> dict[str, Tensor]:
    """B values of every metric, from the NumPy arrays of one item after the other."""

    def score(index: int) -> dict[str, float]:
        prediction, target, inputs = ({n: _one(v, index) for n, v in p.items()} for p in parts)
        try:
            return score_item(prediction, target, protocol, inputs, wanted)
        except InvalidValueError as error:
            raise InvalidValueError(error.kind, f"item {index}: {error}") from error

    with ThreadPoolExecutor(max(cv2.getNumThreads(), 1)) as threads:
        scored = list(threads.map(score, range(count)))
    names = dict.fromkeys(name for values in scored for name in values)
    return {
        name: torch.tensor([values.get(name, torch.nan) for values in scored], dtype=torch.float64)
        for name in names
    }


def _count(parts: Sequence[Arrays]) -> int:
    counts = [
        (name, len(value))
        for part in parts
        for name, value in part.items()
        if isinstance(value, (np.ndarray, Tensor, list, tuple))
    ]
    if len({count for _, count in counts}) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts)
        raise InvalidValueError("shape", f"the items of a batch are not equally many: {listed}")
    return counts[0][1]


def _host(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _one(value: Any, index: int) -> Any:
    """The value of one item; one that is no sequence is every item's."""
    return value[index] if isinstance(value, (np.ndarray, list, tuple)) else value


def _tensors(values: Arrays, device: torch.device) -> dict[str, Tensor]:
    """What consists of pictures, B×H×W×C on the device, checked."""
    tensors = {}
    for name, value in values.items():
        quantity = VOCABULARY.get(name)
        if quantity is None or quantity.shape[:2] != ("H", "W"):
            continue
        if not isinstance(value, (np.ndarray, Tensor)):
            continue
        tensor = torch.as_tensor(value, device=device).detach()
        if tensor.ndim == 3 and one_channel(name):
            tensor = tensor[..., None]  # B×H×W×1
        _check(quantity, tensor)
        tensors[name] = tensor
    return tensors


def _check(quantity: Quantity, values: Tensor) -> None:
    """`quantities.validate` of B×H×W×C, but for what only each item can say."""
    wanted = quantity.shape[2]
    if values.ndim != 4 or not values.numel() or wanted not in ("C", values.shape[3]):
        raise InvalidValueError(
            "shape", f"{quantity.name}: {tuple(values.shape)} is not B×H×W×{wanted}"
        )
    lows, highs = values.flatten(1).aminmax(dim=1)  # B
    for index, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
        where = f"item {index}: {quantity.name}"
        if not np.isfinite(low) or not np.isfinite(high):
            raise InvalidValueError("non-finite", f"{where}: it holds NaN or ∞")
        least, most = quantity.bounds
        if (least is not None and low < least) or (most is not None and high > most):
            found = f"[{low:.4g}, {high:.4g}]"
            raise InvalidValueError("range", f"{where}: values {found} leave [{least}, {most}]")
