"""What became of each photo, for the manifest and for whoever runs the command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.datasets.aligned.folders import Settings, noted
from bench.datasets.aligned.layout import TRAIN
from bench.datasets.aligned.paths import CameraPath
from bench.graphics.depth_codes import DepthCode

FEW = 14
"""Photos for training below which the farthest by style are among the nearest (spec §12.8)."""


@dataclass(frozen=True)
class Record:
    """What became of a photo.

    Attributes:
        id: "<split>/<number>".
        source: its name where it was taken from.
        density: share of its pixels that show a point.
        dropped: why it is not in the data set; "" where it is.
    """

    id: str
    source: str
    density: float
    dropped: str = ""

    @property
    def split(self) -> str:
        """The first part of `id`."""
        return self.id.partition("/")[0]


def manifest(
    settings: Settings,
    voxel: float,
    code: DepthCode,
    records: Sequence[Record],
    paths: Mapping[str, CameraPath],
) -> dict[str, Any]:
    """What stands in manifest.json."""
    splits: dict[str, dict[str, Any]] = {}
    for record in records:
        if not record.dropped:
            entry = {"source": record.source, "density": record.density}
            splits.setdefault(record.split, {})[record.id.partition("/")[2]] = entry
    return {
        "settings": asdict(settings),
        "voxel": voxel,
        "depth_code": asdict(code),
        "depth_rule": "round(254 * (1 - clip((z - near) / (far - near), 0, 1))) + 1, 0 where "
        "empty; near and far are the 5th and 95th percentile over renders of training photos",
        "semantics": settings.semantics or "none: framebuffers have 4 channels",
        "splits": splits,
        "dropped": [asdict(record) for record in records if record.dropped],
        "paths": noted(paths),
    }


def summary(folder: Path, records: Sequence[Record]) -> str:
    """How many photos each split holds, how dense they are, and which were dropped and why."""
    kept = [record for record in records if not record.dropped]
    counts, densities = Counter(record.split for record in kept), [r.density for r in kept]
    held = ", ".join(f"{count} {split}" for split, count in sorted(counts.items()))
    lines = [f"{folder}: {held}; points cover {min(densities):.0%} to {max(densities):.0%}"]
    dropped = [record for record in records if record.dropped]
    if dropped:
        lines.append(f"{len(dropped)} of {len(records)} photos were dropped:")
        lines += [reason(record) for record in dropped]
    if counts[TRAIN] < FEW:
        lines.append(
            f"fewer than {FEW} photos for training: as neighbours by style fewer will be taken"
        )
    return "\n".join(lines)


def reason(record: Record) -> str:
    """Why a photo was dropped, as a line."""
    return f"  {record.source}: {record.dropped}"
