"""The strips of one item: a quantity, or its error, from the input to the last row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.api import Prediction, Query, Sample, Targets
from bench.errors import InvalidValueError
from bench.graphics.environments import to_frame
from bench.protocol import Comparison
from bench.quantities import (
    QUERY_QUANTITIES,
    VOCABULARY,
    Camera,
    Environment,
    Frame,
    Value,
)
from bench.tables import pictures
from bench.tables.pictures import Compared, Picture
from bench.tables.protocols import comparison, in_words
from bench.tables.table import Table

QUANTITIES = ("normal", "albedo", "shading", "environment")
NORMAL_LIMIT, COLOUR_LIMIT = 60.0, 0.3


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture of at most `pictures.TILE` pixels a side, its caption, or only words."""

    picture: Picture | None = None
    words: str = ""


@dataclass(frozen=True, eq=False)
class Strip:
    """One quantity, or its error: a tile for the input, the truth and each row.

    Attributes:
        note: what was done to show it, in words.
    """

    title: str
    note: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, eq=False)
class Shelf:
    """All about one item; a prediction that cannot be read is the reason in words."""

    table: Table
    sample: Sample
    targets: Targets
    predictions: Sequence[Prediction | str]

    def mask(self) -> Any:
        """H×W×1, None where there is none."""
        return self.targets.quantities.get("mask", self.sample.inputs.get("mask"))

    def camera(self) -> Camera | None:
        """The camera, from the inputs or else from the targets."""
        found = self.sample.inputs.get("camera", self.targets.quantities.get("camera"))
        return found if isinstance(found, Camera) else None

    def given(self, name: str) -> list[Any]:
        """What each row predicted under this name: a value, None, or words."""
        return [p if isinstance(p, str) else p.get(name) for p in self.predictions]


@dataclass(frozen=True, eq=False)
class _Subject:
    """What a strip is about: its truth, and how predictions are compared with it.

    Attributes:
        answer: what predictions call it, the quantity or the query's id.
    """

    quantity: str
    answer: str
    target: Any
    mask: Any
    how: Comparison

    @property
    def title(self) -> str:
        return self.quantity if self.quantity == self.answer else f"{self.quantity} {self.answer}"


def strips(shelf: Shelf) -> Iterator[Strip]:
    """The strips of each quantity, then of the first relit and the first view."""
    first = Tile(_colour_tile(_seen(shelf.sample)))
    for name in QUANTITIES:
        yield from _pair_of_strips(shelf, _subject(shelf, name, name), first)
        first = Tile()
    queries = {query.quantity: query for query in reversed(shelf.sample.queries)}
    for quantity in sorted(queries):
        subject = _subject(shelf, quantity, queries[quantity].id)
        yield from _pair_of_strips(shelf, subject, _condition(queries[quantity]))


def _seen(sample: Sample) -> Any:
    """The image H×W×3, or where a sample has none the colours of its framebuffer."""
    inputs: Mapping[str, Any] = sample.inputs
    return inputs["image"] if "image" in inputs else inputs["framebuffer"][..., :3]


def _subject(shelf: Shelf, quantity: str, answer: str) -> _Subject:
    targets: Mapping[str, Value] = shelf.targets.quantities
    if quantity != answer:
        targets = shelf.targets.queries.get(answer, {})
    mask = targets.get("mask", shelf.mask())
    how = _display_comparison(shelf.table, quantity)
    return _Subject(quantity, answer, targets.get(quantity), mask, how)


def _display_comparison(table: Table, quantity: str) -> Comparison:
    """That of the quantity's first column; as predicted where it has none."""
    column = next((c for c in table.columns if c.group == quantity and not c.second), None)
    found = None if column is None else comparison(table.protocol, column.score.id)
    return found or Comparison()


def _pair_of_strips(shelf: Shelf, subject: _Subject, first: Tile) -> Iterator[Strip]:
    """The strip of a quantity and, where its truth is known, that of its error."""
    given = shelf.given(subject.answer)
    if subject.target is None and all(value is None or isinstance(value, str) for value in given):
        return
    if subject.quantity == "environment":
        yield _environment_strip(subject, shelf.camera(), given, first)
        return
    pairs = [_compared(subject, value) for value in given]
    yield Strip(subject.title, _note(subject), (first, *_shown(subject, pairs)))
    if subject.target is not None:
        yield _error_strip(subject, pairs)


def _compared(subject: _Subject, value: Any) -> Compared | str:
    """What a tile shows: the pair, the prediction alone where no truth is, or why it is empty."""
    if value is None or isinstance(value, str):
        return value or "–"
    compare = pictures.compare_normals if subject.quantity == "normal" else pictures.compare
    if subject.target is None:
        return compare(_array(value), _array(value), None, Comparison())
    try:
        return compare(_array(value), _array(subject.target), subject.mask, subject.how)
    except InvalidValueError as error:
        return str(error)


