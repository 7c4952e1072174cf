"""The four networks (specs/vase_derenderer.md §2), with the official file's names of tensors.

Every convolution pads with ZEROS. The official sources ask for replicate padding in the decoders,
which the torch they were trained with did not honour; with it, a constant column stays constant
and every vase becomes a cylinder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .configuration import Configuration
from .layers import doubled_convolution
from .unet import unet

SCALARS = ("half_height", "pitch", "roll", "shift_x", "shift_y")
"""netR's scalars, in order."""

LIGHT_SCALARS = ("shininess", "specular")
"""netE's scalars, in order."""

ENVIRONMENT_BIAS = 2.0
"""Subtracted before the sigmoid: light starts dim, at about 0.12."""


def encoder_channels(size: int, width: int) -> list[int]:
    """Channels after each of the halvings that take `size` to 4: width × 1, 2, 4, 8, 8, …"""
    return [width * min(2**k, 8) for k in range(size.bit_length() - 3)]


class ShapeNetwork(nn.Module):
    """netR: B×3×S×S image in −1…1 → profile column B×rows and scalars B×5, each in 0…1."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        channels = encoder_channels(configuration.size, configuration.width)
        code = 2 * configuration.width
        layers: list[nn.Module] = []
        for before, after in zip([3, *channels], channels, strict=False):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.ReLU(True)]
        last = channels[-1]
        layers += [nn.Conv2d(last, last, 4, bias=False), nn.ReLU(True)]
        layers += [nn.Conv2d(last, code, 1, bias=False), nn.ReLU(True)]
        self.encoder = nn.Sequential(*layers)
        self.out_net1 = _column_decoder(code, configuration.rows)
        self.out_net2 = nn.Sequential(
            nn.Linear(code, code), nn.ReLU(True), nn.Linear(code, len(SCALARS)), nn.Sigmoid()
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(column B×rows, top first; scalars B×5 as `SCALARS`)."""
        code = self.encoder(image).float()  # B×c×1×1
        with _full_precision(code):
            column = self.out_net1(code).flatten(1)  # B×rows
            return column, self.out_net2(code.flatten(1))  # B×5


def _column_decoder(code: int, rows: int) -> nn.Sequential:
    doublings = rows.bit_length() - 1
    layers: list[nn.Module] = []
    for k in range(doublings):
        last = k == doublings - 1
        layers += [
            nn.Upsample(scale_factor=(2.0, 1.0)),
            nn.Conv2d(code, 1 if last else code, (3, 1), 1, (1, 0), bias=False),
            nn.Sigmoid() if last else nn.ReLU(True),
        ]
    return nn.Sequential(*layers)


class AlbedoNetwork(nn.Module):
    """netT: B×3×S×S texture crop in −1…1 → albedo B×3×S×S, linear, in −1…1 (tanh)."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.model = unet(encoder_channels(configuration.size, configuration.width))

    def forward(self, texture: Tensor) -> Tensor:
        albedo: Tensor = self.model(texture)  # B×3×S×S
        return albedo.float()


class LightNetwork(nn.Module):
    """netE: B×6×S×S texture crop in −1…1 and inward normals → environment and gloss, in 0…1."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        channels = encoder_channels(configuration.size, configuration.width)
        width, code, last = configuration.width, 2 * configuration.width, channels[-1]
        rows, columns = configuration.environment
        layers: list[nn.Module] = []
        for before, after in zip([6, *channels[:-2]], channels[:-1], strict=True):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), _group_norm(after)]
            layers += [nn.LeakyReLU(0.2, True)]
        layers += [nn.Conv2d(channels[-2], last, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        layers += [nn.Conv2d(last, code, 4, bias=False), nn.ReLU(True)]
        self.encoder = nn.Sequential(*layers)
        decoder: list[nn.Module] = [
            nn.ConvTranspose2d(code, 8 * width, (rows // 8, columns // 8), bias=False),
            nn.ReLU(True),
        ]
        for k in (4, 2, 1):
            decoder += [
                *doubled_convolution(2 * k * width, k * width, bias=False),
                _group_norm(k * width),
                nn.ReLU(True),
            ]
        self.decoder_envmap = nn.Sequential(*decoder, nn.Conv2d(width, 1, 5, 1, 2, bias=False))
        self.decoder_light_param = nn.Sequential(
            nn.Linear(code, code), nn.ReLU(True), nn.Linear(code, len(LIGHT_SCALARS)), nn.Sigmoid()
        )

    def forward(self, texture_and_normals: Tensor) -> tuple[Tensor, Tensor]:
        """(environment B×rows×columns, scalars B×2 as `LIGHT_SCALARS`)."""
        code = self.encoder(texture_and_normals).float()  # B×c×1×1
        with _full_precision(code):
            raw = self.decoder_envmap(code).squeeze(1)  # B×rows×columns
            environment = torch.sigmoid(raw - ENVIRONMENT_BIAS)
            return environment, self.decoder_light_param(code.flatten(1))  # B×2


def _full_precision(features: Tensor) -> torch.autocast:
    """Against mixed precision in the small heads: a profile shows bfloat16's steps of 0.4 %."""
    return torch.autocast(features.device.type, enabled=False)


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // 4, channels)


class PatchDiscriminator(nn.Module):
    """netD: B×3×P×P patch in −1…1 → score B, 1 for real and 0 for fake (least squares)."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        channels = encoder_channels(configuration.patch, configuration.width)
        layers: list[nn.Module] = []
        for depth, (before, after) in enumerate(zip([3, *channels], channels, strict=False)):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
            if 0 <= depth < len(channels) - 1:
                layers.append(nn.InstanceNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, True))
        layers.append(nn.Conv2d(channels[-1], 1, 4, bias=False))
        self.network = nn.Sequential(*layers)

    def forward(self, patches: Tensor) -> Tensor:
        scores: Tensor = self.network(patches).flatten()  # B
        return scores.float()


class Networks(nn.Module):
    """netR, netT, netE and netD of one configuration; inference needs the first three."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.configuration = configuration
        self.netR = ShapeNetwork(configuration)
        self.netT = AlbedoNetwork(configuration)
        self.netE = LightNetwork(configuration)
        self.netD = PatchDiscriminator(configuration)
