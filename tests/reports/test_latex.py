"""table.tex and report.tex, compiled."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.protocol.named import NEUTRAL
from bench.reports.latex.escaping import breakable, escaped
from bench.reports.latex.report import MOST_COLUMNS, batches
from bench.tables.summary import summarise


@pytest.fixture(scope="module")
def folder(files: Any) -> Path:
    return files("latex")["report.tex"].parent


@pytest.fixture(scope="module")
def source(folder: Path) -> str:
    return (folder / "table.tex").read_text(encoding="utf-8")


def compiled(folder: Path, name: str = "report.tex") -> str:
    """The log of a run of pdfLaTeX that must succeed."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is absent: apt-get install texlive-latex-recommended")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return (folder / name).with_suffix(".log").read_text(errors="replace")


def test_the_report_compiles_and_nothing_sticks_out(folder: Path) -> None:
    log = compiled(folder)
    widths = [float(points) for points in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", log)]
    assert max(widths, default=0) <= 10
    assert "Missing character" not in log and "Float too large" not in log
    assert (folder / "report.pdf").stat().st_size


def test_tables_use_booktabs_and_have_at_most_ten_metrics(source: str, run: Any) -> None:
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\cmidrule"):
        assert rule in source
    for table in summarise(run).tables:
        pages = batches(table)
        assert [column for page in pages for column in page] == list(table.columns)
        assert all(1 <= len(page) <= MOST_COLUMNS for page in pages)


def test_floors_stand_below_a_rule_and_are_not_bold(source: str) -> None:
    lines = source.splitlines()
    floors = [number for number, line in enumerate(lines) if line.startswith("flat ")]
    assert floors and all(lines[number - 1] == r"\midrule" for number in floors)
    assert not any(r"\textbf" in lines[number] for number in floors)


def test_marks_are_shown(source: str) -> None:
    assert r"\textbf" in source
    assert r"\ensuremath{\dagger}{\tiny 35/36}" in source
    assert r"SH regular + normals\ensuremath{\ddagger}" in source
    assert r"n/a\textsuperscript{1}: LPIPS has no AlexNet weights" in source
    assert r"\ensuremath{\uparrow} dB" in source
    assert r"\ensuremath{\infty}" in source


def test_the_caption_names_the_protocol(source: str) -> None:
    assert f"Protocol neutral version {NEUTRAL.version}" in source


def test_any_text_compiles(tmp_path: Path) -> None:
    every = "".join(map(chr, [*range(0x20, 0x250), *range(0x391, 0x3CA), *range(0x2010, 0x2300)]))
    words = [escaped(every[i : i + 8]) for i in range(0, len(every), 8)]
    words += [
        breakable(every),
        escaped("vase 花瓶 🏺 \x07 \\input{x} a--b"),
        escaped("line\nbreak"),
    ]
    body = "\n\n".join(words)
    document = rf"\documentclass{{article}}\begin{{document}}\raggedright {body} \end{{document}}"
    (tmp_path / "any.tex").write_text(document, encoding="utf-8")
    assert "Missing character" not in compiled(tmp_path, "any.tex")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & 50% #2 $x$ {y}", r"a\_b \& 50\% \#2 \$x\$ \{y\}"),
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("α–Ω", r"\ensuremath{\alpha}--\ensuremath{\Omega}"),
        ("e\u0301 é ø", "é é ø"),
        ("花", "[U+82B1]"),
        ("a\n b", "a b"),
    ],
)
def test_text_is_shown_as_it_is_written(text: str, latex: str) -> None:
    assert escaped(text) == latex


def test_long_words_may_break_and_short_ones_do_not() -> None:
    assert r"\allowbreak" not in breakable("short words only here")
    assert breakable("x" * 20).count(r"\allowbreak") == 19
    assert breakable("albedo.psnr/single") == r"albedo.\allowbreak{}psnr/\allowbreak{}single"


def test_long_labels_stay_within_the_page(fake: Any, write: Any, tmp_path: Path) -> None:
    rows = [fake.a_row("x" * 120), fake.a_row("a_label/with-many_parts." * 8), fake.a_row("W" * 40)]
    write("latex", fake.FakeRun(parts=(fake.Part("vases", "mini", 2, 1),), rows=rows), tmp_path)
    log = compiled(tmp_path)
    widths = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(widths, default=0) <= 10


def test_wide_numbers_are_spread_over_more_tables(fake: Any, write: Any, tmp_path: Path) -> None:
    rows = [fake.a_row("a"), fake.a_row("b")]
    run = fake.FakeRun(parts=(fake.Part("vases", "mini", 12, 12),), rows=rows)
    lines = [line for line in run.outcomes() if line.kind == "value"]
    run.listed = [line._replace(value=1e6 * line.value) for line in lines if line.label == "a"]
    run.listed += [line for line in lines[:-1] if line.label == "b" and line.unit != "scene00/000"]
    write("latex", run, tmp_path)
    widths = re.findall(r"Overfull \\hbox \(([\d.]+)pt", compiled(tmp_path))
    assert max(map(float, widths), default=0) <= 10
