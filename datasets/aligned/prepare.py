"""`bench prepare aligned`: photos, cameras and a point cloud → aligned folders (spec §2, §3)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.api import Source
from bench.datasets.aligned import layout
from bench.datasets.aligned.filtering import covered, too_sparse
from bench.datasets.aligned.folders import Settings, Unfinished, claimed
from bench.datasets.aligned.gathering import Gathered, gathered, given
from bench.datasets.aligned.layout import TRAIN, Place
from bench.datasets.aligned.paths import asked
from bench.datasets.aligned.paths import shots as path_shots
from bench.datasets.aligned.reporting import Record, manifest, reason, summary
from bench.datasets.aligned.semantics import Segmenter, available
from bench.datasets.aligned.shots import Float32, Shot, render
from bench.datasets.aligned.writing import write_sample
from bench.errors import ConfigError, DataError
from bench.graphics.depth_codes import DepthCode, fitted
from bench.graphics.image_files import read_image
from bench.graphics.splatting import Splats

_MOST_NAMED = 10
_MOST_FITTED = 256  # views that the depth code is fitted to, evenly over the training photos


def prepare(*, dataset: Source | None, out: Path, name: str, **options: Any) -> None:
    """Write the data set `out`/`name`, going on where an earlier call stopped.

    Args:
        dataset: whose photos and cameras are taken, and of `from` = depth its depth.
        options: as the card's command describes them.

    Raises:
        ConfigError: options that do not fit, or the folder was begun with others.
        DataError: sources that cannot be read, or of which nothing is left.
        OSError: the disk is full or cannot be written.
    """
    if name in ("", ".", "..") or name != Path(name).name:
        raise ConfigError(f"--name {name!r}: give a plain folder name")
    path = asked(options["path"], options["frames"], options["path_split"])
    segmenter = available(options["semantics"])
    what = given(dataset, options | {"semantics": options["semantics"] if segmenter else ""})
    folder = out / name
    with claimed(folder, what.settings, path) as unfinished:
        if unfinished is None:
            print(f"{folder}: is prepared already; remove it to prepare it anew")
        else:
            _Preparation(unfinished, what.settings, gathered(what), segmenter).finish()


@dataclass(frozen=True, eq=False)
class _Preparation:
    unfinished: Unfinished
    settings: Settings
    found: Gathered
    segmenter: Segmenter | None

    def finish(self) -> None:
        """Write what is missing."""
        folder, places = self.unfinished.folder, self._places()
        photos = {f"{place.folder.name}/{place.id}": shot for place, shot in places}
        views = self._path_views(photos | {shot.name: shot for _, shot in places})
        self.unfinished.note()
        code = self.unfinished.depth_code(self._fitted)
        bar = tqdm(places, desc="renders", disable=None)
        records = [self._record(place, shot, code) for place, shot in bar]
        if all(record.dropped for record in records):
            reasons = "\n".join(map(reason, records[:_MOST_NAMED]))
            raise DataError(f"{folder}: none of {len(records)} photos is left:\n{reasons}")
        for shot in tqdm(views, desc="camera path", disable=None):
            place = Place(folder / Path(shot.name).parent, Path(shot.name).name)
            if not place.file(layout.COLOUR).exists():
                write_sample(place, self._render(shot), code, None)
        paths = self.unfinished.paths
        self.unfinished.finish(manifest(self.settings, self.found.voxel, code, records, paths))
        print(summary(folder, records))
        sizes = {(shot.camera.height, shot.camera.width) for shot in self.found.shots}
        if len(sizes) > 1:
            print(f"the photos have {len(sizes)} sizes; to train on them, prepare with --size")

    def _places(self) -> list[tuple[Place, Shot]]:
        """Where the pictures of each photo belong, numbered within its split."""
        numbers = {split: itertools.count() for split in set(self.found.splits)}
        folder = self.unfinished.folder
        return [
            (Place(folder / split, f"{next(numbers[split]):04d}"), shot)
            for shot, split in zip(self.found.shots, self.found.splits, strict=True)
        ]

    def _path_views(self, photos: Mapping[str, Shot]) -> list[Shot]:
        paths = self.unfinished.paths.values()
        return [view for path in paths for view in path_shots(path, photos, self.settings.world)]

    def _fitted(self) -> DepthCode:
        pairs = zip(self.found.shots, self.found.splits, strict=True)
        training = [shot for shot, split in pairs if split == TRAIN]
        chosen = training[:: max(1, -(-len(training) // _MOST_FITTED))]
        return fitted(self._render(s).depth for s in tqdm(chosen, desc="depth code", disable=None))

    def _record(self, place: Place, shot: Shot, code: DepthCode) -> Record:
        """What became of a photo, once its pictures are there."""
        name = f"{place.folder.name}/{place.id}"
        density = _density_there(place)
        if density is None:
            try:
                photo = _photo(shot)
            except DataError as error:
                return Record(name, shot.name, 0.0, str(error))
            density = self._written(place, shot, photo, code)
        dropped = f"points cover {density:.1%} of it" if too_sparse(density) else ""
        return Record(name, shot.name, round(density, 4), dropped)

    def _written(self, place: Place, shot: Shot, photo: Float32, code: DepthCode) -> float:
        """Write a shot's pictures, set aside where its points are too few; gives their density."""
        splats = self._render(shot)
        density = float((splats.index >= 0).mean())
        semantics = None if self.segmenter is None else self.segmenter(photo)
        write_sample(
            _aside(place) if too_sparse(density) else place, splats, code, photo, semantics
        )
        return density

    def _render(self, shot: Shot) -> Splats:
        cloud = self.found.clouds.seen_by(shot)
        splats: Splats = render(shot, cloud, self.settings.radius, self.settings.footprint)
        return splats


def _density_there(place: Place) -> float | None:
    """Of a sample that an earlier call wrote, kept or set aside; None where there is none."""
    for there in (place, _aside(place)):
        path = there.file(layout.COLOUR)
        if path.exists():
            return float(covered(read_image(path), trusted=True).mean())
    return None


def _photo(shot: Shot) -> Float32:
    assert shot.photo is not None
    photo = shot.photo()
    height, width = photo.shape[:2]
    if min(height, width) < layout.SMALLEST:
        raise DataError(f"has {height}×{width} pixels, fewer than {layout.SMALLEST} per side")
    return photo


def _aside(place: Place) -> Place:
    return Place(place.folder / layout.SPARSE, place.id)
