"""A run in memory: rows of every kind on two datasets, failures, and pictures of spheres."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import (
    Key,
    Outcome,
    Prediction,
    PublishedValue,
    Query,
    Row,
    Sample,
    Score,
    Targets,
)
from bench.errors import DataError
from bench.protocol.named import NEUTRAL
from bench.quantities import Camera, Environment

ONE_VIEW = {
    "views": "one",
    "mask": "given",
    "camera": "none",
    "geometry": "none",
    "light": "none",
    "fit": "per image",
    "training": "none",
}
LPIPS_MESSAGE = "LPIPS has no AlexNet weights; run `bench fetch lpips` <once>"
SCORES = (
    Score("normal.mae", "mean angular error", "lower", "°", (0, 180)),
    Score("normal.median", "median angular error", "lower", "°", (0, 180)),
    Score("normal.within_11.25", "normals within 11.25°", "higher", "%", (0, 100)),
    Score("normal.within_22.5", "normals within 22.5°", "higher", "%", (0, 100)),
    Score("normal.within_30", "normals within 30°", "higher", "%", (0, 100)),
    Score("albedo.psnr", "albedo PSNR", "higher", "dB"),
    Score("albedo.si_mse", "albedo scale-invariant MSE", "lower", "", (0, None)),
    Score("albedo.lmse", "albedo local MSE", "lower", "", (0, 1)),
    Score("shading.lmse", "shading local MSE", "lower", "", (0, 1)),
    Score("depth.rmse", "depth RMSE ÷ extent", "lower", "", (0, None)),
    Score("light.si_rmse", "light scale-invariant RMSE", "lower"),
    Score("light.angular", "light angular error", "lower", "°"),
    Score("relit.psnr", "relighting PSNR", "higher", "dB"),
    Score("relit.ssim", "relighting SSIM", "higher", "", (-1, 1)),
    Score("relit.lpips", "relighting LPIPS", "lower", "", (0, None)),
    Score("view.psnr", "novel-view PSNR", "higher", "dB"),
    Score("view.ssim", "novel-view SSIM", "higher", "", (-1, 1)),
    Score("consistency.psnr", "re-rendered input PSNR", "higher", "dB", ranked=False),
    Score("cost.seconds", "seconds per item", "lower", "s", (0, None), ranked=False),
    Score("cost.memory", "peak memory", "lower", "bytes", (0, None), ranked=False),
)
HOSTILE = "Tab. 1 <script>alert(2)</script> \\input{/etc/passwd} | a_b & 50%"
PAPER = PublishedValue(
    "Paper_Net <i>",
    "normal.mae",
    1.25,
    "vases",
    "mini",
    "neutral",
    std=0.5,
    n=42,
    source=HOSTILE,
    retrieved="2024-11-30",
    verified=True,
)
CLAIM = replace(PAPER, method="many-views net", std=None, n=None)
# For a manifest: what others published on the vases, and what one row claims there and elsewhere.
BESIDE: Mapping[str, Any] = {
    "published": [asdict(PAPER), asdict(replace(PAPER, metric="albedo.psnr", value=9e9))],
    "rows": [
        {"label": "many-views net", "dataset": "vases", "split": "mini"}
        | {"claims": [asdict(CLAIM), asdict(replace(CLAIM, dataset="absent"))]}
    ],
}
_BASE = {"dB": 22.0, "°": 25.0, "%": 60.0, "s": 0.5, "bytes": 4e8, "": 0.08}
_SIDE = 96


def a_row(label: str, dataset: str = "vases", split: str = "mini", **changes: Any) -> Row:
    """A ranked row of one view, unless changed; `input_class` changes single words."""
    words = ONE_VIEW | changes.pop("input_class", {})
    return Row(label, "method", dataset, split, changes.pop("kind", "method"), words, **changes)


def rows_of(dataset: str, split: str) -> list[Row]:
    """Nine rows: four ranked in two groups, one privileged, two floors, oracle and noise."""
    granted = {"geometry": "given"}
    rows = [
        a_row("SH regular"),
        a_row("SH_inverse & 50% #2"),
        a_row("Retinex {free} <b>bold</b>"),
        a_row(
            "many-views net",
            input_class={"views": "many", "fit": "per scene", "training": "general"},
        ),
        a_row("many-views | twin", input_class={"views": "many", "camera": "given"}),
        a_row("SH regular + normals", input_class=granted, privileged=("normal",)),
        a_row("flat", kind="floor"),
        a_row("image-as-albedo", kind="floor"),
        a_row("oracle", kind="oracle"),
        a_row("render noise", kind="noise"),
    ]
    return [replace(row, dataset=dataset, split=split) for row in rows]


@dataclass(frozen=True)
class Part:
    """One dataset of a fake run: its keys are scenes × items."""

    dataset: str
    split: str
    scenes: int
    items: int

    @property
    def keys(self) -> list[Key]:
        return [
            Key(f"scene{scene:02d}", f"{item:03d}")
            for scene in range(self.scenes)
            for item in range(self.items)
        ]


@dataclass
class FakeRun:
    """A `RunView` over invented numbers and spheres; `listed` replaces the invented outcomes."""

    parts: Sequence[Part] = (Part("vases", "mini", 12, 3), Part("landmarks", "all", 4, 2))
    rows: Sequence[Row] = ()
    listed: Sequence[Outcome] | None = None
    name: str = "fake <run>"
    path: Path = Path("runs/fake")
    missing_data: frozenset[str] = frozenset()
    manifest: Mapping[str, Any] = field(
        default_factory=lambda: {
            "protocols": {NEUTRAL.name: {"digest": NEUTRAL.digest, **asdict(NEUTRAL)}},
            "note": "</script><script>alert(1)</script>",
        }
    )

    def __post_init__(self) -> None:
        if not self.rows:
            self.rows = [row for p in self.parts for row in rows_of(p.dataset, p.split)]
        self.scores = {score.id: score for score in SCORES}

    def outcomes(self) -> Iterator[Outcome]:
        yield from self._invented if self.listed is None else self.listed

    def keys(self, dataset: str, split: str) -> Sequence[Key]:
        return self._part(dataset, split).keys

    def sample(self, dataset: str, split: str, key: Key) -> Sample:
        if dataset in self.missing_data:
            raise DataError(f"{dataset}/{split}/{key.scene}/{key.id}.png: no such image file")
        world = _world(key)
        queries = tuple(
            Query(f"light{i}", "relit", {"environment": _environment(key, i)}) for i in (1, 2)
        )
        inputs = {"image": world["image"], "mask": world["mask"], "camera": _camera()}
        return Sample(key.scene, key.id, inputs, queries=queries)

    def targets(self, dataset: str, split: str, key: Key) -> Targets:
        world = _world(key)
        truth = {name: world[name] for name in ("normal", "albedo", "shading", "mask")}
        truth["environment"] = _environment(key, 0)
        queries = {
            f"light{i}": {"relit": _shaded(world, _environment(key, i)), "mask": world["mask"]}
            for i in (1, 2)
        }
        return Targets(truth if dataset == "vases" else {"normal": truth["normal"]}, queries)

    def prediction(self, row: Row, key: Key) -> Prediction:
        failed = row.label == "SH_inverse & 50% #2" and key == self.keys(row.dataset, row.split)[0]
        if row.kind in ("oracle", "noise") or failed:
            return {}
        return _predicted(row, key)

    def _part(self, dataset: str, split: str) -> Part:
        return next(p for p in self.parts if (p.dataset, p.split) == (dataset, split))

    @cached_property
    def _invented(self) -> list[Outcome]:
        return [outcome for row in self.rows for outcome in self._of_row(row)]

    def _of_row(self, row: Row) -> Iterator[Outcome]:
        keys = self.keys(row.dataset, row.split)
        for score in SCORES:
            if row.kind == "noise" and not score.id.startswith("relit"):
                continue
            for column, _ in NEUTRAL.comparisons(score.id):
                for number, key in enumerate(keys):
                    for unit in _units(score.id, key):
                        yield _outcome(row, score, column, key, unit, number)


def _units(metric: str, key: Key) -> list[str]:
    unit = f"{key.scene}/{key.id}"
    return [f"{unit}/light1", f"{unit}/light2"] if metric.startswith("relit") else [unit]


def _outcome(row: Row, score: Score, column: str, key: Key, unit: str, number: int) -> Outcome:
    head = (row.label, row.dataset, row.split, key.scene, unit, score.id, column, NEUTRAL.name)
    if score.id == "relit.lpips":
        return Outcome(*head, "unavailable", message=LPIPS_MESSAGE)
    if score.id.split(".")[0] in row.privileged:
        return Outcome(*head, "given")
    if row.label == "SH_inverse & 50% #2" and number == 0:
        return Outcome(*head, "failed", reason="timeout", message="over 60 s; raise `timeout`")
    if row.label == "flat" and score.id.startswith("depth"):
        return Outcome(*head, "failed", reason="missing", message="depth: was not predicted")
    if row.kind == "oracle" and score.id == "albedo.psnr":
        return Outcome(*head, "value", math.inf)
    return Outcome(*head, "value", _value(row, score, column, key, unit))


def _value(row: Row, score: Score, column: str, key: Key, unit: str) -> float:
    skill = (zlib.crc32(row.label.encode()) % 7) / 7
    scene = np.random.default_rng(zlib.crc32(key.scene.encode())).normal()
    noise = np.random.default_rng(zlib.crc32(repr((row.label, score.id, column, unit)).encode()))
    better = -1 if score.direction == "lower" and score.unit != "s" else 1
    advantage = (0.4 * skill - 0.2 if row.kind != "oracle" else 0.4) * better
    if score.unit == "s":
        advantage *= 12
    spread = 0.1 * scene + 0.05 * noise.normal() + advantage
    return float(_BASE[score.unit] * math.exp(spread))


def _camera() -> Camera:
    pose = np.eye(4, dtype=np.float32)
    intrinsics = np.array([[500, 0, 48], [0, 500, 48], [0, 0, 1]], np.float32)
    return Camera(intrinsics, pose, _SIDE, _SIDE)


def _environment(key: Key, light: int) -> Environment:
    row, column = np.mgrid[0:16, 0:32]
    centre = (5 + 7 * light + zlib.crc32(key.scene.encode())) % 32
    sun = 30 * np.exp(-((column - centre) ** 2 + (row - 4) ** 2) / 4)[..., None]
    sky = np.array([0.3, 0.4, 0.6]) * (1 - row / 20)[..., None]
    return Environment((sky + sun * [1, 0.9, 0.7]).astype(np.float32), "world")


def _world(key: Key) -> dict[str, Any]:
    y, x = (0.5 - (np.mgrid[0:_SIDE, 0:_SIDE] + 0.5) / _SIDE) * [[[2.3]], [[-2.3]]]
    squared = x**2 + y**2
    mask = (squared < 1)[..., None].astype(np.float32)
    normal = np.stack([x, y, np.sqrt(np.maximum(1 - squared, 0))], axis=-1) * mask
    rng = np.random.default_rng(zlib.crc32(key.scene.encode()))
    bands = (np.sin(rng.uniform(4, 12) * y + rng.uniform(0, 6) * x) > 0)[..., None]
    albedo = np.where(bands, rng.uniform(0.1, 0.9, 3), rng.uniform(0.1, 0.9, 3)) * mask
    world = {"mask": mask, "normal": normal.astype(np.float32)}
    world["albedo"] = albedo.astype(np.float32)
    world["shading"] = _shading(world["normal"], _environment(key, 0))
    world["image"] = world["albedo"] * world["shading"]
    return world


def _shading(normal: Any, environment: Environment) -> Any:
    """Lambertian light from the environment's brightest column, and some ambient."""
    radiance = environment.radiance
    _, column = np.unravel_index(radiance.sum(-1).argmax(), radiance.shape[:2])
    angle = 2 * math.pi * ((column + 0.5) / radiance.shape[1] - 0.5)
    sun = np.array([0.6 * math.sin(angle), 0.5, 0.8])
    lit = np.maximum(normal @ (sun / np.linalg.norm(sun)), 0)[..., None] + 0.15
    known = normal.any(axis=-1, keepdims=True)
    return (lit * known * [1, 0.95, 0.85]).astype(np.float32)


def _shaded(world: dict[str, Any], environment: Environment) -> Any:
    return world["albedo"] * _shading(world["normal"], environment)


def amount_of(row: Row) -> float:
    """How wrong a row's predictions are."""
    return 0.1 + (zlib.crc32(row.label.encode()) % 7) / 10


def _predicted(row: Row, key: Key) -> dict[str, Any]:
    world = _world(key)
    amount = amount_of(row)
    rng = np.random.default_rng(zlib.crc32(f"{row.label}{key}".encode()))
    normal = world["normal"] * [1 - amount, 1 - amount / 2, 1]
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    world["normal"] = (normal / np.where(length == 0, 1, length)).astype(np.float32)
    tint = rng.uniform(0.3, 0.9, 3) * (1 + amount * rng.normal(0, 0.2, (_SIDE, _SIDE, 1)))
    world["albedo"] = (world["albedo"] * tint).clip(0).astype(np.float32)
    shading = _shading(world["normal"], _environment(key, 0))
    answers = {f"light{i}": _shaded(world, _environment(key, i)) for i in (1, 2)}
    found = {"albedo": world["albedo"], "shading": shading, "environment": _environment(key, 0)}
    return found | answers | ({} if row.privileged else {"normal": world["normal"]})
