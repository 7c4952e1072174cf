"""Published values: their .csv, the run that they become, and the verbs that bring them."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.api import PublishedValue
from bench.errors import DataError, StoreError
from bench.published import COLUMNS, read, store_values, write
from bench.store import Store
from bench.view import StoredRun

HEAD = "method,metric,value,dataset,split,protocol"
LINE = "Net,normal.mae,12.5,vases,mini,neutral"
MEAN = PublishedValue(
    "Net",
    "normal.mae",
    12.5,
    "vases",
    "mini",
    "neutral",
    std=3.25,
    n=42,
    source='Tab. 1, "ours"',
    retrieved="2024-11-30",
    verified=True,
    note="two\nlines, and a comma",
)
SCENES = [
    replace(MEAN, method="Other", scene=scene, value=value, std=None, n=None)
    for scene, value in (("s1", 10.0), ("s2", 14.0 / 3))
]
Command = Callable[..., subprocess.CompletedProcess[str]]


def stored(values: Any, folder: Path) -> StoredRun:
    return store_values(values, Store(folder), "trial")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    values = [MEAN, *SCENES]
    assert read(write(values, tmp_path / "values.csv")) == values


def test_columns_may_stand_in_any_order_and_optional_ones_be_absent(tmp_path: Path) -> None:
    file = tmp_path / "values.csv"
    file.write_text(
        "protocol,split,dataset,value,metric,method\nneutral,mini,vases,1,normal.mae,A\n"
    )
    assert read(file) == [PublishedValue("A", "normal.mae", 1.0, "vases", "mini", "neutral")]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("", ":1: column 'method' is missing"),
        (HEAD.replace("value", "valu"), ":1: unknown column 'valu'; did you mean 'value'?"),
        (f"{HEAD},value", ":1: column 'value' comes twice"),
        (f"{HEAD}\n{LINE},x", ":2: has 7 cells under 6 columns"),
        (f"{HEAD}\n{LINE.replace('12.5', '12,5')}", ":2: has 7 cells"),
        (f"{HEAD}\n{LINE.replace('12.5', 'good')}", ":2, column value: 'good' is not a number"),
        (f"{HEAD}\n{LINE.replace('12.5', 'nan')}", ":2, column value: nan is not a finite number"),
        (f"{HEAD}\n{LINE.replace('12.5', 'inf')}", ":2, column value: inf is not a finite number"),
        (f"{HEAD}\n{LINE.replace('12.5', '181')}", ":2, column value: 181 leaves [0, 180]"),
        (f"{HEAD}\n{LINE.replace('12.5', '')}", ":2, column value: must not be empty"),
        (f"{HEAD}\n{LINE.replace('Net', '')}", ":2, column method: must not be empty"),
        (
            f"{HEAD}\n{LINE.replace('.mae', '.mea')}",
            ":2, column metric: unknown metric 'normal.mea'; did you mean 'normal.mae'?",
        ),
        (
            f"{HEAD}\n{LINE.replace('neutral', 'neutrl')}",
            ":2, column protocol: unknown protocol 'neutrl'; did you mean 'neutral'?",
        ),
        (f"{HEAD},column\n{LINE},single", ":2, column column: neutral has no column"),
        (f"{HEAD},std\n{LINE},-1", ":2, column std: -1 is no standard deviation"),
        (f"{HEAD},n\n{LINE},4.5", ":2, column n: '4.5' is not a whole number"),
        (f"{HEAD},n\n{LINE},0", ":2, column n: 0 is no count"),
        (f"{HEAD},verified\n{LINE},yes", ":2, column verified: 'yes' is neither true nor false"),
        (f"{HEAD},retrieved\n{LINE},May", ":2, column retrieved: 'May' is no date"),
        (f"{HEAD}\n{LINE}\n\n{LINE}", ":4: gives what line 2 gives; keep one of them"),
        (f'{HEAD}\n"Net" x,{LINE}', ":2: "),
    ],
)
def test_a_malformed_file_is_refused_by_line_and_column(
    tmp_path: Path, text: str, phrase: str
) -> None:
    file = tmp_path / "values.csv"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}{phrase}")


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", None])
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, body: bytes | None) -> None:
    file = tmp_path / "values.csv"
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(DataError, match=r"values\.csv: cannot be read"):
        read(file)


def test_each_method_is_a_published_row_that_is_not_ranked(tmp_path: Path) -> None:
    rows = stored([MEAN, *SCENES], tmp_path / "run").rows
    assert [(row.label, row.kind, row.ranked) for row in rows] == [
        ("Net", "published", False),
        ("Other", "published", False),
    ]


def test_the_unit_is_the_capture_or_the_whole_dataset(tmp_path: Path) -> None:
    found = {
        (o.scene, o.unit): o.value for o in stored([MEAN, *SCENES], tmp_path / "run").outcomes()
    }
    assert found == {("", ""): 12.5, ("s1", "s1"): 10.0, ("s2", "s2"): 14.0 / 3}


def test_a_mean_keeps_its_deviation_count_and_source(tmp_path: Path) -> None:
    row = stored([MEAN], tmp_path / "run").manifest["rows"][0]
    assert [PublishedValue(**mean) for mean in row["means"]] == [MEAN]
    assert row["sources"][0]["source"] == MEAN.source and row["sources"][0]["n"] == 42


def test_storing_again_changes_nothing(tmp_path: Path) -> None:
    stored([MEAN, *SCENES], tmp_path)
    before = contents(tmp_path)
    stored([MEAN, *SCENES], tmp_path)
    assert contents(tmp_path) == before


def test_a_writer_that_died_anywhere_is_called_again(tmp_path: Path) -> None:
    whole = list(stored([MEAN, *SCENES], tmp_path / "whole").outcomes())
    stored([MEAN, *SCENES], tmp_path / "torn")
    (tmp_path / "torn" / "manifest.json").unlink()
    records = tmp_path / "torn" / "records" / "Other--vases--mini.jsonl"
    records.write_bytes(records.read_bytes()[:-40])
    assert list(stored([MEAN, *SCENES], tmp_path / "torn").outcomes()) == whole


def test_before_the_manifest_is_replaced_the_earlier_values_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(stored(SCENES, tmp_path).outcomes())
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_manifest", lambda *_: (_ for _ in ()).throw(StoreError("full")))
        with pytest.raises(StoreError, match="full"):
            stored([replace(value, value=1.0) for value in SCENES], tmp_path)
    assert list(StoredRun(tmp_path).outcomes()) == before


def test_a_method_that_comes_again_is_replaced_and_others_stay(tmp_path: Path) -> None:
    stored([MEAN, *SCENES], tmp_path)
    run = stored([replace(MEAN, value=1.0)], tmp_path)
    found = {(o.label, o.scene): o.value for o in run.outcomes()}
    assert found == {("Net", ""): 1.0, ("Other", "s1"): 10.0, ("Other", "s2"): 14.0 / 3}


def test_rows_cover_the_scenes_of_all(tmp_path: Path) -> None:
    stored(SCENES, tmp_path)
    run = stored([replace(SCENES[0], method="Third", scene="s9")], tmp_path)
    assert [key.scene for key in run.keys("vases", "mini")] == ["s1", "s2", "s9"]


@pytest.mark.parametrize(
    ("values", "phrase"),
    [
        ([], "there are no published values"),
        (
            [MEAN, replace(MEAN, value=3.0)],
            "Net, vases, mini, neutral, normal.mae: is given 2 times",
        ),
        ([replace(MEAN, method="Other"), *SCENES], "both scenes and their mean are given"),
        ([replace(MEAN, metric="normal.mea")], "did you mean 'normal.mae'?"),
        ([replace(MEAN, value=float("nan"))], "nan is not a finite number"),
    ],
)
def test_values_that_do_not_fit_leave_no_run(tmp_path: Path, values: Any, phrase: str) -> None:
    with pytest.raises(DataError) as caught:
        stored(values, tmp_path / "run")
    assert phrase in str(caught.value) and not (tmp_path / "run").exists()


def test_names_stay_within_the_folder_whatever_they_are(tmp_path: Path) -> None:
    method = "../../x/{y} <b>\0"
    run = stored([replace(MEAN, method=method)], tmp_path / "a" / "run")
    assert [row.label for row in run.rows] == [method]
    assert {path.name for path in tmp_path.rglob("*.jsonl")} == {
        file.name for file in (tmp_path / "a" / "run" / "records").iterdir()
    }


def test_a_run_under_another_protocol_version_is_not_added_to(tmp_path: Path) -> None:
    stored([MEAN], tmp_path)
    file = tmp_path / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["protocols"]["neutral"]["digest"] = "other"
    file.write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="another version of protocol neutral"):
        stored(SCENES, tmp_path)


def test_published_values_are_not_added_to_a_measured_run(bench: Any) -> None:
    bench('name = "tiny"')
    before = contents(bench.store.path)
    with pytest.raises(StoreError, match="holds measured rows"):
        stored([MEAN], bench.store.path)
    assert contents(bench.store.path) == before


def test_measured_rows_are_not_added_to_published_ones(
    plain: Any, command: Command, tmp_path: Path
) -> None:
    stored([MEAN], tmp_path / "out")
    file = plain.write(tmp_path, 'name = "tiny"')
    shown = command("run", "--config", file, "--out", tmp_path / "out")
    assert shown.returncode == 2 and "published values" in shown.stderr
    assert [row.label for row in StoredRun(tmp_path / "out").rows] == ["Net"]


def carded(bench: Any, monkeypatch: pytest.MonkeyPatch, published: Path, *claims: Any) -> None:
    """The tiny plugin, whose dataset's card brings values and whose method's makes claims."""
    registry = bench.stranger.registry("tiny")
    dataset, method = registry.cards["dataset"]["tiny"], registry.cards["method"]["tiny"]
    registry.cards["dataset"]["tiny"] = replace(dataset, published=published)
    registry.cards["method"]["tiny"] = replace(method, claims=claims)
    monkeypatch.setattr(bench.stranger, "registry", lambda *_: registry)


def test_a_run_keeps_what_its_cards_publish_and_claim(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = replace(MEAN, dataset="tiny", split="all")
    file = write([here, MEAN, replace(here, split="other")], tmp_path / "published.csv")
    carded(bench, monkeypatch, file, here)
    manifest = bench('name = "tiny"').manifest
    assert [PublishedValue(**entry) for entry in manifest["published"]] == [here]
    assert [PublishedValue(**claim) for claim in manifest["rows"][0]["claims"]] == [here]


def test_a_malformed_file_of_a_card_is_named_before_anything_runs(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "published.csv").write_text("method\n")
    carded(bench, monkeypatch, tmp_path / "published.csv")
    with pytest.raises(DataError, match=r"published\.csv:1: column 'metric' is missing"):
        bench('name = "tiny"')
    assert not (bench.store.path / "predictions").exists()


def test_unverified_values_are_shown_on_request_only(bench: Any) -> None:
    run = bench('name = "tiny"')
    manifest = run.manifest | {"published": [vars(MEAN), vars(replace(MEAN, verified=False))]}
    bench.store.write_manifest(manifest)
    assert len(StoredRun(run.path).manifest["published"]) == 1
    assert len(StoredRun(run.path, unverified=True).manifest["published"]) == 2


def test_a_table_is_imported_and_reported(command: Command, tmp_path: Path) -> None:
    file = write([MEAN, *SCENES], tmp_path / "values.csv")
    shown = command("import", "table", file, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    text = (tmp_path / "runs" / "table-published" / "report" / "report.md").read_text()
    assert "| Net §1 | published | 12.50 ± 3.25 |" in text
    assert "| Other §2 | published | 7.33 ± 2.67 |" in text


def test_nothing_of_a_malformed_table_is_imported(command: Command, tmp_path: Path) -> None:
    good = write(SCENES, tmp_path / "good.csv")
    (tmp_path / "bad.csv").write_text(f"{','.join(COLUMNS)}\n")
    (tmp_path / "bad.csv").write_text(f"{HEAD}\n{LINE.replace('12.5', 'x')}\n")
    shown = command("import", "table", good, tmp_path / "bad.csv", "--out", tmp_path / "out")
    assert shown.returncode == 2 and "bad.csv:2, column value: 'x' is not" in shown.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_importer_is_named_with_the_nearest(command: Command) -> None:
    shown = command("import", "tabel", "x.csv")
    assert shown.returncode == 2 and "'tabel'; did you mean 'table'?" in shown.stderr


PLUGIN = """
from bench.api import Command, DatasetCard, Option, PublishedValue, hookimpl

