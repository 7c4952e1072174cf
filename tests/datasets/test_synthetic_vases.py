"""The dataset `synthetic-vases`: what is rendered against rays, and what is read against it."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from bench.api import Key, TraceableDataset
from bench.datasets.sord import images, layout
from bench.datasets.sord.geometry import EXTENT, front_mask, surface
from bench.datasets.sord.plugin import bench_datasets
from bench.datasets.sord.recipes import Recipe, recipe
from bench.datasets.sord.render import render
from bench.datasets.sord.synthetic import SyntheticVases
from bench.datasets.sord.writing import write_vase
from bench.errors import DataError
from bench.graphics.cameras import unproject
from bench.graphics.environments import irradiance
from bench.graphics.normals import angular_error_degrees
from bench.graphics.phong import from_lat_long
from bench.quantities import validate

CARD = next(card for card in bench_datasets() if card.name == "synthetic-vases")
SPLIT = "test"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def vase(seed: int, **changes: object) -> Recipe:
    return Recipe(**{**vars(recipe(np.random.default_rng(seed))), **changes})


def stripes() -> torch.Tensor:
    """A smooth albedo 3×256×768, mirrored, so that the exact lookup matters little."""
    v, u = np.mgrid[:256, :384] / 384
    front = 0.45 + 0.3 * np.stack([np.sin(9 * u), np.cos(7 * v), np.sin(5 * (u + v))])
    return torch.from_numpy(np.concatenate([front, front[..., ::-1]], -1)).float()


def put(root: Path, drawn: Recipe, name: str = "0000_Stripes_00") -> Key:
    """One vase in the official layout."""
    folder = layout.item_file(root, SPLIT, name, "pitch").parent
    folder.mkdir(parents=True)
    maps = images.rendered(drawn, stripes())
    write_vase(folder, name, drawn, maps)
    for item, path in zip(
        ("im_rendered", "mask_rendered"), layout.pair_files(root, SPLIT, name), strict=True
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(layout.item_file(root, SPLIT, name, item).read_bytes())
    return Key(name, "image")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic")
    render(count=6, split=SPLIT, seed=3, out=root)
    return root


def opened(root: Path) -> SyntheticVases:
    return SyntheticVases({"root": root})


# Möller and Trumbore's intersection, one ray against all triangles, in double precision.
def hit(ray: np.ndarray, corners: np.ndarray) -> tuple[int, float, np.ndarray]:
    """Face, z and weights of the nearest of the triangles F×3×3 along a ray from the origin."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(ray, second)
    determinant = (first * across).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = -(corners[:, 0] * across).sum(-1) / determinant
        other = np.cross(-corners[:, 0], first)
        v = (ray * other).sum(-1) / determinant
        t = (second * other).sum(-1) / determinant
    t = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
    face = int(t.argmin())
    return face, float(t[face]), np.array([1 - u[face] - v[face], u[face], v[face]])


def triangles(drawn: Recipe) -> np.ndarray:
    """Corners 5952×3×3 in the camera's axes, from the formulas of §3.1 and §3.2."""
    theta = -np.pi + 2 * np.pi * np.arange(97) / 96
    radius, height = drawn.curve.T
    x, z = radius[:, None] * np.cos(theta), radius[:, None] * np.sin(theta)
    c, s = np.cos(np.radians(drawn.pitch)), np.sin(np.radians(drawn.pitch))
    y = np.broadcast_to(height[:, None], x.shape)
    points = np.stack([x, c * y - s * z, s * y + c * z + 5], -1)  # 32×97×3
    a, b, c_, d = points[:-1, :-1], points[1:, :-1], points[:-1, 1:], points[1:, 1:]
    return np.concatenate(
        [np.stack(face, 2).reshape(-1, 3, 3) for face in ((a, b, c_), (d, c_, b))]
    )


def looked_up(picture: np.ndarray, u: float, v: float) -> np.ndarray:
    """Bilinear value of H×W×C, texel centres at (k + ½)/size, held at the border."""
    x = np.clip(u * picture.shape[1] - 0.5, 0, picture.shape[1] - 1)
    y = np.clip(v * picture.shape[0] - 0.5, 0, picture.shape[0] - 1)
    left, top = int(x), int(y)
    right, low = min(left + 1, picture.shape[1] - 1), min(top + 1, picture.shape[0] - 1)
    above = picture[top, left] * (left + 1 - x) + picture[top, right] * (x - left)
    below = picture[low, left] * (left + 1 - x) + picture[low, right] * (x - left)
    return above * (top + 1 - y) + below * (y - top)


