"""The plug-in with seeded random weights, which draw a vase into any picture."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bench.api import Query, Sample
from bench.errors import DataError
from bench.graphics.cameras import intrinsics_from_fov
from bench.graphics.normals import angular_error_degrees
from bench.methods.vase_derenderer.checkpoints import save_safetensors
from bench.methods.vase_derenderer.configuration import MINI
from bench.methods.vase_derenderer.method import VaseDerenderer
from bench.methods.vase_derenderer.networks import Networks
from bench.quantities import Camera, Environment, Mesh, validate

Array = NDArray[np.float32]
SIZE = 64
FOCAL = SIZE / 2 / np.tan(np.radians(5))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_safetensors(path, Networks(MINI), {})
    return path


@pytest.fixture(scope="module")
def method(weights: Path) -> VaseDerenderer:
    return VaseDerenderer({"checkpoint": weights, "least_evidence": 0.0}, "cpu")


def photo(height: int = SIZE, width: int = SIZE, seed: int = 0) -> Array:
    lattice = np.random.default_rng(seed).random((4, 4, 3))
    across = np.linspace(0, 3, height)[:, None], np.linspace(0, 3, width)[None]
    top, left = (np.minimum(each.astype(int), 2) for each in across)
    y, x = across[0] - top, across[1] - left
    y, x = y[..., None], x[..., None]
    above = lattice[top, left] * (1 - x) + lattice[top, left + 1] * x
    below = lattice[top + 1, left] * (1 - x) + lattice[top + 1, left + 1] * x
    return (above * (1 - y) + below * y).astype(np.float32)


def sample(image: Array, *queries: Query, name: str = "id") -> Sample:
    return Sample("scene", name, {"image": image}, queries=queries)


def explained(method: VaseDerenderer, image: Array, *queries: Query) -> Mapping[str, Any]:
    (prediction,) = method.predict([sample(image, *queries)])
    return prediction


def relit(radiance: Array) -> Query:
    return Query("asked", "relit", {"environment": Environment(radiance, "camera")})


def orbit(degrees: float, distance: float = 5.0, fov: float = 10.0, size: int = SIZE) -> Camera:
    """A camera turned about the point `distance` before the photo's, sideways and a little down."""
    turn = Rotation.from_euler("yx", [degrees, degrees / 3], degrees=True).as_matrix()
    pose = np.eye(4)
    pose[:3, :3] = turn
    pose[:3, 3] = [0, 0, distance] - turn @ [0, 0, distance]
    return Camera(intrinsics_from_fov(fov, size, size), pose, size, size)


def test_everything_promised_is_predicted_and_valid(method: VaseDerenderer) -> None:
    found = explained(method, photo(), relit(np.ones((8, 16, 3), np.float32)))
    assert set(found) == {
        *("mask", "normal", "albedo", "depth", "environment", "roughness", "specular"),
        *("shading", "mesh", "front", "pitch", "asked"),
    }
    for name, value in found.items():
        validate("relit" if name == "asked" else name, value)
    assert found["mask"].shape == (SIZE, SIZE, 1)
    assert found["environment"].frame == "camera"
    assert found["pitch"].shape == (1,) and 0 <= found["pitch"][0] <= 20


def test_lights_asked_for_together_are_those_asked_for_alone(method: VaseDerenderer) -> None:
    rng = np.random.default_rng(0)
    sizes = [(8, 16), (4, 8), (8, 16)]
    lights = [rng.random((*size, 3)).astype(np.float32) for size in sizes]
    queries = [
        Query(f"q{k}", "relit", {"environment": Environment(light, "camera")})
        for k, light in enumerate(lights)
    ]
    together = explained(method, photo(), *queries)
    for query in queries:
        alone = explained(method, photo(), query)[query.id]
        np.testing.assert_allclose(together[query.id], alone, rtol=1e-4, atol=1e-5)


