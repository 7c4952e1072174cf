"""The light of a test photo, from the file to the world in which it is asked for.

A stored map is in the camera frame of its photo, OpenGL axes: row 0 is +y, and the columns go
+z, −x, −z, +x, +z; at column u, φ = 2πu − π/2 and d = (−cosφ sinθ, cosθ, −sinφ sinθ)
(specs/datasets.md §1). That is pixel for pixel the convention of `bench.graphics.environments`, and
those axes are the bench's camera frame; what is left is to turn the map into the world.
"""

from __future__ import annotations

from pathlib import Path

from bench.datasets.stanford_orb.reading import checked
from bench.graphics.environments import to_frame
from bench.graphics.map_files import read_map
from bench.quantities import Camera, Environment


def read_environment(path: Path, camera: Camera) -> Environment:
    """The light H×W×3 of a stored map, world frame of `camera`, which is its photo's.

    Turned bilinearly at the stored resolution.

    Raises:
        DataError: naming the file, also where it holds NaN or infinities.
    """
    stored = Environment(read_map(path, 3), "camera")
    checked(path, "environment", stored)
    return to_frame(stored, "world", camera)
