"""The points that a view is rendered from.

What a photo itself measured must not be in the render it is to be made from: with depth maps of the
photos, each pixel of such a render would hold its own answer, which no new view does. So a cloud of
depth maps is fused for each view from those of the other training photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from bench.datasets.aligned.shots import Shot
from bench.graphics.point_clouds import PointCloud, thinned

LeaveOut = Literal["view", "scene"]
World = Literal["shared", "scene"]


class Clouds(Protocol):
    """What there is to be seen."""

    def seen_by(self, shot: Shot) -> PointCloud:
        """The points that a shot is rendered from; none where nothing is left of them."""


@dataclass(frozen=True, eq=False)
class FixedCloud:
    """One cloud for every view, as of a reconstruction from all photos."""

    cloud: PointCloud

    def seen_by(self, shot: Shot) -> PointCloud:
        """The cloud."""
        return self.cloud


@dataclass(frozen=True, eq=False)
class Part:
    """What the depth map of one photo measured."""

    name: str
    scene: str
    cloud: PointCloud


@dataclass(frozen=True, eq=False)
class FusedClouds:
    """Clouds of depth maps, one for each view.

    Attributes:
        parts: of the training photos.
        voxel: side of the cubes of which one point is left; 0 for all points.
        leave_out: whether a view does without its own photo's points, or its scene's.
        world: whether all scenes are in one world, or each in its own.
    """

    parts: Sequence[Part]
    voxel: float
    leave_out: LeaveOut
    world: World
    _last: dict[tuple[str, ...], PointCloud] = field(default_factory=dict)

    def seen_by(self, shot: Shot) -> PointCloud:
        """The other photos' points, mixed where they fall into one cube."""
        chosen = tuple(part.name for part in self.parts if self._given(part, shot))
        if chosen not in self._last:  # the frames of a camera path all see the same
            self._last.clear()
            clouds = [part.cloud for part in self.parts if self._given(part, shot)]
            self._last[chosen] = merged(clouds, self.voxel)
        return self._last[chosen]

    def _given(self, part: Part, shot: Shot) -> bool:
        same = part.scene == shot.scene
        if self.world == "scene" and not same:
            return False
        return not same if self.leave_out == "scene" else part.name != shot.name


def merged(clouds: Sequence[PointCloud], voxel: float) -> PointCloud:
    """All points, one of each cube of side `voxel` unless that is 0; normals are left away."""
    points = np.concatenate([np.zeros((0, 3)), *(cloud.points for cloud in clouds)])  # N×3
    colours = np.concatenate(
        [np.zeros((0, 3), np.float32), *(cloud.colours for cloud in clouds)]
    )  # N×3
    cloud = PointCloud(points, colours)
    return thinned(cloud, voxel) if voxel else cloud
