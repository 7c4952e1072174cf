"""The plug-in `inverse-shading` through its card's contract."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Query, Sample
from bench.errors import DataError
from bench.graphics.cameras import camera_rotation, intrinsics_from_fov, look_at
from bench.graphics.environments import directions, rotate
from bench.graphics.normals import angular_error_degrees
from bench.graphics.shading import lambertian
from bench.graphics.spherical_harmonics import shade
from bench.methods.inverse_shading.explain import Settings
from bench.methods.inverse_shading.method import InverseShading
from bench.methods.inverse_shading.plugin import bench_methods
from bench.quantities import VOCABULARY, Camera, Environment, validate

Floats = NDArray[np.floating[Any]]
SIZE = 64


def light(seed: int) -> Floats:
    """An environment 16×32×3 of a sky and two broad lights."""
    rng = np.random.default_rng(seed)
    where = directions(16, 32)
    radiance = 0.3 + 0.2 * where[..., 1:2] + np.zeros(3)
    for _ in range(2):
        towards = rng.normal(size=3) + np.array([0, 0.5, 1])
        towards /= np.linalg.norm(towards)
        lobe = np.exp(8 * (where @ towards - 1))[..., None]
        radiance = radiance + lobe * rng.uniform(0.8, 1.6, 3)
    return radiance.astype(np.float32)


def sphere(stretch: float = 1.0) -> tuple[Floats, Floats]:
    """Normals and mask of an ellipsoid of revolution whose vertical axis is `stretch` longer."""
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(axis / 0.6, -axis / 0.6 / stretch)
    z = 1 - x**2 - y**2
    normals = np.stack([x, y / stretch, np.sqrt(np.maximum(z, 0))], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    mask = (z > 0)[..., None]
    return (normals * mask).astype(np.float32), mask.astype(np.float32)


def patches(seed: int) -> Floats:
    """Albedo SIZE×SIZE×3 of eight patches."""
    rng = np.random.default_rng(seed)
    seeds = rng.random((8, 2)) * SIZE
    grid = np.stack(np.mgrid[:SIZE, :SIZE], -1)[:, :, None]
    nearest = ((grid - seeds) ** 2).sum(-1).argmin(-1)
    return rng.uniform(0.15, 0.85, (8, 3))[nearest].astype(np.float32)


def sample(
    seed: int = 0, granted: tuple[str, ...] = ("normal",), stretch: float = 1.0, **condition: Any
) -> tuple[Sample, dict[str, Floats]]:
    normals, mask = sphere(stretch)
    albedo = patches(seed) * mask
    shading = lambertian(normals, light(seed)) * mask
    truth = {"normal": normals, "albedo": albedo, "shading": shading, "mask": mask}
    inputs = {"image": albedo * shading, "mask": mask} | {name: truth[name] for name in granted}
    queries = (Query("asked", "relit", condition),) if condition else ()
    return Sample("scene", str(seed), inputs, queries=queries, seed=seed), truth


def predict(*samples: Sample, **options: Any) -> list[Mapping[str, Any]]:
    return list(InverseShading(options, "cpu").predict(samples))


def psnr(found: Floats, truth: Floats, mask: Floats) -> float:
    inside = mask[..., 0] > 0.5
    a, b = found[inside].astype(np.float64), truth[inside].astype(np.float64)
    scale = (a * b).sum(0) / (a * a).sum(0)
    return float(-10 * np.log10(((a * scale - b) ** 2).mean()))


OPTION_SETS = [
    {},
    {"iterations": 0},
    {"model": "inverse"},
    {"order": 1},
    {"order": 3, "robust": "tukey"},
    {"lights": "non-negative"},
    {"white": "albedo"},
    {"model": "inverse", "order": 3, "noise": 0.003, "constraint": "mean-albedo"},
]


@pytest.mark.parametrize("options", OPTION_SETS, ids=str)
@pytest.mark.parametrize("granted", [(), ("normal",), ("normal", "albedo")], ids=str)
def test_every_prediction_keeps_the_contract(
    options: dict[str, Any], granted: tuple[str, ...]
) -> None:
    item, _ = sample(0, granted, environment=Environment(light(5), "camera"))
    (prediction,) = predict(item, **options)
    (card,) = bench_methods()
    assert set(prediction) == {*card.predicts, "asked"}
    for name, value in prediction.items():
        validate("relit" if name == "asked" else name, value)
    for name in ("normal", "albedo", "shading"):
        assert prediction[name].dtype == np.float32
        assert prediction[name].shape == (SIZE, SIZE, 3)
        assert not prediction[name][item.inputs["mask"][..., 0] == 0].any()
    assert prediction["environment"].frame == "camera"


def test_granted_normals_separate_albedo_from_shading() -> None:
    item, truth = sample()
    (prediction,) = predict(item)
    by_image = psnr(item.inputs["image"], truth["albedo"], truth["mask"])
    assert psnr(prediction["albedo"], truth["albedo"], truth["mask"]) > by_image + 8
    assert psnr(prediction["shading"], truth["shading"], truth["mask"]) > 28


def test_the_parts_of_an_explanation_agree() -> None:
    item, truth = sample(3, ("normal", "albedo"))
    (prediction,) = predict(item)
    inside = truth["mask"][..., 0] > 0
    by_light = shade(truth["normal"], prediction["light_sh"].astype(np.float64))
    np.testing.assert_allclose(prediction["shading"][inside], by_light[inside], atol=1e-4)
    assert np.abs(by_light - truth["shading"])[inside].mean() < 0.01


def test_inflated_normals_come_close_without_any_granted() -> None:
    item, truth = sample(1, ())
    (prediction,) = predict(item)
    inside = truth["mask"][..., 0] > 0
    error = angular_error_degrees(prediction["normal"], truth["normal"])[inside].mean()
    flat = angular_error_degrees(np.broadcast_to([0.0, 0, 1], (SIZE, SIZE, 3)), truth["normal"])
    assert error < 0.1 * flat[inside].mean()


def test_a_long_silhouette_is_as_deep_as_wide() -> None:
    item, truth = sample(1, (), stretch=1.6)
    (prediction,) = predict(item)
    inside = truth["mask"][..., 0] > 0
    assert angular_error_degrees(prediction["normal"], truth["normal"])[inside].mean() < 3


def test_refinement_runs_and_keeps_the_contract() -> None:
    item, _ = sample(1, ())
    (plain,), (refined,) = predict(item), predict(item, refinements=5)
    validate("normal", refined["normal"])
    assert np.abs(refined["normal"] - plain["normal"]).max() > 1e-3


@pytest.mark.parametrize("options", OPTION_SETS, ids=str)
def test_a_batch_gives_what_batches_of_one_give(options: dict[str, Any]) -> None:
    environment = Environment(light(9), "camera")
    samples = [sample(seed, stretch=s, environment=environment)[0]
               for seed, s in ((0, 1.0), (1, 0.6), (2, 1.5))]  # fmt: skip
    together = predict(*samples, **options)
    for item, batched in zip(samples, together, strict=True):
        (alone,) = predict(item, **options)
        for name in ("albedo", "shading", "light_sh", "asked"):
            np.testing.assert_allclose(batched[name], alone[name], rtol=1e-4, atol=1e-6)


def test_images_of_different_sizes_share_a_batch() -> None:
    first, second = sample(0)[0], sample(1)[0]
    cropped = Sample("scene", "crop", {k: v[8:50] for k, v in second.inputs.items()})
    together = predict(first, cropped)
    assert together[1]["albedo"].shape == (42, SIZE, 3)
    np.testing.assert_allclose(together[1]["albedo"], predict(cropped)[0]["albedo"], rtol=1e-4)


def test_one_of_a_batch_may_be_granted_less() -> None:
    with_normals, without = sample(0)[0], sample(0, ())[0]
    together = predict(with_normals, without)
    np.testing.assert_allclose(together[1]["normal"], predict(without)[0]["normal"], atol=1e-6)


@pytest.mark.parametrize("granted", [(), ("normal",)])
def test_the_same_input_gives_the_same_bits(granted: tuple[str, ...]) -> None:
    item, _ = sample(2, granted)
    first, second = predict(item)[0], predict(item)[0]
    for name in ("normal", "albedo", "shading", "light_sh"):
        np.testing.assert_array_equal(first[name], second[name])


def test_relighting_by_an_environment_shades_the_albedo_exactly() -> None:
    item, truth = sample(4, ("normal", "albedo"), environment=Environment(light(6), "camera"))
    (prediction,) = predict(item)
    expected = truth["albedo"] * lambertian(truth["normal"], light(6))
    np.testing.assert_allclose(prediction["asked"], expected, atol=2e-4)


def test_an_environment_in_the_world_frame_needs_a_camera() -> None:
    item, _ = sample(environment=Environment(light(6), "world"))
    with pytest.raises(DataError, match="world frame"):
        predict(item)


def test_an_environment_in_the_world_frame_is_turned_by_a_granted_camera() -> None:
    camera = a_camera((2, 1, 3))
    turned = rotate(light(6), camera_rotation(camera))
    item, truth = sample(4, ("normal", "albedo"), environment=Environment(turned, "world"))
    granted = Sample(item.scene, item.id, {**item.inputs, "camera": camera}, queries=item.queries)
    expected = truth["albedo"] * lambertian(truth["normal"], light(6))
    assert np.abs(predict(granted)[0]["asked"] - expected).max() < 0.02


def a_camera(position: tuple[float, float, float]) -> Camera:
    pose = look_at(position, (0, 0, 0))
    return Camera(intrinsics_from_fov(10, SIZE, SIZE), pose, SIZE, SIZE)


def relit_error(prediction: Mapping[str, Any], target: Floats, mask: Floats) -> float:
    return psnr(prediction["asked"], target, mask)


def test_a_reference_of_the_same_view_gives_its_light() -> None:
    normals, mask = sphere()
    albedo = patches(2) * mask
    target = albedo * lambertian(normals, light(7))
    given = mask.copy()
    given[:, SIZE // 2 :] = 0
    item, _ = sample(2, reference=target * given, reference_mask=given)
    copied = psnr(item.inputs["image"], target, mask)
    assert relit_error(predict(item)[0], target, mask) > copied + 6


def test_a_reference_from_another_camera_gives_its_light_turned() -> None:
    normals, mask = sphere()
    ours, theirs = a_camera((0, 0, 10)), a_camera((6, 2, 8))
    world = light(7)  # our camera's axes are the world's
    seen = rotate(world, camera_rotation(theirs).T)
    reference = patches(5) * lambertian(normals, seen) * mask
    item, _ = sample(
        2,
        reference=reference,
        reference_mask=mask,
        reference_normal=normals,
        reference_camera=theirs,
        camera=ours,
    )
    target = patches(2) * mask * lambertian(normals, world)
    copied = psnr(item.inputs["image"], target, mask)
    assert relit_error(predict(item)[0], target, mask) > copied + 5


def seen_from_the_right(target: Floats, mask: Floats) -> Sample:
    """A sample with granted depth, and `target` as a photo from half a unit to the right."""
    camera = Camera(np.array([[40.0, 0, 32], [0, 40, 32], [0, 0, 1]]), np.eye(4), SIZE, SIZE)
    moved = np.eye(4)
    moved[0, 3] = 0.5  # 5 pixels at depth 4 and a focal length of 40
    given = np.ones_like(mask)
    given[:, SIZE // 2 :] = 0
    item, _ = sample(
        2,
        reference=np.roll(target, -5, axis=1) * given,
        reference_mask=given,
        reference_camera=Camera(camera.intrinsics, moved, SIZE, SIZE),
        camera=camera,
    )
    return Sample("s", "i", {**item.inputs, "depth": 4 * mask}, queries=item.queries)


@pytest.mark.parametrize("response", ["power", "linear"])
def test_granted_depth_finds_the_light_at_the_points_that_half_a_photo_shows(
    response: str,
) -> None:
    normals, mask = sphere()
    target = patches(2) * mask * lambertian(normals, light(7))
    granted = seen_from_the_right(target, mask)
    copied = psnr(granted.inputs["image"], target, mask)
    assert relit_error(predict(granted, response=response)[0], target, mask) > copied + 4


def test_the_tone_curve_of_the_photo_is_found_with_its_light() -> None:
    normals, mask = sphere()
    target = (patches(2) * mask * lambertian(normals, light(7))) ** 0.6
    granted = seen_from_the_right(target, mask)
    power, linear = (
        relit_error(predict(granted, response=name)[0], target, mask)
        for name in ("power", "linear")
    )
    assert power > linear + 3


def test_a_photo_that_shows_no_point_of_the_surface_changes_nothing() -> None:
    _, mask = sphere()
    granted = seen_from_the_right(np.zeros((SIZE, SIZE, 3), np.float32), mask)
    condition = {**granted.queries[0].condition, "reference_mask": np.zeros_like(mask)}
    blind = Sample("s", "i", granted.inputs, queries=(Query("asked", "relit", condition),))
    answer = predict(blind)[0]["asked"]
    np.testing.assert_allclose(answer, granted.inputs["image"], atol=1e-5)


def test_a_reference_without_geometry_gives_its_mean_colour() -> None:
    item, truth = sample(2)
    reference = np.full((20, 30, 3), [0.2, 0.4, 0.1], np.float32)
    queried = Sample(
        "s", "i", item.inputs, queries=(Query("asked", "relit", {"reference": reference}),)
    )
    (prediction,) = predict(queried)
    mean = prediction["asked"][truth["mask"][..., 0] > 0].mean(0)
    np.testing.assert_allclose(mean, [0.2, 0.4, 0.1], rtol=1e-3)


def test_depth_gives_normals_where_a_camera_is_known_and_else_is_left_alone() -> None:
    item, truth = sample(0, ())
    camera = a_camera((0, 0, 10))
    height, distance = truth["normal"][..., 2:], 1 / (0.6 * np.tan(np.radians(5)))
    depth = ((distance - height) * truth["mask"]).astype(np.float32)
    alone = Sample("s", "i", {**item.inputs, "depth": depth})
    with_camera = Sample("s", "i", {**alone.inputs, "camera": camera})
    inside = truth["mask"][..., 0] > 0
    np.testing.assert_array_equal(predict(alone)[0]["normal"], predict(item)[0]["normal"])
    found = predict(with_camera)[0]["normal"]
    known = inside & found.any(-1) & (truth["normal"][..., 2] > 0.5)
    # The perspective of ten degrees tilts the rays by five at most.
    assert angular_error_degrees(found, truth["normal"])[known].mean() < 6


def test_unknown_normals_get_the_mean_shading() -> None:
    item, _ = sample()
    holes = item.inputs["normal"].copy()
    holes[30:40, 30:40] = 0
    (prediction,) = predict(Sample("s", "i", {**item.inputs, "normal": holes}))
    inside = prediction["shading"][30:40, 30:40]
    assert np.ptp(inside, axis=(0, 1)).max() < 1e-6
    assert inside.min() > 0


def test_an_empty_mask_gives_empty_maps() -> None:
    item, _ = sample(0, ())
    empty = np.zeros_like(item.inputs["mask"])
    (prediction,) = predict(Sample("s", "i", {**item.inputs, "mask": empty}))
    for name in ("normal", "albedo", "shading"):
        assert not prediction[name].any()
    validate("light_sh", prediction["light_sh"])


def test_the_illumination_prior_is_taken_from_its_folder(shared: Path) -> None:
    folder = shared / "data" / "illumination_prior"
    item, truth = sample()
    (prediction,) = predict(item, illumination_prior=folder)
    by_image = psnr(item.inputs["image"], truth["albedo"], truth["mask"])
    assert psnr(prediction["albedo"], truth["albedo"], truth["mask"]) > by_image + 3


def albedo_model(path: Path, truth: Mapping[str, Floats]) -> Path:
    rng = np.random.default_rng(1)
    modes = rng.normal(size=(3, *truth["albedo"].shape)) * 0.1
    mean = truth["albedo"] - np.tensordot([0.7, -0.4, 0.9], modes, axes=1)
    np.savez(path, mean=mean, modes=modes, sigma=np.ones(3))
    return path


@pytest.mark.parametrize("model", ["regular", "inverse"])
def test_an_albedo_model_gives_the_albedo_itself(tmp_path: Path, model: str) -> None:
    item, truth = sample()
    path = albedo_model(tmp_path / "model.npz", truth)
    (prediction,) = predict(item, albedo_model=path, model=model)
    assert np.abs(prediction["albedo"] - truth["albedo"]).max() < 0.03


def test_an_albedo_model_of_another_size_is_refused(tmp_path: Path) -> None:
    item, truth = sample()
    path = albedo_model(tmp_path / "model.npz", {"albedo": truth["albedo"][:32]})
    with pytest.raises(DataError, match=r"model\.npz"):
        predict(item, albedo_model=path)


def test_a_file_that_is_no_albedo_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(DataError, match=r"model\.npz"):
        InverseShading({"albedo_model": tmp_path / "model.npz"}, "cpu")
    np.savez(tmp_path / "other.npz", mean=np.zeros((2, 2, 3)))
    with pytest.raises(DataError, match="modes, sigma"):
        InverseShading({"albedo_model": tmp_path / "other.npz"}, "cpu")


def test_the_defaults_of_the_card_are_those_of_the_code() -> None:
    (card,) = bench_methods()
    assert {option.name: option.default for option in card.options} == vars(Settings())
    assert set(card.needs) | set(card.uses) <= set(VOCABULARY)
