"""The published values that come with `blender` are those of specs/datasets.md §2."""

import re
from collections import Counter
from pathlib import Path

from bench.datasets.blender.plugin import bench_datasets
from bench.published import read

FILE = bench_datasets()[0].published
SCORES = ("psnr", "ssim", "lpips")
assert FILE is not None
VALUES = read(FILE)
Place = tuple[str, str, str]


def triple(method: str, scene: str, quantity: str, text: str) -> dict[Place, float]:
    return {
        (method, scene, f"{quantity}.{score}"): float(number)
        for score, number in zip(SCORES, text.split("/"), strict=True)
    }


def section(shared: Path) -> str:
    text = (shared / "specs" / "datasets.md").read_text(encoding="utf-8")
    return text.split("### Published — TensoIR-Synthetic")[1].split("\n====")[0]


def of_the_specification(shared: Path) -> dict[Place, float]:
    """What stands there, less what it calls a typo or recalled."""
    text = section(shared)
    number = r"([\d.]+/[\d.]+/[\d.]+)"
    found: dict[Place, float] = {}
    for method, pattern in {
        "TensoIR": rf"README\]: TensoIR {number}",
        "IllumiNeRF (multi-GPU)": rf"IllumiNeRF multi-GPU {number}",
        "IllumiNeRF (single-GPU)": rf"single-GPU {number}",
    }.items():
        match = re.search(pattern, text)
        assert match
        found |= triple(method, "", "relit", match[1])
    scene = ""
    for line in text.split("```")[1].strip().splitlines():
        match = re.match(r"(\w*)\s+(\w+)\s+([\d.]+)\|([\d./]+)\|([\d./]+)\|([\d./]+)", line)
        assert match
        scene = match[1] or scene
        method = match[2]
        found[method, scene, "normal.mae"] = float(match[3])
        found |= triple(method, scene, "albedo", match[4]) | triple(method, scene, "view", match[5])
        if method != "TensoIR":  # one row is a typo; the other stands in the mean over all scenes
            found |= triple(method, scene, "relit", match[6])
    return found


def test_every_verified_number_is_the_specifications(shared: Path) -> None:
    shipped = {(value.method, value.scene, value.metric): value.value for value in VALUES}
    assert shipped == of_the_specification(shared)
    assert len(VALUES) == len(shipped) == 73


def test_nothing_unverified_is_shipped_and_every_row_says_where_from() -> None:
    assert all(value.verified and value.source for value in VALUES)
    assert {(v.dataset, v.split, v.protocol) for v in VALUES} == {
        ("blender", "test-from-train", "tensoir")
    }
    (card,) = bench_datasets()
    assert {value.split for value in VALUES} <= set(card.splits)


def test_no_metric_has_both_scenes_and_their_mean() -> None:
    means = {(value.method, value.metric) for value in VALUES if not value.scene}
    scenes = {(value.method, value.metric) for value in VALUES if value.scene}
    assert not means & scenes
    assert max(Counter((v.method, v.metric, v.scene) for v in VALUES).values()) == 1
