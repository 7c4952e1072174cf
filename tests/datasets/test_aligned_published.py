"""The published values that come with `aligned` are those of specs/neural_rerendering.md §10."""

import re
from pathlib import Path

from bench.datasets.aligned.plugin import bench_datasets
from bench.published import read

FILE = bench_datasets()[0].published
assert FILE is not None
VALUES = read(FILE)


def rows(shared: Path, heading: str) -> list[list[str]]:
    """Cells of a table of the specification, without its header."""
    text = (shared / "specs" / "neural_rerendering.md").read_text(encoding="utf-8")
    table = text.split(heading)[1].split("\n###")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines if line]


def test_every_number_of_nerf_in_the_wild_is_the_specifications(shared: Path) -> None:
    header, _, *body = rows(shared, "### 10.1")
    scenes = ["brandenburg-gate", "sacre-coeur", "trevi", "taj-mahal", "prague", "hagia-sophia"]
    assert len(header) == 1 + len(scenes)
    wanted = {}
    for method, *cells in body:
        for scene, cell in zip(scenes, cells, strict=True):
            for name, number in zip(("psnr", "ms_ssim", "lpips"), cell.split("/"), strict=True):
                wanted[method, scene, f"view.{name}"] = float(number)
    ours = [value for value in VALUES if value.protocol == "nrw-half"]
    assert {(each.method, each.scene, each.metric): each.value for each in ours} == wanted
    assert not any(value.verified for value in ours)


def test_every_number_of_the_thesis_is_the_specifications(shared: Path) -> None:
    _, _, *body = rows(shared, "### 10.2")
    wanted = sorted(float(number) for row in body for number in re.findall(r"\d+\.\d\d", str(row)))
    ours = [value for value in VALUES if value.protocol == "nrw"]
    assert sorted(value.value for value in ours) == wanted
    assert {value.column for value in ours} == {"covered"}
    raw = {v.metric: v.value for v in ours if v.scene == "pantheon-exterior" and "raw" in v.method}
    assert raw == {"reconstruction.l1": 49.16, "reconstruction.psnr": 11.53}
    verified = {value.metric for value in ours if value.verified}
    assert verified == {"reconstruction.psnr"}  # the scale of L1 is derived
