"""What both data sets are to training: images with masks, in splits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.api import Key
from bench.datasets.sord import layout
from bench.datasets.sord.layout import Pair
from bench.datasets.sord.reading import Float32, read_colour, read_mask
from bench.errors import DataError
from bench.graphics.colour import gamma_decode
from bench.graphics.file_digest import digest

IMAGE_ID = "image"
"""The id of the one sample of each scene."""


class Pairs:
    """The images and masks under `root`, a scene each. Every method raises `DataError`.

    Images are decoded by the gamma of 2.2 that the published method takes them to be encoded with.

    Args:
        rendered: take the images named im_rendered alone.
        advice: where the data is to be had, for messages.
    """

    def __init__(self, root: Path, rendered: bool, advice: str) -> None:
        self._root, self._rendered, self._advice = root, rendered, advice
        self._listed: dict[str, dict[str, Pair]] = {}

    def keys(self, split: str) -> list[Key]:
        """All images by name; an error names every image without a mask."""
        return [Key(scene, IMAGE_ID) for scene in self._files(split)]

    def files(self, split: str, key: Key) -> Pair:
        """Where image and mask of a sample lie."""
        pair = self._files(split).get(key.scene)
        if pair is None or key.id != IMAGE_ID:
            raise DataError(f"{self._root}: split {split!r} has no sample {key.scene}/{key.id}")
        return pair

    def read(self, split: str, key: Key) -> tuple[Float32, Float32]:
        """Image H×W×3, linear, and mask H×W×1."""
        image, mask = self.files(split, key)
        encoded = read_colour(image)
        linear = gamma_decode(encoded).astype(np.float32, copy=False)
        return linear, read_mask(mask, encoded.shape[:2])

    def digest(self, split: str) -> str:
        """Of names and contents, not of the split's name: a split that links to another agrees."""
        files = [path for pair in self._files(split).values() for path in pair]
        return digest(self._root / "image_mask" / split, files)

    def scene_digests(self, split: str) -> dict[str, str]:
        """Scene → a digest of its image, by which it is known in any split or folder."""
        return {
            scene: digest(pair.image.parent, [pair.image])
            for scene, pair in self._files(split).items()
        }

    def problems(self, split: str, key: Key) -> Iterator[str]:
        """What is wrong with an image or its mask."""
        try:
            _, mask = self.read(split, key)
        except DataError as error:
            yield str(error)
            return
        if not mask.any():
            yield f"{self.files(split, key)[1]}: the mask is empty"

    def refuse(self, split: str, problems: list[str]) -> None:
        """Raise `DataError` with all of the problems, if there are any."""
        if problems:
            raise DataError(
                f"{self._root}: {len(problems)} files of split {split!r} are not well; "
                f"{self._advice}:\n  {layout.listed(problems)}"
            )

    def _files(self, split: str) -> dict[str, Pair]:
        if split not in self._listed:
            self._listed[split] = layout.pairs(self._root, split, self._advice, self._rendered)
        return self._listed[split]
