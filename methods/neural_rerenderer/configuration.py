"""What fixes a neural rerenderer besides its weights: channels, widths, schedule, loss weights.

The official values are of specs/neural_rerendering.md §5–§7.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import ConfigError

ALIGNMENT = 64
"""Height and width of a framebuffer are multiples of this: the generator halves six times."""


@dataclass(frozen=True)
class Configuration:
    """One rerenderer and how it is trained.

    Attributes:
        name: for messages and file metadata.
        channels: of the framebuffer; 4 (RGB, depth) or 7 (and semantic RGB).
        widths: the generator's channels at its 7 scales, from full resolution to 1/64 of it.
        encoder_widths: the appearance encoder's, after its first convolution and three blocks.
        discriminator_widths: of each of the three discriminators' four hidden convolutions.
        code: numbers of an appearance code.
        crop: pixels per side of a training crop.
        batch: crops, or triplets, of one step.
        stage1_rate: Adam's learning rate of the encoder alone.
        generator_rate: in stages 2 and 3.
        discriminator_rate: in stages 2 and 3.
        stage3_encoder_rate: of the encoder beside generator and discriminators.
        momentum: Adam's β₁, of every network.
        stage1_triplets: length of stage 1.
        stage2_steps: length of stage 2; 512,000 = 4000 kimg at batch 8.
        stage3_steps: length of stage 3.
        margin: of the triplet loss.
        perceptual_weight: of the VGG loss.
        l1_weight: of mean |y − t|, which stands in where VGG's weights are absent.
        gan_weight: of the adversarial loss.
        decay: of the moving average of the weights, per step.

    Raises:
        ConfigError: a value of the wrong type or outside what can be built.
    """

    name: str
    channels: int = 7
    widths: tuple[int, ...] = (32, 64, 128, 256, 512, 512, 512)
    encoder_widths: tuple[int, ...] = (64, 128, 192, 256)
    discriminator_widths: tuple[int, ...] = (64, 128, 256, 512)
    code: int = 8
    crop: int = 256
    batch: int = 8
    stage1_rate: float = 1e-3
    generator_rate: float = 1e-3
    discriminator_rate: float = 1e-3
    stage3_encoder_rate: float = 1e-4
    momentum: float = 0.0
    stage1_triplets: int = 500_000
    stage2_steps: int = 512_000
    stage3_steps: int = 512_000
    margin: float = 0.1
    perceptual_weight: float = 0.3
    l1_weight: float = 50.0
    gan_weight: float = 1.0
    decay: float = 0.999

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= 100:
            raise ConfigError(f"name = {self.name!r:.120}: must be a text of 1 to 100 characters")
        for field, (kind, count, low, high) in _BOUNDS.items():
            _check(field, getattr(self, field), kind, count, low, high)
        if self.channels not in (4, 7):
            raise ConfigError(
                f"channels = {self.channels}: must be 4 (RGB, depth) or 7 (and semantic RGB)"
            )
        if self.crop % ALIGNMENT:
            raise ConfigError(f"crop = {self.crop}: must be a multiple of {ALIGNMENT}")

    def with_channels(self, channels: int) -> Configuration:
        """The same for framebuffers of 4 or 7 channels."""
        return dataclasses.replace(self, channels=channels)

    def as_json(self) -> dict[str, Any]:
        """Every field, of types that JSON knows."""
        fields = dataclasses.asdict(self).items()
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields}

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
    "channels": (int, 1, 4, 7),
    "widths": (int, 7, 1, 1024),
    "encoder_widths": (int, 4, 1, 1024),
    "discriminator_widths": (int, 4, 1, 1024),
    "code": (int, 1, 1, 1024),
    "crop": (int, 1, 64, 2048),
    "batch": (int, 1, 1, 4096),
    "stage1_rate": (float, 1, 0, 1),
    "generator_rate": (float, 1, 0, 1),
    "discriminator_rate": (float, 1, 0, 1),
    "stage3_encoder_rate": (float, 1, 0, 1),
    "momentum": (float, 1, 0, 0.999),
    "stage1_triplets": (int, 1, 0, 1e9),
    "stage2_steps": (int, 1, 0, 1e9),
    "stage3_steps": (int, 1, 0, 1e9),
    "margin": (float, 1, 0, 100),
    "perceptual_weight": (float, 1, 0, 1e4),
    "l1_weight": (float, 1, 0, 1e4),
    "gan_weight": (float, 1, 0, 1e4),
    "decay": (float, 1, 0, 1),
}
"""What a configuration may ask for; the text of a stranger's file is held to it, too."""


def _check(field: str, value: Any, kind: type, count: int, low: float, high: float) -> None:
    wanted = (int,) if kind is int else (int, float)
    values = value if isinstance(value, tuple) else (value,)
    typed = all(isinstance(v, wanted) and not isinstance(v, bool) for v in values)
    if not typed or len(values) != count or isinstance(value, tuple) != (count > 1):
        what = "whole number" if kind is int else "number"
        raise ConfigError(f"{field} = {value!r:.120}: must be {count} {what}{'s'[: count - 1]}")
    if not all(low <= v <= high for v in values):
        raise ConfigError(f"{field} = {value!r:.120}: must lie in {low:g}…{high:g}")


OFFICIAL = Configuration("official")
"""As published; for photos of 512×512 and a GPU."""

MINI = Configuration(
    "mini",
    widths=(8, 16, 32, 64, 128, 128, 128),
    encoder_widths=(16, 32, 48, 64),
    discriminator_widths=(16, 32, 64, 128),
    crop=128,
    generator_rate=3e-3,
    stage3_encoder_rate=1e-3,
    momentum=0.9,
    stage1_triplets=20_000,
    stage2_steps=20_000,
    stage3_steps=5_000,
)
"""A quarter of every width, 128×128 crops: trains on two cores in hours, and ships.

Momentum and larger rates reach in a quarter of the steps what the published ones reach.
"""

CONFIGURATIONS = {each.name: each for each in (MINI, OFFICIAL)}
"""Those that have a name."""
