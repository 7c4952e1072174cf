"""Pictures of an aligned folder → framebuffers and photos, the quirks of such folders handled.

Depth without a manifest: 8-bit levels are taken as they are. Where a 16-bit picture holds a level
above 255, all levels of the data set, over all of its splits, are coded as `bench prepare` codes
depths: the 5th percentile of the covered pixels becomes 255 and the 95th becomes 1 (spec §3,
§12.1). A covered pixel has at least level 1, an empty one 0.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets.aligned import layout
from bench.datasets.aligned.filtering import covered
from bench.datasets.aligned.layout import Place
from bench.errors import DataError
from bench.graphics.colour import srgb_decode
from bench.graphics.depth_codes import DepthCode, fitted
from bench.graphics.image_files import read_image
from bench.graphics.map_files import read_map
from bench.graphics.semantic_colours import semantic_colours

Float32 = NDArray[np.float32]

_TOP = 255
_MOST_FITTED = 256  # depth pictures that a code is fitted to, evenly over the data set


class AlignedFolder:
    """One data set's pictures.

    Every method raises `DataError` naming the file that is missing, corrupt, of another size than
    its fellows, or smaller than the networks take.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def prepared(self) -> bool:
        """Whether `bench prepare aligned` made it, so that alpha and depth are as it codes them."""
        return layout.read_manifest(self.path) is not None

    def framebuffer(self, place: Place, semantics: bool) -> Float32:
        """H×W×4: linear RGB, and depth in [0, 1], 0 where empty; with `semantics` also their
        colours in [0, 1], H×W×7."""
        colour = _colour(place)  # H×W×3 or ×4
        shown = covered(colour, self.prepared)  # H×W
        depth = _levels(place, colour) * shown  # H×W
        rgb = srgb_decode(colour[..., :3]) * shown[..., None]  # H×W×3
        coded = np.where(shown, np.maximum(self._coded(place, depth), 1), 0) / _TOP  # H×W
        channels = [rgb, coded[..., None]]
        if semantics:
            channels.append(_semantics(place, colour))
        return np.concatenate(channels, axis=2, dtype=np.float32)  # H×W×C

    def photo(self, place: Place) -> Float32 | None:
        """H×W×3 linear RGB; None where there is none, as along a camera path."""
        path = place.file(layout.REFERENCE)
        if not path.exists():
            return None
        photo = read_map(path, 3)  # H×W×3
        colour = place.file(layout.COLOUR)
        _same_size(path, photo, colour, read_image(colour))
        return srgb_decode(photo).astype(np.float32)

    def _coded(self, place: Place, levels: NDArray[np.int64]) -> NDArray[np.int64]:
        if self._code is not None:
            return self._code.encode(levels.astype(np.float64)).astype(np.int64)
        if levels.max() > _TOP:
            raise DataError(
                f"{place.file(layout.DEPTH)}: has levels up to {levels.max()}, where the data set "
                "is of levels up to 255; write all of it in one way"
            )
        return levels

    @cached_property
    def _code(self) -> DepthCode | None:
        """How levels beyond 8 bits are brought into them; None where there are none."""
        names = layout.splits(self.path) if not self.prepared else []
        every = [place for name in names for place in layout.places(self.path / name)]
        deep = [place for place in every if _bits(place.file(layout.DEPTH)) > 8]
        chosen = deep[:: max(1, -(-len(deep) // _MOST_FITTED))]
        shown = [self._shown(place) for place in chosen]
        beyond = any(levels.max(initial=0) > _TOP for levels in shown)
        return fitted(shown) if beyond else None

    def _shown(self, place: Place) -> NDArray[np.float64]:
        """The levels of covered pixels, n."""
        colour = _colour(place)
        levels = _levels(place, colour)
        found: NDArray[np.float64] = levels[covered(colour)].astype(np.float64)
        return found


def _colour(place: Place) -> Float32:
    path = place.file(layout.COLOUR)
    colour = read_image(path)  # H×W×C
    height, width, channels = colour.shape
    if channels == 1:
        raise DataError(f"{path}: is grey; expected RGBA, or RGB")
    if min(height, width) < layout.SMALLEST:
        raise DataError(
            f"{path}: {height}×{width} pixels; the networks take {layout.SMALLEST} and more per "
            "side; prepare larger pictures"
        )
    return colour


def _levels(place: Place, colour: Float32) -> NDArray[np.int64]:
    """H×W levels as stored."""
    path = place.file(layout.DEPTH)
    stored = read_map(path, 1)  # H×W×1
    _same_size(path, stored, place.file(layout.COLOUR), colour)
    top = 2 ** _bits(path) - 1
    levels: NDArray[np.int64] = np.rint(stored[..., 0].astype(np.float64) * top).astype(np.int64)
    return levels


def _semantics(place: Place, colour: Float32) -> Float32:
    path = place.file(layout.SEMANTICS)
    if path.exists():
        found = read_map(path, 3)  # H×W×3
    else:
        path = place.file(layout.CLASSES)
        classes = np.rint(read_map(path, 1)[..., 0] * _TOP).astype(np.int64)  # H×W
        found = (semantic_colours(classes) / np.float32(_TOP)).astype(np.float32)  # H×W×3
    _same_size(path, found, place.file(layout.COLOUR), colour)
    return found


def _same_size(path: Path, one: Float32, other_path: Path, other: Float32) -> None:
    if one.shape[:2] != other.shape[:2]:
        (height, width), (wanted_height, wanted_width) = one.shape[:2], other.shape[:2]
        raise DataError(
            f"{path}: {height}×{width} pixels, and {other_path} has {wanted_height}×{wanted_width};"
            " all pictures of a sample have one size"
        )


def _bits(path: Path) -> int:
    """Bits per channel, from the PNG's header."""
    try:
        with path.open("rb") as file:
            header = file.read(25)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if len(header) < 25 or header[:4] != b"\x89PNG":
        raise DataError(f"{path}: truncated or corrupt png file")
    return header[24]
