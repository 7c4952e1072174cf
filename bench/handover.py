"""What of a sample a method may see: its needs, what it was granted, and the queries it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.api import Dataset, Key, Query, Sample
from bench.errors import DataError, InvalidValueError
from bench.graphics.environments import to_frame
from bench.jobs import Job
from bench.quantities import VOCABULARY, Camera, Environment, Mesh, Value, Values, validate

_FROM_THERE = {"camera", "framebuffer"}
"""What tells a method from where the answer is seen."""


def seed_of(seed: int, key: Key) -> int:
    """The seed of one item: 32 bits of a hash of run seed and id."""
    text = f"{seed}/{key.scene}/{key.id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def hand_over(dataset: Dataset, job: Job, key: Key) -> Sample:
    """Read one sample and strip it to what the job's method may see.

    Targets are opened only where bench.toml grants one. A method that is not handed the camera gets
    everything relative to it: lights in the camera frame; each other camera (of a query, of a
    reference photo, of the context) and each mesh in a world whose axes are the OpenCV axes of the
    sample's own camera, which would have the identity pose there.

    Raises:
        DataError: naming the item, where an input cannot be read or breaks its contract.
    """
    sample = dataset.inputs(job.split, key)
    inputs: Values = {name: _value(sample.inputs, name, key) for name in job.method.needs}
    granted = [name for name in job.granted if name not in inputs]
    if granted:
        truth = dataset.targets(job.split, key).quantities
        sources = {**truth, **sample.inputs}
        inputs = {**inputs, **{name: _value(sources, name, key) for name in granted}}
    context = _context(sample, job)
    queries = _queries(sample, job)
    for values in (inputs, *context):
        _check(values, key)
        _check_sizes(values, key)
    for query in queries:
        _check(query.condition, key)
    if "camera" not in inputs:
        camera = sample.inputs.get("camera")
        inputs = _relative(inputs, camera)
        context = tuple(_relative(view, camera) for view in context)
        queries = [replace(q, condition=_relative(q.condition, camera)) for q in queries]
    return Sample(
        scene=key.scene,
        id=key.id,
        inputs=inputs,
        context=context,
        queries=tuple(queries),
        seed=seed_of(job.seed, key),
    )


def _value(values: Values, name: str, key: Key) -> Value:
    if name not in values:
        raise DataError(f"{key.scene}/{key.id}: the sample lacks {name!r}, which its card offers")
    return values[name]


def _check(values: Values, key: Key) -> None:
    for name, value in values.items():
        quantity = name.removeprefix("reference_")  # what belongs to a reference photo
        try:
            if quantity in VOCABULARY:
                validate(quantity, value)
        except InvalidValueError as error:
            raise DataError(f"{key.scene}/{key.id}: input {error}") from error


def _check_sizes(inputs: Mapping[str, Any], key: Key) -> None:
    sizes = {
        name: value.shape[:2] for name, value in inputs.items() if getattr(value, "ndim", 0) == 3
    }
    if "image" in sizes:
        for name, size in sizes.items():
            if size != sizes["image"]:
                raise DataError(
                    f"{key.scene}/{key.id}: {name} is {size[0]}×{size[1]} but image is "
                    f"{sizes['image'][0]}×{sizes['image'][1]}"
                )


def _context(sample: Sample, job: Job) -> tuple[Values, ...]:
    if job.method.views == "one":
        return ()
    seen = {"image", "camera", *job.method.needs}
    return tuple(
        {name: value for name, value in view.items() if name in seen} for view in sample.context
    )


def taken(query: Query, sample: Sample, alternatives: Sequence[str]) -> tuple[str, ...] | None:
    """The first set of conditions that a method takes and the dataset gives; None without one.

    Where the query's camera is not the sample's own, it or a framebuffer seen from it must be among
    them: an answer without either shows another view than the one that is asked for.
    """
    own, camera = sample.inputs.get("camera"), query.condition.get("camera")
    elsewhere = (
        isinstance(own, Camera)
        and isinstance(camera, Camera)
        and not np.array_equal(own.camera_to_world, camera.camera_to_world)
    )
    for alternative in alternatives:
        names = tuple(alternative.split("+"))
        if set(names) <= set(query.condition) and (_FROM_THERE & set(names) or not elsewhere):
            return names
    return None


def _queries(sample: Sample, job: Job) -> list[Query]:
    """Each query that the method can answer, with the conditions that it takes."""
    asked = []
    for query in sample.queries:
        names = taken(query, sample, job.answers.get(query.quantity, ()))
        if names is not None:
            condition = {name: query.condition[name] for name in names}
            asked.append(Query(query.id, query.quantity, condition))
    return asked


def _relative(values: Values, camera: Value | None) -> Values:
    # A method that is not told the camera could use neither light nor pose of the world.
    if not isinstance(camera, Camera):
        return values
    return {name: _seen_from(value, camera) for name, value in values.items()}


def _seen_from(value: Value, camera: Camera) -> Value:
    """A light in the frame of `camera`; a camera or mesh in its OpenCV axes, scene units."""
    if isinstance(value, Environment):
        return to_frame(value, "camera", camera)
    if isinstance(value, Camera):
        pose = np.linalg.solve(camera.camera_to_world, value.camera_to_world)
        return replace(value, camera_to_world=pose)
    if isinstance(value, Mesh):
        rotation, position = camera.camera_to_world[:3, :3], camera.camera_to_world[:3, 3]
        vertices = (value.vertices - position) @ rotation  # N×3, rows Rᵀ (v − c)
        return replace(value, vertices=vertices.astype(value.vertices.dtype))
    return value
