"""Semantic labels as colours: the classes of ADE20K that landmark photos show (NRW, spec §2.2).

ADE20K's ids run from 1 to 150, 0 is unlabelled. A class that is not listed, and what is unlabelled,
has the colour `UNLABELLED`. Colours are labels, 8-bit and not light: no curve applies to them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

UNLABELLED: Colour = (0, 0, 142)

ADE20K_CLASSES: Mapping[int, str] = {
    1: "wall",
    2: "building",
    3: "sky",
    4: "floor",
    5: "tree",
    6: "ceiling",
    7: "road",
    9: "window",
    10: "grass",
    12: "sidewalk",
    13: "person",
    14: "earth",
    15: "door",
    17: "mountain",
    18: "plant",
    20: "chair",
    22: "water",
    23: "painting",
    27: "sea",
    35: "rock",
    43: "column",
    54: "stairs",
    60: "stairway",
    70: "bench",
    77: "boat",
    85: "tower",
    88: "streetlight",
    101: "poster",
    105: "fountain",
    133: "sculpture",
}
"""Id → class, of the classes that have a colour of their own."""

SEMANTIC_COLOURS: Mapping[str, Colour] = {
    "wall": (111, 74, 0),
    "building": (81, 0, 81),
    "sky": (128, 64, 128),
    "floor": (102, 102, 156),
    "tree": (70, 70, 70),
    "ceiling": (153, 153, 153),
    "road": (102, 102, 156),
    "window": (0, 80, 100),
    "grass": (152, 251, 152),
    "sidewalk": (102, 102, 156),
    "person": (190, 153, 153),
    "earth": (107, 142, 35),
    "door": (0, 0, 230),
    "mountain": (150, 100, 100),
    "plant": (180, 165, 180),
    "chair": (150, 120, 90),
    "water": (250, 170, 30),
    "painting": (0, 60, 100),
    "sea": (250, 170, 160),
    "rock": (220, 220, 0),
    "column": (0, 0, 110),
    "stairs": (220, 20, 60),
    "stairway": (230, 150, 140),
    "bench": (70, 130, 180),
    "boat": UNLABELLED,
    "tower": (0, 0, 70),
    "streetlight": (0, 0, 90),
    "poster": (255, 0, 0),
    "fountain": (244, 35, 232),
    "sculpture": (119, 11, 32),
}
"""Class → RGB, 8-bit. Floor, road and sidewalk share one, boat has that of the unlabelled."""


def semantic_colours(ids: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Class ids H×W, 0 to 150, as colours H×W×3.

    Raises:
        ValueError: an id beyond 150, or a negative one.
    """
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= 150:
        raise ValueError(f"ADE20K's ids run from 0 to 150, found {ids.min()} to {ids.max()}")
    coloured: NDArray[np.uint8] = _TABLE[ids]  # H×W×3
    return coloured


def _table() -> NDArray[np.uint8]:
    table = np.tile(np.array(UNLABELLED, np.uint8), (151, 1))  # 151×3
    for number, name in ADE20K_CLASSES.items():
        table[number] = SEMANTIC_COLOURS[name]
    return table


_TABLE = _table()