def _shown(subject: _Subject, pairs: Sequence[Compared | str]) -> Iterator[Tile]:
    """The tiles of the truth and of each row."""
    draw = _painter(subject)
    yield Tile(words="–") if subject.target is None else Tile(draw(_array(subject.target)))
    for pair in pairs:
        yield Tile(words=pair) if isinstance(pair, str) else Tile(draw(pair.aligned), _gain(pair))


def _painter(subject: _Subject) -> Callable[[NDArray[Any]], Picture]:
    exposure = _exposure(subject)
    hide = None if subject.quantity in QUERY_QUANTITIES else subject.mask

    def draw(linear: NDArray[Any]) -> Picture:
        if subject.quantity == "normal":
            picture = pictures.of_normals(linear)
        else:
            picture = pictures.of_colour(linear, exposure)
        return pictures.tile(pictures.outside_black(picture, hide))

    return draw


def _exposure(subject: _Subject) -> float:
    # Shading has no upper bound, so its pictures share the exposure that fits the truth.
    if subject.quantity != "shading" or subject.target is None:
        return 1.0
    bright = float(np.percentile(_array(subject.target), 99))
    return 1 / bright if bright > 0 else 1.0


def _note(subject: _Subject) -> str:
    if subject.quantity == "normal":
        return "(n + 1) ÷ 2, camera frame"
    if subject.target is None or subject.how.scale == "none":
        return "as predicted, sRGB encoded"
    exposure = ", divided by the truth's 99th percentile" if subject.quantity == "shading" else ""
    return f"scaled as compared ({in_words(subject.how)}){exposure}, sRGB encoded"


def _gain(pair: Compared) -> str:
    """The scale that was applied, one number where the channels share it."""
    if np.all(pair.gain.scale == 1) and not pair.gain.shift.any():
        return ""
    shared = np.ptp(pair.gain.scale) == 0
    factors = pair.gain.scale[:1] if shared else pair.gain.scale
    shift = f" {pair.gain.shift[0]:+.2f}" if pair.gain.shift.any() else ""
    return "×" + " ".join(f"{factor:.2f}" for factor in factors) + shift


def _error_strip(subject: _Subject, pairs: Sequence[Compared | str]) -> Strip:
    normal = subject.quantity == "normal"
    limit, unit = (NORMAL_LIMIT, "°") if normal else (COLOUR_LIMIT / _exposure(subject), "")
    bar = Tile(pictures.colour_bar(), f"0 to {limit:.3g}{unit}")
    note = "angle" if normal else f"|difference|, mean of channels ({in_words(subject.how)})"
    tiles = (_error_tile(pair, limit, unit) for pair in pairs)
    return Strip(f"{subject.title}: error", note, (bar, Tile(), *tiles))


def _error_tile(pair: Compared | str, limit: float, unit: str) -> Tile:
    if isinstance(pair, str):
        return Tile(words="–")
    if not pair.inside.any():
        return Tile(words="nothing to compare")
    mean = float(pair.error[pair.inside].mean())
    picture = pictures.tile(pictures.of_error(pair.error, pair.inside, limit))
    return Tile(picture, f"mean {mean:.3g}{unit}")


def _environment_strip(
    subject: _Subject, camera: Camera | None, given: Sequence[Any], first: Tile
) -> Strip:
    target = subject.target
    frame: Frame = target.frame if isinstance(target, Environment) else "camera"
    note = f"{frame} frame; each divided by its mean luminance, tone-mapped as x ÷ (1 + x)"
    tiles = (_environment_tile(value, frame, camera) for value in (target, *given))
    return Strip(subject.title, note, (first, *tiles))


def _environment_tile(value: Any, frame: Frame, camera: Camera | None) -> Tile:
    if not isinstance(value, Environment):
        return Tile(words=value or "–")
    if value.frame != frame and camera is not None:
        value = to_frame(value, frame, camera)
    words = "" if value.frame == frame else f"{value.frame} frame"
    return Tile(pictures.tile(pictures.of_environment(value.radiance)), words)


def _condition(query: Query) -> Tile:
    """What the query gave: a light or a photo as a picture, anything else by name."""
    for name, value in query.condition.items():
        if isinstance(value, Environment):
            return Tile(pictures.tile(pictures.of_environment(value.radiance)), f"given {name}")
        if VOCABULARY[name].colour:
            return Tile(_colour_tile(value), f"given {name}")
    return Tile(words="given " + ", ".join(query.condition))


def _colour_tile(value: Value) -> Picture:
    return pictures.tile(pictures.of_colour(_array(value)))


def _array(value: Any) -> NDArray[Any]:
    return np.asarray(value)
