"""A data set that is being prepared: what it is made from, how far it is, and what was dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.datasets.aligned import layout
from bench.datasets.aligned.paths import CameraPath
from bench.datasets.aligned.writing import write_json
from bench.errors import BenchError, ConfigError, DataError
from bench.graphics.depth_codes import DepthCode


@dataclass(frozen=True)
class Settings:
    """What decides every pixel of a data set.

    Attributes:
        cloud: "depth", "colmap" or "ply".
        sources: what was read → a digest of it.
        held_out: scenes for validation; empty where photos are drawn for it.
        size: pixels per side of scaled and cropped photos; 0 for photos as they are.
        voxel: None for the default of the kind of cloud.
        semantics: name of the segmentation model; "" for none.
    """

    cloud: str
    sources: Mapping[str, str]
    held_out: tuple[str, ...]
    size: int
    radius: float
    footprint: str
    voxel: float | None
    leave_out: str
    world: str
    seed: int
    semantics: str = ""


@dataclass
class Unfinished:
    """A folder that is being prepared, as its note says; a killed process leaves it so.

    Attributes:
        paths: split → the camera path that it is to hold.
    """

    folder: Path
    settings: Settings
    code: DepthCode | None
    paths: dict[str, CameraPath]

    def depth_code(self, fit: Callable[[], DepthCode]) -> DepthCode:
        """The code, noted when it is first fitted and kept."""
        if self.code is None:
            self.code = fit()
            self.note()
        return self.code

    def note(self) -> None:
        """Write down what is known."""
        code = None if self.code is None else asdict(self.code)
        content = {**_wanted(self.settings), "depth_code": code, "paths": noted(self.paths)}
        write_json(self.folder / layout.UNFINISHED, content)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, once all pictures are there."""
        write_json(self.folder / layout.MANIFEST, manifest)
        (self.folder / layout.UNFINISHED).unlink()


@contextmanager
def claimed(
    folder: Path, settings: Settings, path: CameraPath | None
) -> Iterator[Unfinished | None]:
    """Hold a folder while it is prepared; gives None where nothing is left to be done.

    Raises:
        ConfigError: another process holds it, it was begun with other settings, or its split of
            the path's name is another path.
        DataError: its notes are corrupt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
            yield _claim(folder, settings, path)
    except Timeout as error:
        raise ConfigError(
            f"{folder}: another process is preparing it; wait for it, or give another --name"
        ) from error


def noted(paths: Mapping[str, CameraPath]) -> dict[str, Any]:
    """Camera paths as they stand in notes and manifests."""
    return {
        name: {"stops": list(path.stops), "frames": path.frames} for name, path in paths.items()
    }


def _claim(folder: Path, settings: Settings, path: CameraPath | None) -> Unfinished | None:
    begun, finished = folder / layout.UNFINISHED, folder / layout.MANIFEST
    note = next((each for each in (begun, finished) if each.exists()), None)
    if note is None and any(folder.iterdir()):
        raise ConfigError(f"{folder}: holds something else; give another --name")
    content: dict[str, Any] = {} if note is None else layout.read_json(note)
    if note is not None and content.get("settings") != _wanted(settings)["settings"]:
        raise ConfigError(
            f"{note}: the folder was prepared with other settings or from other sources; give "
            "another --name, or remove the folder"
        )
    code, known = _read_notes(note, content)
    found = Unfinished(folder, settings, code, known)
    if path is not None and known.get(path.split, path) != path:
        raise ConfigError(
            f"{folder / path.split}: is another camera path; give another --path-split, or remove "
            f"the folder {folder}"
        )
    if note == finished and (path is None or path.split in known):
        return None
    if path is not None:
        found.paths[path.split] = path
    return found


def _read_notes(
    note: Path | None, content: Mapping[str, Any]
) -> tuple[DepthCode | None, dict[str, CameraPath]]:
    """The depth code and the camera paths that a note tells of."""
    try:
        code = content.get("depth_code")
        paths = {
            str(name): CameraPath(str(name), tuple(map(str, entry["stops"])), int(entry["frames"]))
            for name, entry in content.get("paths", {}).items()
        }
        return DepthCode(**code) if code else None, paths
    except (AttributeError, KeyError, TypeError, ValueError, BenchError) as error:
        raise DataError(f"{note}: corrupt: {error!r:.200}; prepare the folder anew") from error


def _wanted(settings: Settings) -> dict[str, Any]:
    """The settings as JSON gives them back."""
    return {"settings": json.loads(json.dumps(asdict(settings)))}
