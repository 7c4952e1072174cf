"""What `inverse-shading` must reach, on one view of each committed scene and on real photos."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.api import MethodCard, Prediction, Sample
from bench.config import parse, resolve_options
from bench.manifest import describe_run
from bench.plan import make
from bench.plugins import load, registry
from bench.runner import Runner
from bench.store import Store
from bench.view import StoredRun
from bench.work import Progress, Settings


def made(name: str) -> Any:
    card: MethodCard = registry().methods[name]
    return load(card.implementation)(resolve_options(card.options, {}, name, Path()), "cpu")


def explained(name: str, sample: Sample, granted: Mapping[str, Any]) -> Prediction:
    inputs = {"image": sample.inputs["image"], "mask": sample.inputs["mask"], **granted}
    (prediction,) = made(name).predict([Sample(sample.scene, sample.id, inputs)])
    return prediction


def scores(name: str, quantity: str, metric: str, grant: tuple[str, ...] = ()) -> float:
    """Mean over the scenes of `vases`/`mini`, first view and light."""
    dataset = load(registry().datasets["vases"].implementation)({"root": None, "context": 0})
    keys = {key.scene: key for key in reversed(dataset.samples("mini"))}.values()
    values = []
    for key in keys:
        sample, truth = dataset.inputs("mini", key), dataset.targets("mini", key).quantities
        prediction = explained(name, sample, {q: truth[q] for q in grant})
        target = {quantity: truth[quantity], "mask": sample.inputs["mask"]}
        values.append(bench.score({quantity: prediction[quantity]}, target)[metric])
    return float(np.mean(values))


@pytest.mark.parametrize("floor", ["flat", "image-as-albedo"])
def test_albedo_with_true_normals_beats_the_floor_by_4_db(floor: str) -> None:
    ours = scores("inverse-shading", "albedo", "albedo.psnr", ("normal",))
    assert ours >= scores(floor, "albedo", "albedo.psnr") + 4


def test_normals_from_image_and_mask_err_at_most_0_6_of_flat_ones() -> None:
    ours = scores("inverse-shading", "normal", "normal.mae")
    assert ours <= 0.6 * scores("flat", "normal", "normal.mae")


@pytest.mark.slow
def test_landmarks_relit_with_geometry_beat_a_copy_by_half_a_decibel(
    shared: Path, tmp_path: Path
) -> None:
    raw = {
        "methods": [
            {"name": "copy-input"},
            {"name": "inverse-shading", "privileged": ["normal", "depth"]},
        ],
        "datasets": [
            {
                "name": "landmarks",
                "split": "037",
                "options": {"root": str(shared / "data" / "landmarks")},
            }
        ],
    }
    store = Store(tmp_path / "run")
    plan = make(parse(raw, tmp_path / "bench.toml"), registry(), "cpu")
    with store.locked():
        runner = Runner(plan, registry(), store, Settings(), Progress())
        work = runner.work()
        store.write_manifest(describe_run(plan, work, registry(), Settings(), {}, ()))
        runner.run(work)
    means = {
        label: np.mean(
            [
                outcome.value
                for outcome in StoredRun(store.path).outcomes()
                if (outcome.metric, outcome.column) == ("relit.psnr", "aligned")
                and outcome.label == label
            ]
        )
        for label in ("copy-input", "inverse-shading")
    }
    assert means["inverse-shading"] >= means["copy-input"] + 0.5
