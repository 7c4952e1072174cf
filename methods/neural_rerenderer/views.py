"""What the commands work on: the framebuffers of a dataset's split, and photos for their looks."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bench.api import Key, Query, Sample, Source
from bench.errors import ConfigError, DataError
from bench.quantities import Values

from .encoding import Float32, Floating
from .rerender import Rerenderer

_PREFERRED = ("reconstruction", "view", "relit")
_PHOTO = ("reference", "reference_framebuffer")


@dataclass(frozen=True, eq=False)
class View:
    """A framebuffer H×W×C, and the photo h×w×3 whose look it is asked for, with its own.

    Attributes:
        name: "scene/id", or "scene/id/query" where it is not the sample's first.
        query: id and quantity of the query it comes from; empty on a path, where no photo is.
        photo: None on a path, as are `photo_framebuffer` and `photo_mask`.
        photo_mask: h×w×1, where the photo is given; None for everywhere.
    """

    name: str
    key: Key
    framebuffer: Floating
    query: tuple[str, str] = ("", "")
    photo: Floating | None = None
    photo_framebuffer: Floating | None = None
    photo_mask: Floating | None = None

    @property
    def own(self) -> bool:
        """Whether the photo is the one that the view asks for: an appearance with its answer."""
        return self.query[1] == "reconstruction"

    @property
    def photograph(self) -> Floating:
        """The photo h×w×3. Raises `DataError` where there is none."""
        if self.photo is None:
            raise DataError(
                f"{self.name}: has no photo (a camera path has none); take the appearance from a "
                "view of a split with photos"
            )
        return self.photo

    def appearance(self, rerenderer: Rerenderer, left_half: bool = False) -> Tensor:
        """What the encoder sees of the photo, (3+C)×h×w, or of its left half alone.

        Raises:
            DataError: there is no photo, or it does not fit its framebuffer.
        """
        width = self.photograph.shape[1]
        columns = slice(0, width // 2 if left_half else width)
        given = [self.photo, self.photo_framebuffer, self.photo_mask]
        parts = [part[:, columns] for part in given if part is not None]
        try:
            return rerenderer.appearance(*parts)
        except DataError as error:
            raise DataError(f"{self.name}: {error}") from error

    def condition(self, rerenderer: Rerenderer) -> Tensor:
        """What the networks see of the framebuffer, C×H×W. Raises `DataError` naming the view."""
        try:
            return rerenderer.condition(self.framebuffer)
        except DataError as error:
            raise DataError(f"{self.name}: {error}") from error


def chosen(source: Source, split: str, names: str | None, count: int) -> list[View]:
    """The views that are named, with commas between, or else `count` of the split, evenly spaced.

    Raises:
        ConfigError: a name that the split does not know, or the same one twice.
        DataError: the split is empty, or shows no framebuffer.
    """
    wanted = [name.strip() for name in (names or "").split(",") if name.strip()]
    if not wanted:
        return list(spread(source, split, count))
    views = [_named(source, split, name) for name in wanted]
    found = [view.name for view in views]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise ConfigError(f"{', '.join(twice)}: named twice; name each view once")
    return views


def spread(source: Source, split: str, count: int) -> Iterator[View]:
    """One view of each of `count` samples (0: of all), evenly spaced, read one after the other."""
    keys = _keys(source, split)
    number = min(count or len(keys), len(keys))
    for index in np.linspace(0, len(keys) - 1, number).round().astype(int):
        yield _view(source, split, keys[index], "")


def photographed(source: Source, split: str, view: View) -> tuple[Float32, Float32]:
    """The photo H×W×3 that a view asks for, linear, and the mask H×W×1 of what may be scored.

    Raises:
        DataError: the dataset has none.
    """
    query, quantity = view.query
    values: Values = source.dataset.targets(split, view.key).queries.get(query, {})
    photo, mask = values.get(quantity), values.get("mask")
    if not isinstance(photo, np.ndarray):
        raise DataError(f"{view.name}: {source.name}:{split} knows no photo of this view")
    if not isinstance(mask, np.ndarray):
        mask = np.ones_like(photo[..., :1])
    return photo, mask


def _keys(source: Source, split: str) -> Sequence[Key]:
    keys = source.dataset.samples(split)
    if not keys:
        raise DataError(f"{source.name}:{split} holds no samples")
    return keys


def _named(source: Source, split: str, name: str) -> View:
    """The view "scene/id" or "scene/id/query"; a scene's name may itself hold slashes."""
    for key in _keys(source, split):
        stem = f"{key.scene}/{key.id}"
        if name == stem or name.startswith(f"{stem}/"):
            return _view(source, split, key, name[len(stem) + 1 :])
    known = [f"{key.scene}/{key.id}" for key in _keys(source, split)]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; the first is {known[0]!r}"
    raise ConfigError(f"{name!r} is no view of {source.name}:{split}{hint}")


def _view(source: Source, split: str, key: Key, query: str) -> View:
    sample = source.dataset.inputs(split, key)
    stem = f"{key.scene}/{key.id}"
    asked = _queries(sample)
    if not query and not asked:
        return View(stem, key, _array(sample.inputs, "framebuffer", stem))
    for index, each in enumerate(asked):
        if query in ("", each.id):
            return _of_query(f"{stem}/{each.id}" if index else stem, key, each)
    known = ", ".join(each.id for each in asked) or "none"
    raise ConfigError(f"{stem}: no query {query!r} with a framebuffer; there are: {known}")


def _queries(sample: Sample) -> list[Query]:
    """Those with a framebuffer and a photo, one's own photo first."""
    needed = {"framebuffer", *_PHOTO}
    fitting = [each for each in sample.queries if needed <= set(each.condition)]
    known = [each for each in fitting if each.quantity in _PREFERRED]
    return sorted(known, key=lambda each: _PREFERRED.index(each.quantity))


def _of_query(name: str, key: Key, query: Query) -> View:
    arrays = [_array(query.condition, each, name) for each in ("framebuffer", *_PHOTO)]
    given = "reference_mask" in query.condition
    mask = _array(query.condition, "reference_mask", name) if given else None
    return View(name, key, arrays[0], (query.id, query.quantity), arrays[1], arrays[2], mask)


def _array(values: Values, quantity: str, name: str) -> Floating:
    value = values.get(quantity)
    if not isinstance(value, np.ndarray):
        raise DataError(
            f"{name}: the dataset gives no {quantity}; prepare one with `bench prepare aligned`"
        )
    return value
