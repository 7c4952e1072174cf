"""`bench export stanford-orb`: the official submission of a run in memory."""

import importlib.util
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import Key, Outcome, Prediction, Row, Sample, Score, Targets
from bench.datasets.stanford_orb.adapter import CAPTURE, StanfordOrb
from bench.datasets.stanford_orb.captures import CAPTURES, capture_name
from bench.datasets.stanford_orb.exporting import export_submission
from bench.errors import ConfigError, DataError
from bench.graphics.image_files import read_image
from bench.graphics.mesh_files import read_mesh
from bench.quantities import Mesh

WHERE = ("stanford-orb", "test")
TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def _load(name: str) -> Any:
    """A module beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made_up = _load("stanford_orb_set")


def picture(*names: object, channels: int = 3) -> np.ndarray:
    """512×512×C with values beyond one, that compress well."""
    ramp = np.linspace(0, 4, 512, dtype=np.float32)[:, None, None]
    return np.tile(ramp + made_up.rng(*names).random(channels, np.float32), (1, 512, 1))


def prediction(
    scene: str, item: str, queries: Sequence[str], does: str = "everything"
) -> Prediction:
    if does == "geometry":
        return {} if item == CAPTURE else {"normal": picture(scene, item, "normal")}
    if item == CAPTURE:
        return {"mesh": TETRAHEDRON, **{name: picture(scene, name) for name in queries}}
    return {
        "normal": picture(scene, item, "normal"),
        "depth": picture(scene, item, "depth", channels=1),
        "albedo": picture(scene, item, "albedo"),
    }


@dataclass
class Run:
    """A `RunView` of one method that explains the small set."""

    path: Path
    manifest: Mapping[str, Any]
    does: str = "everything"
    name: str = "run"
    scores: Mapping[str, Score] = field(default_factory=dict)
    missing: frozenset[Key] = frozenset()

    @property
    def rows(self) -> Sequence[Row]:
        return [Row(f"{kind} one", "m", *WHERE, kind, {}) for kind in ("method", "oracle")]

    def outcomes(self) -> Iterator[Outcome]:
        return iter(())

    def keys(self, dataset: str, split: str) -> Sequence[Key]:
        return self._dataset().samples(split)

    def sample(self, dataset: str, split: str, key: Key) -> Sample:
        return self._dataset().inputs(split, key)

    def targets(self, dataset: str, split: str, key: Key) -> Targets:
        return self._dataset().targets(split, key)

    def prediction(self, row: Row, key: Key) -> Prediction:
        if key in self.missing:
            return {}
        queries = [query.id for query in self.sample(*WHERE, key).queries]
        return prediction(key.scene, key.id, queries, self.does)

    def _dataset(self) -> StanfordOrb:
        return StanfordOrb(self.manifest["rows"][0]["dataset_options"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("orb")
    made_up.write_set(folder)
    return folder


def run_on(made: Path, **changes: Any) -> Run:
    options = {"root": str(made), "images": None, "size": 16, "views": 0}
    row = {"dataset": "stanford-orb", "split": "test", "dataset_options": options}
    return Run(made / "run", {"rows": [row]}, **changes)


def exported(run: Run, out: Path) -> dict[str, Any]:
    (path,) = export_submission(run=run, out=out)
    assert path == out / "method_one.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body["info"]


@pytest.fixture(scope="module")
def info(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is submitted of a method that does everything."""
    return exported(run_on(made), tmp_path_factory.mktemp("out"))


def test_the_submission_has_the_official_counts_and_names(info: dict[str, Any]) -> None:
    assert list(info) == list(made_up.TEST)
    tests = {capture: len(names) for capture, names in made_up.TEST.items()}
    for capture, tasks in info.items():
        assert set(tasks) == {"view", "light", "geometry", "material", "shape"}
        assert len(tasks["light"]) == sum(tests.values()) - tests[capture]
        for task in ("view", "geometry", "material"):
            assert len(tasks[task]) == tests[capture]


def test_every_file_that_it_names_is_there(info: dict[str, Any]) -> None:
    for tasks in info.values():
        lists = [tasks[name] for name in ("view", "light", "geometry", "material")]
        for entry in [*(entry for entries in lists for entry in entries), tasks["shape"]]:
            for path in entry.values():
                assert Path(path).is_absolute() and Path(path).is_file(), path