def test_maps_are_zero_outside_and_known_inside(method: VaseDerenderer) -> None:
    found = explained(method, photo())
    outside, inside = found["mask"][..., 0] == 0, found["mask"][..., 0] > 0
    for name in ("normal", "albedo", "depth", "roughness", "specular", "shading", "front"):
        assert not found[name][outside].any(), name
    for name in ("normal", "depth", "roughness", "specular"):
        assert found[name][inside].any(axis=-1).all(), name
    assert (found["front"] <= found["mask"] + 1e-6).all()
    share = found["front"].sum() / found["mask"].sum()
    assert 0.7 < share < 0.95  # ±60° of a cylinder cover sin 60° of its width


@pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (40, 72), (72, 40)])
def test_depth_and_normals_are_those_of_the_predicted_mesh(
    method: VaseDerenderer, height: int, width: int
) -> None:
    found = explained(method, photo(height, width))
    side = max(height, width)
    focal = side / 2 / np.tan(np.radians(5))
    rows, columns = np.nonzero(found["mask"][..., 0] == 1)
    chosen = np.random.default_rng(0).choice(len(rows), 150, replace=False)
    rows, columns = rows[chosen], columns[chosen]
    rays = np.stack([columns + 0.5 - width / 2, rows + 0.5 - height / 2], -1) / focal
    rays = np.concatenate([rays, np.ones((len(rays), 1))], -1)
    depth, normals = first_hits(found["mesh"], rays)
    differences = np.abs(found["depth"][rows, columns, 0] - depth)
    # A pixel on the lip averages it with the wall behind.
    assert np.median(differences) < 1e-3 and np.quantile(differences, 0.95) < 5e-3
    toward = np.where((normals * rays).sum(-1, keepdims=True) < 0, normals, -normals)
    errors = angular_error_degrees(found["normal"][rows, columns], toward * [1, -1, -1])
    assert np.median(errors) < 3