def expected_pixel(
    row: int, column: int, corners: np.ndarray, maps: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A pixel of every picture: the mean of four rays over white (§4.1)."""
    focal = 128 / math.tan(math.radians(5))
    names = ("im", "albedo", "normal", "diffuse", "specular")
    sums: dict[str, list[np.ndarray]] = {name: [] for name in (*names, "mask", "depth")}
    for dy in (0.25, 0.75):
        for dx in (0.25, 0.75):
            ray = np.array([(column + dx - 128) / focal, (row + dy - 128) / focal, 1.0])
            face, z, w = hit(ray, corners)
            if not np.isfinite(z):
                for name, value in {**dict.fromkeys(names, 1.0), "mask": 0, "depth": 100}.items():
                    sums[name].append(np.atleast_1d(value))
                continue
            i, j = divmod(face % 2976, 96)
            a = face < 2976
            u = (j + w[2]) / 96 if a else (j + 1 - w[2]) / 96
            v = (i + w[1]) / 31 if a else (i + 1 - w[1]) / 31
            one, two, three = corners[face]
            # Counter-clockwise to who looks from outside.
            outside = np.cross(two - one, three - one) @ ray < 0
            dim = 1.0 if outside else 0.5
            normal = 2 * looked_up(maps["normal_map"], u, v) - 1
            seen = {
                "im": dim * looked_up(maps["texture_map"], u, v),
                "albedo": dim * looked_up(maps["albedo_map"], u, v),
                "normal": normal / np.linalg.norm(normal) / 2 + 0.5,
                "diffuse": np.clip(looked_up(maps["diffuse_map"], u, v), 0, 1),
                "specular": np.clip(looked_up(maps["specular_map"], u, v), 0, 1),
                "mask": np.ones(1),
                "depth": np.array([z]),
            }
            for name, value in seen.items():
                sums[name].append(value)
    means = {
        f"{name}_rendered": np.mean(np.broadcast_arrays(*values), axis=0)
        for name, values in sums.items()
    }
    extent = 5 * math.tan(math.radians(5))
    near = means["depth_rendered"] - (5 - extent)
    return means | {"depth_rendered": np.clip(near / (2 * extent), 0, 1)}


def test_every_picture_is_what_rays_see() -> None:
    drawn = vase(5, pitch=18.0)
    maps = images.rendered(drawn, stripes())
    corners = triangles(drawn)
    mask = maps["mask_rendered"][..., 0]
    soft, full = np.argwhere((mask > 0) & (mask < 1)), np.argwhere(mask == 1)
    mouth = full[full[:, 0] < full[:, 0].min() + 12]
    rng = np.random.default_rng(0)
    chosen = [
        *rng.permutation(soft)[:12],
        *rng.permutation(full)[:12],
        *rng.permutation(mouth)[:16],
    ]
    insides = 0
    for row, column in [*chosen, (0, 0)]:
        for name, value in expected_pixel(row, column, corners, dict(maps)).items():
            assert np.abs(maps[name][row, column] - value).max() < 2e-3, (name, row, column)
        insides += maps["depth_rendered"][row, column, 0] > 0.6 and mask[row, column] == 1
    assert insides > 3  # the inner wall was among them


def test_the_texture_is_the_shaded_albedo() -> None:
    drawn = vase(1)
    maps = images.rendered(drawn, stripes())
    diffuse, specular = (
        cv2.resize(maps[name][..., 0], (768, 256), interpolation=cv2.INTER_LINEAR)[..., None]
        for name in ("diffuse_map", "specular_map")
    )
    linear = diffuse * maps["albedo_map"] ** 2.2 + specular
    expected = np.clip(np.maximum(linear, 1e-7) ** (1 / 2.2), 0, 1)
    np.testing.assert_allclose(maps["texture_map"], expected, atol=1e-3)


def test_light_and_shading_are_those_of_the_formulas() -> None:
    drawn = vase(2)
    maps = images.rendered(drawn, stripes())
    rows, columns = 32, 96
    elevation = ((np.arange(rows) + 0.5) / rows * 2 - 1) * np.pi / 2
    azimuth = ((np.arange(columns) + 0.5) / columns * 2 - 1) * np.pi
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    toward = np.stack([np.cos(e) * np.cos(a), np.sin(e), np.cos(e) * np.sin(a)], -1)
    light = drawn.ambient + sum(
        lobe[4] * np.exp(lobe[3] * (toward @ lobe[:3] - 1)) for lobe in drawn.lobes
    ) / len(drawn.lobes)
    np.testing.assert_allclose(maps["env_map"][..., 0], light, atol=1e-5)
    inward = 2 * maps["normal_map"] - 1
    power = light * np.cos(e) * 50 / (rows * columns)
    diffuse = np.clip(np.tensordot(-inward, toward, (-1, -1)), 0, 1)
    np.testing.assert_allclose(
        maps["diffuse_map"][..., 0], (diffuse * power).sum((-2, -1)), rtol=1e-4
    )
    assert (inward[:, 24, 2] > 0).all()  # the column that faces the camera points into the vase


def test_a_published_curve_stands_upright_in_the_picture() -> None:
    """The top is row 0 of the curve, and a positive pitch shows the mouth."""
    narrow_top = np.stack([np.linspace(0.1, 0.3, 32), np.linspace(-0.3, 0.3, 32)], 1)
    maps = images.rendered(vase(0, curve=narrow_top, pitch=15.0), stripes())
    mask = maps["mask_rendered"][..., 0]
    rows = np.flatnonzero(mask.any(axis=1))
    width = mask.sum(axis=1)
    assert width[rows[0] + 8] < 0.6 * width[rows[-1] - 25]
    deep = maps["depth_rendered"][rows[0] + 4, 128, 0]
    assert deep > maps["depth_rendered"][rows[0] + 40, 128, 0]  # the far inner wall


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, dict, dict, dict]:
    """A vase, its maps before they were stored, and what the adapter makes of them."""
    root = tmp_path_factory.mktemp("read")
    drawn = vase(11, pitch=19.0)
    key = put(root, drawn)
    dataset = opened(root)
    inputs, known = dataset.inputs(SPLIT, key).inputs, dataset.targets(SPLIT, key).quantities
    return drawn, dict(images.rendered(drawn, stripes())), dict(inputs), dict(known)


def inner(maps: dict) -> np.ndarray:
    """Where the vase covers a pixel wholly, H×W."""
    return maps["mask_rendered"][..., 0] == 1


def test_a_sample_offers_and_knows_what_the_card_says(made: Path) -> None:
    dataset = opened(made)
    for key in dataset.samples(SPLIT):
        sample, targets = dataset.inputs(SPLIT, key), dataset.targets(SPLIT, key)
        assert set(sample.inputs) == set(CARD.inputs)
        assert set(targets.quantities) == set(CARD.targets)
        for name, value in {**sample.inputs, **targets.quantities}.items():
            validate(name, value)
            if isinstance(value, np.ndarray):
                assert value.dtype == np.float32, name


def test_maps_come_back_within_a_step_of_storage(read: tuple) -> None:
    _, maps, inputs, known = read
    full = inner(maps)
    np.testing.assert_allclose(
        inputs["image"][full] ** (1 / 2.2), maps["im_rendered"][full], atol=1.01 / 255
    )
    encoded = known["albedo"] ** (1 / 2.2)
    np.testing.assert_allclose(encoded[full], maps["albedo_rendered"][full], atol=0.51 / 255)
    np.testing.assert_allclose(
        known["shading"][full],
        np.repeat(maps["diffuse_rendered"], 3, -1)[full],
        atol=0.51 / 255,
    )
    depth = 5 + EXTENT * (2 * maps["depth_rendered"] - 1)
    np.testing.assert_allclose(known["depth"][full], depth[full], atol=0.51 * 2 * EXTENT / 255)


def test_soft_edges_are_the_objects_own(read: tuple) -> None:
    """Beside the silhouette colour changes little, but white is averaged into what is stored."""
    _, maps, _, known = read
    mask = maps["mask_rendered"][..., 0]
    soft = (mask > 0.4) & (mask < 1)
    soft[:, 1:] &= mask[:, :-1] == 1  # its left neighbour lies wholly on the object
    rows, columns = np.nonzero(soft)
    stored = maps["diffuse_rendered"][rows, columns, 0]
    shading, neighbour = known["shading"][rows, columns, 0], known["shading"][rows, columns - 1, 0]
    assert np.abs(shading - neighbour).mean() < 0.03
    assert np.abs(stored - neighbour).mean() > 0.1


def test_normals_point_out_of_what_is_seen(read: tuple) -> None:
    _, maps, _, known = read
    full = inner(maps)
    assert known["normal"][full][:, 2].mean() > 0.5
    length = np.linalg.norm(known["normal"], axis=-1)
    np.testing.assert_allclose(length[maps["mask_rendered"][..., 0] > 0], 1, atol=1e-5)
    assert not known["normal"][maps["mask_rendered"][..., 0] == 0].any()
    sx, sy, sz = np.moveaxis(2 * maps["normal_rendered"] - 1, -1, 0)
    outward = np.stack([-sx, sy, sz], -1)  # datasets.md §3
    error = angular_error_degrees(known["normal"], outward)[..., 0]
    error_other_side = angular_error_degrees(known["normal"], -outward)[..., 0]
    wall = full & (error > 90)
    assert np.median(error[full & ~wall]) < 0.3
    assert wall.sum() > 100  # the inner wall, which the mouth shows
    assert np.median(error_other_side[wall]) < 0.3
    assert (known["normal"][wall][:, 2] > -0.05).mean() > 0.95  # toward the viewer
    assert known["depth"][wall].mean() > known["depth"][full].mean()


def test_points_lie_on_the_curve_that_was_turned(read: tuple) -> None:
    """Camera, depth, pitch and curve agree: depths lead to the surface in object space."""
    drawn, _, inputs, known = read
    known_depth = known["depth"][..., 0] > 0
    world = unproject(known["depth"], inputs["camera"])[known_depth]  # y up, z to the viewer
    opencv = world * [1, -1, -1]
    c, s = np.cos(np.radians(known["pitch"].item())), np.sin(np.radians(known["pitch"].item()))
    x, y, z = opencv.T
    upright_y, upright_z = c * y + s * z, -s * y + c * z
    expected = np.interp(upright_y, drawn.curve[:, 1], drawn.curve[:, 0])
    step = 2 * EXTENT / 255
    off = np.abs(np.hypot(x, upright_z) - expected)
    assert np.percentile(off, 95) < 2 * step
    assert np.abs(upright_y).max() < 0.75 * EXTENT + 2 * step


def test_shading_is_the_environments_irradiance(read: tuple) -> None:
    """Over the outer wall; the inner one was shaded by its outer side's normals."""
    _, maps, _, known = read
    facing = inner(maps) & (known["normal"][..., 2] > 0.3)
    facing[: np.flatnonzero(facing.any(axis=1))[0] + 55] = False  # the mouth and its rim
    light = known["environment"]
    assert light.frame == "camera"
    expected = irradiance(light.radiance, known["normal"][facing]) / np.pi
    np.testing.assert_allclose(known["shading"][facing], expected, atol=0.012)


def test_the_environment_is_stored_to_half_a_step(read: tuple) -> None:
    _, maps, _, known = read
    light = from_lat_long(torch.from_numpy(known["environment"].radiance)).numpy()
    np.testing.assert_allclose(light, maps["env_map"][..., 0].clip(0, 1), atol=0.51 / 255)


def test_numbers_come_back(read: tuple) -> None:
    drawn, _, _, known = read
    inside = known["mask"] > 0
    np.testing.assert_allclose(known["pitch"], [drawn.pitch], atol=1e-6)
    np.testing.assert_allclose(known["specular"][inside], drawn.specular_albedo / np.pi, rtol=1e-5)
    roughness = known["roughness"][inside]
    np.testing.assert_allclose(roughness, (2 / (4 * drawn.shininess + 2)) ** 0.25, rtol=1e-5)
    assert not known["roughness"][~inside].any()
    assert not known["specular"][~inside].any()


def test_the_front_is_the_middle_of_the_object(read: tuple) -> None:
    drawn, maps, _, known = read
    front, mask = known["front"][..., 0], maps["mask_rendered"][..., 0]
    assert (front <= mask + 1e-6).all()
    corners = triangles(drawn)
    columns = np.arange(5952) % 96
    strip = corners[(columns >= 8) & (columns < 40)]
    focal = 128 / math.tan(math.radians(5))
    rng = np.random.default_rng(0)
    soft = np.argwhere((front > 0) & (front < 1))
    for row, column in [*rng.permutation(soft)[:10], *rng.permutation(np.argwhere(mask > 0))[:20]]:
        rays = [
            np.array([(column + dx - 128) / focal, (row + dy - 128) / focal, 1.0])
            for dy in (0.25, 0.75)
            for dx in (0.25, 0.75)
        ]
        seen = np.mean([np.isfinite(hit(ray, strip)[1]) for ray in rays])
        assert front[row, column] == seen


def test_the_front_of_a_cylinder_is_sixty_degrees_to_each_side() -> None:
    cylinder = np.stack([np.full(32, 0.3), np.linspace(-0.3, 0.3, 32)], 1)
    width = front_mask(surface(cylinder, 0.0))[128].sum()
    focal = 128 / math.tan(math.radians(5))
    half = 0.3 * math.sin(math.radians(60)) / (5 - 0.3 * math.cos(math.radians(60)))
    assert width == pytest.approx(2 * focal * half, abs=0.5)


def test_shading_beyond_what_is_stored_is_computed(tmp_path: Path) -> None:
    strong = vase(4).lobes.copy()
    strong[:, 4] *= 4
    drawn = vase(4, lobes=strong)
    key = put(tmp_path, drawn)
    shading = opened(tmp_path).targets(SPLIT, key).quantities["shading"][..., 0]
    shape = surface(drawn.curve, drawn.pitch)
    diffuse, _ = images.shaded(drawn, shape)
    assert float(diffuse.max()) > 1.3
    outer = diffuse[0, :, 8:40].numpy()  # what the camera sees best
    assert shading.max() == pytest.approx(outer.max(), rel=0.02)
    values = np.sort(shading[shading > 0])
    assert (np.diff(values) < 0.05).all()  # no gap where the stored values end


def test_inputs_need_no_target_file(tmp_path: Path) -> None:
    key = put(tmp_path, vase(0))
    whole = opened(tmp_path).inputs(SPLIT, key)
    for path in (tmp_path / "rendering").rglob("*.*"):
        path.unlink()
    dataset = opened(tmp_path)
    assert dataset.samples(SPLIT) == [key]
    assert dataset.fingerprint(SPLIT)
    sample = dataset.inputs(SPLIT, key)
    for name in ("image", "mask"):
        np.testing.assert_array_equal(sample.inputs[name], whole.inputs[name])
    with pytest.raises(DataError, match=r"12 of 12 files of the truth .*bench fetch") as caught:
        dataset.targets(SPLIT, key)
    for item in ("sor_curve.txt", "env_map.png", "normal_rendered.png"):
        assert item in str(caught.value)


DAMAGE = {
    "pitch.txt": (b"steep", "not a table of numbers"),
    "sor_curve.txt": (b"0.1, 0.2\n", "2 numbers instead of"),
    "env_map.png": (b"no image", "truncated or corrupt"),
    "spec_alpha.txt": (b"nan", "finite"),
}


@pytest.mark.parametrize("item", DAMAGE)
def test_a_damaged_target_is_named(tmp_path: Path, item: str) -> None:
    key = put(tmp_path, vase(0))
    content, words = DAMAGE[item]
    (tmp_path / "rendering" / SPLIT / key.scene / f"{key.scene}_{item}").write_bytes(content)
    with pytest.raises(DataError, match=rf"{item}: .*{words}"):
        opened(tmp_path).targets(SPLIT, key)
    with pytest.raises(DataError, match=item):
        opened(tmp_path).verify(SPLIT)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    key = put(tmp_path, vase(0))
    path = layout.item_file(tmp_path, SPLIT, key.scene, "albedo_rendered")
    cv2.imwrite(str(path), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(DataError, match=r"albedo_rendered.png: 64×64 pixels instead of 256×256"):
        opened(tmp_path).targets(SPLIT, key)


def test_only_rendered_images_count_as_samples(made: Path, tmp_path: Path) -> None:
    keys = opened(made).samples(SPLIT)
    assert [key.scene for key in keys] == sorted(
        path.name for path in (made / "rendering" / SPLIT).iterdir()
    )
    (made / "image_mask" / SPLIT / "images" / "cover.png").write_bytes(b"x")
    assert opened(made).samples(SPLIT) == keys
    (made / "image_mask" / SPLIT / "images" / "cover.png").unlink()


def test_a_validation_split_that_links_to_the_test_split_is_recognised(tmp_path: Path) -> None:
    """As in the published archive: weights that saw `val` have seen `test`."""
    put(tmp_path, vase(0))
    for folder in ("rendering", "image_mask"):
        (tmp_path / folder / "val").symlink_to(SPLIT)
    dataset = opened(tmp_path)
    assert isinstance(dataset, TraceableDataset)
    assert dataset.fingerprint("val") == dataset.fingerprint(SPLIT)
    assert dataset.scene_digests("val") == dataset.scene_digests(SPLIT)


def test_the_fingerprint_changes_with_the_truth(tmp_path: Path) -> None:
    key = put(tmp_path, vase(0))
    before = opened(tmp_path).fingerprint(SPLIT)
    path = layout.item_file(tmp_path, SPLIT, key.scene, "pitch")
    path.write_text("3.000000\n")
    assert opened(tmp_path).fingerprint(SPLIT) != before


def test_the_settings_that_made_a_split_are_noted(made: Path) -> None:
    noted = json.loads((made / f"rendered_{SPLIT}.json").read_text())
    assert noted == {"split": SPLIT, "seed": 3, "textures": {}, "format": 1}
