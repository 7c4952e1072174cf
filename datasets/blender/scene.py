"""One scene on disk: its frames, and which file holds what of each; no picture is opened here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from bench.datasets.blender import layout
from bench.datasets.blender.layout import Frame
from bench.datasets.blender.presets import Preset

TRAIN = "train"


class Scene:
    """The files of a scene. What reads its lists of frames raises `DataError` naming file and key.

    Args:
        folder: holds the parts, or the list of each.
    """

    def __init__(self, folder: Path, preset: Preset) -> None:
        self.folder, self._preset = folder, preset
        self._parts: dict[str, list[Frame]] = {}
        self._nearest: dict[str, list[int]] = {}

    def frames(self, part: str) -> list[Frame]:
        """The frames of "train", "val" or "test"."""
        if part not in self._parts:
            self._parts[part] = layout.frames(self.folder, self._preset, part)
        return self._parts[part]

    def asked_of(self, index: int, part: str) -> list[Frame]:
        """The frames of a part to whose cameras that of training frame `index` stands nearest."""
        frames = self.frames(part)
        if part not in self._nearest:
            centres = np.stack([frame.pose[:3, 3] for frame in self.frames(TRAIN)])  # N×3
            self._nearest[part] = [
                int(np.linalg.norm(centres - frame.pose[:3, 3], axis=1).argmin())
                for frame in frames
            ]
        return [frames[n] for n, nearest in enumerate(self._nearest[part]) if nearest == index]

    def picture(self, frame: Frame, part: str) -> tuple[Path, Path | None]:
        """The picture under the first light, which may be missing, and the mask beside an .exr."""
        paths = [self._file(name, frame) for name in self._preset.pictures[part]]
        path = next((path for path in paths if path.is_file()), paths[0])
        return path, self._file(self._preset.mask, frame) if path.suffix == ".exr" else None

    def relit(self, frame: Frame, light: str) -> Path:
        """The picture under another light."""
        return self._file(self._preset.relit, frame, light)

    def maps(self, frame: Frame, part: str) -> dict[str, Path]:
        """Quantity → file; of a training view those that are there."""
        files = {name: self._file(file, frame) for name, file in self._preset.maps.items()}
        return {name: file for name, file in files.items() if part != TRAIN or file.is_file()}

    def files(self, shown: str, asked: str, lights: Iterable[str]) -> Iterator[Path]:
        """All that is read where views of `shown` are given and `asked` for, there or not."""
        for part in dict.fromkeys((shown, asked)):
            if not self._preset.folders:
                yield self.folder / f"transforms_{part}.json"
            for frame in self.frames(part):
                if self._preset.folders:
                    yield self.folder / frame.path / "metadata.json"
                yield from filter(None, self.picture(frame, part))
        for frame in self.frames(shown):
            yield from self.maps(frame, shown).values()
        for frame in self.frames(asked) if asked != TRAIN else ():
            yield from (self.relit(frame, light) for light in lights)

    def first_picture(self, part: str) -> Path:
        """By which the scene is known in any split: that of train, or of `part` without it."""
        trained = next(self.folder.glob(f"*{TRAIN}*"), None) is not None
        part = TRAIN if trained else part
        return self.picture(self.frames(part)[0], part)[0]

    def _file(self, name: str, frame: Frame, light: str = "") -> Path:
        return self.folder / name.format(path=frame.path, id=frame.name, light=light)
