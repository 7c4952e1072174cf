"""Weights from and to .safetensors files.

A file is data from a stranger: what is read is bounded, nothing in it is run, and every tensor's
name, shape and values are checked before a network is made of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from bench.errors import ConfigError, DataError
from bench.training.weight_files import write_tensors

from .configuration import Configuration
from .networks import AppearanceEncoder, Discriminators, Generator

_LARGEST = 2**30
_LARGEST_HEADER = 16 * 2**20
_BUILDERS = {"generator": Generator, "encoder": AppearanceEncoder, "discriminators": Discriminators}


class Loaded(NamedTuple):
    """Networks of float32 on the CPU, in evaluation mode, with what the file says of them.

    `discriminators` are None where the file has none: inference needs none. `metadata` holds all
    that was given to `save_weights`.
    """

    configuration: Configuration
    generator: Generator
    encoder: AppearanceEncoder
    discriminators: Discriminators | None
    metadata: dict[str, Any]


def save_weights(
    path: Path,
    networks: Mapping[str, nn.Module],
    configuration: Configuration,
    metadata: Mapping[str, Any],
    half: bool = True,
) -> None:
    """Write networks whole or not at all.

    Args:
        networks: `generator`, `encoder` and perhaps `discriminators`.
        metadata: of types that JSON knows; each entry, and `configuration`, becomes JSON text in
            the file's header. `trained_on` holds the fingerprints of the data seen.
        half: store float16, with which no picture changes visibly.

    Raises:
        DataError: a weight is not finite, also where float16 cannot hold it.
        OSError: it cannot be written; an older file is kept.
    """
    kind = torch.float16 if half else torch.float32
    tensors = {
        f"{part}.{name}": value.detach().to("cpu", kind).contiguous()
        for part, network in networks.items()
        for name, value in network.state_dict().items()
    }
    for name, value in tensors.items():
        _refuse_infinite(path, name, value)
    write_tensors(path, tensors, {**metadata, "configuration": configuration.as_json()})


def load_weights(path: Path) -> Loaded:
    """Networks from a file of `save_weights`.

    Raises:
        DataError: no such file, another format, truncated, of another method, a missing, surplus or
            misshapen tensor, a value that is not finite, `trained_on` that is no list of texts.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    size = path.stat().st_size
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if size > _LARGEST or header > min(size, _LARGEST_HEADER):
        raise DataError(f"{path}: {size} bytes with a header of {header}: no .safetensors, or cut")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            entries = {key: json.loads(text) for key, text in (file.metadata() or {}).items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: truncated or corrupt .safetensors: {error}") from error
    configuration = _configuration(path, entries.pop("configuration", None))
    _refuse_other_than_texts(path, "trained_on", entries.get("trained_on", []))
    parts = {name.partition(".")[0] for name in tensors}
    if parts - set(_BUILDERS) or not {"generator", "encoder"} <= parts:
        raise DataError(
            f"{path}: holds {', '.join(sorted(parts)) or 'nothing'}, not a generator and an encoder"
        )
    built: dict[str, Any] = {part: _built(path, part, configuration, tensors) for part in parts}
    return Loaded(
        configuration,
        built["generator"],
        built["encoder"],
        built.get("discriminators"),
        entries,
    )


def _refuse_other_than_texts(path: Path, name: str, stored: object) -> None:
    if not isinstance(stored, list) or not all(isinstance(entry, str) for entry in stored):
        raise DataError(f"{path}: {name} in its header is no list of texts")


def _configuration(path: Path, stored: object) -> Configuration:
    if not isinstance(stored, dict):
        raise DataError(f"{path}: its header has no configuration; it is not of neural-rerenderer")
    try:
        return Configuration.from_json(stored)
    except ConfigError as error:
        raise DataError(
            f"{path}: its configuration is not of neural-rerenderer: {error}"
        ) from error


def _built(
    path: Path, part: str, configuration: Configuration, tensors: Mapping[str, Tensor]
) -> nn.Module:
    with torch.device("meta"):  # shapes first: a file may not reserve memory for what it lacks
        network = _BUILDERS[part](configuration)
    wanted = network.state_dict()
    found = {name.partition(".")[2]: value for name, value in tensors.items() if _of(part, name)}
    for names, what in (
        (set(wanted) - set(found), "missing"),
        (set(found) - set(wanted), "unknown"),
    ):
        if names:
            listed = ", ".join(sorted(names)[:5]) + (" …" if len(names) > 5 else "")
            raise DataError(
                f"{path}: {len(names)} tensors of the {part} are {what} for configuration "
                f"{configuration.name!r}: {listed}"
            )
    checked = {name: _checked(path, part, name, found[name], wanted[name]) for name in wanted}
    network.load_state_dict(checked, assign=True)
    return network.requires_grad_(True).eval()


def _of(part: str, name: str) -> bool:
    return name.startswith(f"{part}.")


def _checked(path: Path, part: str, name: str, value: Tensor, wanted: Tensor) -> Tensor:
    if not value.is_floating_point():
        raise DataError(f"{path}: {part}.{name} is no tensor of floating-point numbers")
    if value.shape != wanted.shape:
        raise DataError(
            f"{path}: {part}.{name} has shape {tuple(value.shape)}, must be {tuple(wanted.shape)}"
        )
    full = value.to("cpu", torch.float32, copy=True).contiguous()
    _refuse_infinite(path, f"{part}.{name}", full)
    return full


def _refuse_infinite(path: Path, name: str, value: Tensor) -> None:
    if not value.isfinite().all():
        raise DataError(f"{path}: {name} holds values that are not finite as {value.dtype}")