def first_hits(mesh: Mesh, rays: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Depth N and unit face normals N×3 where rays N×3 from the origin meet the mesh first, by the
    Möller–Trumbore test of every triangle."""
    first, second, third = np.moveaxis(mesh.vertices[mesh.faces].astype(np.float64), 1, 0)
    u, v = second - first, third - first  # F×3
    cross = np.cross(rays[:, None], v)  # N×F×3
    determinant = (u * cross).sum(-1)  # N×F
    a = -(first * cross).sum(-1) / determinant
    other = np.cross(-first, u)  # F×3
    b = (rays[:, None] * other).sum(-1) / determinant
    depth = (v * other).sum(-1) / determinant
    hit = (a >= 0) & (b >= 0) & (a + b <= 1) & (depth > 0)
    depth = np.where(hit, depth, np.inf)
    face = depth.argmin(axis=1)
    normals = np.cross(u, v)[face]
    return depth.min(axis=1), normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_the_mesh_is_an_open_tube_before_the_camera(method: VaseDerenderer) -> None:
    mesh = explained(method, photo())["mesh"]
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_winding_consistent
    assert 4.4 < mesh.vertices[:, 2].min() < 5 < mesh.vertices[:, 2].max() < 5.6


@pytest.mark.parametrize(("height", "width"), [(40, 64), (64, 33), (20, 64)])
def test_another_aspect_is_the_square_padded_by_the_border_cut_again(
    method: VaseDerenderer, height: int, width: int
) -> None:
    image = photo(height, width)
    top, left = (64 - height) // 2, (64 - width) // 2
    margins = (top, 64 - height - top), (left, 64 - width - left), (0, 0)
    whole = explained(method, np.pad(image, margins, mode="edge"))
    cut = np.s_[top : top + height, left : left + width]
    found = explained(method, image)
    for name in ("mask", "normal", "albedo", "depth", "shading", "front"):
        np.testing.assert_allclose(found[name], whole[name][cut], atol=1e-4, err_msg=name)


def test_a_larger_picture_is_the_same_scene_at_more_pixels(method: VaseDerenderer) -> None:
    small = photo(128, 128)
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    found, finer = explained(method, small), explained(method, large)
    assert finer["mask"].shape == (256, 256, 1)
    averaged = finer["mask"].reshape(128, 2, 128, 2, 1).mean((1, 3))
    assert np.abs(averaged - found["mask"]).mean() < 5e-3


def test_a_batch_of_several_sizes_gives_what_each_gives_alone(method: VaseDerenderer) -> None:
    light = relit(np.ones((8, 16, 3), np.float32))
    view = Query("turned", "view", {"camera": orbit(30)})
    images = [photo(seed=1), photo(48, 64, seed=2), photo(seed=3)]
    samples = [sample(image, light, view, name=str(k)) for k, image in enumerate(images)]
    together = method.predict(samples)
    for each, batched in zip(samples, together, strict=True):
        (alone,) = method.predict([each])
        assert set(alone) == set(batched)
        for name, value in arrays(alone).items():
            expected = arrays(batched)[name]
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def arrays(prediction: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    plain = {k: v for k, v in prediction.items() if isinstance(v, np.ndarray)}
    return plain | {
        "environment": prediction["environment"].radiance,
        "vertices": prediction["mesh"].vertices,
    }


def test_the_same_photo_gives_the_same_arrays(method: VaseDerenderer) -> None:
    first, second = (arrays(explained(method, photo())) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_the_image_is_left_alone(method: VaseDerenderer) -> None:
    image = 2 * photo()
    before = image.copy()
    explained(method, image)
    assert np.array_equal(image, before)


def test_radiance_above_one_is_clipped(method: VaseDerenderer) -> None:
    bright = 3 * photo()
    first, second = explained(method, bright), explained(method, bright.clip(0, 1))
    np.testing.assert_array_equal(first["albedo"], second["albedo"])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((8, 8, 3), np.nan, np.float32), "NaN or infinity"),
        (np.full((8, 8, 3), np.inf, np.float32), "NaN or infinity"),
        (np.zeros((0, 8, 3), np.float32), "empty"),
        (np.zeros((8, 8, 1), np.float32), "H×W×3"),
        (np.zeros((8, 8), np.float32), "H×W×3"),
    ],
)
def test_an_unusable_image_is_named(method: VaseDerenderer, image: Array, words: str) -> None:
    with pytest.raises(DataError, match=rf"scene/broken: .*{words}"):
        method.predict([sample(photo()), sample(image, name="broken")])


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2)])
def test_tiny_pictures_are_explained(method: VaseDerenderer, size: tuple[int, int]) -> None:
    found = explained(method, photo(*size))
    assert found["mask"].shape == (*size, 1)
    validate("normal", found["normal"])


@pytest.mark.parametrize("image", [np.zeros((64, 64, 3)), np.full((64, 64, 3), 0.5)])
def test_a_picture_of_nothing_is_refused(weights: Path, image: Array) -> None:
    strict = VaseDerenderer({"checkpoint": weights}, "cpu")
    message = r"scene/id: no vase found: outline evidence 0\.00 < .*least_evidence"
    with pytest.raises(DataError, match=message):
        strict.predict([sample(image.astype(np.float32))])


def test_under_constant_light_the_colour_is_albedo_and_gloss_times_it(
    method: VaseDerenderer,
) -> None:
    radiance = np.array([0.4, 0.7, 1.1], np.float32)
    light = np.broadcast_to(radiance, (64, 128, 3)).astype(np.float32)
    found = explained(method, photo(), relit(light))
    facing = (found["normal"][..., 2] > 0.95) & (found["front"][..., 0] == 1)
    assert facing.sum() > 20
    reflected = found["albedo"] + found["specular"]  # F0 = ks/π reflects ks/π of constant light
    np.testing.assert_allclose(
        found["asked"][facing], (reflected * radiance)[facing], rtol=0.02, atol=2e-3
    )


def test_light_from_the_left_lights_the_left(method: VaseDerenderer) -> None:
    light = np.zeros((16, 32, 3), np.float32)
    light[8, 8] = 30  # u = 1/4 is −x
    found = explained(method, photo(), relit(light))
    shaded = found["asked"].sum(-1)
    left = shaded[found["normal"][..., 0] < -0.5].mean()
    right = shaded[found["normal"][..., 0] > 0.5].mean()
    assert left > 20 * right


def test_relighting_by_the_found_light_recomposes_the_explanation(method: VaseDerenderer) -> None:
    image = photo()
    own = explained(method, image)
    query = Query("asked", "relit", {"environment": own["environment"]})
    again = explained(method, image, query)
    whole = own["mask"][..., 0] == 1
    gloss = (again["asked"] - own["albedo"] * own["shading"])[whole]
    # What is left is white light times the specular albedo: alike in all channels, not negative.
    assert np.median(np.ptp(gloss, axis=-1)) < 2e-3
    assert gloss.min() > -0.02


def test_a_light_in_another_frame_is_refused(method: VaseDerenderer) -> None:
    world = Environment(np.ones((8, 16, 3), np.float32), "world")
    with pytest.raises(DataError, match="camera's frame"):
        explained(method, photo(), Query("asked", "relit", {"environment": world}))


def test_large_and_small_environments_of_one_light_relight_alike(method: VaseDerenderer) -> None:
    small = np.random.default_rng(0).random((64, 128, 3)).astype(np.float32)
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    first, second = (explained(method, photo(), relit(light))["asked"] for light in (small, large))
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-4)


def test_a_view_from_almost_the_same_place_is_the_photo_relit_by_the_found_light(
    method: VaseDerenderer,
) -> None:
    image = photo()
    light = explained(method, image)["environment"]
    found = explained(
        method,
        image,
        Query("relit", "relit", {"environment": light}),
        Query("view", "view", {"camera": orbit(0.2)}),
    )
    whole = found["mask"][..., 0] == 1
    difference = np.abs(found["view"] - found["relit"])[whole]
    assert np.median(difference) < 0.01 * np.median(found["relit"][whole])


@pytest.mark.parametrize(("degrees", "moved", "words"), [(0, 1.0, "parallel"), (150, 0, "behind")])
def test_a_view_that_tells_no_scale_is_refused(
    method: VaseDerenderer, degrees: float, moved: float, words: str
) -> None:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    pose[:3, 3] = [moved, 0, 0] if moved else [1, 0, -1]
    camera = Camera(intrinsics_from_fov(10, SIZE, SIZE), pose, SIZE, SIZE)
    with pytest.raises(DataError, match=f"turned: .*{words}"):
        explained(method, photo(), Query("turned", "view", {"camera": camera}))


def test_a_view_of_another_size_has_that_size_and_is_black_around(method: VaseDerenderer) -> None:
    camera = dataclasses.replace(orbit(90), height=48, width=80)
    view = explained(method, photo(), Query("turned", "view", {"camera": camera}))["turned"]
    assert view.shape == (48, 80, 3)
    assert not view[:, 0].any() and not view[:, -1].any() and view.any()


def test_light_from_behind_reaches_the_wall_that_is_seen_through_the_mouth(
    method: VaseDerenderer,
) -> None:
    light = np.zeros((16, 32, 3), np.float32)
    light[6:8, 15:17] = 30  # the middle column is −z, away from the viewer
    behind = light
    before = np.roll(light, 16, axis=1)
    found = explained(method, photo(), relit(behind))
    lit = explained(method, photo(), relit(before))["asked"].sum(-1)
    inner = (found["mask"][..., 0] == 1) & (found["front"][..., 0] == 0)
    inner &= found["depth"][..., 0] > 5
    assert inner.sum() > 5
    assert np.median(lit[inner]) > 10 * max(np.median(found["asked"].sum(-1)[inner]), 1e-6)


@pytest.mark.gpu
def test_the_gpu_explains_as_the_processor_does(weights: Path, method: VaseDerenderer) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    light = relit(np.random.default_rng(0).random((16, 32, 3)).astype(np.float32))
    asked: Sequence[Query] = (light, Query("turned", "view", {"camera": orbit(50)}))
    twin = VaseDerenderer({"checkpoint": weights, "least_evidence": 0.0}, "cuda:0")
    first, second = (arrays(explained(each, photo(), *asked)) for each in (method, twin))
    for name, value in first.items():
        deviation = np.abs(value - second[name]).mean() / np.abs(value).mean()
        assert deviation < 1e-3, name
