"""The plug-in `inverse-shading`: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from bench.api import Prediction, Query, Sample
from bench.errors import DataError
from bench.graphics.normals import normals_from_depth
from bench.quantities import Camera, Environment, Value, Values

from . import relight
from .albedo_files import read_albedo_model
from .explain import Explanation, Settings, explain
from .inflation import inflate, inflated_normals
from .lights import environment_map, read_prior
from .models import AlbedoModel
from .pixels import gather, inside, padded
from .relight import Surface
from .shape_from_shading import refine

Floating = NDArray[np.floating[Any]]
Float32 = NDArray[np.float32]


class InverseShading:
    """Solves for light and albedo under known normals, or under normals inflated from the mask."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        """Read the user's files. Raises `DataError` naming one that does not fit."""
        self._settings = Settings.from_options(options)
        self._device = device
        folder, model = self._settings.illumination_prior, self._settings.albedo_model
        self._prior = read_prior(folder).to(device) if folder else None
        self._albedo_model = read_albedo_model(model) if model else None

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Explain each sample. Raises `DataError` where a quantity is of the wrong type."""
        with _one_thread():
            normals = self._normals(samples)
            found = self._explain([sample.inputs for sample in samples], normals)
            return [
                self._prediction(sample, normals[item], found, item)
                for item, sample in enumerate(samples)
            ]

    def _explain(self, inputs: Sequence[Values], normals: Sequence[Floating]) -> Explanation:
        images, masks = ([_array(values, name) for values in inputs] for name in ("image", "mask"))
        pixels = gather(images, normals, masks, self._device, self._settings.stride)
        where = [inside(mask) for mask in masks]
        known = None
        if all("albedo" in values for values in inputs):
            known = self._listed([_array(values, "albedo") for values in inputs], where)
        model = self._model_at(where, masks[0].shape) if self._albedo_model else None
        return explain(pixels, self._settings, known, model, self._prior)

    def _normals(self, samples: Sequence[Sample]) -> list[Floating]:
        """Granted, from granted depth, or inflated; the last in one batch for like sizes."""
        found = [_granted_normals(sample) for sample in samples]
        for item, sample in enumerate(samples):
            if found[item] is None:
                found[item] = self._inflated(sample.inputs)
        return [normals for normals in found if normals is not None]

    def _inflated(self, inputs: Values) -> Floating:
        image, mask = _array(inputs, "image"), _array(inputs, "mask")
        object_, box = _boxed(mask)
        solid = torch.from_numpy(object_)[None].to(self._device)  # 1×h×w
        height = inflate(solid)
        # A silhouette says nothing of depth; the widest inscribed circle is as deep as wide.
        radius = distance_transform_edt(object_).max()
        height = height * (radius**2 / height.max().clamp(min=1e-12))
        normals = inflated_normals(height, solid)[0]  # h×w×3
        if self._settings.refinements:
            framed = np.pad(image, ((1, 1), (1, 1), (0, 0)))[box]
            normals = self._refined(framed, solid[0], height[0].clamp(min=0).sqrt())
        whole = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2, 3), np.float32)
        whole[box] = normals.cpu().numpy()
        return whole[1:-1, 1:-1]

    def _refined(self, image: Floating, solid: Tensor, start: Tensor) -> Tensor:
        mask = solid[..., None].cpu().numpy()
        where = inside(mask)

        def light_and_albedo(normals: Tensor) -> tuple[Tensor, Tensor]:
            found = self._explain([{"image": image, "mask": mask}], [normals.cpu().numpy()])
            albedo = normals.new_zeros(mask.size, 3)
            albedo[torch.as_tensor(where, device=albedo.device)] = found.albedo[0]
            return albedo.reshape(*solid.shape, 3), found.coefficients[0]

        colours = torch.from_numpy(image.astype(np.float64)).to(self._device)
        return refine(colours, solid, start, light_and_albedo, self._settings.refinements)

    def _prediction(
        self, sample: Sample, normals: Floating, found: Explanation, item: int
    ) -> dict[str, Any]:
        image, mask = _array(sample.inputs, "image"), _array(sample.inputs, "mask")
        where = inside(mask)
        surface = _surface(sample.inputs, normals, where, found, item)
        coverage = _coverage(image, mask)[where]  # N×1
        albedo = surface.albedo.cpu().numpy() / coverage
        prediction: dict[str, Any] = {
            "normal": normals.astype(np.float32) * (mask > 0.5),
            "albedo": _scattered(albedo, where, surface.size),
            "shading": _scattered(surface.shading.cpu().numpy(), where, surface.size),
            "light_sh": found.light_sh(item).cpu().numpy().astype(np.float32),
            "environment": Environment(self._map(found, item), "camera"),
        }
        for query in sample.queries:
            colour = self._relit(query, surface, image).cpu().numpy()
            prediction[query.id] = _scattered(colour, where, surface.size)
        return prediction

    def _map(self, found: Explanation, item: int) -> Float32:
        light = (
            found.lights[item].environment_map()
            if found.lights
            else environment_map(found.light_sh(item))
        )
        return light.cpu().numpy().astype(np.float32)

    def _relit(self, query: Query, surface: Surface, image: Floating) -> Tensor:
        """The colour N×3 of the surface under the light that the query's condition shows."""
        condition = query.condition
        if isinstance(environment := condition.get("environment"), Environment):
            return surface.albedo * relight.environment_shading(surface, environment)
        reference = _array(condition, "reference")
        given = np.ones_like(reference[..., :1])
        if "reference_mask" in condition:
            given = _array(condition, "reference_mask")
        other, camera = (_camera(condition, name) for name in ("reference_camera", "camera"))
        if other is None and reference.shape == image.shape:
            return self._by_same_view(surface, reference, given)
        if other is not None and camera is not None:
            surface = replace(surface, camera=camera)
            if surface.depth is not None:
                colour, seen = relight.warped(surface, reference, given, other)
                return self._by_points(surface, image, colour, seen)
            if "reference_normal" in condition:
                values = {"image": reference, "mask": given}
                found = self._explain([values], [_array(condition, "reference_normal")])
                light = found.coefficients[0]
                return surface.albedo * relight.shading_by_rotation(surface, light, other, camera)
        chosen = reference.reshape(-1, 3)[inside(given)]
        return surface.albedo * relight.shading_by_mean(surface, self._tensor(chosen))

    def _by_same_view(self, surface: Surface, reference: Floating, given: Floating) -> Tensor:
        colour = self._tensor(reference.reshape(-1, 3)[surface.where])
        seen = self._tensor(given.reshape(-1)[surface.where] > 0.5)
        robust = self._settings.robust
        return surface.albedo * relight.shading_by_pixels(surface, colour, seen, robust)

    def _by_points(
        self, surface: Surface, image: Floating, colour: Floating, seen: Floating
    ) -> Tensor:
        points = self._tensor(colour), self._tensor(seen), self._settings.robust
        if self._settings.response == "linear":
            return surface.albedo * relight.shading_by_pixels(surface, *points)
        shown = self._tensor(image.reshape(-1, 3)[surface.where])
        return relight.colour_by_response(surface, shown, *points)

    def _listed(self, maps: Sequence[Floating], where: Sequence[NDArray[np.intp]]) -> Tensor:
        lists = [
            array.reshape(-1, *array.shape[2:])[chosen].astype(np.float64)
            for array, chosen in zip(maps, where, strict=True)
        ]
        return padded(lists, 0.0).to(self._device)  # B×N×…

    def _model_at(self, where: Sequence[NDArray[np.intp]], size: tuple[int, ...]) -> AlbedoModel:
        assert self._albedo_model is not None
        mean, modes, sigma = self._albedo_model
        if mean.shape[:2] != size[:2]:
            raise DataError(
                f"{self._settings.albedo_model}: is for images of {mean.shape[0]}×{mean.shape[1]}, "
                f"not {size[0]}×{size[1]}"
            )
        count = len(where)
        return AlbedoModel(
            mean=self._listed([mean] * count, where),
            modes=self._listed([modes] * count, where),
            sigma=self._tensor(sigma).expand(count, -1),
        )

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.float64)).to(self._device)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Tensors of a few megabytes gain nothing from a second thread, and beside other processes
    lose several times over, for each operation waits until its last thread gets a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _granted_normals(sample: Sample) -> Floating | None:
    """Normals that were granted, or follow from granted depth where any camera is known."""
    if "normal" in sample.inputs:
        return _array(sample.inputs, "normal")
    if "depth" not in sample.inputs:
        return None
    asked = (query.condition for query in sample.queries if query.quantity == "relit")
    cameras = [_camera(values, "camera") for values in (sample.inputs, *asked)]
    known = [camera for camera in cameras if camera is not None]
    return normals_from_depth(_array(sample.inputs, "depth"), known[0]) if known else None


