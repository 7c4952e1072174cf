"""scores.csv and items.csv."""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.protocol.named import NEUTRAL
from bench.tables.summary import summarise


@pytest.fixture(scope="module")
def scores(files: Any) -> Any:
    return pd.read_csv(files("csv")["scores.csv"])


def test_there_is_one_line_per_method_and_dataset(scores: pd.DataFrame, run: Any) -> None:
    assert len(scores) == len(run.rows)
    assert not scores.duplicated(["label", "dataset", "split"]).any()


def test_the_columns_are_those_promised(scores: pd.DataFrame, run: Any) -> None:
    names = [column.name for column in summarise(run).tables[0].columns]
    head = ["label", "method", "dataset", "split", "input_class"]
    assert list(scores.columns) == head + names
    assert "albedo.psnr/single" in names


def test_numbers_are_written_in_full(scores: pd.DataFrame, run: Any) -> None:
    table = summarise(run).tables[0]
    line = scores[(scores.label == "flat") & (scores.dataset == "vases")].iloc[0]
    assert line["normal.mae"] == table.cells["flat", "normal.mae"].mean


def test_what_is_no_number_is_empty_and_infinity_is_infinite(scores: pd.DataFrame) -> None:
    vases = scores[scores.dataset == "vases"].set_index("label")
    assert math.isnan(vases.loc["flat", "depth.rmse"])
    assert math.isnan(vases.loc["SH regular", "relit.lpips"])
    assert math.isnan(vases.loc["SH regular + normals", "normal.mae"])
    assert vases.loc["oracle", "albedo.psnr"] == math.inf


def test_every_outcome_is_in_the_long_table(files: Any, run: Any) -> None:
    items = pd.read_csv(files("csv")["items.csv"], keep_default_na=False)
    assert len(items) == len(list(run.outcomes()))
    assert list(items.columns[:6]) == ["label", "dataset", "split", "scene", "unit", "metric"]


def test_each_further_protocol_has_a_file_of_its_own(fake: Any, write: Any, tmp_path: Path) -> None:
    run = fake.FakeRun(parts=(fake.Part("vases", "mini", 3, 1),))
    lines = list(run.outcomes())
    run.listed = lines + [line._replace(protocol="other") for line in lines]
    other = asdict(replace(NEUTRAL, name="other"))
    run.manifest = {"protocols": {"neutral": asdict(NEUTRAL), "other": other}}
    written = write("csv", run, tmp_path)
    assert set(written) == {"items.csv", "scores.csv", "scores-other.csv"}
    assert len(pd.read_csv(written["scores.csv"])) == len(run.rows)
