"""Which items the gallery shows, and what stands beside what."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from bench.api import Key
from bench.errors import DataError
from bench.tables.gallery import Exhibit, Gallery, chosen_keys, gallery
from bench.tables.strips import Strip
from bench.tables.summary import summarise


@pytest.fixture(scope="module")
def shown(run: Any) -> Gallery:
    summary = summarise(run)
    return gallery(run, summary.tables[0], summary.outcomes)


def keys(scenes: int, items: int) -> list[Key]:
    return [Key(f"s{scene:02d}", str(item)) for scene in range(scenes) for item in range(items)]


def strips_of(exhibit: Exhibit) -> dict[str, Strip]:
    return {strip.title: strip for strip in exhibit.strips}


def test_at_most_six_scenes_are_chosen_from_first_to_last() -> None:
    chosen = chosen_keys(keys(20, 3), Counter())
    assert len(chosen) == 6
    assert (chosen[0], chosen[-1]) == (Key("s00", "0"), Key("s19", "0"))
    assert len(chosen_keys(keys(4, 3), Counter())) == 4


def test_the_first_item_with_the_fewest_failures_is_chosen() -> None:
    failures = Counter({Key("s00", "0"): 2, Key("s00", "1"): 1, Key("s00", "2"): 1})
    assert chosen_keys(keys(1, 3), failures) == [Key("s00", "1")]


def test_a_failed_item_gives_way_to_the_next_of_its_scene(shown: Gallery) -> None:
    first = shown.exhibits[0].sample
    assert (first.scene, first.id) == ("scene00", "001")


def test_rows_that_predicted_nothing_have_no_column(shown: Gallery) -> None:
    labels = [row.label for row in shown.rows]
    assert "oracle" not in labels and "render noise" not in labels and "flat" in labels


def test_every_strip_has_input_truth_and_one_tile_per_row(shown: Gallery) -> None:
    for exhibit in shown.exhibits:
        for strip in exhibit.strips:
            assert len(strip.tiles) == 2 + len(shown.rows)


def test_quantities_stand_before_queries_and_errors_beside_them(shown: Gallery) -> None:
    assert [strip.title for strip in shown.exhibits[0].strips] == [
        "normal",
        "normal: error",
        "albedo",
        "albedo: error",
        "shading",
        "shading: error",
        "environment",
        "relit light1",
        "relit light1: error",
    ]


def test_the_scale_applied_to_the_albedo_is_stated(shown: Gallery) -> None:
    strip = strips_of(shown.exhibits[0])["albedo"]
    assert "least-squares scale per channel" in strip.note
    assert strip.tiles[1].words == ""
    assert all(tile.words.startswith("×") for tile in strip.tiles[2:])


def test_relit_pictures_are_not_rescaled(shown: Gallery) -> None:
    strip = strips_of(shown.exhibits[0])["relit light1"]
    assert strip.note.startswith("as predicted")
    assert strip.tiles[0].words == "given environment"
    assert not any(tile.words for tile in strip.tiles[1:])


def test_a_granted_quantity_has_an_empty_place(shown: Gallery) -> None:
    place = [row.label for row in shown.rows].index("SH regular + normals")
    tile = strips_of(shown.exhibits[0])["normal"].tiles[2 + place]
    assert tile.picture is None and tile.words == "–"


def test_errors_rank_the_rows_as_their_predictions_do(shown: Gallery, fake: Any) -> None:
    def amount(row: Any) -> float:
        return fake.amount_of(row)

    strip = strips_of(shown.exhibits[1])["normal: error"]
    means = {
        row.label: float(tile.words.removeprefix("mean ").removesuffix("°"))
        for row, tile in zip(shown.rows, strip.tiles[2:], strict=True)
        if tile.picture is not None
    }
    rows = [row for row in shown.rows if row.label in means]
    by_amount = [means[row.label] for row in sorted(rows, key=amount)]
    assert by_amount == sorted(by_amount)


def test_without_truth_predictions_are_shown_as_they_are(run: Any) -> None:
    summary = summarise(run)
    exhibit = gallery(run, summary.tables[1], summary.outcomes).exhibits[0]
    strips = strips_of(exhibit)
    assert "albedo: error" not in strips
    assert strips["albedo"].tiles[1].words == "–"
    assert strips["albedo"].note == "as predicted, sRGB encoded"


def test_pictures_fit_their_tiles(shown: Gallery) -> None:
    for exhibit in shown.exhibits:
        for strip in exhibit.strips:
            for tile in strip.tiles:
                assert tile.picture is None or tile.picture.dtype == np.uint8
                assert tile.picture is None or max(tile.picture.shape[:2]) == 128


def test_data_that_is_not_here_is_said_not_hidden(fake: Any) -> None:
    run = fake.FakeRun(missing_data=frozenset({"vases"}))
    summary = summarise(run)
    found = gallery(run, summary.tables[0], summary.outcomes)
    assert found.exhibits == () and "no such image file" in found.message


def test_a_prediction_that_cannot_be_read_says_why_in_its_place(fake: Any) -> None:
    class Torn(fake.FakeRun):
        def prediction(self, row: Any, key: Any) -> Any:
            if row.label == "flat":
                raise DataError("flat/albedo.exr: truncated")
            return super().prediction(row, key)

    run = Torn()
    summary = summarise(run)
    found = gallery(run, summary.tables[0], summary.outcomes)
    place = [row.label for row in found.rows].index("flat")
    tile = strips_of(found.exhibits[0])["albedo"].tiles[2 + place]
    assert tile.picture is None and tile.words == "flat/albedo.exr: truncated"
