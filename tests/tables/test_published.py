"""Published rows in tables: apart from what was measured, with mark, deviation and source."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from bench.api import Outcome, PublishedValue
from bench.datasets.stanford_orb.captures import capture_name
from bench.datasets.stanford_orb.importing import METRICS, import_scores
from bench.published import store_values
from bench.store import Store
from bench.tables import wording
from bench.tables.gallery import gallery
from bench.tables.summary import Summary, summarise
from bench.tables.table import Table

PAPER = PublishedValue(
    "Paper",
    "albedo.psnr",
    99.0,
    "vases",
    "mini",
    "neutral",
    std=2.5,
    n=42,
    source="Tab. 1",
    retrieved="2024-11-30",
    verified=True,
)
PUBLISHED = "published, not measured here"


def measured(label: str, lead: float = 0.0) -> list[Outcome]:
    """Eight scenes of one item; a greater lead is better."""
    head = (label, "vases", "mini")
    return [
        Outcome(*head, f"s{i}", f"s{i}/0", "albedo.psnr", "", "neutral", "value", 20 + i + lead)
        for i in range(8)
    ]


def beside(fake: Any, *values: PublishedValue, rows: Any = ("a", "b")) -> Summary:
    """A measured run of rows, each better than the one before, with published values."""
    run = fake.FakeRun(
        parts=(fake.Part("vases", "mini", 8, 1),),
        rows=[fake.a_row(row) for row in rows],
        listed=[line for place, row in enumerate(rows) for line in measured(row, place)],
    )
    run.manifest = run.manifest | {"published": [asdict(value) for value in values]}
    return summarise(run)


def imported(folder: Path, *values: PublishedValue) -> Table:
    (table,) = summarise(store_values(values, Store(folder), "trial")).tables
    return table


def scenes(method: str, lead: float = 0.0) -> list[PublishedValue]:
    return [
        replace(PAPER, method=method, scene=f"s{i}", value=20.0 + i + lead, std=None, n=None)
        for i in range(8)
    ]


def labels_by_section(table: Table) -> dict[str, list[str]]:
    return {part.title: [row.label for row in part.rows] for part in table.sections()}


def test_published_rows_stand_last_in_a_section_of_their_own(fake: Any) -> None:
    (table,) = beside(fake, PAPER).tables
    assert list(labels_by_section(table).values()) == [["a", "b"], ["Paper"]]
    assert list(labels_by_section(table))[-1] == PUBLISHED


def test_published_rows_are_never_bold_and_take_no_bold_from_measured_ones(fake: Any) -> None:
    (table,) = beside(fake, PAPER).tables
    bold = {row.label for row in table.rows if table.cells[row.label, "albedo.psnr"].bold}
    assert bold == {"b"} and table.cells["Paper", "albedo.psnr"].mean == 99.0


def test_published_means_are_no_units_that_others_lack(fake: Any) -> None:
    (table,) = beside(fake, PAPER).tables
    assert not any(cell.partial for cell in table.cells.values())
    assert {table.cells[label, "albedo.psnr"].expected for label in "ab"} == {8}


@pytest.mark.parametrize(
    "change",
    [{"dataset": "other"}, {"split": "all"}, {"protocol": "sord"}, {"metric": "normal.mae"}],
)
def test_only_what_matches_the_table_and_its_columns_is_shown(fake: Any, change: Any) -> None:
    (table,) = beside(fake, replace(PAPER, **change)).tables
    assert [row.label for row in table.rows] == ["a", "b"]


def test_another_column_of_the_protocol_is_another_number(fake: Any) -> None:
    (table,) = beside(fake, replace(PAPER, column="single")).tables
    assert [row.label for row in table.rows] == ["a", "b"]


def test_a_published_method_of_the_same_name_is_not_merged(fake: Any) -> None:
    (table,) = beside(fake, replace(PAPER, method="a")).tables
    assert [row.label for row in table.rows] == ["a", "b", "a (published)"]
    assert table.cells["a", "albedo.psnr"].mean == 23.5
    assert table.cells["a (published)", "albedo.psnr"].mean == 99.0


def test_cells_show_the_deviation_and_rows_their_source(fake: Any) -> None:
    (table,) = beside(fake, PAPER, replace(PAPER, method="Draft", verified=False)).tables
    assert wording.shown(table.cells["Paper", "albedo.psnr"], table.columns[0], {}).text == (
        "99.00 ± 2.50"
    )
    numbers = wording.sources(table)
    assert numbers == {
        "Tab. 1; mean of 42; read 2024-11-30": 1,
        "Tab. 1; mean of 42; read 2024-11-30; unverified": 2,
    }
    assert [wording.marks(table, row, numbers) for row in table.rows] == [[], [], [1], [2]]
    assert any(line.startswith("§: published, not measured here") for line in wording.legend(table))


def test_a_note_names_its_rows_unless_it_is_of_all(fake: Any) -> None:
    noted = replace(PAPER, note="a typo")
    (table,) = beside(fake, noted, replace(PAPER, method="Other")).tables
    assert "albedo.psnr § of Paper: a typo." in wording.legend(table)
    (table,) = beside(fake, noted).tables
    assert "albedo.psnr §: a typo." in wording.legend(table)


def at_scenes(count: int) -> list[PublishedValue]:
    """Values 20, 21, … of the first scenes that the fake run covers."""
    return [
        replace(PAPER, scene=f"scene{i:02d}", value=20.0 + i, std=None, n=None)
        for i in range(count)
    ]


def test_published_scenes_are_averaged_over_those_of_the_run(fake: Any) -> None:
    (table,) = beside(fake, *at_scenes(9)).tables
    cell = table.cells["Paper", "albedo.psnr"]
    assert (cell.mean, cell.covered, cell.std) == (23.5, 0, pytest.approx(5.25**0.5))


def test_a_mean_over_some_of_the_scenes_is_not_shown(fake: Any) -> None:
    (table,) = beside(fake, *at_scenes(7)).tables
    assert [row.label for row in table.rows] == ["a", "b"]
    (table,) = beside(fake, *at_scenes(7), PAPER).tables
    assert table.cells["Paper", "albedo.psnr"].mean == 99.0


def test_the_summary_lists_what_stands_beside(fake: Any) -> None:
    assert beside(fake, PAPER, replace(PAPER, split="all")).published == (PAPER,)


def test_an_imported_run_compares_its_rows_among_themselves(tmp_path: Path) -> None:
    table = imported(tmp_path, *scenes("A"), *scenes("B", 1.0))
    assert labels_by_section(table) == {PUBLISHED: ["A", "B"]}
    assert [table.cells[label, "albedo.psnr"].bold for label in "AB"] == [False, True]
    assert "published rows" in wording.legend(table)[0]
    assert wording.caption(table).startswith("vases/mini: published, 8 scenes.")


def test_an_imported_mean_stands_beside_scenes_without_being_one(tmp_path: Path) -> None:
    table = imported(tmp_path, *scenes("A"), PAPER)
    scored, stated = (table.cells[label, "albedo.psnr"] for label in ("A", "Paper"))
    assert (scored.mean, scored.covered, scored.expected) == (23.5, 8, 8)
    assert (stated.mean, stated.std, stated.partial, stated.bold) == (99.0, 2.5, False, False)


def test_means_alone_are_no_measurements(tmp_path: Path) -> None:
    table = imported(tmp_path, PAPER, replace(PAPER, method="Other", value=1.0))
    assert table.numbers["albedo.psnr"].values.shape == (0, 2)
    assert not any(cell.bold or cell.partial for cell in table.cells.values())


def test_an_imported_row_that_lacks_a_scene_says_so(tmp_path: Path) -> None:
    table = imported(tmp_path, *scenes("A"), *scenes("B")[:-1])
    cell = table.cells["B", "albedo.psnr"]
    assert (cell.partial, cell.covered, cell.expected) == (True, 7, 8)


def test_there_is_no_gallery_of_what_nobody_predicted_here(tmp_path: Path) -> None:
    run = store_values(scenes("A"), Store(tmp_path), "trial")
    summary = summarise(run)
    assert gallery(run, summary.tables[0], summary.outcomes).message == ""


@pytest.fixture(scope="module")
def official() -> list[Path]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "stanford_orb"
    if not folder.is_dir():
        pytest.skip("../shared is absent: reference data for this test is not here")
    return sorted(folder.glob("*.json"))


@pytest.fixture(scope="module")
def stanford_orb(official: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Table:
    values = import_scores(files=official)
    (table,) = summarise(store_values(values, Store(tmp_path_factory.mktemp("orb")), "t")).tables
    return table


def test_the_stanford_orb_table_is_what_its_files_say_of_themselves(
    stanford_orb: Table, official: list[Path]
) -> None:
    compared = 0
    for file in official:
        stats = json.loads(file.read_text())["scores_stats"]
        for task, metrics in METRICS.items():
            for key, metric in metrics.items():
                said = stats[task.removesuffix("_all")].get(key)
                cell = stanford_orb.cells.get((file.stem, metric))
                if said is None or cell is None or cell.kind == "absent":
                    assert said is None and (cell is None or cell.kind == "absent")
                    continue
                assert [cell.mean, cell.std] == pytest.approx(said, rel=1e-9)
                assert cell.covered == cell.expected == 42
                compared += 1
    assert compared == 110


def test_the_stanford_orb_table_prints_the_published_row(stanford_orb: Table) -> None:
    """specs/datasets.md §1: NVDiffRecMC 24.43, 31.60, .972, .036 and 28.03, 36.40, .982, .028."""
    row = {c.name: stanford_orb.cells["nvdiffrecmc", c.name].mean for c in stanford_orb.columns}
    printed = {"psnr_hdr": ".2f", "psnr": ".2f", "ssim": ".3f", "lpips": ".3f"}
    relit, view = (
        [format(row[f"{task}.{name}"], how) for name, how in printed.items()]
        for task in ("relit", "view")
    )
    assert relit == ["24.43", "31.60", "0.972", "0.036"]
    assert view == ["28.03", "36.40", "0.982", "0.028"]


def test_captures_are_the_units(stanford_orb: Table) -> None:
    names = stanford_orb.numbers["relit.psnr_hdr"].scene_names
    assert len(names) == 42 and capture_name("scene001_obj018_teapot") in names
