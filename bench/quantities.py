"""The vocabulary that crosses the contract, and its validation.

Arrays are H×W×C float32, row 0 at the top, pixel centres at +0.5; colour is linear RGB with
sRGB/Rec.709 primaries. The conventions of each quantity stand in `VOCABULARY`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bench.errors import InvalidValueError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.floating[Any]]

Frame = Literal["world", "camera"]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera: OpenCV axes (x right, y down, z forward), intrinsics in pixels.

    Attributes:
        intrinsics: 3×3, pixel centres at +0.5.
        camera_to_world: 4×4 rigid, scene units.
        height: image height in pixels.
        width: image width in pixels.
    """

    intrinsics: Array
    camera_to_world: Array
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Environment:
    """Distant light as a latitude–longitude map of linear RGB radiance.

    Attributes:
        radiance: H×W×3, row 0 = +y; θ = πv, φ = 2π(u − ½), direction (sinθ sinφ, cosθ, −sinθ cosφ).
        frame: "world", or "camera" with the axes of `normal` (x right, y up, z toward the viewer).
    """

    radiance: Array
    frame: Frame


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in world space: vertices N×3 in scene units, faces M×3 indices."""

    vertices: Array
    faces: NDArray[np.integer[Any]]


Value: TypeAlias = "Array | Camera | Environment | Mesh | Mapping[str, Any]"
Values: TypeAlias = Mapping[str, Value]


class Deferred(Mapping[str, "Value"]):
    """Values that are there, and more that are made when they are first looked at.

    For conditions that take long to make and that few methods ask for.

    Args:
        ready: name → value.
        makers: name → a function of nothing that returns the value.
    """

    def __init__(self, ready: Values, makers: Mapping[str, Callable[[], Value]]) -> None:
        self._ready = ready
        self._makers = {name: cache(make) for name, make in makers.items()}

    def __getitem__(self, name: str) -> Value:
        return self._ready[name] if name in self._ready else self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return chain(self._ready, self._makers)

    def __len__(self) -> int:
        return len(self._ready) + len(self._makers)


@dataclass(frozen=True)
class Quantity:
    """The contract of one physical thing.

    Attributes:
        name: the word used in cards, samples, predictions and file names.
        meaning: unit, space and frame in words.
        shape: trailing shape; ("H", "W", 3) for images, a literal shape otherwise, () for objects.
        bounds: inclusive range, None where unbounded.
        unit_length: vectors have length 1, or 0 where unknown.
        colour: linear RGB, so that an 8-bit file of it is sRGB encoded.
    """

    name: str
    meaning: str
    shape: tuple[str | int, ...]
    bounds: tuple[float | None, float | None] = (None, None)
    unit_length: bool = False
    colour: bool = False


_RGB, _SCALAR = ("H", "W", 3), ("H", "W", 1)

VOCABULARY: Mapping[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity("image", "linear RGB radiance", _RGB, colour=True),
        Quantity("mask", "soft coverage of the object, or of what is not sky", _SCALAR, (0, 1)),
        Quantity("camera", "pinhole camera, OpenCV axes", ()),
        Quantity("normal", "camera frame: x right, y up, z toward viewer", _RGB, unit_length=True),
        Quantity("depth", "along the optical axis, scene units, 0 unknown", _SCALAR, (0, None)),
        Quantity("albedo", "diffuse reflectance, linear RGB", _RGB, colour=True),
        Quantity("basecolor", "base colour of a metallic workflow", _RGB, colour=True),
        Quantity("metallic", "metalness", _SCALAR, (0, 1)),
        Quantity("specular", "reflectance at normal incidence", _SCALAR, (0, None)),
        Quantity("roughness", "perceptual r, with α = r²", _SCALAR, (0, 1)),
        Quantity("shading", "diffuse radiance ÷ albedo (irradiance ÷ π)", _RGB, colour=True),
        Quantity("residual", "what albedo × shading leaves", _RGB, colour=True),
        Quantity("environment", "distant radiance, latitude–longitude", ()),
        Quantity("light_sh", "radiance coefficients, camera frame, orthonormal basis", ("K", 3)),
        Quantity("mesh", "triangle mesh, world space", ()),
        Quantity("front", "soft ±60° strip of a vase that faces the camera", _SCALAR, (0, 1)),
        Quantity("pitch", "degrees by which the top tilts towards the camera", (1,), (-90, 90)),
        Quantity("relit", "the view under another light", _RGB, colour=True),
        Quantity("view", "the scene from another camera", _RGB, colour=True),
        Quantity("reconstruction", "a photo again, after it was shown", _RGB, colour=True),
        Quantity("reference", "a photo that shows the wanted light", _RGB, colour=True),
        Quantity("framebuffer", "splatted points, see graphics.framebuffers", ("H", "W", "C")),
        Quantity("covered", "1 where a point of the framebuffer lies", _SCALAR, (0, 1)),
        Quantity("light_direction", "towards a distant light, as normal", (3,), unit_length=True),
        Quantity("light_intensity", "RGB irradiance of a distant light", (3,), (0, None)),
        Quantity("judgements", "parsed IIW file: points and which is darker", ()),
    )
}

QUERY_QUANTITIES = ("relit", "view", "reconstruction")
"""What a query may ask for: another light, another camera, or a photo that the method is shown."""

# A unit vector kept in half precision is off by about 5e-4 per component.
_UNIT_TOLERANCE = 5e-3


def validate(name: str, value: object) -> None:
    """Check one value against the contract of quantity `name`.

    Raises:
        InvalidValueError: of kind "shape", "non-finite" or "range", saying what was found.
    """
    quantity = VOCABULARY.get(name)
    if quantity is None:
        raise InvalidValueError("shape", f"{name!r} is not a quantity; see bench.quantities")
    if name == "judgements":
        _validate_judgements(value)
        return
    for part, array in parts(name, value).items():
        _validate_array(quantity, part, array)


def parts(name: str, value: object) -> dict[str, Any]:
    """The arrays a value consists of; keys are empty for a plain array.

    Raises:
        InvalidValueError: of kind "shape" where the value is of another type than its quantity.
    """
    wanted = {"camera": Camera, "environment": Environment, "mesh": Mesh}.get(name)
    if wanted is not None and not isinstance(value, wanted):
        raise InvalidValueError(
            "shape", f"{name}: expected {wanted.__name__}, got {type(value).__name__}"
        )
    if name == "judgements":
        return {}
    if isinstance(value, Camera):
        return {"intrinsics": value.intrinsics, "camera_to_world": value.camera_to_world}
    if isinstance(value, Environment):
        return {"radiance": value.radiance}
    if isinstance(value, Mesh):
        return {"vertices": value.vertices, "faces": value.faces}
    return {"": value}


_PART_SHAPES: Mapping[str, tuple[str | int, ...]] = {
    "intrinsics": (3, 3),
    "camera_to_world": (4, 4),
    "radiance": _RGB,
    "vertices": ("N", 3),
    "faces": ("M", 3),
}


def _validate_judgements(value: object) -> None:
    """Both lists of IIW's format (specs/datasets.md §5) are there; entries are the reader's."""
    for part in ("intrinsic_points", "intrinsic_comparisons"):
        if not isinstance(value, Mapping) or not isinstance(value.get(part), list):
            raise InvalidValueError("shape", f"judgements: no list {part!r}; expected IIW's JSON")


def _validate_array(quantity: Quantity, part: str, array: object) -> None:
    import numpy as np

    where = f"{quantity.name}.{part}" if part else quantity.name
    shape = _PART_SHAPES.get(part, quantity.shape)
    if not isinstance(array, np.ndarray):
        raise InvalidValueError("shape", f"{where}: expected an array, got {type(array).__name__}")
    if array.dtype.kind not in "fiub":
        raise InvalidValueError("shape", f"{where}: dtype {array.dtype} is not a real number")
    if array.size == 0 or not _fits(array.shape, shape):
        raise InvalidValueError("shape", f"{where}: shape {array.shape} is not {_written(shape)}")
    if not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        raise InvalidValueError("non-finite", f"{where}: {count} of {array.size} are NaN or ∞")
    _check_range(quantity, where, array)


def _fits(shape: tuple[int, ...], wanted: tuple[str | int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        isinstance(want, str) or size == want for size, want in zip(shape, wanted, strict=True)
    )


def _written(shape: tuple[str | int, ...]) -> str:
    return "×".join(str(size) for size in shape)


def _check_range(quantity: Quantity, where: str, array: Array) -> None:
    import numpy as np

    low, high = quantity.bounds
    if (low is not None and array.min() < low) or (high is not None and array.max() > high):
        found = f"[{array.min():.4g}, {array.max():.4g}]"
        raise InvalidValueError("range", f"{where}: values {found} leave [{low}, {high}]")
    if quantity.unit_length:
        squared = np.einsum("...c,...c->...", array, array)
        wrong = (np.abs(squared - 1) > 2 * _UNIT_TOLERANCE) & (squared > 1e-12)
        if wrong.any():
            raise InvalidValueError(
                "range",
                f"{where}: {int(wrong.sum())} vectors are neither of unit length nor zero "
                f"(first length {float(np.sqrt(squared[wrong][0])):.4g}); normalise them",
            )