def _surface(
    inputs: Values,
    normals: Floating,
    where: NDArray[np.intp],
    found: Explanation,
    item: int,
) -> Surface:
    count = len(where)
    flat = normals.reshape(-1, 3)[where].astype(np.float64)
    return Surface(
        where=where,
        size=(normals.shape[0], normals.shape[1]),
        normals=torch.from_numpy(flat).to(found.albedo),
        albedo=found.albedo[item, :count],
        shading=found.shading[item, :count],
        coefficients=found.coefficients[item],
        depth=_array(inputs, "depth") if "depth" in inputs else None,
        camera=_camera(inputs, "camera"),
    )


def _array(values: Mapping[str, Value], name: str) -> Floating:
    value = values[name]
    if not isinstance(value, np.ndarray):
        raise DataError(f"{name}: expected an array, got {type(value).__name__}")
    return value


def _camera(values: Mapping[str, Value], name: str) -> Camera | None:
    value = values.get(name)
    return value if isinstance(value, Camera) else None


def _boxed(mask: Floating) -> tuple[NDArray[np.float64], tuple[slice, slice]]:
    """The mask as 0 and 1 within its bounding box and one pixel around, and that box of the mask
    framed by one pixel."""
    framed = np.pad((mask[..., 0] > 0.5).astype(np.float64), 1)
    rows, columns = (np.flatnonzero(framed.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros((3, 3)), (slice(0, 3), slice(0, 3))
    box = slice(rows[0] - 1, rows[-1] + 2), slice(columns[0] - 1, columns[-1] + 2)
    return framed[box], box


def _coverage(image: Floating, mask: Floating) -> Floating:
    """HW×1: how much of each pixel the object's colour was multiplied with; 1 unless the image is
    composited over black."""
    over_black = not image[mask[..., 0] <= 0].any()
    flat = mask.reshape(-1, 1).astype(np.float64)
    return np.clip(flat, 0.5, 1) if over_black else np.ones_like(flat)


def _scattered(values: Floating, where: NDArray[np.intp], size: tuple[int, int]) -> Float32:
    whole = np.zeros((size[0] * size[1], values.shape[-1]), np.float32)
    whole[where] = values
    return whole.reshape(*size, -1)
