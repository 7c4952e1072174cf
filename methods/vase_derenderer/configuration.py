"""What fixes a vase de-renderer besides its weights: geometry, ranges of its outputs, widths.

All of it is of specs/vase_derenderer.md §1; sizes other than 256 scale every texture with them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.errors import ConfigError

Range = tuple[float, float]


@dataclass(frozen=True)
class Configuration:
    """One model of revolution seen by one camera; lengths named ×L are in units of `extent`.

    A range (low, high) is what a sigmoid output of 0 and of 1 stands for.

    Attributes:
        name: for messages and file metadata.
        size: pixels per side of the image and of the front crop of the texture; a power of two.
        fov: field of view of both axes, degrees.
        distance: from the camera to the origin of the object frame, scene units.
        rows: H samples of the profile, row 0 at the top; a power of two.
        columns: T samples of the full turn; a multiple of 12.
        environment: (elevations, azimuths) of the light, each a multiple of 8.
        radius: of the profile, ×L.
        half_height: of the profile, ×L.
        pitch: degrees; positive tilts the top towards the camera.
        roll: degrees.
        shift: largest translation along x and y, ×L.
        shininess_root: α = (low + (high − low) x)².
        specular: specular albedo ks.
        width: channels after a network's first convolution; a multiple of 4.
        patch: pixels per side of what the patch discriminator judges; a power of two.

    Raises:
        ConfigError: a value of the wrong type or outside what can be built.
    """

    name: str
    size: int = 256
    fov: float = 10.0
    distance: float = 5.0
    rows: int = 32
    columns: int = 96
    environment: tuple[int, int] = (16, 48)
    radius: Range = (0.05, 0.95)
    half_height: Range = (0.5, 0.95)
    pitch: Range = (0.0, 20.0)
    roll: Range = (0.0, 0.0)
    shift: float = 0.0
    shininess_root: Range = (1.0, 14.0)
    specular: Range = (0.1, 2.0)
    width: int = 64
    patch: int = 64

    def __post_init__(self) -> None:
        for field, bounds in _BOUNDS.items():
            _check_within(field, getattr(self, field), bounds)
        for field in ("size", "rows", "patch"):
            if getattr(self, field).bit_count() != 1:
                raise ConfigError(f"{field} = {getattr(self, field)}: must be a power of two")
        multiples = {"columns": 12, "width": 4, "environment": 8}
        for field, factor in multiples.items():
            if any(value % factor for value in _flat(getattr(self, field))):
                raise ConfigError(
                    f"{field} = {getattr(self, field)}: must be a multiple of {factor}"
                )
        if self.patch > self.size:
            raise ConfigError(f"patch = {self.patch}: must not exceed size = {self.size}")

    @property
    def extent(self) -> float:
        """L, the half extent of what is visible at the object's origin, scene units."""
        return self.distance * math.tan(math.radians(self.fov / 2))

    @property
    def focal(self) -> float:
        """Focal length, pixels."""
        return self.size / 2 / math.tan(math.radians(self.fov / 2))

    @property
    def intrinsics(self) -> Tensor:
        """3×3 float32 in pixels; the principal point is the middle of the image."""
        centre = self.size / 2
        return torch.tensor([[self.focal, 0, centre], [0, self.focal, centre], [0, 0, 1]])

    @property
    def margin(self) -> int:
        """Texture columns between the front half's border and the front crop (64 at size 256)."""
        return self.size // 4

    @property
    def margin_quads(self) -> int:
        """Quad columns between the front half's border and the front crop (8 of 96)."""
        return self.columns // 12

    @property
    def front(self) -> slice:
        """Quad columns of the front crop, ±60° around the line that faces the camera (8…39)."""
        return slice(self.margin_quads, self.columns // 2 - self.margin_quads)

    @property
    def texture(self) -> tuple[int, int]:
        """(rows, columns) of the texture of the full turn (256×768)."""
        return self.size, 3 * self.size

    @property
    def half_texture(self) -> tuple[int, int]:
        """(rows, columns) of the texture of the camera-facing half turn (256×384)."""
        return self.size, 3 * self.size // 2

    def as_json(self) -> dict[str, Any]:
        """Every field, of types that JSON knows."""
        return {
            field: list(value) if isinstance(value, tuple) else value
            for field, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Configuration:
        """The inverse of `as_json`.

        Raises:
            ConfigError: a field is missing, unknown, of the wrong type, or out of bounds.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if difference := known ^ set(values):
            raise ConfigError(f"fields missing or unknown: {', '.join(sorted(difference))}")
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**fields)


_BOUNDS: dict[str, tuple[type, int, float, float]] = {
    # field: (type, how many values, lowest, highest)
    "name": (str, 1, 0, 0),
    "size": (int, 1, 32, 512),
    "fov": (float, 1, 1, 90),
    "distance": (float, 1, 0.1, 100),
    "rows": (int, 1, 8, 128),
    "columns": (int, 1, 24, 384),
    "environment": (int, 2, 8, 128),
    "radius": (float, 2, 0, 1.5),
    "half_height": (float, 2, 0, 1.5),
    "pitch": (float, 2, -90, 90),
    "roll": (float, 2, -180, 180),
    "shift": (float, 1, 0, 1),
    "shininess_root": (float, 2, 0, 100),
    "specular": (float, 2, 0, 100),
    "width": (int, 1, 4, 128),
    "patch": (int, 1, 16, 256),
}
"""What a configuration may ask for; the text of a stranger's file is held to it, too."""


def _flat(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _check_within(field: str, value: Any, bounds: tuple[type, int, float, float]) -> None:
    kind, count, low, high = bounds
    if kind is str:
        if not isinstance(value, str) or not 0 < len(value) <= 100:
            raise ConfigError(f"{field} = {value!r:.120}: must be a text of 1 to 100 characters")
        return
    wanted = (int,) if kind is int else (int, float)
    values = _flat(value)
    typed = all(isinstance(v, wanted) and not isinstance(v, bool) for v in values)
    if not typed or len(values) != count or isinstance(value, tuple) != (count > 1):
        what = "number" if kind is float else "whole number"
        raise ConfigError(f"{field} = {value!r:.120}: must be {count} {what}{'s'[: count - 1]}")
    if not all(low <= v <= high for v in values):
        raise ConfigError(f"{field} = {value!r:.120}: must lie in {low}…{high}")
    if kind is float and count == 2 and values[0] > values[1]:
        raise ConfigError(f"{field} = {value!r:.120}: the low end is above the high end")


OFFICIAL_MET = Configuration("official-met", roll=(-10.0, 10.0), shift=0.2)
"""The published model of museum vases, trained for 500 epochs."""

OFFICIAL_SYNTHETIC = Configuration("official-synthetic")
"""The published model of synthetic vases, trained for 200 epochs."""

MINI = Configuration(
    "mini",
    size=128,
    columns=48,
    environment=(8, 24),
    radius=(0.02, 1.0),
    half_height=(0.25, 1.0),
    roll=(-3.0, 3.0),
    shift=0.1,
    specular=(0.0, 0.6),
    width=24,
    patch=32,
)
"""Small enough to train on two cores in about an hour, and to ship."""

CONFIGURATIONS = {each.name: each for each in (MINI, OFFICIAL_MET, OFFICIAL_SYNTHETIC)}
"""Those that have a name."""
