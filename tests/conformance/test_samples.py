import numpy as np
import pytest

from bench.api import MethodCard
from bench.conformance.samples import SIZES, handed_over, samples_for, view_values
from bench.graphics.cameras import project
from bench.graphics.normals import angular_error_degrees, normals_from_depth
from bench.graphics.spherical_harmonics import shade
from bench.quantities import QUERY_QUANTITIES, VOCABULARY, Camera, Environment, validate

CARD = MethodCard("m", "M", "m:M", needs=("image",), answers={"relit": ("environment",)})


@pytest.mark.parametrize("size", SIZES)
def test_every_quantity_is_there_and_valid(size: tuple[int, int]) -> None:
    values = view_values(1, 2, 1, size)
    assert values.keys() == VOCABULARY.keys() - {*QUERY_QUANTITIES, "reference"}
    for name, value in values.items():
        validate(name, value)


def test_normals_are_those_of_the_depth() -> None:
    values = view_values(0, 1, 0, (96, 128))
    found = normals_from_depth(values["depth"], values["camera"])
    error = angular_error_degrees(found, values["normal"])[values["mask"] == 1]
    assert np.nanmedian(error) < 1


def test_shading_is_that_of_the_spherical_harmonics() -> None:
    values = view_values(0, 1, 0, (96, 128))
    known = values["normal"].any(axis=-1)
    expected = shade(values["normal"][known], values["light_sh"])
    assert np.abs(expected - values["shading"][known]).mean() < 0.03 * expected.mean()


def test_the_mesh_lies_under_the_mask() -> None:
    values = view_values(2, 1, 0, (96, 128))
    pixels, _ = project(values["mesh"].vertices, values["camera"])
    column, row = np.floor(pixels).astype(int).T
    assert values["mask"][row, column].min() > 0
    volume = np.linalg.det(values["mesh"].vertices[values["mesh"].faces]).sum() / 6
    assert volume > 0, "triangles face outward"


def test_the_object_is_whole_and_leaves_background() -> None:
    for sample in samples_for(CARD):
        mask = sample.inputs["mask"]
        assert 0.2 < mask.mean() < 0.6
        assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any()


def test_only_what_the_card_needs_is_handed_over() -> None:
    (sample, *_) = handed_over(CARD, samples_for(CARD))
    assert sample.inputs.keys() == {"image"}
    assert sample.context == ()
    (sample, *_) = handed_over(CARD, samples_for(CARD), ("normal",))
    assert sample.inputs.keys() == {"image", "normal"}


def test_a_light_is_in_the_world_frame_only_for_who_has_a_camera() -> None:
    def frame(granted: tuple[str, ...]) -> str:
        (sample, *_) = handed_over(CARD, samples_for(CARD), granted)
        light = sample.queries[0].condition["environment"]
        assert isinstance(light, Environment)
        return light.frame

    assert frame(()) == "camera"
    assert frame(("camera",)) == "world"


def test_every_alternative_is_asked_with_its_own_conditions() -> None:
    alternatives = ("environment", "reference+reference_mask+camera", "reference")
    answers = {"relit": alternatives, "view": ("camera+framebuffer",)}
    card = MethodCard("m", "M", "m:M", views="few", answers=answers)
    (sample, *_) = handed_over(card, samples_for(card))
    asked = {query.id: set(query.condition) for query in sample.queries}
    assert asked == {
        "relit-environment": {"environment"},
        "relit-reference+reference_mask+camera": {"reference", "reference_mask", "camera"},
        "relit-reference": {"reference"},
        "view-camera+framebuffer": {"camera", "framebuffer"},
    }
    assert [view.keys() for view in sample.context] == [{"image", "camera"}] * 2


def test_a_scene_is_several_views_of_one_object() -> None:
    card = MethodCard("m", "M", "m:M", scope="scene", views="many")
    samples = samples_for(card)
    assert len({sample.scene for sample in samples}) == 1
    poses = [sample.inputs["camera"] for sample in samples]
    assert all(isinstance(pose, Camera) for pose in poses)
    assert not np.allclose(poses[0].camera_to_world, poses[1].camera_to_world)
