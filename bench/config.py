"""bench.toml → frozen, strict objects. No dictionary of settings travels past this module."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from bench.api import Option
from bench.errors import ConfigError
from bench.own_protocols import ProtocolConfig
from bench.plugins import nearest

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class RunConfig:
    """`[run]`: see docs/configuration.md."""

    name: str = "run"
    seed: int = 0
    device: str = "auto"
    protocols: tuple[str, ...] = ("neutral",)
    skip: tuple[str, ...] = ()
    jobs: int = 1
    threads: int = 2
    out: str = ""


@dataclass(frozen=True)
class MethodConfig:
    """One `[[methods]]` table; `memory` is text such as "8GB", timeouts are seconds."""

    name: str
    label: str = ""
    privileged: tuple[str, ...] = ()
    timeout: float = 60.0
    fit_timeout: float = 3600.0
    memory: str = "8GB"
    python: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetConfig:
    """One `[[datasets]]` table."""

    name: str
    split: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark file, parsed; paths in it are relative to `folder`."""

    file: Path
    run: RunConfig
    methods: tuple[MethodConfig, ...]
    datasets: tuple[DatasetConfig, ...]
    protocols: Mapping[str, ProtocolConfig] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where relative paths of the file start."""
        return self.file.parent


def read(file: Path) -> Benchmark:
    """Parse a benchmark file.

    Raises:
        ConfigError: naming the file, the key, and the nearest valid one.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: no such file; `--config` names another") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    return parse(raw, file.resolve())


def parse(raw: Mapping[str, Any], file: Path) -> Benchmark:
    """The benchmark a parsed TOML document describes; raises `ConfigError` like `read`."""
    sections = {"run": dict, "methods": list, "datasets": list, "protocols": dict}
    for name, value in raw.items():
        if name not in sections:
            raise ConfigError(f"{file}: unknown key {name!r}{nearest(name, sections)}")
        if not isinstance(value, sections[name]):
            wanted = {"run": "[run]", "protocols": "[protocols.NAME]"}.get(name, f"[[{name}]]")
            raise ConfigError(f"{file}: {name} must be written as {wanted} tables")
    benchmark = Benchmark(
        file=file,
        run=_table(RunConfig, raw.get("run", {}), f"{file}: run"),
        methods=_tables(MethodConfig, raw.get("methods", []), f"{file}: methods"),
        datasets=_tables(DatasetConfig, raw.get("datasets", []), f"{file}: datasets"),
        protocols={
            name: _table(ProtocolConfig, table, f"{file}: protocols.{name}")
            for name, table in raw.get("protocols", {}).items()
        },
    )
    _check(benchmark)
    return benchmark


def _tables(kind: type, raw: Sequence[Any], where: str) -> tuple[Any, ...]:
    return tuple(_table(kind, table, f"{where}[{index}]") for index, table in enumerate(raw))


def _table(kind: type, raw: Any, where: str) -> Any:
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: must be a table")
    hints = get_type_hints(kind)
    for key in raw:
        if key not in hints:
            raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, hints)}")
    for known in fields(kind):
        required = known.default is MISSING and known.default_factory is MISSING
        if required and known.name not in raw:
            raise ConfigError(f"{where}: key {known.name!r} is missing")
    return kind(**{key: _typed(value, hints[key], f"{where}.{key}") for key, value in raw.items()})


def _typed(value: Any, wanted: Any, where: str) -> Any:
    if wanted == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
        raise ConfigError(f"{where}: must be a list of strings, not {value!r}")
    if wanted == Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        raise ConfigError(f"{where}: must be a table, not {value!r}")
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ConfigError(
            f"{where}: must be {wanted.__name__}, not {type(value).__name__} {value!r}"
        )
    return value


def _check(benchmark: Benchmark) -> None:
    file, run = benchmark.file, benchmark.run
    if run.jobs < 1 or run.threads < 1:
        raise ConfigError(f"{file}: run.jobs and run.threads must be at least 1")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", run.device):
        raise ConfigError(f"{file}: run.device: {run.device!r} is none of auto, cpu, cuda, cuda:N")
    if run.name in ("", ".", "..") or "/" in run.name:
        raise ConfigError(f"{file}: run.name: {run.name!r} cannot name a folder")
    labels = [method.label or method.name for method in benchmark.methods]
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(f"{file}: methods: {label!r} appears twice; give each its own label")
    for index, method in enumerate(benchmark.methods):
        where = f"{file}: methods[{index}]"
        parse_bytes(method.memory, f"{where}.memory")
        if not (method.timeout > 0 and method.fit_timeout > 0):
            raise ConfigError(f"{where}: timeouts must be positive seconds")


def parse_bytes(text: str, where: str) -> int:
    """ "8GB" → 8·10⁹. Raises `ConfigError` naming `where`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B", text.strip())
    if match is None:
        raise ConfigError(f"{where}: {text!r} is no size; write for example '8GB' or '500MB'")
    return int(float(match[1]) * _UNITS[match[2]])


def resolve_options(
    options: Sequence[Option], given: Mapping[str, Any], where: str, folder: Path
) -> dict[str, Any]:
    """Every option of a card with its value: the given one, checked, or the default.

    Paths are made absolute from `folder`.

    Raises:
        ConfigError: unknown key, wrong type, not among the choices, out of bounds, or missing.
    """
    known = {option.name: option for option in options}
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}: unknown option {key!r}{nearest(key, known)}")
    return {
        name: _option(option, given.get(name, option.default), f"{where}.{name}", folder)
        for name, option in known.items()
    }


def _option(option: Option, value: Any, where: str, folder: Path) -> Any:
    if value is None:
        if option.required:
            raise ConfigError(f"{where}: must be given: {option.help}")
        return None
    if option.type is Path:
        if not isinstance(value, str | Path):
            raise ConfigError(f"{where}: must be a path, not {value!r}")
        return str((folder / Path(value).expanduser()).resolve())
    value = _typed(value, option.type, where)
    if option.choices and value not in option.choices:
        hint = nearest(value, option.choices) if isinstance(value, str) else ""
        raise ConfigError(f"{where}: {value!r} is none of {list(option.choices)}{hint}")
    low, high = option.bounds
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise ConfigError(f"{where}: {value!r} leaves [{low}, {high}]")
    return value


def from_text(options: Sequence[Option], given: Mapping[str, str], where: str) -> dict[str, Any]:
    """Options written as text on a command line, read as their types. Raises `ConfigError`."""
    types = {option.name: option.type for option in options}
    return {
        name: _read(text, types.get(name, str), f"{where} {name}") for name, text in given.items()
    }


def _read(text: str, wanted: type, where: str) -> Any:
    if wanted is bool:
        if text in ("true", "false"):
            return text == "true"
        raise ConfigError(f"{where}: must be true or false, not {text!r}")
    if wanted not in (int, float):
        return text
    try:
        return wanted(text)
    except ValueError as error:
        raise ConfigError(f"{where}: must be {wanted.__name__}, not {text!r}") from error


def pairs(texts: Sequence[str], where: str) -> dict[str, str]:
    """KEY=VALUE texts of a command line as a mapping. Raises `ConfigError` for another form."""
    split = [text.partition("=") for text in texts]
    for text, (_, sign, _) in zip(texts, split, strict=True):
        if not sign:
            raise ConfigError(f"{where}: {text!r} is not KEY=VALUE")
    return {key: value for key, _, value in split}