def bring(files, times):
    return [
        PublishedValue(f.stem, "normal.mae", times * float(f.read_text()), "d", "s", "neutral")
        for f in files
    ]

def take(run, out):
    out.mkdir(parents=True)
    made = out / "rows.txt"
    made.write_text(" ".join(row.label for row in run.rows))
    return [made]

@hookimpl
def bench_datasets():
    options = (Option("times", float, 1.0, help="factor"),)
    return [DatasetCard("d", "D", "x:Y", commands=(
        Command("import", f"{__name__}:bring", options),
        Command("export", f"{__name__}:take"),
    ))]
"""


def test_a_card_brings_its_own_import_and_export(
    stranger: Any, command: Command, tmp_path: Path
) -> None:
    stranger.add("strange", PLUGIN)
    for name, value in (("A", 3), ("B", 4)):
        (tmp_path / f"{name}.txt").write_text(str(value))
    files = [tmp_path / "A.txt", tmp_path / "B.txt"]
    out = tmp_path / "run"
    shown = command("import", "d", *files, "--times", 2, "--out", out)
    assert shown.returncode == 0, shown.stderr
    assert {o.label: o.value for o in StoredRun(out).outcomes()} == {"A": 6.0, "B": 8.0}
    shown = command("export", "d", out, "--out", tmp_path / "sent")
    assert shown.stdout.strip() == str(tmp_path / "sent" / "rows.txt")
    assert (tmp_path / "sent" / "rows.txt").read_text() == "A B"
