"""The dataset `folder`: what a user has, as files named by what they hold.

    <root>/<scene>/<id>/image.png            or    <root>/<name>.png
    <root>/<scene>/<id>/mask.png                   <root>/<name>_mask.png
    <root>/<scene>/<id>/camera.json                <root>/<name>_camera.json
    <root>/<scene>/<id>/normal.exr                 <root>/<name>_normal.exr
    …/albedo, basecolor, metallic, specular, roughness, shading, residual, depth, environment,
      light_sh, mesh in the same way
    …/relit-<query>.environment.exr          light under which the view is asked for
    …/relit-<query>.png                      the view in that light
    …/view-<query>.camera.json               camera from which the scene is asked for
    …/view-<query>.png                       the scene from that camera
    …/relit-<query>.mask.png                 the pixels of that answer to be scored

Both layouts may stand side by side; every folder <scene>/<id> is a sample, and an image in the root
is a scene by itself, of id `image`. The one split is `all`. Suffixes and encodings are those of
`bench.graphics.value_files`: .npy, .exr and .hdr linear, .png and .jpg sRGB for colour, (n + 1) / 2
for normals, refused for depth.

Only the image must be there. Without a mask file the whole frame is the object. A camera, or a
truth, that is asked of a sample without its file is a `DataError` that names the file. A query
whose answer is not there is asked and not scored. All maps of a sample have the image's size; the
answer of a `view` query has its camera's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from bench.api import Key, Query, Sample, Targets
from bench.datasets.folder.layout import QUERIES, Place, places
from bench.datasets.folder.plugin import bench_datasets
from bench.errors import DataError, InvalidValueError
from bench.graphics.file_digest import digest
from bench.graphics.value_files import read_value
from bench.quantities import VOCABULARY, Camera, Value, Values, validate

if TYPE_CHECKING:
    from bench.quantities import Array

Size: TypeAlias = tuple[int, int]

SPLIT = "all"
"""The only split."""


class Present(dict[str, Value]):
    """What one sample has; asking for another quantity names the file that is missing."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __missing__(self, quantity: str) -> Value:
        if quantity not in VOCABULARY:
            raise KeyError(quantity)
        raise DataError(f"{self._place.expected(quantity)}: this sample has no {quantity} file")


class Folder:
    """A `Dataset`; keeps no pixels between calls."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._root = Path(options["root"]).absolute()
        self._places: dict[Key, Place] = {}

    def samples(self, split: str) -> Sequence[Key]:
        """Images in the root, then the folders. Raises `DataError` where there is none."""
        return list(self._list(split))

    def fingerprint(self, split: str) -> str:
        """A digest of the names and contents of all files under the root."""
        self._list(split)
        return digest(self._root, (path for path in self._root.rglob("*") if path.is_file()))

    def inputs(self, split: str, key: Key) -> Sample:
        """Image and mask, the camera where there is one, and the queries whose condition is there.

        Raises:
            DataError: a file that is missing, unreadable, of another size, or not what it says.
        """
        place = self._place(split, key)
        inputs = Present(place)
        inputs["image"], size = _read_image(place)
        mask, camera = place.find("mask"), place.find("camera")
        inputs["mask"] = (
            np.ones((*size, 1), np.float32) if mask is None else _read(mask, "mask", size)
        )
        if camera is not None:
            inputs["camera"] = _read(camera, "camera", size)
        return Sample(key.scene, key.id, inputs, queries=_queries(place))

    def targets(self, split: str, key: Key) -> Targets:
        """Every truth whose file is there, and the answers to the queries.

        Raises:
            DataError: a file that is unreadable, of another size, or not what it says.
        """
        place = self._place(split, key)
        _, size = _read_image(place)
        known = Present(place)
        for quantity in bench_datasets()[0].targets:
            path = place.find(quantity)
            if path is not None:
                known[quantity] = _read(path, quantity, size)
        answers = {query.id: _answer(place, query, size) for query in _queries(place)}
        return Targets(known, {name: answer for name, answer in answers.items() if answer})

    def _place(self, split: str, key: Key) -> Place:
        places = self._list(split)
        if key not in places:
            raise DataError(f"{self._root}: has no sample {key.scene}/{key.id}")
        return places[key]

    def _list(self, split: str) -> Mapping[Key, Place]:
        if split != SPLIT:
            raise DataError(f"{self._root}: a folder has the one split {SPLIT!r}, not {split!r}")
        if not self._places:
            self._places = places(self._root)
        return self._places


def _read_image(place: Place) -> tuple[Value, Size]:
    path = place.find("image")
    if path is None:
        raise DataError(f"{place.expected('image')}: this sample has no image")
    image = cast("Array", _read(path, "image", None))
    return image, (image.shape[0], image.shape[1])


def _queries(place: Place) -> tuple[Query, ...]:
    queries = []
    for quantity, condition in QUERIES.items():
        for name in place.query_names(quantity):
            path = place.find(condition, f"{quantity}-{name}.{condition}")
            if path is None:
                raise DataError(f"{place.folder}: {quantity}-{name}.{condition} has a wrong suffix")
            value = _read(path, condition, None)
            queries.append(Query(f"{quantity}-{name}", quantity, {condition: value}))
    return tuple(queries)


def _answer(place: Place, query: Query, size: Size) -> Values:
    """The answer and the pixels to be scored, as far as their files are there."""
    camera = query.condition.get("camera")
    if isinstance(camera, Camera):
        size = (camera.height, camera.width)
    path, mask = place.find(query.quantity, query.id), place.find("mask", f"{query.id}.mask")
    if path is None:
        return {}
    answer = {query.quantity: _read(path, query.quantity, size)}
    return answer if mask is None else answer | {"mask": _read(mask, "mask", size)}


def _read(path: Path, quantity: str, size: Size | None) -> Value:
    """A value that keeps its contract and, if it is a map or camera, has the size."""
    value = read_value(path, quantity)
    try:
        validate(quantity, value)
    except InvalidValueError as error:
        raise DataError(f"{path}: {error}") from error
    if isinstance(value, Camera):
        _check_pose(path, value)
        found = (value.height, value.width)
    elif isinstance(value, np.ndarray) and VOCABULARY[quantity].shape[0] == "H":
        found = value.shape[:2]
    else:
        return value
    if size is not None and found != size:
        raise DataError(f"{path}: {_pixels(found)} pixels, and the image has {_pixels(size)}")
    return value


def _check_pose(path: Path, camera: Camera) -> None:
    rotation = camera.camera_to_world[:3, :3]
    rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    if (
        not rigid
        or np.linalg.det(rotation) < 0
        or (camera.camera_to_world[3] != (0, 0, 0, 1)).any()
    ):
        raise DataError(f"{path}: camera_to_world is not rigid: a rotation, and a last row 0 0 0 1")
    if min(camera.intrinsics[0, 0], camera.intrinsics[1, 1], camera.height, camera.width) <= 0:
        raise DataError(f"{path}: focal lengths, height and width must be positive")


def _pixels(size: Sequence[int]) -> str:
    return "×".join(map(str, size))
