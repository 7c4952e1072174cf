"""Weights from and to files: the published .pth files, and this project's .safetensors.

A file is data from a stranger: what is read is bounded, nothing in it is run, and every tensor's
name, shape and values are checked before a network is made of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from bench.errors import ConfigError, DataError
from bench.training.weight_files import write_tensors

from . import official
from .configuration import OFFICIAL_MET, OFFICIAL_SYNTHETIC, Configuration
from .networks import Networks, PatchDiscriminator

EMBEDDED = Path(__file__).parent / "weights" / "mini.safetensors"

_LARGEST = 2**30
_LARGEST_HEADER = 16 * 2**20
_PUBLISHED = {500: OFFICIAL_MET, 200: OFFICIAL_SYNTHETIC}
"""Configuration of the published checkpoints by the epochs they were trained for."""


class Loaded(NamedTuple):
    """Networks of float32 on the CPU, in evaluation mode, with what the file says of them.

    `metadata` holds `epoch` (int or None) of a .pth; of a .safetensors all that was given to
    `save_safetensors`.
    """

    configuration: Configuration
    networks: Networks
    metadata: dict[str, Any]


def load(path: Path, configuration: Configuration | None = None) -> Loaded:
    """Networks from a published .pth or a .safetensors; its content decides, not its name.

    Without `configuration`, that of the file. A .safetensors says it. A .pth does not: the two
    published ones hold tensors of the same names and shapes, and are told apart by two signs. Only
    the Met model trains netR's outputs for roll and shift: weights of theirs outside the range of
    their first values rule the synthetic model out. Where all are within, the epoch decides, 500
    for Met and 200 for synthetic; 200 rules Met out. A file within the range and of another epoch
    could be either, and is taken for what `configuration` says.

    Raises:
        DataError: no such file, another format, truncated, a missing, surplus or misshapen tensor,
            a pickle that asks for more than tensors, or not of `configuration`.
        ConfigError: a .pth that could be either, and no configuration is given.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith((b"PK\x03\x04", b"\x80\x02")):
        return _load_published(path, configuration)
    if start[8:9] == b"{":
        return _load_own(path, configuration)
    raise DataError(
        f"{path}: begins with {start!r}: neither a .pth checkpoint nor .safetensors"
        f"{' but a web page; the download went wrong' if b'<' in start else ''}"
    )


def save_safetensors(
    path: Path, networks: Networks, metadata: Mapping[str, Any], half: bool = True
) -> None:
    """Write netR, netT and netE whole or not at all; netD, not needed any more, stays behind.

    Args:
        metadata: of types that JSON knows; each entry, and `configuration`, becomes JSON text in
            the file's header. `trained_on` holds the fingerprints of the data seen.
        half: store float16, with which no prediction changes visibly.

    Raises:
        DataError: a weight is not finite, also where float16 cannot hold it.
        OSError: it cannot be written; an older file is kept.
    """
    kind = torch.float16 if half else torch.float32
    tensors = {
        name: value.detach().to("cpu", kind).contiguous()
        for name, value in networks.state_dict().items()
        if not name.startswith("netD.")
    }
    for name, value in tensors.items():
        _refuse_infinite(path, name, value)
    write_tensors(path, tensors, {**metadata, "configuration": networks.configuration.as_json()})


def _load_published(path: Path, configuration: Configuration | None) -> Loaded:
    found = official.read(path)
    networks = _built(path, configuration or OFFICIAL_MET, found.tensors)
    learned = official.has_learned_pose(networks.state_dict())
    networks.configuration = _told_apart(path, learned, found.epoch, configuration)
    return Loaded(networks.configuration, networks, {"epoch": found.epoch})


