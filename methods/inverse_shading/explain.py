"""Light and albedo of a batch of images with known normals: the solver a configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from bench.graphics.colour import REC709_LUMINANCE
from bench.graphics.spherical_harmonics import basis

from . import models, retinex
from .lights import (
    Dictionary,
    IlluminationPrior,
    light_from_shading,
    non_negative_lights,
    shading_from_light,
)
from .models import AlbedoModel, Observations, Robust
from .pixels import Pixels
from .reciprocal import regular_from_reciprocal

MEAN_LUMINANCE = 0.5
HIGHLIGHT = (0.95, 1.1)
"""Free albedo ends at 1.1 times its 95 % quantile; what is brighter is a highlight."""

_SHADING_FLOOR = 0.05


@dataclass(frozen=True)
class Settings:
    """The options of the card, by name; see there for their meaning."""

    model: Literal["regular", "inverse"] = "regular"
    order: int = 2
    iterations: int = 3
    robust: Robust = "huber"
    constraint: retinex.Constraint = "mean-inverse-shading"
    stride: int = 4
    gate: float = 3e-3
    noise: float = 0.0
    lights: Literal["sh", "non-negative"] = "sh"
    white: Literal["light", "albedo"] = "light"
    albedo_model: Path | None = None
    illumination_prior: Path | None = None
    prior_noise: float = 0.05
    response: Literal["power", "linear"] = "power"
    refinements: int = 0

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Settings:
        """Take what is given; the rest keeps its default."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in options.items() if name in known})


@dataclass(frozen=True, eq=False)
class Explanation:
    """What explains B images, at their N pixels.

    Attributes:
        albedo: B×N×3.
        shading: B×N×3, positive; the mean where the normal is unknown.
        coefficients: B×J×3 shading coefficients of regular spherical harmonics.
        lights: per image, where a non-negative dictionary was asked for.
    """

    albedo: Tensor
    shading: Tensor
    coefficients: Tensor
    lights: tuple[Dictionary, ...] = ()

    def light_sh(self, item: int) -> Tensor:
        """Radiance coefficients 9×3 of one image."""
        if self.lights:
            return self.lights[item].light_sh()
        return light_from_shading(self.coefficients[item])


def explain(
    pixels: Pixels,
    settings: Settings,
    known: Tensor | None = None,
    model: AlbedoModel | None = None,
    prior: IlluminationPrior | None = None,
) -> Explanation:
    """Explain B images: by a known albedo B×N×3, by a linear albedo model, or by Retinex."""
    design = basis(pixels.normals, settings.order)  # B×N×J
    if known is not None:
        coefficients, shading = _with_albedo(design, pixels, known, settings)
        found = Explanation(known, _filled(shading, pixels), coefficients)
    elif model is not None:
        found = _with_model(design, pixels, model, settings)
    else:
        found = _with_free_albedo(design, pixels, settings)
    if prior is not None:
        found = _with_prior(found, pixels, prior, settings, known is None)
    if settings.lights == "non-negative":
        found = _with_dictionary(found, pixels)
    return found


def _with_albedo(
    design: Tensor, pixels: Pixels, albedo: Tensor, settings: Settings
) -> tuple[Tensor, Tensor]:
    seen = Observations(design, pixels.image, pixels.usable[..., None].expand_as(albedo))
    if settings.model == "regular":
        light = models.robust_regular_light(
            seen, albedo, settings.iterations, settings.robust, ridge=1e-6
        )
        return light, design @ light
    light = models.inverse_light(seen, albedo, settings.noise)
    for _ in range(settings.iterations):
        reciprocal = models.floored(design @ light, seen.weights)  # B×N×3
        residual = albedo / reciprocal - pixels.image
        weights = models.robust_weights(residual, seen.weights, settings.robust) / reciprocal**2
        reweighted = replace(seen, weights=seen.weights * weights)
        light = models.inverse_light(reweighted, albedo, settings.noise)
    return regular_from_reciprocal(light), 1 / models.floored(design @ light, seen.weights)


def _with_model(
    design: Tensor, pixels: Pixels, model: AlbedoModel, settings: Settings
) -> Explanation:
    seen = Observations(design, pixels.image, pixels.usable[..., None].expand_as(pixels.image))
    if settings.model == "regular":
        light, beta = models.regular_model(seen, model, max(settings.iterations, 5))
        return Explanation(model.albedo(beta), _filled(design @ light, pixels), light)
    light, beta = models.inverse_model_in_image_space(
        seen, model, settings.iterations, settings.robust, noise=settings.noise
    )
    shading = 1 / models.floored(design @ light, seen.weights)
    albedo = model.albedo(beta)
    return Explanation(albedo, _filled(shading, pixels), regular_from_reciprocal(light))


