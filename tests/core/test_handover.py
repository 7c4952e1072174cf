"""A method sees its needs, what it was granted, and the queries it answers; nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench import wire
from bench.api import Key, Query, Sample, Targets
from bench.config import parse
from bench.errors import DataError
from bench.handover import hand_over, seed_of, taken
from bench.jobs import Job
from bench.plan import make
from bench.plugins import load
from bench.quantities import Camera, Deferred, Environment, Mesh

KEY = Key("scene0", "item1")


class Watched:
    """A dataset that notes when its targets are opened, and may change what it hands out."""

    def __init__(self, tiny: Any, **changes: Any) -> None:
        options = {"scenes": 1, "items": 2, "size": 8, "on": "", "fault": ""}
        self.inner: Any = load("tiny_dataset:Tiny")(options)
        self.changes, self.opened = changes, 0

    def samples(self, split: str) -> Sequence[Key]:
        return self.inner.samples(split)  # type: ignore[no-any-return]

    def fingerprint(self, split: str) -> str:
        return "watched"

    def inputs(self, split: str, key: Key) -> Sample:
        return replace(self.inner.inputs(split, key), **self.changes)

    def targets(self, split: str, key: Key) -> Targets:
        self.opened += 1
        return self.inner.targets(split, key)  # type: ignore[no-any-return]


@pytest.fixture
def job(tiny: Any, tmp_path: Any) -> Any:
    def make_job(name: str, **config: Any) -> Job:
        raw = {
            "methods": [{"name": name, **config}],
            "datasets": [{"name": "tiny", "split": "all"}],
        }
        plan = make(parse(raw, tmp_path / "bench.toml"), tiny.registry("tiny"), "cpu")
        return plan.jobs[0]

    return make_job


def test_a_method_gets_its_needs_alone(tiny: Any, job: Any) -> None:
    dataset = Watched(tiny)
    sample = hand_over(dataset, job("tiny"), KEY)
    assert set(sample.inputs) == {"image", "mask"}
    assert (sample.scene, sample.id, sample.seed) == (*KEY, seed_of(0, KEY))
    assert dataset.opened == 0


def test_what_is_granted_is_added_and_nothing_else_of_the_truth(tiny: Any, job: Any) -> None:
    dataset = Watched(tiny)
    sample = hand_over(dataset, job("tiny-granted", privileged=["normal"]), KEY)
    assert set(sample.inputs) == {"image", "mask", "normal"}
    assert dataset.opened == 1


def test_a_method_of_one_view_gets_no_context(tiny: Any, job: Any) -> None:
    assert hand_over(Watched(tiny), job("tiny"), KEY).context == ()


def test_a_method_of_few_views_gets_posed_context_without_truth(tiny: Any, job: Any) -> None:
    (view,) = hand_over(Watched(tiny), job("tiny-few"), KEY).context
    assert set(view) == {"image", "camera"}  # not the normals that lie beside them


def test_queries_hold_only_the_conditions_that_the_method_takes(tiny: Any, job: Any) -> None:
    light = Environment(np.ones((4, 8, 3), np.float32), "camera")
    photo = np.ones((8, 8, 3), np.float32)
    asked = (
        Query("both", "relit", {"environment": light, "reference": photo}),
        Query("photo", "relit", {"reference": photo}),
        Query("other", "view", {"environment": light}),
    )
    (query,) = hand_over(Watched(tiny, queries=asked), job("tiny"), KEY).queries
    assert (query.id, set(query.condition)) == ("both", {"environment"})


def test_a_framebuffer_tells_from_where_another_view_is_seen() -> None:
    def camera(x: float) -> Camera:
        pose = np.eye(4)
        pose[0, 3] = x
        return Camera(np.eye(3), pose, 8, 8)

    sample = Sample("s", "i", {"camera": camera(0)})
    buffer = np.zeros((8, 8, 4), np.float32)
    query = Query(
        "there", "view", {"camera": camera(1), "framebuffer": buffer, "reference": buffer}
    )
    assert taken(query, sample, ("reference",)) is None
    assert taken(query, sample, ("framebuffer",)) == ("framebuffer",)
    assert taken(query, sample, ("camera",)) == ("camera",)


def test_conditions_are_made_only_for_who_takes_them() -> None:
    made: list[str] = []

    def make(name: str) -> Any:
        made.append(name)
        return np.zeros((2, 2, 4), np.float32)

    condition = Deferred({"reference": make("now")}, {"framebuffer": lambda: make("later")})
    query = Query("q", "relit", condition)
    assert taken(query, Sample("s", "i", {}), ("reference",)) == ("reference",)
    assert (set(condition), len(condition), made) == ({"reference", "framebuffer"}, 2, ["now"])
    assert condition["framebuffer"] is condition["framebuffer"]
    assert made == ["now", "later"]
    with pytest.raises(KeyError):
        condition["camera"]


def test_without_a_camera_the_light_is_turned_into_the_camera_frame(tiny: Any, job: Any) -> None:
    # The camera looks along the world's +x, where the lamp is: behind the picture, toward −z,
    # which is the middle column of a latitude–longitude map.
    (query,) = hand_over(Watched(tiny), job("tiny"), KEY).queries
    light: Any = query.condition["environment"]
    assert light.frame == "camera"
    brightest = np.unravel_index(light.radiance.sum(-1).argmax(), (8, 16))
    assert brightest in ((4, 7), (4, 8))


def test_with_a_camera_the_light_stays_in_the_world_frame(tiny: Any, job: Any) -> None:
    sample = hand_over(Watched(tiny), job("tiny-posed"), KEY)
    light: Any = sample.queries[0].condition["environment"]
    assert isinstance(sample.inputs["camera"], Camera)
    assert light.frame == "world"
    assert light.radiance[4, 12].sum() == 30


def test_without_a_camera_other_cameras_are_posed_relative_to_the_input(
    tiny: Any, job: Any
) -> None:
    own = Watched(tiny).inputs("all", KEY).inputs["camera"]
    assert isinstance(own, Camera)
    moved = own.camera_to_world.copy()
    moved[:3, 3] = (2, 3, 5)  # the tiny camera looks along +x: 2 ahead, 3 up, 5 to the right
    other = replace(own, camera_to_world=moved, height=4)
    view = {"image": np.ones((8, 8, 3), np.float32), "camera": other}
    dataset = Watched(tiny, queries=(Query("away", "view", {"camera": other}),), context=(view,))
    few = job("tiny-few")
    asking = replace(
        few,
        method=replace(few.method, answers={"view": ("camera",)}),
        dataset=replace(few.dataset, queries={"view": ("camera",)}),
    )
    sample = hand_over(dataset, asking, KEY)
    for values in (sample.queries[0].condition, sample.context[0]):
        seen: Any = values["camera"]
        expected = [[1, 0, 0, 5], [0, 1, 0, -3], [0, 0, 1, 2], [0, 0, 0, 1]]  # right, down, ahead
        np.testing.assert_allclose(seen.camera_to_world, expected, atol=1e-12)
        np.testing.assert_array_equal(seen.intrinsics, other.intrinsics)
        assert (seen.height, seen.width) == (4, 8)
    assert sample.queries[0].condition.keys() == {"camera"}


def test_with_a_camera_other_cameras_keep_their_pose(tiny: Any, job: Any) -> None:
    other = replace(
        Watched(tiny).inputs("all", KEY).inputs["camera"], camera_to_world=np.diag([1.0, -1, -1, 1])
    )
    dataset = Watched(tiny, queries=(Query("away", "view", {"camera": other}),))
    posed = job("tiny-posed")
    asking = replace(
        posed,
        method=replace(posed.method, answers={"view": ("camera",)}),
        dataset=replace(posed.dataset, queries={"view": ("camera",)}),
    )
    seen: Any = hand_over(dataset, asking, KEY).queries[0].condition["camera"]
    np.testing.assert_array_equal(seen.camera_to_world, other.camera_to_world)


def test_without_a_camera_a_mesh_lies_where_the_input_camera_sees_it(tiny: Any, job: Any) -> None:
    vertices = np.array([[2, 3, 5], [0, 0, 0], [1, 0, 0]], np.float32)
    given = Watched(tiny).inputs("all", KEY).inputs
    pose = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    inputs = {  # right is the world's +y, down +z, ahead +x, from a place at x = 1
        **given,
        "camera": replace(given["camera"], camera_to_world=pose),
        "mesh": Mesh(vertices, np.array([[0, 1, 2]])),
    }
    plain = job("tiny")
    needing = replace(plain, method=replace(plain.method, needs=("image", "mesh")))
    seen: Any = hand_over(Watched(tiny, inputs=inputs), needing, KEY).inputs["mesh"]
    np.testing.assert_allclose(seen.vertices, [[3, 5, 1], [0, 0, -1], [0, 0, 0]])
    assert seen.vertices.dtype == np.float32


def test_a_granted_light_is_turned_too(tiny: Any, job: Any) -> None:
    granted = job("tiny-granted", privileged=["normal"])
    method = replace(granted.method, uses=("environment",))
    inputs = {
        **Watched(tiny).inputs("all", KEY).inputs,
        "environment": Environment(np.ones((4, 8, 3), np.float32), "world"),
    }
    dataset = Watched(tiny, inputs=inputs)
    changed = replace(granted, method=method, granted=("environment",))
    light: Any = hand_over(dataset, changed, KEY).inputs["environment"]
    assert light.frame == "camera"


def test_a_promised_input_that_is_lacking_is_named(tiny: Any, job: Any) -> None:
    with pytest.raises(DataError, match=r"scene0/item1: the sample lacks 'mask'"):
        hand_over(Watched(tiny, inputs={"image": np.ones((8, 8, 3), np.float32)}), job("tiny"), KEY)


def test_context_is_checked_like_the_rest(tiny: Any, job: Any) -> None:
    view = {"image": np.full((8, 8, 3), np.inf, np.float32)}
    with pytest.raises(DataError, match=r"scene0/item1: input image: 192 of 192 are NaN or ∞"):
        hand_over(Watched(tiny, context=(view,)), job("tiny-few"), KEY)


def test_no_target_ever_reaches_the_worker(tiny: Any, job: Any) -> None:
    dataset = Watched(tiny)
    marked = np.full((8, 8, 3), 0.123, np.float32)
    dataset.inner.targets = lambda *_: pytest.fail("a target was opened")
    for name in ("tiny", "tiny-posed", "tiny-few", "tiny-batch"):
        sent = b"".join(map(bytes, wire.encode([hand_over(dataset, job(name), KEY)])))
        assert marked.tobytes() not in sent
        assert b'"albedo"' not in sent and b'"normal"' not in sent


def test_seeds_differ_by_run_scene_and_item() -> None:
    keys = [Key("a", "b"), Key("a", "c"), Key("b", "b")]
    assert len({seed_of(seed, key) for seed in (0, 1) for key in keys}) == 6
    assert all(0 <= seed_of(0, key) < 2**32 for key in keys)
