"""Profile families of vessels: the curve that is turned about the y axis.

Shape names follow the potters' and the museums' terms. `MINI` serves the committed split alone,
`OTHERS` everything rendered since; a test holds that they share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Curve: TypeAlias = NDArray[np.float64]

# (radius, height) from the foot to the lip, in units of the vessel's height.
_Points: TypeAlias = tuple[tuple[float, float], ...]

MINI: Mapping[str, _Points] = {
    "amphora": ((0.11, 0), (0.13, 0.03), (0.2, 0.16), (0.31, 0.5), (0.26, 0.68),
                (0.12, 0.8), (0.1, 0.92), (0.14, 1)),
    "baluster": ((0.19, 0), (0.17, 0.12), (0.22, 0.4), (0.33, 0.74), (0.27, 0.88),
                 (0.1, 0.94), (0.13, 1)),
    "beaker": ((0.21, 0), (0.22, 0.1), (0.25, 0.4), (0.31, 0.8), (0.36, 1)),
    "bottle": ((0.17, 0), (0.24, 0.08), (0.27, 0.3), (0.18, 0.5), (0.07, 0.64),
               (0.06, 0.9), (0.09, 1)),
    "bowl": ((0.34, 0), (0.33, 0.08), (0.6, 0.25), (0.83, 0.6), (0.9, 1)),
    "double-gourd": ((0.15, 0), (0.28, 0.18), (0.29, 0.34), (0.12, 0.56), (0.19, 0.72),
                     (0.16, 0.84), (0.06, 0.93), (0.08, 1)),
    "flask": ((0.12, 0), (0.3, 0.2), (0.33, 0.4), (0.24, 0.62), (0.1, 0.76), (0.14, 1)),
    "ginger-jar": ((0.2, 0), (0.23, 0.1), (0.37, 0.5), (0.38, 0.7), (0.25, 0.88),
                   (0.19, 0.92), (0.19, 1)),
    "goblet": ((0.24, 0), (0.2, 0.04), (0.06, 0.14), (0.05, 0.36), (0.19, 0.5),
               (0.29, 0.72), (0.28, 1)),
    "krater": ((0.2, 0), (0.21, 0.05), (0.13, 0.12), (0.3, 0.3), (0.36, 0.55),
               (0.33, 0.8), (0.44, 1)),
    "moon-jar": ((0.2, 0), (0.36, 0.15), (0.5, 0.5), (0.36, 0.86), (0.22, 0.94), (0.22, 1)),
    "trumpet": ((0.2, 0), (0.2, 0.06), (0.12, 0.25), (0.1, 0.5), (0.17, 0.8), (0.33, 1)),
}  # fmt: skip

OTHERS: Mapping[str, _Points] = {
    "alabastron": ((0.04, 0), (0.16, 0.08), (0.2, 0.3), (0.16, 0.7), (0.09, 0.88), (0.16, 1)),
    "albarello": ((0.2, 0), (0.26, 0.08), (0.2, 0.28), (0.19, 0.68), (0.26, 0.86),
                  (0.17, 0.92), (0.2, 1)),
    "barrel": ((0.2, 0), (0.29, 0.2), (0.33, 0.5), (0.29, 0.8), (0.2, 1)),
    "bell": ((0.13, 0), (0.15, 0.06), (0.32, 0.2), (0.36, 0.6), (0.45, 0.94), (0.5, 1)),
    "cone": ((0.06, 0), (0.1, 0.1), (0.24, 0.5), (0.4, 1)),
    "cup": ((0.28, 0), (0.27, 0.06), (0.45, 0.2), (0.5, 0.6), (0.52, 1)),
    "cylinder": ((0.26, 0), (0.27, 0.04), (0.26, 0.5), (0.27, 0.96), (0.26, 1)),
    "dish": ((0.5, 0), (0.48, 0.12), (1.0, 0.5), (1.4, 0.85), (1.45, 1)),
    "garlic-head": ((0.2, 0), (0.32, 0.22), (0.22, 0.48), (0.08, 0.64), (0.08, 0.76),
                    (0.15, 0.86), (0.06, 0.97), (0.07, 1)),
    "hourglass": ((0.3, 0), (0.28, 0.15), (0.15, 0.46), (0.16, 0.56), (0.29, 0.86), (0.3, 1)),
    "jug": ((0.22, 0), (0.29, 0.12), (0.31, 0.42), (0.2, 0.7), (0.19, 0.82), (0.24, 1)),
    "lekythos": ((0.16, 0), (0.16, 0.04), (0.1, 0.08), (0.21, 0.28), (0.23, 0.6),
                 (0.08, 0.72), (0.06, 0.86), (0.13, 0.96), (0.13, 1)),
    "pear": ((0.16, 0), (0.16, 0.05), (0.28, 0.28), (0.22, 0.5), (0.1, 0.74), (0.08, 0.84),
             (0.18, 1)),
    "tulip": ((0.2, 0), (0.14, 0.06), (0.27, 0.3), (0.26, 0.5), (0.2, 0.74), (0.3, 1)),
    "urn": ((0.18, 0), (0.1, 0.09), (0.14, 0.17), (0.36, 0.48), (0.38, 0.62), (0.24, 0.78),
            (0.22, 0.86), (0.32, 1)),
    "waterpot": ((0.26, 0), (0.5, 0.2), (0.62, 0.5), (0.45, 0.84), (0.24, 0.95), (0.27, 1)),
}  # fmt: skip

_JITTER = 0.05  # relative, of each control point's radius and of each step in height


def outer_wall(points: _Points, rng: np.random.Generator, samples: int) -> Curve:
    """A random member of a family: samples×2 (radius, height), foot to lip, height in [0, 1]."""
    radius, height = np.array(points, dtype=np.float64).T
    radius = radius * np.exp(_JITTER * rng.standard_normal(radius.size))
    steps = np.diff(height) * np.exp(_JITTER * rng.standard_normal(height.size - 1))
    height = np.concatenate([[0.0], np.cumsum(steps)])
    knots = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(radius), np.diff(height)))])
    t = np.linspace(0, knots[-1], samples)
    return np.stack(
        [PchipInterpolator(knots, radius)(t), PchipInterpolator(knots, height / height[-1])(t)],
        axis=1,
    )


def closed_wall(outer: Curve, thickness: float, samples: int) -> Curve:
    """A solid's profile: from the foot's centre over the round lip to the floor's centre.

    Args:
        outer: N×2 (radius, height), foot to lip.
        thickness: of wall and floor, in the unit of `outer`.
        samples: M, spread evenly over the length.

    Returns:
        M×2 (radius, height), radius 0 at both ends; turned about the axis it is watertight.
    """
    inner = outer - thickness * _outward(outer)
    inner = inner[(inner[:, 0] > 1e-3) & (inner[:, 1] > thickness) & (inner[:, 1] <= outer[-1, 1])]
    inner = inner[::-1]
    polygon = np.concatenate(
        [[[0, outer[0, 1]]], outer, _lip(outer[-1], inner[0]), inner, [[0, inner[-1, 1]]]]
    )
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(polygon, axis=0), axis=1))])
    keep = np.concatenate([[True], np.diff(length) > 0])
    t = np.linspace(0, length[-1], samples)
    return np.stack([np.interp(t, length[keep], polygon[keep, i]) for i in range(2)], axis=1)


def _outward(curve: Curve) -> Curve:
    tangent = np.gradient(curve, axis=0)
    normal: Curve = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return normal


def _lip(outside: Curve, inside: Curve) -> Curve:
    """A half circle from the end of the outer wall to the start of the inner one."""
    centre, arm = (outside + inside) / 2, (outside - inside) / 2
    turn = np.linspace(0, np.pi, 24)[1:-1, None]
    arc: Curve = centre + np.cos(turn) * arm + np.sin(turn) * np.array([-arm[1], arm[0]])
    return arc
