"""The published checkpoints' file format (specs/vase_derenderer.md §2.7), read as a stranger's.

A .pth file is a pickle, and a pickle is a program. Its instructions are looked through before any
is followed: a file that asks for anything but tensors, containers and the training history's class
is refused whole. What is left is read by torch's own restricted unpickler.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from bench.errors import DataError

PARTS = ("netR", "netT", "netE", "netD")
LARGEST = 2 * 2**30
"""Bytes; weights and both moments of four optimisers take 0.65 GB."""

_LARGEST_PICKLE = 64 * 2**20
_LEGACY_PICKLES = 5
"""Magic number, version, platform, content, names of the storages that follow as raw bytes."""

_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_HISTORY = "derender.meters.MetricsTrace"
_EXPECTED = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    *(f"torch.{kind}Storage" for kind in _STORAGES),
    _HISTORY,
}
_StandIn = type("MetricsTrace", (), {"__module__": "derender.meters"})


@dataclass(frozen=True, eq=False)
class Published:
    """What a .pth file holds of use: tensors by "netX.name", and the epochs it was trained for."""

    tensors: Mapping[str, Any]
    epoch: int | None


def read(path: Path) -> Published:
    """Read a checkpoint of torch's old or present file format, its keys with or without `module.`.

    Raises:
        DataError: too large, truncated or corrupt, no checkpoint of this method, or a pickle that
            asks for more than tensors; nothing in that was run.
    """
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path}: {path.stat().st_size} bytes are more than a checkpoint has")
    _refuse_foreign(path, _followed(path, _names))
    content = _followed(path, _unpickled)
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, no dict of networks")
    if not any(part in content for part in PARTS):
        raise DataError(
            f"{path}: is no checkpoint of the vase de-renderer: it has none of {', '.join(PARTS)}"
        )
    epoch = content.get("epoch")
    return Published(
        {name: value for part in PARTS for name, value in _state(path, part, content.get(part))},
        epoch if isinstance(epoch, int) else None,
    )


def _followed(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        return reader(path)
    except Exception as error:  # corrupt bytes make a pickle's machine raise whatever they cause
        cause = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{path}: truncated, corrupt or no checkpoint ({cause}); fetch it again"
        ) from error


def _refuse_foreign(path: Path, names: set[str]) -> None:
    foreign = sorted(names - _EXPECTED)
    if foreign:
        raise DataError(
            f"{path}: refused, nothing in it was run: beside tensors it asks for "
            f"{', '.join(foreign[:8])}{' …' if len(foreign) > 8 else ''}. If you trust who made "
            "it, let them save the networks alone: torch.save({k: c[k] for k in "
            "('netR', 'netT', 'netE', 'netD', 'epoch')}, 'networks.pth')"
        )


def _names(path: Path) -> set[str]:
    """The names, as "module.name", that the file's pickles would look up."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":  # how torch decides, too
            file.seek(0)
            return {name for _ in range(_LEGACY_PICKLES) for name in _names_in(file)}
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("compressed entries")
        found: set[str] = set()
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                if entry.file_size > _LARGEST_PICKLE:
                    raise ValueError(f"{entry.file_size} bytes of pickle")
                with archive.open(entry) as file:
                    found.update(_names_in(file))
        return found


def _names_in(file: IO[bytes]) -> Iterator[str]:
    for instruction, argument, position in pickletools.genops(file):
        if position is not None and position > _LARGEST_PICKLE:
            raise ValueError("a pickle without end")
        if instruction.name == "GLOBAL":
            yield str(argument).replace(" ", ".")


def _unpickled(path: Path) -> Any:
    with torch.serialization.safe_globals([_StandIn]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _state(path: Path, part: str, state: object) -> Iterator[tuple[str, object]]:
    if state is None:
        return
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise DataError(f"{path}: {part} is no state dict")
    for key, value in state.items():
        yield f"{part}.{key.removeprefix('module.')}", value


def has_learned_pose(tensors: Mapping[str, Tensor]) -> bool:
    """Whether netR's outputs for roll and shift were ever trained.

    The synthetic model multiplies them by zero, so that they stay what torch drew at the start:
    within ±1/√(inputs). Training moves some out of that.
    """
    weight, bias = (tensors[f"netR.out_net2.2.{name}"][2:5] for name in ("weight", "bias"))
    bound = weight.shape[1] ** -0.5 * (1 + 1e-6)
    return bool((weight.abs() > bound).any() or (bias.abs() > bound).any())
