"""`bench export stanford-orb RUN`: the official submission of each method of a run.

<out>/<method>.json                         info[capture] = {view, light, geometry, material, shape}
<out>/<method>/<capture>/view/0060.exr      light/<other capture>/0061.exr    albedo/0060.exr
                         normal/0060.exr    depth/0060.exr                    mesh.obj

Images are 512² .exr of 32-bit floats, linear; paths are absolute, for the official scorer to open.
A task of which a method has no image has an empty list. Of another, an image that is missing is
null, which the official scorer takes for a white one (of normals it takes none).

Source: specs/datasets.md §1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Key, Prediction, Row, RunView
from bench.datasets.stanford_orb.adapter import CAPTURE, light_query, view_query
from bench.datasets.stanford_orb.layout import Frame, Layout, open_layout
from bench.errors import ConfigError, DataError
from bench.graphics.image_files import write_exr
from bench.graphics.mesh_files import write_mesh
from bench.quantities import Mesh, Value

SIZE = 512
"""Pixels per side of what the official scorer takes."""

Entry = dict[str, str | None]


def export_submission(*, run: RunView, out: Path, method: str | None = None) -> list[Path]:
    """Write a submission for every method of the run on this dataset, or for one.

    Returns:
        The JSON files.

    Raises:
        ConfigError: the run has no such row, or two whose labels make one file name.
        DataError: a prediction of another size than 512², or the data set is not here.
        OSError: a file cannot be written.
    """
    rows = [
        row
        for row in run.rows
        if row.dataset == "stanford-orb"
        and row.kind in ("method", "floor")
        and method in (None, row.label)
    ]
    if not rows:
        wanted = f"row {method!r}" if method else "method"
        raise ConfigError(f"{run.path}: has no {wanted} with predictions on stanford-orb")
    submissions = [_Submission(run, row, out) for row in rows]
    if len({each.file for each in submissions}) < len(submissions):
        raise ConfigError(f"{run.path}: two labels make one file name; export them one by one")
    return [each.write() for each in submissions]


class _Submission:
    """One row of a run, on its way to files."""

    def __init__(self, run: RunView, row: Row, out: Path) -> None:
        self._run, self._row = run, row
        name = re.sub(r"[^\w.-]+", "_", row.label).lstrip(".") or "method"
        name = name if row.split == "test" else f"{name}_{row.split}"
        self.file = out.absolute() / f"{name}.json"
        self._folder = out.absolute() / name
        self._layout = _layout(run, row)

    def write(self) -> Path:
        """Write all images, then the JSON file that names them."""
        keys = self._run.keys(self._row.dataset, self._row.split)
        info = {key.scene: self._capture(key) for key in keys if key.id == CAPTURE}
        for task in ("view", "light", "geometry", "material"):
            if not any(_done(entry) for tasks in info.values() for entry in tasks[task]):
                for tasks in info.values():
                    tasks[task] = []
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps({"info": info}, indent=1), encoding="utf-8")
        return self.file

    def _capture(self, key: Key) -> dict[str, Any]:
        """The five tasks of one capture, and their files."""
        answers = self._run.prediction(self._row, key)
        own, elsewhere = (self._layout.frames(key.scene, part) for part in ("test", "novel"))
        views = {frame: ("view", answers.get(view_query(frame))) for frame in own}
        lights = {
            frame: (f"light/{frame.capture}", answers.get(light_query(frame)))
            for frame in elsewhere
        }
        maps = {frame: self._run.prediction(self._row, Key(key.scene, frame.id)) for frame in own}
        return {
            "view": [self._photo(key.scene, *entry) for entry in views.items()],
            "light": [self._photo(key.scene, *entry) for entry in lights.items()],
            "geometry": [self._geometry(*entry) for entry in maps.items()],
            "material": [self._material(*entry) for entry in maps.items()],
            "shape": self._shape(key.scene, answers.get("mesh")),
        }

    def _photo(self, capture: str, frame: Frame, answer: tuple[str, Value | None]) -> Entry:
        place, value = answer
        return {
            "output_image": self._image(value, f"{capture}/{place}/{frame.id}"),
            "target_image": str(self._layout.photo(frame, "HDR")),
        }

    def _geometry(self, frame: Frame, found: Prediction) -> Entry:
        entry: Entry = {"target_mask": str(self._layout.mask(frame, "HDR"))}
        for quantity, kind in (("depth", "z_depth"), ("normal", "surface_normal")):
            image = self._image(found.get(quantity), f"{frame.capture}/{quantity}/{frame.id}")
            entry[f"output_{quantity}"] = image
            entry[f"target_{quantity}"] = str(
                self._layout.truth(frame.capture, kind) / f"{frame.id}.npy"
            )
        return entry

    def _material(self, frame: Frame, found: Prediction) -> Entry:
        truth = self._layout.truth(frame.capture, "pseudo_gt_albedo") / f"{frame.id}.png"
        image = self._image(found.get("albedo"), f"{frame.capture}/albedo/{frame.id}")
        mask = str(self._layout.mask(frame, "HDR"))
        return {"output_image": image, "target_image": str(truth), "target_mask": mask}

    def _shape(self, capture: str, mesh: Value | None) -> Entry:
        entry: Entry = {"output_mesh": None, "target_mesh": str(self._layout.mesh(capture))}
        if isinstance(mesh, Mesh):
            path = self._folder / capture / "mesh.obj"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mesh(path, mesh)
            entry["output_mesh"] = str(path)
        return entry

    def _image(self, value: Value | None, name: str) -> str | None:
        """Write one image and return its path; None where there is none. Raises `DataError`."""
        if value is None:
            return None
        image = np.asarray(value)
        if image.shape[:2] != (SIZE, SIZE):
            found = "×".join(map(str, image.shape[:2]))
            raise DataError(
                f"{self._row.label}: {name} has {found} pixels and the official scorer takes "
                f"{SIZE}×{SIZE}; run with the option size = {SIZE}"
            )
        path = self._folder / f"{name}.exr"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_exr(path, image)
        return str(path)


def _done(entry: Entry) -> bool:
    return any(value for name, value in entry.items() if name.startswith("output"))


def _layout(run: RunView, row: Row) -> Layout:
    """The data that the row was run on. Raises `DataError` where it is not here."""
    entries: Sequence[Mapping[str, Any]] = run.manifest["rows"]
    options = next(
        entry["dataset_options"]
        for entry in entries
        if (entry["dataset"], entry["split"]) == (row.dataset, row.split)
    )
    return open_layout(Path(options["root"]), options.get("images"))
