"""The dataset `met-vases`: photos of vases with masks, of which no truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.api import Key, Sample, Targets
from bench.datasets.sord.layout import MET, found_root
from bench.datasets.sord.pairs import Pairs

_ADVICE = "`bench fetch met-vases` brings the data"


class MetVases:
    """A `TraceableDataset` in the layout of `layout`; a scene is a photo.

    Options:
        root: folder that holds image_mask/.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        root = found_root(Path(options["root"]).absolute(), MET)
        self._pairs = Pairs(root, rendered=False, advice=_ADVICE)

    def samples(self, split: str) -> Sequence[Key]:
        """All photos by name. Raises `DataError` naming every photo without a mask."""
        keys: Sequence[Key] = self._pairs.keys(split)
        return keys

    def fingerprint(self, split: str) -> str:
        """A digest of names and contents of photos and masks."""
        return str(self._pairs.digest(split))

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """A digest of each photo."""
        digests: Mapping[str, str] = self._pairs.scene_digests(split)
        return digests

    def inputs(self, split: str, key: Key) -> Sample:
        """The photo and its mask. Raises `DataError` naming the file."""
        image, mask = self._pairs.read(split, key)
        return Sample(key.scene, key.id, {"image": image, "mask": mask})

    def targets(self, split: str, key: Key) -> Targets:
        """The mask; nothing else is known. Raises `DataError` naming the file."""
        return Targets({"mask": self._pairs.read(split, key)[1]})

    def verify(self, split: str) -> None:
        """Decode the whole split. Raises `DataError` naming every file that is not well."""
        problems = [
            text for key in self.samples(split) for text in self._pairs.problems(split, key)
        ]
        self._pairs.refuse(split, problems)
