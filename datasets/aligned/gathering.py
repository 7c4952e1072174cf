"""Where photos, cameras and points come from: a dataset, a COLMAP model, a .ply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.api import Source
from bench.datasets.aligned import depth_sources, splitting
from bench.datasets.aligned.clouds import Clouds, FixedCloud, FusedClouds, merged
from bench.datasets.aligned.folders import Settings
from bench.datasets.aligned.layout import TRAIN
from bench.datasets.aligned.shots import Float32, Shot, framed
from bench.errors import ConfigError, DataError
from bench.graphics.file_digest import digest
from bench.graphics.image_files import read_linear
from bench.graphics.point_clouds import PointCloud, checked


@dataclass(frozen=True, eq=False)
class Given:
    """What the command was given.

    Attributes:
        split: of the dataset.
        model, photos: a COLMAP model's folder and that of its photos.
        points: a .ply.
    """

    settings: Settings
    dataset: Source | None
    split: str
    model: Path | None
    photos: Path | None
    points: Path | None


@dataclass(frozen=True, eq=False)
class Gathered:
    """Every photo, the split it goes to, and what is rendered for it.

    Attributes:
        voxel: side of the cubes of which one point was left, scene units; 0 for all points.
    """

    shots: Sequence[Shot]
    splits: Sequence[str]
    clouds: Clouds
    voxel: float


def given(dataset: Source | None, options: Mapping[str, Any]) -> Given:
    """The command's options, checked.

    Raises:
        ConfigError: options that do not go together, or one that is lacking.
        DataError: a source that cannot be read.
    """
    kind, model, points = options["from"], options["model"], options["points"]
    _check(kind, dataset, options)
    sources: dict[str, str] = {}
    if dataset is not None:
        split = options["split"]
        sources[f"{dataset.name}/{split}"] = dataset.dataset.fingerprint(split)
    if model is not None:
        if not model.is_dir():
            raise DataError(f"{model}: no such folder; give that of a COLMAP model with --model")
        sources[f"colmap {model.name}"] = digest(model, (p for p in model.iterdir() if p.is_file()))
    if points is not None:
        sources[f"points {points.name}"] = digest(points.parent, [points])
    settings = Settings(
        cloud=kind,
        sources=sources,
        held_out=tuple(filter(None, options["held_out"].split(","))),
        **{name: options[name] for name in _PASSED},
    )
    return Given(settings, dataset, options["split"], model, options["photos"], points)


def gathered(what: Given) -> Gathered:
    """Read cameras and clouds; photos are read when they are written.

    Raises:
        ConfigError: scenes held out that are not there, or a dataset without what is needed.
        DataError: files that cannot be read, a cloud without points, or no photo.
    """
    settings = what.settings
    if what.dataset is None:
        found = _colmap(what)
    elif settings.cloud == "depth":
        found = _depth(what, what.dataset)
    else:
        found = _dataset(what, what.dataset)
    if not settings.size:
        return found
    shots = [framed(shot, settings.size) for shot in found.shots]
    return Gathered(shots, found.splits, found.clouds, found.voxel)


_PASSED = ("size", "radius", "footprint", "voxel", "leave_out", "world", "seed", "semantics")


def _check(kind: str, dataset: Source | None, options: Mapping[str, Any]) -> None:
    if dataset is None and options["model"] is None:
        raise ConfigError("give the photos: --dataset and --split, or --model and --photos")
    if dataset is not None and not options["split"]:
        raise ConfigError("--dataset: give its --split, too")
    if options["model"] is not None and dataset is None and options["photos"] is None:
        raise ConfigError("--model: give the folder of its photos with --photos, too")
    if kind == "depth" and dataset is None:
        raise ConfigError("--from depth: give a --dataset that knows depth")
    if kind == "depth" and (options["points"] or options["model"]):
        raise ConfigError("--from depth: takes neither --points nor --model")
    if kind == "colmap" and options["model"] is None:
        raise ConfigError("--from colmap: give the folder of the model with --model")
    if kind == "ply" and options["points"] is None:
        raise ConfigError("--from ply: give the file with --points")


def _splits(shots: Sequence[Shot], settings: Settings) -> list[str]:
    scenes = [shot.scene for shot in shots]
    if settings.held_out:
        splits: list[str] = splitting.by_scene(scenes, settings.held_out)
    else:
        splits = splitting.by_chance(len(shots), settings.seed)
    return splits


def _depth(what: Given, source: Source) -> Gathered:
    settings = what.settings
    posed = depth_sources.posed(source, what.split)
    splits = _splits([each.shot for each in posed], settings)
    training = [each for each, split in zip(posed, splits, strict=True) if split == TRAIN]
    voxel = depth_sources.measured(source, what.split, training, settings.voxel)
    parts = depth_sources.parts(source, what.split, training, voxel)
    clouds = FusedClouds(parts, voxel, settings.leave_out, settings.world)
    return Gathered([each.shot for each in posed], splits, clouds, voxel)


def _dataset(what: Given, source: Source) -> Gathered:
    shots = [each.shot for each in depth_sources.posed(source, what.split)]
    return _with_cloud(what, shots, _cloud(what))


def _colmap(what: Given) -> Gathered:
    from bench.graphics.colmap_models import read_colmap  # pycolmap is slow to import

    assert what.model is not None and what.photos is not None
    if not what.photos.is_dir():
        raise DataError(f"{what.photos}: no such folder; give that of the photos with --photos")
    model = read_colmap(what.model)
    shots = [
        Shot(
            photo.name,
            Path(photo.name).parent.as_posix(),
            photo.camera,
            partial(_read, what.photos, photo.name, photo.camera.height, photo.camera.width),
            photo.lens if any(photo.lens.coefficients) else None,
        )
        for photo in model.photos
    ]
    return _with_cloud(what, shots, model.cloud if what.points is None else _cloud(what))


def _cloud(what: Given) -> PointCloud:
    """The points of the .ply where it is given, or else those of the COLMAP model."""
    if what.points is not None:
        from bench.graphics.point_files import read_points

        return read_points(what.points)
    from bench.graphics.colmap_models import read_colmap

    assert what.model is not None
    return read_colmap(what.model).cloud


def _with_cloud(what: Given, shots: Sequence[Shot], cloud: PointCloud) -> Gathered:
    """Shots that all see one cloud."""
    if not shots:
        raise DataError(f"{what.model or what.split}: holds no photo with a camera")
    cloud = checked(cloud, what.points or what.model)
    voxel = what.settings.voxel or 0.0
    return Gathered(shots, _splits(shots, what.settings), FixedCloud(merged([cloud], voxel)), voxel)


def _read(folder: Path, name: str, height: int, width: int) -> Float32:
    """A photo of a COLMAP model, whose reader keeps names within the folder."""
    path = folder / name
    photo = read_linear(path)
    if photo.shape != (height, width, 3):
        found, wanted = "×".join(map(str, photo.shape)), f"{height}×{width}×3"
        raise DataError(f"{path}: is {found}, and its camera in the model asks for {wanted}")
    return photo
