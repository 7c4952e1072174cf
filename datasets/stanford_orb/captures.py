"""The 42 captures by name: 14 objects, each in three of seven places (specs/datasets.md §1)."""

from __future__ import annotations

import re

_PLACES = {
    "baking": (1, 2, 3),
    "ball": (2, 3, 4),
    "blocks": (2, 5, 6),
    "cactus": (1, 5, 7),
    "car": (2, 4, 6),
    "chips": (2, 3, 4),
    "cup": (3, 6, 7),
    "curry": (1, 5, 7),
    "gnome": (3, 5, 7),
    "grogu": (1, 2, 3),
    "pepsi": (2, 3, 4),
    "pitcher": (1, 5, 7),
    "salt": (4, 5, 7),
    "teapot": (1, 2, 6),
}

CAPTURES = tuple(f"{name}_scene{n:03d}" for name, places in _PLACES.items() for n in places)

LIGHT = (
    "teapot_scene001",
    "grogu_scene002",
    "gnome_scene003",
    "car_scene004",
    "pitcher_scene005",
    "blocks_scene006",
    "cactus_scene007",
)
"""The official split "light", one capture of each place."""

_INTERNAL = re.compile(r"(?P<place>scene\d{3})_obj\d{3}_(?P<name>[a-z]+)")


def capture_name(text: str) -> str | None:
    """`teapot_scene001` of that name or of `scene001_obj018_teapot`; None for anything else."""
    match = _INTERNAL.fullmatch(text)
    if match:
        name = "car" if match["name"] == "cart" else match["name"]
        text = f"{name}_{match['place']}"
    return text if text in CAPTURES else None