def _told_apart(
    path: Path, learned: bool, epoch: int | None, asked: Configuration | None
) -> Configuration:
    likely = OFFICIAL_MET if learned else _PUBLISHED.get(epoch or 0)
    if asked is None:
        if likely is None:
            raise ConfigError(
                f"{path}: could be the Met or the synthetic model (epoch {epoch}, and netR has not "
                "visibly learned roll and shift); name its configuration, "
                f"{OFFICIAL_MET.name} or {OFFICIAL_SYNTHETIC.name}"
            )
        return likely
    moves = asked.shift > 0 or asked.roll[0] != asked.roll[1]
    if learned and not moves:
        raise _swapped(path, OFFICIAL_MET, "it has learned roll and shift", asked)
    if likely is OFFICIAL_SYNTHETIC and moves:
        sign = f"epoch {epoch}, and it has not learned roll and shift"
        raise _swapped(path, OFFICIAL_SYNTHETIC, sign, asked)
    return asked


def _swapped(path: Path, likely: Configuration, sign: str, asked: Configuration) -> DataError:
    return DataError(
        f"{path}: looks like {likely.name} ({sign}), not {asked.name}. Until February 2023 the two "
        f"official scripts fetched each other's file: use it as {likely.name}, or fetch the other"
    )


def _load_own(path: Path, configuration: Configuration | None) -> Loaded:
    size = path.stat().st_size
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if size > _LARGEST or header > min(size, _LARGEST_HEADER):
        raise DataError(f"{path}: {size} bytes with a header of {header}: truncated or corrupt")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            entries = {key: json.loads(text) for key, text in (file.metadata() or {}).items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: truncated or corrupt .safetensors: {error}") from error
    found = _own_configuration(path, entries.pop("configuration", None))
    if configuration is not None and replace(found, name=configuration.name) != configuration:
        other = [k for k, v in found.as_json().items() if v != configuration.as_json()[k]]
        raise DataError(
            f"{path}: is of configuration {found.name!r}, not {configuration.name!r}: "
            f"they differ in {', '.join(other)}"
        )
    return Loaded(found, _built(path, found, tensors), entries)


def _own_configuration(path: Path, stored: object) -> Configuration:
    if not isinstance(stored, dict):
        raise DataError(f"{path}: its header has no configuration; it is not of vase-derenderer")
    try:
        return Configuration.from_json(stored)
    except ConfigError as error:
        raise DataError(f"{path}: its configuration: {error}") from error


def _built(path: Path, configuration: Configuration, tensors: Mapping[str, Any]) -> Networks:
    with torch.device("meta"):  # shapes first: a file may not reserve memory for what it lacks
        networks = Networks(configuration)
    wanted = networks.state_dict()
    judged = any(name.startswith("netD.") for name in tensors)
    if not judged:
        wanted = {k: v for k, v in wanted.items() if not k.startswith("netD.")}
    _compare_names(path, configuration, set(wanted), set(tensors))
    checked = {name: _checked(path, name, tensors[name], wanted[name]) for name in wanted}
    networks.load_state_dict(checked, strict=judged, assign=True)
    if not judged:
        networks.netD = PatchDiscriminator(configuration)
    return networks.requires_grad_(True).eval()


def _compare_names(
    path: Path, configuration: Configuration, wanted: set[str], found: set[str]
) -> None:
    for names, what in ((wanted - found, "missing"), (found - wanted, "unknown")):
        if names:
            listed = ", ".join(sorted(names)[:5]) + (" …" if len(names) > 5 else "")
            raise DataError(
                f"{path}: {len(names)} tensors are {what} for configuration "
                f"{configuration.name!r}: {listed}"
            )


def _checked(path: Path, name: str, value: object, wanted: Tensor) -> Tensor:
    plain = isinstance(value, Tensor) and value.layout is torch.strided
    if not isinstance(value, Tensor) or not plain or not value.is_floating_point():
        raise DataError(f"{path}: {name} is no tensor of floating-point numbers")
    if value.shape != wanted.shape:
        raise DataError(
            f"{path}: {name} has shape {tuple(value.shape)}, must be {tuple(wanted.shape)}"
        )
    full = value.detach().to("cpu", torch.float32, copy=True).contiguous()
    _refuse_infinite(path, name, full)
    return full


def _refuse_infinite(path: Path, name: str, value: Tensor) -> None:
    if not value.isfinite().all():
        raise DataError(f"{path}: {name} holds values that are not finite as {value.dtype}")
