"""Published scores of Stanford-ORB: the official files, the shipped table, and the specs' table."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import PublishedValue
from bench.datasets.stanford_orb.captures import CAPTURES
from bench.datasets.stanford_orb.importing import METRICS, import_scores
from bench.datasets.stanford_orb.plugin import bench_datasets
from bench.errors import ConfigError, DataError

CARD = bench_datasets()[0]
NAMES = {
    "IDR": "idr",
    "NeRF": "nerf",
    "PhySG": "physg",
    "NVDiffRec": "nvdiffrec",
    "NeRD": "nerd",
    "NeRFactor": "nerfactor",
    "InvRender": "invrender",
    "NVDiffRecMC": "nvdiffrecmc",
    "SIRFS": "sirfs",
}
IMAGES = ("psnr_hdr", "psnr", "ssim", "lpips")
COLUMNS = (
    ("depth.si_mse_scene", 1000),
    ("normal.cosine", 1),
    ("mesh.chamfer", 2000),
    *((f"relit.{name}", 1) for name in IMAGES),
    *((f"view.{name}", 1) for name in IMAGES),
)
"""Of the site's table: metric id, and the factor by which the site prints it."""


def imported(shared: Path, name: str) -> dict[str, np.ndarray]:
    """Metric id → its 42 values."""
    found: dict[str, list[float]] = {}
    for value in import_scores(files=(shared / "data" / "stanford_orb" / f"{name}.json",)):
        found.setdefault(value.metric, []).append(value.value)
    return {metric: np.array(values) for metric, values in found.items()}


def shipped() -> list[dict[str, str]]:
    assert CARD.published is not None
    with CARD.published.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def site(shared: Path) -> dict[str, dict[str, str]]:
    """The site's table as specs/datasets.md §1 has it: method → metric id → text."""
    text = (shared / "specs" / "datasets.md").read_text(encoding="utf-8")
    rows = [line.strip("| \n").split("|") for line in text.splitlines() if line.startswith("| ")]
    methods = {}
    for name, *cells in rows:
        if len(cells) == len(COLUMNS) and cells[0].strip() != "Depth↓":
            texts = {metric: c.strip() for (metric, _), c in zip(COLUMNS, cells, strict=True)}
            label = re.sub(r" \((\d views?|ref\.)\)", "", name.strip())
            methods[label] = {metric: c for metric, c in texts.items() if c != "–"}
    assert len(methods) == 16
    return methods


def rounds_to(value: float, text: str) -> bool:
    """Whether a number rounds to the digits that are printed, either way where it is halfway."""
    return abs(value - float(text)) <= 0.5 * 10 ** -len(text.partition(".")[2]) * (1 + 1e-9)


@pytest.mark.parametrize("name", NAMES.values())
def test_means_and_deviations_are_those_the_file_says_of_itself(shared: Path, name: str) -> None:
    values = imported(shared, name)
    file = shared / "data" / "stanford_orb" / f"{name}.json"
    stated = json.loads(file.read_text(encoding="utf-8"))["scores_stats"]
    seen = 0
    for task, scores in stated.items():
        for key, pair in scores.items():
            if key != "scene_count":
                found = values[METRICS[f"{task}_all"][key]]
                assert len(found) == 42
                np.testing.assert_allclose([found.mean(), found.std()], pair, rtol=1e-12)
                seen += 1
    assert seen == len(values)


@pytest.mark.parametrize("method", NAMES)
def test_the_files_round_to_the_sites_table(shared: Path, method: str) -> None:
    values, texts = imported(shared, NAMES[method]), site(shared)[method]
    for metric, factor in COLUMNS:
        assert (metric in values) == (metric in texts), metric
        if metric in texts:
            mean = factor * float(values[metric].mean())
            assert rounds_to(mean, texts[metric]), (metric, mean, texts[metric])


def test_every_value_stands_in_its_place(shared: Path) -> None:
    file = shared / "data" / "stanford_orb" / "physg.json"
    values = import_scores(files=(file,))
    body = json.loads(file.read_text(encoding="utf-8"))["scores"]
    found = {(value.metric, value.scene): value.value for value in values}
    assert len(found) == len(values) == 42 * (4 + 4 + 3 + 3 + 1)
    assert {scene for _, scene in found} == set(CAPTURES)
    light, shape = body["light_all"], body["shape_all"]
    cart, teapot = "scene004_obj012_cart", "scene001_obj018_teapot"
    assert found["relit.psnr_hdr", "car_scene004"] == light[cart]["psnr_hdr"]
    assert found["relit.psnr", "teapot_scene001"] == light[teapot]["psnr_ldr"]
    assert found["mesh.chamfer", "teapot_scene001"] == shape[teapot]["bidir_chamfer"]
    place = {(v.method, v.dataset, v.split, v.protocol, v.verified) for v in values}
    assert place == {("physg", "stanford-orb", "test", "stanford-orb", True)}


def test_the_shipped_table_is_of_published_values() -> None:
    rows = shipped()
    assert set(rows[0]) == set(PublishedValue.__dataclass_fields__)
    assert {row["verified"] for row in rows} == {"true"}
    assert all(row["source"] and row["n"] == "42" and not row["scene"] for row in rows)
    places = [(row["method"], row["metric"]) for row in rows]
    assert len(set(places)) == len(places)