def _with_free_albedo(design: Tensor, pixels: Pixels, settings: Settings) -> Explanation:
    pairs = retinex.pair_up(design, pixels, settings.gate)
    if settings.model == "regular":
        light = retinex.regular_retinex(pairs, settings.iterations, settings.robust)
        shading = _filled(design @ light, pixels)  # mean 1
        floor = retinex.SHADING_FLOOR
        return _normalised(pixels, shading, shading.clamp(min=floor), light, settings)
    light = retinex.inverse_retinex(pairs, settings.constraint, settings.iterations, settings.noise)
    weights = pixels.usable[..., None].expand_as(pixels.image)
    shading = _filled(1 / models.floored(design @ light, weights), pixels)
    return _normalised(pixels, shading, shading, regular_from_reciprocal(light), settings)


def _with_prior(
    found: Explanation,
    pixels: Pixels,
    prior: IlluminationPrior,
    settings: Settings,
    free: bool,
) -> Explanation:
    """The light again as the most probable under the prior, and a free albedo that fits it.

    The prior knows natural light at one exposure: images are brought there by the ratio of the mean
    shading found to that of the prior's mean light.
    """
    design = basis(pixels.normals, 2)  # B×N×9
    lights = []
    for item, usable in enumerate(pixels.usable):
        weights = (usable / usable.sum().clamp(min=1))[:, None]  # N×1
        wanted = (weights * (design[item] @ prior.mean)).sum(0).mean()
        exposure = wanted / (weights * found.shading[item]).sum(0).mean().clamp(min=1e-12)
        # Neighbouring pixels repeat each other: all of them together speak like a hundred.
        sigma = settings.prior_noise * (usable.sum().clamp(min=1) / 100).sqrt()
        unusable = torch.where(usable > 0, sigma, torch.inf)[:, None]
        image = exposure * pixels.image[item]
        lights.append(prior.light(design[item], image, found.albedo[item], unusable) / exposure)
    light = torch.stack(lights)  # B×9×3
    shading = _filled(design @ light, pixels)
    if not free:
        return replace(found, shading=shading, coefficients=light)
    floor = retinex.SHADING_FLOOR * _mean(shading, pixels)
    return _normalised(pixels, shading, torch.maximum(shading, floor), light, settings)


def _with_dictionary(found: Explanation, pixels: Pixels) -> Explanation:
    """Non-negative lights that give the shading image ÷ albedo, and their own shading."""
    target = pixels.image / found.albedo.clamp(min=1e-6)  # B×N×3
    weights = pixels.usable * found.albedo.mean(-1) ** 2  # B×N
    lights = tuple(
        non_negative_lights(*item) for item in zip(pixels.normals, target, weights, strict=True)
    )
    shading = torch.stack(
        [light.shading(normals) for light, normals in zip(lights, pixels.normals, strict=True)]
    )
    coefficients = torch.stack([shading_from_light(light.light_sh()) for light in lights])
    return Explanation(found.albedo, _filled(shading, pixels), coefficients, lights)


def _normalised(
    pixels: Pixels, shading: Tensor, divisor: Tensor, light: Tensor, settings: Settings
) -> Explanation:
    """Free albedo image ÷ divisor at mean luminance 0.5, cut at highlights, and the light to fit.

    The light's own scale per channel is not observable: either the light is white on average, or
    the albedo is.
    """
    albedo = pixels.image / divisor  # B×N×3
    colour = _mean(albedo, pixels)  # B×1×3
    if settings.white == "light":
        white = _mean(shading, pixels)
        balance = white / white.mean(-1, keepdim=True)
        luminance = (colour * balance) @ colour.new_tensor(REC709_LUMINANCE)[:, None]  # B×1×1
        scale = balance * MEAN_LUMINANCE / luminance.clamp(min=1e-12)
    else:
        scale = MEAN_LUMINANCE / colour.clamp(min=1e-12)
    albedo = _without_highlights(albedo * scale, pixels)
    return Explanation(albedo, shading / scale, light / scale)


def _without_highlights(albedo: Tensor, pixels: Pixels) -> Tensor:
    unusable = (pixels.usable == 0)[..., None]
    quantile, headroom = HIGHLIGHT
    limit = albedo.masked_fill(unusable, torch.nan).nanquantile(quantile, dim=1, keepdim=True)
    return torch.minimum(albedo, (headroom * limit).nan_to_num(nan=torch.inf))


def _filled(shading: Tensor, pixels: Pixels) -> Tensor:
    """Shading B×N×3 clipped at 5 % of its mean, and that mean where the normal is unknown."""
    mean = _mean(shading, pixels).abs()
    known = (pixels.normals.abs() > 0.25).any(-1, keepdim=True)  # B×N×1
    return torch.where(known, torch.maximum(shading, _SHADING_FLOOR * mean), mean)


def _mean(values: Tensor, pixels: Pixels) -> Tensor:
    """Mean over the usable pixels, B×1×K; over all where none is usable."""
    return retinex.averaging(pixels)[:, None] @ values
