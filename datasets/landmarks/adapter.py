"""The dataset `landmarks`: bundles of photos under a folder of the user's.

`root` holds bundles (*.pk) itself, or folders that do. A split is named by the folder its bundles
lie in; `all` is every bundle under `root`. A scene is a bundle, its samples are `view0` … `view4`.

A query asks for one view in the light of another photo, of which one half is given: `reference`
(linear RGB, zeros in the hidden half), `reference_mask` (1 where given and no sky),
`reference_camera`, and the view's own `camera`. It is scored on what the hidden half shows of the
view. All queries are asked; those with too few scored pixels have no answer among the targets. With
the option `reference_normals` a query also holds `reference_normal`, the true normals of the given
half, which a method should be marked privileged for. `framebuffer` and `reference_framebuffer` are
what `rerendering` makes.

Two notes for users of the harness: a scene-scope method sees every photo of a bundle whole, hidden
halves included, so its relighting scores here mean nothing; and photos differ in exposure and white
balance, so that `aligned` columns are the ones to read.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from bench.api import Key, Sample, Targets
from bench.datasets.landmarks.bundle import VIEWS, Bundle
from bench.datasets.landmarks.relighting import answers, queries
from bench.datasets.landmarks.rerendering import Rerendering
from bench.errors import DataError
from bench.graphics.file_digest import digest

ALL = "all"
"""The split of every bundle under the root."""


class Landmarks:
    """A `Dataset`; only the bundle decoded last is kept."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._with_normals = bool(options.get("reference_normals", False))
        self._listed: dict[str, dict[str, Path]] = {}
        self._bundle: Bundle | None = None

    def samples(self, split: str) -> Sequence[Key]:
        """Views of all bundles by name. Raises `DataError` where the split holds none."""
        return [Key(scene, f"view{view}") for scene in self._files(split) for view in range(VIEWS)]

    def fingerprint(self, split: str) -> str:
        """A digest of names and contents of the split's pickles, and of the option."""
        content = digest(self._root, self._files(split).values())
        return f"{content}-normals" if self._with_normals else content

    def inputs(self, split: str, key: Key) -> Sample:
        """The photo, its sky mask, its camera, and all relighting queries."""
        bundle, index = self._open(split, key)
        view = bundle.views[index]
        inputs = {"image": view.image, "mask": view.mask, "camera": view.camera}
        asked = queries(bundle, Rerendering(bundle), index, self._with_normals)
        return Sample(key.scene, key.id, deepcopy(inputs), queries=asked)  # the bundle is kept

    def targets(self, split: str, key: Key) -> Targets:
        """Normal and depth of multi-view stereo, and the answers that can be scored."""
        bundle, index = self._open(split, key)
        known = {"normal": bundle.normals[index], "depth": bundle.depths[index]}
        return Targets(deepcopy(known), answers(bundle, index))

    def _open(self, split: str, key: Key) -> tuple[Bundle, int]:
        path = self._files(split).get(key.scene)
        index = {f"view{view}": view for view in range(VIEWS)}.get(key.id)
        if path is None or index is None:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        bundle = self._bundle
        if bundle is None or bundle.path != path:
            bundle = self._bundle = Bundle(path)
        return bundle, index  # not self._bundle, which another thread may have changed

    def _files(self, split: str) -> dict[str, Path]:
        """Scene → file, by name."""
        if split not in self._listed:
            self._listed[split] = self._list(split)
        return self._listed[split]

    def _list(self, split: str) -> dict[str, Path]:
        folders = self._folders()
        if split not in folders and split != ALL:
            known = ", ".join([*folders, ALL]) if folders else "none, for no *.pk is in it"
            raise DataError(
                f"{self._root}: has no split {split!r} of bundles (*.pk); it has {known}"
            )
        chosen = list(folders.values()) if split == ALL else [folders[split]]
        files: dict[str, Path] = {}
        for path in sorted(path for folder in chosen for path in folder.glob("*.pk")):
            if path.stem in files:
                raise DataError(f"{path}: {files[path.stem]} has the same name; rename one of them")
            files[path.stem] = path
        return files

    def _folders(self) -> dict[str, Path]:
        """Split → folder: the root itself and the folders in it, where they hold bundles."""
        if not self._root.is_dir():
            raise DataError(f"{self._root}: no such folder; set the option root of landmarks")
        inner = sorted(path for path in self._root.iterdir() if path.is_dir())
        folders = [self._root, *inner]
        return {folder.name: folder for folder in folders if any(folder.glob("*.pk"))}