def test_the_shipped_table_rounds_to_the_sites(shared: Path) -> None:
    found = {(row["method"], row["metric"]): float(row["value"]) for row in shipped()}
    expected = {
        (method, metric): text
        for method, texts in site(shared).items()
        for metric, text in texts.items()
    }
    factors = dict(COLUMNS)
    on_site = {place for place in found if place[1] in factors}
    assert on_site == set(expected)
    for place, text in expected.items():
        value = factors[place[1]] * found[place]
        assert rounds_to(value, text), (place, value, text)


def test_the_shipped_table_rounds_from_the_files(shared: Path) -> None:
    files = {name: imported(shared, NAMES[name]) for name in NAMES}
    compared = 0
    for row in shipped():
        if row["method"] in files:
            values = files[row["method"]][row["metric"]]
            factor = {"mesh.chamfer": 2000}.get(
                row["metric"], 1000 if "depth" in row["metric"] else 1
            )
            digits = 4 if row["metric"].rpartition(".")[2] in ("ssim", "lpips", "cosine") else 3
            half = 0.5001 * 10**-digits / factor
            assert abs(float(row["value"]) - values.mean()) <= half, row
            assert abs(float(row["std"]) - values.std()) <= half, row
            compared += 1
    assert compared == sum(len(values) for values in files.values())


def scores(change: Callable[[dict[str, Any]], object] = lambda body: None) -> str:
    images = {"psnr_hdr": 20.0, "psnr_ldr": 30.0, "ssim": 0.9, "lpips": 0.1}
    body: dict[str, Any] = {
        "view_all": {"teapot_scene001": dict(images)},
        "light_all": {"scene001_obj018_teapot": dict(images)},
        "geometry_all": {"scene004_obj012_cart": {"normal_angle": 0.1}},
        "material_all": {},
        "shape_all": {"scene001_obj018_teapot": {"bidir_chamfer": 0}},
    }
    change(body)
    return json.dumps({"scores": body})


def test_a_file_of_ones_own_may_call_captures_as_the_data_does(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(scores())
    values = import_scores(files=(file,))
    assert {(v.method, v.scene) for v in values} == {
        ("mine", "teapot_scene001"),
        ("mine", "car_scene004"),
    }
    assert {v.method for v in import_scores(files=(file,), method="Ours")} == {"Ours"}


MALFORMED: Mapping[str, tuple[str, str]] = {
    "no JSON": ("{", r"bad\.json: not a score file"),
    "too deep": ("[" * 100_000, r"bad\.json: not a score file"),
    "a list": ("[]", r"bad\.json: not a score file: expected an object"),
    "no scores": ("{}", r"bad\.json: scores: expected an object, found None"),
    "nothing in it": ('{"scores": {}}', r"bad\.json: scores: holds no values"),
    "a key twice": ('{"scores": {}, "scores": {}}', r"key 'scores' comes twice"),
    "a task is missing": (
        scores(lambda body: body.pop("shape_all")),
        r"scores\.shape_all: expected an object, found None",
    ),
    "a task nobody knows": (
        scores(lambda body: body.update(mood_all={})),
        r"scores\.mood_all: unknown",
    ),
    "a capture nobody knows": (
        scores(lambda body: body["view_all"].update({"../teapot_scene001": {}})),
        r"scores\.view_all\.\.\./teapot_scene001: is none of the 42",
    ),
    "one capture under two names": (
        scores(lambda body: body["view_all"].update(scene001_obj018_teapot={})),
        r"view_all\.scene001_obj018_teapot: is teapot_scene001, which teapot_scene001 is too",
    ),
    "a score nobody knows": (
        scores(lambda body: body["view_all"]["teapot_scene001"].update(psnr=1)),
        r"view_all\.teapot_scene001\.psnr: unknown; expected psnr_hdr",
    ),
    "words": (
        scores(lambda body: body["view_all"]["teapot_scene001"].update(ssim="high")),
        r"view_all\.teapot_scene001\.ssim: 'high' is not a number",
    ),
    "a flag": (
        scores(lambda body: body["view_all"]["teapot_scene001"].update(ssim=True)),
        r"teapot_scene001\.ssim: True is not a number",
    ),
    "no value": (
        scores(lambda body: body["view_all"]["teapot_scene001"].update(ssim=None)),
        r"teapot_scene001\.ssim: None is not a number",
    ),
    "NaN": (
        scores(lambda body: body["view_all"]["teapot_scene001"].update(ssim=float("nan"))),
        r"teapot_scene001\.ssim: nan is no finite score",
    ),
    "more than a float": (
        scores(lambda body: body["view_all"]["teapot_scene001"].update(ssim=10**400)),
        r"teapot_scene001\.ssim: 1000.* is no finite score",
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_file_is_named_with_its_key(tmp_path: Path, kind: str) -> None:
    text, message = MALFORMED[kind]
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(scores())
    bad.write_text(text)
    with pytest.raises(DataError, match=message):
        import_scores(files=(good, bad))


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: not a score file"):
        import_scores(files=(tmp_path / "none.json",))


def test_one_name_is_of_one_file(tmp_path: Path) -> None:
    files = (tmp_path / "a.json", tmp_path / "b" / "a.json")
    with pytest.raises(ConfigError, match=r"--method: 2 files cannot all be 'Ours'"):
        import_scores(files=files, method="Ours")
    with pytest.raises(ConfigError, match=r"a: two files of this name"):
        import_scores(files=files)