def test_the_keys_are_those_of_the_official_example(info: dict[str, Any], shared: Path) -> None:
    file = shared / "data/stanford_orb_example/examples/test/mymethod.json"
    official = json.loads(file.read_text(encoding="utf-8"))["info"]["teapot_scene001"]
    ours = info["teapot_scene001"]
    assert set(ours) == set(official)
    assert set(ours["shape"]) == set(official["shape"])
    for task in ("view", "light", "geometry", "material"):
        assert set(ours[task][0]) == set(official[task][0])
        for key, path in official[task][0].items():
            if key in ("target_image", "target_mask") and task != "material":
                assert ours[task][0][key].split("/")[-2:-1] == path.split("/")[-2:-1]


def test_images_and_shape_read_back_equal(info: dict[str, Any], made: Path) -> None:
    run = run_on(made)
    row = run.rows[0]
    for capture, tasks in info.items():
        answers = run.prediction(row, Key(capture, CAPTURE))
        for entry in tasks["view"]:
            name = Path(entry["target_image"]).stem
            np.testing.assert_array_equal(
                read_image(Path(entry["output_image"])), answers[f"view-{name}"]
            )
        for entry in tasks["light"]:
            target = Path(entry["target_image"])
            name = f"relit-{target.parents[1].name}-{target.stem}"
            np.testing.assert_array_equal(read_image(Path(entry["output_image"])), answers[name])
        for entry, albedo in zip(tasks["geometry"], tasks["material"], strict=True):
            found = run.prediction(row, Key(capture, Path(entry["target_mask"]).stem))
            for path, quantity in (
                (entry["output_normal"], "normal"),
                (entry["output_depth"], "depth"),
                (albedo["output_image"], "albedo"),
            ):
                np.testing.assert_array_equal(read_image(Path(path)), found[quantity])
        mesh = read_mesh(Path(tasks["shape"]["output_mesh"]))
        np.testing.assert_array_equal(mesh.vertices, TETRAHEDRON.vertices)
        np.testing.assert_array_equal(mesh.faces, TETRAHEDRON.faces)


def test_what_a_method_does_not_do_is_an_empty_list(made: Path, tmp_path: Path) -> None:
    for tasks in exported(run_on(made, does="geometry"), tmp_path).values():
        assert tasks["view"] == tasks["light"] == tasks["material"] == []
        assert all(entry["output_normal"] for entry in tasks["geometry"])
        assert all(entry["output_depth"] is None for entry in tasks["geometry"])
        assert tasks["shape"]["output_mesh"] is None


def test_an_image_that_failed_is_null(made: Path, tmp_path: Path) -> None:
    key = Key("teapot_scene001", "0007")
    run = run_on(made, does="geometry", missing=frozenset({key}))
    entries = exported(run, tmp_path)[key.scene]["geometry"]
    assert [bool(entry["output_normal"]) for entry in entries] == [True, False]


def test_another_size_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "prediction", lambda *_: {"normal": np.ones((16, 16, 3))})
    with pytest.raises(DataError, match=r"normal/0000 has 16×16 pixels.*takes 512×512"):
        exported(run_on(made), tmp_path)


def test_a_run_without_such_a_row_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no row 'other'"):
        export_submission(run=run_on(made), out=tmp_path, method="other")


def test_the_published_submissions_have_the_counts_that_the_captures_give(shared: Path) -> None:
    """418 test images and 836 of other captures: what one of each sample and query comes to."""
    file = shared / "data" / "stanford_orb" / "physg.json"
    info = json.loads(file.read_text(encoding="utf-8"))["info"]
    tests = {capture_name(name): len(tasks["view"]) for name, tasks in info.items()}
    assert set(tests) == set(CAPTURES)
    for name, tasks in info.items():
        capture = str(capture_name(name))
        siblings = [n for n in CAPTURES if n.partition("_")[0] == capture.partition("_")[0]]
        assert len(tasks["light"]) == sum(tests[n] for n in siblings if n != capture)
    total = Counter({task: sum(len(t[task]) for t in info.values()) for task in ("view", "light")})
    assert total == {"view": 418, "light": 836}
