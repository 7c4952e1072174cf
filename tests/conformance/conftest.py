"""Methods that keep their card's word, and methods that do not."""

from pathlib import Path

import pytest

MODULE = '''
import os
import time

import numpy as np

from bench.quantities import Environment


class Honest:
    def __init__(self, options, device):
        self.device = device

    def predict(self, samples):
        return [self.explain(sample) for sample in samples]

    def explain(self, sample):
        image = sample.inputs["image"]
        towards_viewer = np.zeros_like(image)
        towards_viewer[..., 2] = 1
        answers = {query.id: 0.5 * image for query in sample.queries}
        return {"albedo": image / (1 + image), "normal": towards_viewer, **answers}


class Wrapped(Honest):
    """Changes one thing about an honest prediction."""

    def explain(self, sample):
        prediction = super().explain(sample)
        self.spoil(prediction, sample)
        return prediction


class WrongShape(Wrapped):
    def spoil(self, prediction, sample):
        prediction["albedo"] = prediction["albedo"][..., :2]


class Transposed(Wrapped):
    def spoil(self, prediction, sample):
        prediction["albedo"] = prediction["albedo"].transpose(1, 0, 2)


class HalfResolution(Wrapped):
    def spoil(self, prediction, sample):
        prediction["albedo"] = prediction["albedo"][::2, ::2]


class NotANumber(Wrapped):
    def spoil(self, prediction, sample):
        prediction["albedo"][3, 4] = np.nan


class LongNormals(Wrapped):
    def spoil(self, prediction, sample):
        prediction["normal"] *= 1.5


class Missing(Wrapped):
    def spoil(self, prediction, sample):
        del prediction["normal"]


class Undeclared(Wrapped):
    def spoil(self, prediction, sample):
        prediction["depth"] = np.ones_like(prediction["albedo"][..., :1])


class Unanswered(Wrapped):
    def spoil(self, prediction, sample):
        for query in sample.queries:
            del prediction[query.id]


class Tensor:
    pass


class ReturnsATensor(Wrapped):
    def spoil(self, prediction, sample):
        prediction["albedo"] = Tensor()


class Unseeded(Wrapped):
    def spoil(self, prediction, sample):
        noise = np.random.default_rng().random(prediction["albedo"].shape)
        prediction["albedo"] = noise.astype(np.float32)


class Remembering(Wrapped):
    calls = 0

    def spoil(self, prediction, sample):
        self.calls += 1
        prediction["albedo"] = prediction["albedo"] / self.calls


class HashSeeded(Wrapped):
    def spoil(self, prediction, sample):
        prediction["albedo"] = prediction["albedo"] * (1 + hash("a string") % 1000)


class BatchDependent(Honest):
    def predict(self, samples):
        mean = np.mean([sample.inputs["image"].mean() for sample in samples], dtype=np.float32)
        predictions = super().predict(samples)
        for prediction in predictions:
            prediction["albedo"] = prediction["albedo"] + mean
        return predictions


class OneForAll(Honest):
    def predict(self, samples):
        return super().predict(samples)[:1]


class Writing(Wrapped):
    def spoil(self, prediction, sample):
        sample.inputs["image"] *= 2


class WritingToAQuery(Wrapped):
    def spoil(self, prediction, sample):
        sample.queries[0].condition["environment"].radiance[:] = 0


class RefusesToStart:
    def __init__(self, options, device):
        raise RuntimeError("no weights for this")


class Crashing(Honest):
    def predict(self, samples):
        raise RuntimeError("cannot divide the indivisible")


class Dying(Honest):
    def predict(self, samples):
        os.abort()


class Hanging(Honest):
    def predict(self, samples):
        while True:
            time.sleep(1)


class CrashingWhenGranted(Wrapped):
    def spoil(self, prediction, sample):
        if "depth" in sample.inputs:
            raise RuntimeError("what shall I do with depth")


class OtherOnTheGpu(Wrapped):
    def spoil(self, prediction, sample):
        if self.device == "cuda:0":
            prediction["albedo"] = prediction["albedo"] * 1.01


class Scene:
    def __init__(self, options, device):
        pass

    def fit(self, samples, folder):
        (folder / "checkpoint").write_text("half way")
        mean = np.mean([sample.inputs["image"].mean((0, 1)) for sample in samples], axis=0)
        return {"colour": mean.astype(np.float32)}

    def predict(self, state, sample):
        whole = np.ones_like(sample.inputs["image"]) * state["colour"]
        answers = {query.id: whole for query in sample.queries}
        return {"albedo": whole, "environment": Environment(whole, "world"), **answers}

'''


@pytest.fixture
def liars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module, importable here and in workers, with the classes above."""
    (tmp_path / "liars.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return "liars"
