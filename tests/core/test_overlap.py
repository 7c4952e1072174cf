"""Trained weights are refused where they have seen what they are to be tested on."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.api import Source, TraceableDataset, Weights
from bench.config import parse
from bench.errors import ConfigError
from bench.jobs import Job
from bench.overlap import refuse_overlap, trained_on
from bench.plan import make
from bench.plugins import GROUP, collect, load

ROOT = Path(__file__).resolve().parents[2]


def weights(path: Path, seen: Any) -> Path:
    """Weights as the library of the format writes them."""
    said = {} if seen is None else {"trained_on": json.dumps(seen)}
    save_file({"w": np.zeros(2, np.float32)}, path, metadata={"made": "here"} | said)
    return path


@pytest.fixture
def job(tiny: Any, tmp_path: Path) -> Any:
    def make_job(seen: Any = None, file: Path | None = None) -> Job:
        chosen = file or weights(tmp_path / "w.safetensors", seen)
        raw = {
            "methods": [{"name": "tiny-trained", "options": {"checkpoint": str(chosen)}}],
            "datasets": [{"name": "tiny", "split": "all"}],
        }
        plan = make(parse(raw, tmp_path / "bench.toml"), tiny.registry("tiny"), "cpu")
        return plan.jobs[0]

    return make_job


@pytest.fixture
def dataset(tiny: Any) -> Any:
    options = {"scenes": 2, "items": 1, "size": 8, "on": "", "fault": ""}
    return load("tiny_dataset:Tiny")(options)


class Traceable:
    """Two scenes that are recognised by their content."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.samples, self.inputs, self.targets = inner.samples, inner.inputs, inner.targets

    def fingerprint(self, split: str) -> str:
        return f"print-of-{split}"

    def scene_digests(self, split: str) -> Mapping[str, str]:
        return {"scene0": "aaaa", "scene1": "bbbb"}


def test_what_is_seen_names_dataset_split_and_scenes(dataset: Any) -> None:
    assert Source("tiny", {}, dataset).seen("all") == ["tiny:all:tiny"]
    traceable = Traceable(dataset)
    assert isinstance(traceable, TraceableDataset)
    assert Source("tiny", {}, traceable).seen("train") == [
        "tiny:train:print-of-train",
        "tiny:train/scene0:aaaa",
        "tiny:train/scene1:bbbb",
    ]


def test_a_split_that_was_trained_on_is_refused(job: Any, dataset: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_overlap(job(["other:train:ffff", "tiny:all:tiny"]), dataset)
    text = str(caught.value)
    assert text.startswith("tiny-trained on tiny/all: ")
    assert "w.safetensors was trained on tiny:all, which this split holds" in text
    assert "option 'checkpoint'" in text


def test_one_scene_that_was_trained_on_under_another_name_is_enough(job: Any, dataset: Any) -> None:
    seen = ["copies:train:ffff", "copies:train/first:bbbb", "copies:train/other:cccc"]
    with pytest.raises(ConfigError, match="trained on copies:train/first, which"):
        refuse_overlap(job(seen), Traceable(dataset))


def test_many_shared_scenes_are_counted(job: Any, dataset: Any) -> None:
    class Many(Traceable):
        def scene_digests(self, split: str) -> Mapping[str, str]:
            return {f"s{number}": f"d{number}" for number in range(9)}

    many = Many(dataset)
    with pytest.raises(ConfigError, match=r"tiny:all/s1 and 7 more, which"):
        refuse_overlap(job(Source("tiny", {}, many).seen("all")), many)


@pytest.mark.parametrize("seen", [None, [], ["tiny:train:other", "tiny:train/scene0:cccc"]])
def test_weights_of_other_data_pass(job: Any, dataset: Any, seen: Any) -> None:
    refuse_overlap(job(seen), Traceable(dataset))


def test_weights_of_another_format_or_none_pass(job: Any, dataset: Any, tmp_path: Path) -> None:
    other = tmp_path / "w.pth"
    other.write_bytes(b"pickled")
    refuse_overlap(job(file=other), dataset)
    refuse_overlap(job(file=tmp_path / "absent.safetensors"), dataset)
    without = job(file=other)
    refuse_overlap(replace(without, method=replace(without.method, weights=None)), dataset)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        (40).to_bytes(8, "little") + b"{",
        (2).to_bytes(8, "little") + b"[]",
        (32).to_bytes(8, "little") + b'{"__metadata__":{"trained_on":0}}',
        (41).to_bytes(8, "little") + b'{"__metadata__":{"trained_on":"[1, 2, 3]"}}',
    ],
)
def test_a_file_that_is_no_safetensors_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.safetensors: not a readable"):
        trained_on(file)


def test_embedded_weights_count_where_no_others_are_chosen(
    job: Any, dataset: Any, tmp_path: Path
) -> None:
    embedded = weights(tmp_path / "embedded.safetensors", ["tiny:all:tiny"])
    chosen = job(["tiny:train:other"])
    method = replace(chosen.method, weights=Weights("checkpoint", embedded))
    refuse_overlap(replace(chosen, method=method), dataset)
    with pytest.raises(ConfigError, match=r"embedded\.safetensors was trained on tiny:all"):
        refuse_overlap(replace(chosen, method=method, options={"checkpoint": None}), dataset)


def test_other_weights_are_another_prediction(job: Any, tmp_path: Path) -> None:
    chosen = job(["tiny:train:other"])
    embedded = tmp_path / "embedded.safetensors"

    def key() -> str:
        method = replace(chosen.method, weights=Weights("checkpoint", embedded))
        return replace(chosen, method=method, options={"checkpoint": None}).key("data")

    keys = [key()]
    for seen in (["a:b:c"], ["a:b:d"]):
        weights(embedded, seen)
        keys.append(key())
    assert len(set(keys)) == 3


def test_a_run_and_its_plan_do_not_start_and_say_why(bench: Any, tmp_path: Path) -> None:
    file = weights(tmp_path / "w.safetensors", ["tiny:all:tiny"])
    with pytest.raises(ConfigError, match=r"tiny-trained on tiny/all: .* was trained on tiny:all"):
        bench(f'name = "tiny-trained"\n[methods.options]\ncheckpoint = "{file}"')
    assert not (bench.store.path / "records").exists()


def test_a_row_states_its_weights_and_its_training(bench: Any, tmp_path: Path) -> None:
    file = weights(tmp_path / "w.safetensors", ["tiny:train:other"])
    run = bench(
        f'name = "tiny-trained"\n[methods.options]\ncheckpoint = "{file}"',
        'name = "tiny"',
        dataset="scenes = 1",
    )
    trained, plain = run.manifest["rows"][:2]
    assert trained["weights"]["file"] == str(file)
    assert len(trained["weights"]["digest"]) == 16
    assert plain["weights"] is None
    assert [row.input_class["training"] for row in run.rows[:2]] == ["general", "none"]


def test_the_scenes_of_vases_are_known_by_their_content() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module = project["entry-points"][GROUP]["vases"]
    card = collect([EntryPoint("vases", module, GROUP)]).datasets["vases"]
    made: Any = load(card.implementation)({})
    assert isinstance(made, TraceableDataset)
    digests = made.scene_digests("mini")
    assert digests.keys() == {key.scene for key in made.samples("mini")}
    assert all(len(digest) == 64 for digest in digests.values())
    assert len(set(digests.values())) == len(digests)
