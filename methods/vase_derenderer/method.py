"""The plug-in `vase-derenderer`: photos in, quantities and answers out."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.api import Prediction, Query, Sample
from bench.errors import DataError
from bench.graphics import phong, revolution
from bench.graphics.normals import opencv_from_camera
from bench.graphics.rasterisers import rasteriser
from bench.quantities import Camera, Environment, Mesh, Values

from . import viewpoints
from .checkpoints import EMBEDDED, load
from .composition import back_filled, photo_albedo
from .configuration import CONFIGURATIONS
from .derender import Explanation, Shape, explain, shape_of
from .evidence import outline_evidence
from .framing import Framed, framed
from .lighting import (
    Lights,
    asked_lights,
    diffuse_sides,
    found_lights,
    shaded_front,
    specular,
    together,
)
from .render import Seen, look
from .viewpoints import Viewpoint

Float32 = NDArray[np.float32]

LEAST_EVIDENCE = 0.45
"""Outline evidence below which a photo is taken to show no vase, see `evidence`.

Rendered validation vases lie above it, but for one in fifty before white; what the networks draw
into interiors, landscapes, noise and plain colour lies below.
"""


class VaseDerenderer:
    """Explains photos of one vase each by a surface of revolution, its albedo, gloss and light.

    Lengths are in units of the model, whose camera is 5 away from the object.
    """

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        """Load the weights.

        Raises:
            DataError, ConfigError: the checkpoint cannot be read, or is of another model.
            UnavailableError: the named rasteriser does not work here.
        """
        path = Path(options.get("checkpoint") or EMBEDDED)
        loaded = load(path, CONFIGURATIONS.get(options.get("configuration") or ""))
        self._configuration = loaded.configuration
        self._networks = loaded.networks.to(device)
        self._rasteriser = rasteriser(options.get("backend") or None, device)
        self._from_photo = options.get("albedo") == "photo"
        self._least_evidence = float(options.get("least_evidence", LEAST_EVIDENCE))
        self._device = device

    @torch.inference_mode()
    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Explain each photo and answer its queries.

        Raises:
            DataError: an image is empty or not finite, shows no vase, or a query cannot be
                answered; the text names the sample.
        """
        photos = [_photo(sample, self._configuration.size) for sample in samples]
        found = self._explain(samples, photos)
        seen = self._look(samples, photos, found)
        return [
            self._prediction(sample, photos[index], _item(found, index), seen[index])
            for index, sample in enumerate(samples)
        ]

    def _explain(self, samples: Sequence[Sample], photos: Sequence[Framed]) -> Explanation:
        pixels = np.stack([photo.pixels for photo in photos])  # B×S×S×3
        images = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)  # B×3×S×S
        # One by one: rounding depends on the batch, and a silhouette amplifies it to whole samples.
        parts = [self._networks.netR(2 * image - 1) for image in images[:, None]]
        column, scalars = (torch.cat(each) for each in zip(*parts, strict=True))  # B×H, B×5
        shape = self._shape(samples, photos, column, scalars)
        found = explain(self._networks, images, shape, self._configuration)
        if not self._from_photo:
            return found
        light = shaded_front(found, self._configuration)
        return dataclasses.replace(found, albedo=photo_albedo(found.texture, light.diffuse))

    def _shape(
        self, samples: Sequence[Sample], photos: Sequence[Framed], column: Tensor, scalars: Tensor
    ) -> Shape:
        """The surfaces that the shape network's outputs, column B×H and scalars B×5, mean."""
        return shape_of(column, scalars, self._configuration)

    def _look(
        self, samples: Sequence[Sample], photos: Sequence[Framed], found: Explanation
    ) -> list[Seen]:
        """What each photo's camera sees; photos of one size are rasterised together."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, sample in enumerate(samples):
            groups[_array(sample.inputs, "image").shape[:2]].append(index)
        seen: dict[int, Seen] = {}
        for size, members in groups.items():
            camera = viewpoints.of_photo(photos[members[0]], size, self._configuration)
            seen |= zip(members, self._seen(found.vertices[members], camera), strict=True)
        return [seen[index] for index in range(len(samples))]

    def _seen(self, vertices: Tensor, camera: Viewpoint) -> list[Seen]:
        points = camera.to_camera(vertices)  # B×H×T×3
        return look(points, camera.intrinsics, camera.size, self._rasteriser, self._configuration)

    def _prediction(
        self, sample: Sample, photo: Framed, found: Explanation, seen: Seen
    ) -> dict[str, Any]:
        mask = _numpy(seen.coverage)
        self._check_evidence(sample, mask)
        shading = self._diffuse(found, found_lights(found), seen)  # N×1
        albedo = seen.sampled(back_filled(found.albedo)[0])  # N×3
        normals = seen.normals(found.normals[0].permute(2, 0, 1))  # H×W×3
        known = mask > 0
        roughness = phong.roughness_from_shininess(found.shininess).item()
        prediction: dict[str, Any] = {
            "mask": mask,
            "normal": opencv_from_camera(_numpy(normals)),
            "albedo": _numpy(seen.averaged(albedo)),
            "depth": _numpy(seen.depth()),
            "environment": Environment(_numpy(phong.to_lat_long(found.environment[0])), "camera"),
            "roughness": np.where(known, np.float32(roughness), np.float32(0)),
            "specular": np.where(known, np.float32(found.specular_albedo.item() / np.pi), 0),
            "shading": _numpy(seen.averaged(shading).expand(-1, -1, 3)),
            "mesh": self._mesh(found),
            "front": _numpy(seen.front_coverage),
            "pitch": np.degrees(_numpy(found.pitch)),
        }
        views = [query for query in sample.queries if query.quantity == "view"]
        relit = [query for query in sample.queries if query.quantity == "relit"]
        prediction |= {query.id: self._view(query, photo, found) for query in views}
        return prediction | self._relit(relit, found, seen)

    def _check_evidence(self, sample: Sample, mask: Float32) -> None:
        evidence = outline_evidence(_array(sample.inputs, "image"), mask)
        if evidence < self._least_evidence:
            raise DataError(
                f"{sample.scene}/{sample.id}: no vase found: outline evidence {evidence:.2f} < "
                f"{self._least_evidence:g}; crop the photo around one upright vase, or lower "
                "the option least_evidence"
            )

    def _view(self, query: Query, photo: Framed, found: Explanation) -> Float32:
        asked = query.condition["camera"]
        if not isinstance(asked, Camera):
            raise DataError(f"{query.id}: expected a camera, got {type(asked).__name__}")
        camera = viewpoints.of_query(asked, query.id, photo.side, self._configuration)
        (turned,) = self._seen(found.vertices, camera)
        return self._colours(found, found_lights(found), turned, camera.position)[0]

    def _relit(
        self, queries: Sequence[Query], found: Explanation, seen: Seen
    ) -> dict[str, Float32]:
        """Answers by query id; environments of one size are lights in the same directions."""
        groups: dict[tuple[int, ...], dict[str, Lights]] = defaultdict(dict)
        for query in queries:
            environment = query.condition["environment"]
            if not isinstance(environment, Environment) or environment.frame != "camera":
                raise DataError(f"{query.id}: needs an environment in the camera's frame")
            lights = asked_lights(environment, found.albedo)
            groups[environment.radiance.shape][query.id] = lights
        position = torch.tensor([0.0, 0.0, -self._configuration.distance])
        answers: dict[str, Float32] = {}
        for members in groups.values():
            colours = self._colours(found, together([*members.values()]), seen, position)
            answers |= zip(members, colours, strict=True)
        return answers

    def _colours(
        self, found: Explanation, lights: Lights, seen: Seen, position: Tensor
    ) -> list[Float32]:
        """Linear colours H×W×3 before black, seen from `position` in the object frame.

        One picture for each three channels of light, or for its only one.
        """
        outer, _ = seen.touched(*found.centres.shape[1:3])  # (H−1)×T
        diffuse = self._diffuse(found, lights, seen)  # N×C
        gloss = seen.sampled(specular(found, lights, position, outer))  # N×C
        gloss = found.specular_albedo * gloss * seen.outer[:, None]  # N×C
        albedo = seen.sampled(back_filled(found.albedo)[0])  # N×3
        count = max(1, lights.power.shape[1] // 3)
        parts = zip(*(each.tensor_split(count, dim=1) for each in (diffuse, gloss)), strict=True)
        return [_numpy(seen.composited(albedo * d + g)) for d, g in parts]

    def _diffuse(self, found: Explanation, lights: Lights, seen: Seen) -> Tensor:
        """D at the samples, N×C, on the side of the wall that is seen."""
        outer, inner = seen.touched(*found.centres.shape[1:3])  # (H−1)×T each
        return seen.sampled_sides(*diffuse_sides(found, lights, outer | inner))  # N×C

    def _mesh(self, found: Explanation) -> Mesh:
        """The posed surface in the OpenCV axes of the photo's camera."""
        _, rows, columns, _ = found.vertices.shape
        offset = np.array([0, 0, self._configuration.distance], np.float32)
        vertices = _numpy(found.vertices[0].flatten(0, 1)) + offset  # HT×3
        return Mesh(vertices, revolution.faces(rows, columns).numpy())


def _photo(sample: Sample, size: int) -> Framed:
    image = _array(sample.inputs, "image")
    name = f"{sample.scene}/{sample.id}"
    if not image.size:
        raise DataError(f"{name}: the image is empty, {image.shape}")
    try:
        photo = framed(image, size)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    return photo


def _item(found: Explanation, index: int) -> Explanation:
    """One explanation of a batch, as a batch of one."""
    names = [field.name for field in dataclasses.fields(found)]
    return Explanation(**{name: getattr(found, name)[index : index + 1] for name in names})


def _array(values: Values, name: str) -> NDArray[np.floating[Any]]:
    value = values[name]
    if not isinstance(value, np.ndarray):
        raise DataError(f"{name}: expected an array, got {type(value).__name__}")
    return value


def _numpy(values: Tensor) -> Float32:
    array: Float32 = values.cpu().numpy()
    return np.ascontiguousarray(array, np.float32)
