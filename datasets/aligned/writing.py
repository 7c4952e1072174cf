"""Samples → pictures in the official layout; each file is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.aligned import layout
from bench.datasets.aligned.layout import Place
from bench.graphics.colour import srgb_encode
from bench.graphics.depth_codes import DepthCode
from bench.graphics.image_files import write_png
from bench.graphics.splatting import Splats

Float32 = NDArray[np.float32]


def write_sample(
    place: Place,
    splats: Splats,
    code: DepthCode,
    photo: Float32 | None,
    semantics: NDArray[np.uint8] | None = None,
) -> None:
    """Write the pictures of one sample, its render last: where that is, all others are.

    Args:
        photo: H×W×3 linear RGB; clipped to [0, 1].
        semantics: H×W×3 semantic colours.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    if photo is not None:
        _write(place.file(layout.REFERENCE), srgb_encode(np.clip(photo, 0, 1)))
    if semantics is not None:
        _write(place.file(layout.SEMANTICS), semantics.astype(np.float32) / 255)
    _write(place.file(layout.DEPTH), code.encode(splats.depth).astype(np.float32) / 255)
    shown = (splats.index >= 0)[..., None]  # H×W×1
    colour = srgb_encode(np.clip(splats.colour, 0, 1))  # H×W×3, 0 where nothing is shown
    _write(place.file(layout.COLOUR), np.concatenate([colour, shown], axis=2))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object of our format. Raises OSError."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps({"format": layout.FORMAT, **content}, indent=1, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def _write(path: Path, picture: NDArray[np.floating[Any]]) -> None:
    partial = path.with_name(".partial.png")
    write_png(partial, picture)
    partial.replace(path)
