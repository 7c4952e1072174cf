"""`bench import stanford-orb FILE…`: the official per-capture scores.

{"scores": {"light_all": {"scene001_obj018_teapot": {"psnr_hdr": 24.4, …}, …}, …}, "info": …}

Values are as the file has them: the depth that the site prints × 1000 and the Chamfer distance that
it prints × 2000 are in plain units, as the metrics give them (specs/metrics.md §3, §4.1). Each is
of one capture; means over captures are for whoever reads them. `scores_stats`, which the file says
of itself, and `info` are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.api import PublishedValue
from bench.datasets.stanford_orb.captures import capture_name
from bench.errors import ConfigError, DataError

_IMAGES = {"psnr_hdr": "psnr_hdr", "psnr_ldr": "psnr", "ssim": "ssim", "lpips": "lpips"}
METRICS: Mapping[str, Mapping[str, str]] = {
    "view_all": {key: f"view.{name}" for key, name in _IMAGES.items()},
    "light_all": {key: f"relit.{name}" for key, name in _IMAGES.items()},
    "geometry_all": {
        "normal_angle": "normal.cosine",
        "depth_mse": "depth.si_mse",
        "depth_mse_scene": "depth.si_mse_scene",
    },
    "material_all": {key: f"albedo.{_IMAGES[key]}" for key in ("psnr_ldr", "ssim", "lpips")},
    "shape_all": {"bidir_chamfer": "mesh.chamfer"},
}
"""Task and name in the file → metric id."""

_NOTES = {
    "mesh.chamfer": "as in the file; the site prints it × 2000",
    "depth.si_mse": "as in the file; × 1000 in the paper",
    "depth.si_mse_scene": "as in the file; the site prints it × 1000",
}

_LARGEST = 1e9
"""No score comes near it; NaN, infinities and whole numbers beyond a float do not pass."""


def import_scores(*, files: Sequence[Path], method: str | None = None) -> list[PublishedValue]:
    """Every value of the files, each of one capture.

    Args:
        method: what to call the method of one file; None for the file's name.

    Raises:
        ConfigError: one name for several files, or several files of one name.
        DataError: naming file and key; nothing is imported then.
    """
    if method and len(files) > 1:
        raise ConfigError(f"--method: {len(files)} files cannot all be {method!r}")
    names = [method or file.stem for file in files]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name}: two files of this name; import them one by one, --method")
    return [
        value
        for file, name in zip(files, names, strict=True)
        for value in _values(file, name, _read(file))
    ]


def _read(file: Path) -> Mapping[str, Any]:
    try:
        body = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: not a score file: {error}") from error
    if not isinstance(body, dict):
        raise DataError(f"{file}: not a score file: expected an object")
    return body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once. Raises ValueError: of two values, which is meant?"""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} comes twice")
    return made


def _values(file: Path, method: str, body: Mapping[str, Any]) -> Iterator[PublishedValue]:
    scores = _object(body, "scores", f"{file}: scores")
    for task in scores:
        if task not in METRICS:
            raise DataError(f"{file}: scores.{task}: unknown; expected {', '.join(METRICS)}")
    if not any(scores.values()):
        raise DataError(f"{file}: scores: holds no values")
    for task, metrics in METRICS.items():
        where = f"{file}: scores.{task}"
        captures = _object(scores, task, where)
        for capture, found in _by_capture(captures, where).items():
            for key, value in _object(captures, found, f"{where}.{found}").items():
                place = f"{where}.{found}.{key}"
                if key not in metrics:
                    raise DataError(f"{place}: unknown; expected {', '.join(metrics)}")
                yield _value(file, method, capture, metrics[key], _number(value, place))


def _value(file: Path, method: str, capture: str, metric: str, value: float) -> PublishedValue:
    return PublishedValue(
        method=method,
        metric=metric,
        value=value,
        dataset="stanford-orb",
        split="test",
        protocol="stanford-orb",
        scene=capture,
        source=f"{file.name}, the benchmark's per-capture scores",
        verified=True,
        note=_NOTES.get(metric, ""),
    )


def _object(parent: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object, found {value!r:.60}")
    return value


def _by_capture(captures: Mapping[str, Any], where: str) -> dict[str, str]:
    """Capture → its key in the file. Raises `DataError` for a stranger or two of one name."""
    found: dict[str, str] = {}
    for key in captures:
        name = capture_name(key)
        if name is None:
            raise DataError(f"{where}.{key}: is none of the 42 captures")
        if name in found:
            raise DataError(f"{where}.{key}: is {name}, which {found[name]} is too")
        found[name] = key
    return found


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: {value!r:.60} is not a number")
    if not abs(value) <= _LARGEST:
        raise DataError(f"{where}: {value!r:.60} is no finite score")
    return float(value)
