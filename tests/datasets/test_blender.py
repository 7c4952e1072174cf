"""The dataset `blender`: four layouts written small, a sphere of which everything is known."""

import json
import math
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import wire
from bench.api import Key, Sample
from bench.config import resolve_options
from bench.conformance.dataset import check_dataset
from bench.datasets.blender.adapter import Blender
from bench.datasets.blender.fetch import fetch_tensoir
from bench.datasets.blender.plugin import bench_datasets
from bench.datasets.blender.reading import read_normal
from bench.errors import DataError
from bench.fetching import Fetched, installing
from bench.graphics.cameras import project
from bench.graphics.environments import lookup
from bench.graphics.image_files import read_image, write_exr, write_png
from bench.graphics.normals import world_from_camera
from bench.graphics.shading import lambertian
from bench.quantities import Camera

N = 20
FOV = 0.6911112070083618
PRESETS = ("nerf-synthetic", "nerfactor", "tensoir", "synthetic4relight")
PARTS: dict[str, dict[str, tuple[int, ...]]] = {
    "nerf-synthetic": {"train": (0, 1, 2), "val": (0, 1), "test": (0, 1)},
    "nerfactor": {"train": (0, 1, 2), "val": tuple(range(8)), "test": (0, 49, 99, 149, 199)},
    "tensoir": {"train": (0, 1, 2), "test": (0, 1)},
    "synthetic4relight": {"train": (0, 1, 2), "test": (0, 1)},
}
LIGHTS = {
    "nerf-synthetic": (),
    "nerfactor": (
        "city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset"
    ),
    "tensoir": ("bridge", "city", "fireplace", "forest", "night"),
    "synthetic4relight": ("envmap6", "envmap12"),
}  # fmt: skip
SPLITS = [
    (preset, split)
    for preset, parts in PARTS.items()
    for split in (*parts, *(f"{part}-from-train" for part in parts if part != "train"))
]
SOFT = (N // 2, N // 2 + 1)
"""A pixel of the sphere with half coverage."""


def pose(part: str, number: int) -> np.ndarray:
    """Blender's: z up; camera axes x right, y up, z backward; looks at the origin from 4 away."""
    azimuth = 0.7 * number + {"train": 0.0, "val": 0.2, "test": 0.3}[part]
    back = np.array([math.cos(azimuth), math.sin(azimuth), 0.4])
    back /= np.linalg.norm(back)
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(back, right), back], 1)
    matrix[:3, 3] = 4 * back
    return matrix


def seen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World normals N×N×3 of the unit sphere and its mask N×N×1, ray by ray."""
    focal = 0.5 * N / math.tan(0.5 * FOV)
    normals, mask = np.zeros((N, N, 3)), np.zeros((N, N, 1))
    centre = matrix[:3, 3]
    for row in range(N):
        for column in range(N):
            ray = np.array([(column + 0.5 - N / 2) / focal, -(row + 0.5 - N / 2) / focal, -1])
            ray = matrix[:3, :3] @ ray / np.linalg.norm(ray)
            along = ray @ centre
            inside = along**2 - centre @ centre + 1
            if inside > 0:
                normals[row, column] = centre + ray * (-along - math.sqrt(inside))
                mask[row, column] = 1
    return normals, mask


def encoded(linear: np.ndarray) -> np.ndarray:
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )


def albedo_of(normals: np.ndarray) -> np.ndarray:
    return 0.5 + 0.4 * normals[..., [1, 2, 0]]


def radiance(normals: np.ndarray, light: str) -> np.ndarray:
    """Linear, in (0, 1)."""
    toward = np.array([math.sin(len(light)), math.cos(ord(light[0]) if light else 0), 0.5])
    shaded = 0.2 + 0.6 * np.maximum(normals @ toward / np.linalg.norm(toward), 0)
    return albedo_of(normals) * shaded[..., None]


def rgba(colour: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.concatenate([colour * (mask > 0), mask], -1)


def write_frame(scene: Path, preset: str, part: str, number: int) -> None:
    normals, mask = seen(pose(part, number))
    soft = mask.copy()
    soft[SOFT] = 128 / 255
    first = rgba(encoded(radiance(normals, "")), soft)
    albedo = rgba(albedo_of(normals), soft)
    if preset == "nerf-synthetic":
        (scene / part).mkdir(exist_ok=True)
        write_png(scene / part / f"r_{number}.png", first)
    elif preset == "synthetic4relight":
        (scene / part).mkdir(exist_ok=True)
        (scene / "test_rli").mkdir(exist_ok=True)
        if part == "train":
            write_exr(scene / f"train/{number:03d}_rgb.exr", 3 * radiance(normals, "") * soft)
            write_png(scene / f"train/{number:03d}_mask.png", soft)
            return
        write_png(scene / f"test/{number:03d}_rgba.png", first)
        write_png(scene / f"test/{number:03d}_albedo.png", albedo)
        write_png(scene / f"test/{number:03d}_rough.png", np.repeat(0.4 * (mask > 0), 3, -1))
        for light in LIGHTS[preset]:
            relit = rgba(encoded(radiance(normals, light)), soft)
            write_png(scene / f"test_rli/{light}_{number:03d}.png", relit)
    else:
        write_folder(scene / f"{part}_{number:03d}", preset, pose(part, number), soft, normals)


def write_folder(
    folder: Path, preset: str, matrix: np.ndarray, soft: np.ndarray, normals: np.ndarray
) -> None:
    folder.mkdir()
    metadata = {
        "scene": "sphere.blend",
        "cam_transform_mat": ",".join(str(number) for number in matrix.ravel()),
        "cam_angle_x": FOV,
        "imh": N,
        "imw": N,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    first = "rgba.png" if preset == "nerfactor" else "rgba_sunset_000.png"
    write_png(folder / first, rgba(encoded(radiance(normals, "")), soft))
    write_png(folder / "albedo.png", rgba(albedo_of(normals), soft))
    vectors = normals / 2 + 0.5
    write_png(folder / "normal.png", rgba(vectors * (soft if preset == "nerfactor" else 1), soft))
    if not folder.name.startswith("train"):
        for light in LIGHTS[preset]:
            relit = rgba(encoded(radiance(normals, light)), soft)
            write_png(folder / f"rgba_{light}.png", relit)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """<root>/<preset>/<scene> of every preset, and <root>/maps/<preset>."""
    root = tmp_path_factory.mktemp("blender")
    for preset, parts in PARTS.items():
        for name in ("ball", "sphere"):
            scene = root / preset / name
            scene.mkdir(parents=True)
            for part, numbers in parts.items():
                for number in numbers:
                    write_frame(scene, preset, part, number)
                frames = [
                    {"file_path": path_of(preset, part, number), "transform_matrix": matrix}
                    for number in numbers
                    for matrix in [pose(part, number).tolist()]
                ]
                if preset in ("nerf-synthetic", "synthetic4relight"):
                    content = {"camera_angle_x": FOV, "frames": frames}
                    (scene / f"transforms_{part}.json").write_text(json.dumps(content))
        maps = root / "maps" / preset
        maps.mkdir(parents=True)
        for index, light in enumerate(LIGHTS[preset]):
            write_exr(maps / f"{light}.exr", np.full((4, 8, 3), 1.0 + index))
    return root


def path_of(preset: str, part: str, number: int) -> str:
    return f"./{part}/r_{number}" if preset == "nerf-synthetic" else f"{part}/{number:03d}"


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    """A copy of one scene of each preset, which a test may spoil."""
    ignored = shutil.ignore_patterns("sphere")
    return Path(shutil.copytree(written, tmp_path / "copy", ignore=ignored))


def opened(root: Path, preset: str, lit: bool = True, **options: Any) -> Blender:
    if lit and LIGHTS[preset]:
        options["environments"] = root / "maps" / preset
    return Blender({"root": root / preset, "preset": preset, **options})


def frame_of(preset: str, part: str, number: int) -> str:
    return {"nerf-synthetic": f"r_{number}", "synthetic4relight": f"{number:03d}"}.get(
        preset, f"{part}_{number:03d}"
    )


def numbers_of(preset: str, part: str) -> list[int]:
    """NeRFactor's test views are four of its two hundred."""
    return [
        n for n in PARTS[preset][part] if not (preset == "nerfactor" and part == "test" and not n)
    ]


@pytest.mark.parametrize(("preset", "split"), SPLITS)
def test_samples_are_the_views_of_the_split(written: Path, preset: str, split: str) -> None:
    part = "train" if split.endswith("-from-train") else split
    names = [frame_of(preset, part, number) for number in numbers_of(preset, part)]
    expected = [Key(scene, name) for scene in ("ball", "sphere") for name in names]
    assert opened(written, preset).samples(split) == expected


def test_the_root_may_be_a_scene_or_hold_the_folder_of_scenes(
    written: Path, tmp_path: Path
) -> None:
    one = Blender({"root": written / "tensoir" / "ball", "preset": "tensoir"})
    assert {key.scene for key in one.samples("test")} == {"ball"}
    shutil.copytree(written / "tensoir", tmp_path / "download" / "TensoIR_Synthetic")
    outer = Blender({"root": tmp_path / "download", "preset": "tensoir"})
    assert outer.samples("test") == opened(written, "tensoir").samples("test")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_point_of_the_world_falls_on_the_pixel_that_blender_gives_it(
    written: Path, preset: str
) -> None:
    point = np.array([0.3, -0.5, 0.7])
    matrix = pose("test", numbers_of(preset, "test")[1])
    x, y, z = matrix[:3, :3].T @ (point - matrix[:3, 3])
    focal = 0.5 * N / math.tan(0.5 * FOV)
    expected = (N / 2 + focal * x / -z, N / 2 - focal * y / -z)
    dataset = opened(written, preset)
    sample = dataset.inputs("test", dataset.samples("test")[1])
    upright = np.array([-point[1], point[2], -point[0]])
    pixel, depth = project(upright, sample.inputs["camera"])
    np.testing.assert_allclose(pixel, expected, atol=1e-9)
    np.testing.assert_allclose(depth, [-z], atol=1e-9)


@pytest.mark.parametrize("preset", PRESETS)
def test_images_are_linear_before_black_with_their_coverage(written: Path, preset: str) -> None:
    dataset = opened(written, preset)
    inputs = dataset.inputs("test", dataset.samples("test")[1]).inputs
    normals, mask = seen(pose("test", numbers_of(preset, "test")[1]))
    soft = mask.copy()
    soft[SOFT] = 128 / 255
    np.testing.assert_allclose(inputs["mask"], soft, atol=1e-6)
    np.testing.assert_allclose(inputs["image"], radiance(normals, "") * soft, atol=0.005)
    assert not inputs["image"][mask[..., 0] == 0].any()


def test_exr_images_are_neither_decoded_nor_clipped(written: Path) -> None:
    dataset = opened(written, "synthetic4relight")
    inputs = dataset.inputs("train", Key("ball", "001")).inputs
    normals, mask = seen(pose("train", 1))
    soft = mask.copy()
    soft[SOFT] = 128 / 255
    np.testing.assert_allclose(inputs["image"], 3 * radiance(normals, "") * soft, atol=1e-6)
    assert inputs["image"].max() > 1


@pytest.mark.parametrize("preset", ["nerfactor", "tensoir"])
def test_normals_are_turned_from_the_world_to_the_camera(written: Path, preset: str) -> None:
    dataset = opened(written, preset)
    known = dataset.targets("test", dataset.samples("test")[1]).quantities
    matrix = pose("test", numbers_of(preset, "test")[1])
    normals, mask = seen(matrix)
    expected = normals @ matrix[:3, :3]  # rows Rᵀ n: x right, y up, z toward the viewer
    np.testing.assert_allclose(known["normal"], expected, atol=0.02)
    assert not known["normal"][mask[..., 0] == 0].any()
    assert known["normal"][N // 2, N // 2, 2] > 0.98


@pytest.mark.parametrize("preset", ["nerfactor", "tensoir", "synthetic4relight"])
def test_albedo_is_linear_as_stored_and_not_weighted_by_coverage(
    written: Path, preset: str
) -> None:
    dataset = opened(written, preset)
    known = dataset.targets("test", dataset.samples("test")[1]).quantities
    normals, mask = seen(pose("test", numbers_of(preset, "test")[1]))
    np.testing.assert_allclose(known["albedo"], albedo_of(normals) * mask, atol=0.003)


def test_roughness_is_the_stored_value_where_the_object_is(written: Path) -> None:
    known = opened(written, "synthetic4relight").targets("test", Key("ball", "001")).quantities
    _, mask = seen(pose("test", 1))
    np.testing.assert_allclose(known["roughness"], 0.4 * mask, atol=0.003)
    assert "normal" not in known


def test_nerf_synthetic_knows_no_material(written: Path) -> None:
    known = opened(written, "nerf-synthetic").targets("test", Key("ball", "r_1")).quantities
    assert set(known) == {"mask"}


@pytest.mark.parametrize("preset", ["nerfactor", "tensoir", "synthetic4relight"])
def test_a_test_view_is_asked_for_in_every_other_light(written: Path, preset: str) -> None:
    dataset = opened(written, preset)
    key = dataset.samples("test")[1]
    queries, targets = dataset.inputs("test", key).queries, dataset.targets("test", key)
    assert [query.id for query in queries] == [f"relit-{light}" for light in LIGHTS[preset]]
    normals, mask = seen(pose("test", numbers_of(preset, "test")[1]))
    soft = mask.copy()
    soft[SOFT] = 128 / 255
    for index, (query, light) in enumerate(zip(queries, LIGHTS[preset], strict=True)):
        assert set(query.condition) == {"environment"}
        assert query.condition["environment"].frame == "world"
        np.testing.assert_array_equal(query.condition["environment"].radiance, 1.0 + index)
        answer = targets.queries[query.id]
        np.testing.assert_allclose(answer["relit"], radiance(normals, light) * soft, atol=0.005)
        np.testing.assert_allclose(answer["mask"], soft, atol=1e-6)


@pytest.mark.parametrize("split", ["test", "test-from-train"])
def test_without_maps_of_the_lights_nothing_is_asked_about_them(written: Path, split: str) -> None:
    dataset = opened(written, "tensoir", lit=False)
    for key in dataset.samples(split):
        sample = dataset.inputs(split, key)
        assert {query.quantity for query in sample.queries} <= {"view"}
        assert set(dataset.targets(split, key).queries) == {query.id for query in sample.queries}


@pytest.mark.parametrize("preset", PRESETS)
def test_each_test_view_is_asked_once_of_the_nearest_training_view(
    written: Path, preset: str
) -> None:
    dataset = opened(written, preset)
    asked = {}
    for key in dataset.samples("test-from-train"):
        if key.scene == "ball":
            for query in dataset.inputs("test-from-train", key).queries:
                assert query.id not in asked
                asked[query.id] = (key.id, query)
    expected = set()
    for number in numbers_of(preset, "test"):
        name = frame_of(preset, "test", number)
        expected |= {f"view-{name}", *(f"relit-{name}-{light}" for light in LIGHTS[preset])}
        at = pose("test", number)[:3, 3]
        near = min(
            PARTS[preset]["train"],
            key=lambda n, at=at: float(np.linalg.norm(pose("train", n)[:3, 3] - at)),
        )
        who, query = asked[f"view-{name}"]
        assert who == frame_of(preset, "train", near)
        assert set(query.condition) == {"camera"}
        x, y, z = at
        position = query.condition["camera"].camera_to_world[:3, 3]
        np.testing.assert_allclose(position, (-y, z, -x), atol=1e-9)
    assert set(asked) == expected
    for _, query in asked.values():
        lit = {"camera", "environment"} if query.quantity == "relit" else {"camera"}
        assert set(query.condition) == lit


@pytest.mark.parametrize("preset", PRESETS)
def test_the_answers_are_the_pictures_of_the_asked_views(written: Path, preset: str) -> None:
    dataset = opened(written, preset)
    number = numbers_of(preset, "test")[0]
    normals, mask = seen(pose("test", number))
    inside = (mask > 0)[..., 0]
    inside[SOFT] = False
    found = 0
    for key in dataset.samples("test-from-train"):
        for name, answer in dataset.targets("test-from-train", key).queries.items():
            kind, _, rest = name.partition("-")
            light = rest.removeprefix(frame_of(preset, "test", number)).removeprefix("-")
            if light not in ("", *LIGHTS[preset]) or frame_of(preset, "test", number) not in rest:
                continue
            found += 1
            expected = radiance(normals, light)
            np.testing.assert_allclose(answer[kind][inside], expected[inside], atol=0.005)
    assert found == 2 * (1 + len(LIGHTS[preset]))


@pytest.mark.parametrize(("preset", "split"), SPLITS)
def test_no_input_shows_what_a_query_of_any_sample_hides(
    written: Path, preset: str, split: str
) -> None:
    dataset = opened(written, preset, context=1)
    keys = [key for key in dataset.samples(split) if key.scene == "ball"]
    given = [
        np.asarray(values["image"])
        for key in keys
        for sample in [dataset.inputs(split, key)]
        for values in (sample.inputs, *sample.context)
    ]
    for key in keys:
        for answer in dataset.targets(split, key).queries.values():
            hidden = answer.get("relit", answer.get("view"))
            assert all(np.abs(image - hidden).max() > 0.004 for image in given)


def read_for_inputs(dataset: Blender, split: str) -> list[bytes]:
    samples = [dataset.inputs(split, key) for key in dataset.samples(split)]
    return [bytes(part) for sample in samples for part in wire.encode(sample)]


@pytest.mark.parametrize(("preset", "split"), SPLITS)
def test_inputs_do_not_need_any_target_file(copied: Path, preset: str, split: str) -> None:
    whole = read_for_inputs(opened(copied, preset), split)
    shown = "train" if split.endswith("-from-train") else split
    inputs = {
        "nerf-synthetic": lambda path: path.parent.name == shown,
        "synthetic4relight": lambda path: (
            path.parent.name == shown and path.stem.endswith(("_rgb", "_mask", "_rgba"))
        ),
    }.get(
        preset,
        lambda path: (
            path.parent.name.startswith(shown) and path.name in ("rgba.png", "rgba_sunset_000.png")
        ),
    )
    removed = 0
    for path in (copied / preset).rglob("*.*"):
        if path.suffix in (".png", ".exr") and not inputs(path):
            path.unlink()
            removed += 1
    assert removed
    blind = opened(copied, preset)
    assert read_for_inputs(blind, split) == whole
    blind.fingerprint(split)


def test_a_map_lights_what_blender_lets_it_light(written: Path, tmp_path: Path) -> None:
    height, width = 16, 32
    stored = np.random.default_rng(3).random((height, width, 3)).astype(np.float32)
    stored[3, 5] = 60
    for light in LIGHTS["tensoir"]:
        write_exr(tmp_path / f"{light}.exr", stored)
    dataset = Blender({"root": written / "tensoir", "preset": "tensoir", "environments": tmp_path})
    sample = dataset.inputs("test", Key("ball", "test_001"))
    environment = sample.queries[0].condition["environment"]
    normals, mask = seen(pose("test", 1))
    hit = mask[..., 0] > 0
    irradiance = np.zeros((hit.sum(), 3))
    for row in range(height):
        for column in range(width):
            # Cycles: u = ½ − atan2(y, x) / 2π, and v rises with the angle from −z to +z.
            turn = 2 * math.pi * (0.5 - (column + 0.5) / width)
            down = math.pi * (row + 0.5) / height
            toward = np.array(
                [math.sin(down) * math.cos(turn), math.sin(down) * math.sin(turn), math.cos(down)]
            )
            bands = math.cos(math.pi * row / height) - math.cos(math.pi * (row + 1) / height)
            solid = 2 * math.pi / width * bands
            cosine = np.maximum(normals[hit] @ toward, 0)
            irradiance += cosine[:, None] * stored[row, column] * solid
    known = dataset.targets("test", Key("ball", "test_001")).quantities["normal"][hit]
    world = world_from_camera(known.astype(np.float64), sample.inputs["camera"])
    found = lambertian(world, environment.radiance.astype(np.float64))
    assert np.abs(found - irradiance / math.pi).max() < 0.02 * irradiance.max() / math.pi


def test_the_middle_of_a_map_is_the_first_axis_of_blenders_world(
    written: Path, tmp_path: Path
) -> None:
    stored = np.zeros((8, 16, 3), np.float32)
    stored[3:5, 7:9, 0] = 1  # +x
    stored[3:5, 11:13, 1] = 1  # −y
    stored[0, :, 2] = 1  # +z
    for light in LIGHTS["tensoir"]:
        write_exr(tmp_path / f"{light}.exr", stored)
    dataset = Blender({"root": written / "tensoir", "preset": "tensoir", "environments": tmp_path})
    sample = dataset.inputs("test", Key("ball", "test_000"))
    camera, matrix = sample.inputs["camera"], pose("test", 0)
    axes = np.array([[1, 0, 0], [0, -1, 0], [0, 0, 1]])
    # Camera-frame vectors are the same in both worlds, which ties the two together.
    world = world_from_camera(axes @ matrix[:3, :3], camera)
    radiance_there = lookup(sample.queries[0].condition["environment"].radiance, world)
    np.testing.assert_allclose(radiance_there, np.eye(3), atol=1e-6)


def test_pictures_are_averaged_down_by_area_in_linear_light(written: Path) -> None:
    key = Key("ball", "test_001")
    full, half = opened(written, "tensoir"), opened(written, "tensoir", size=N // 2)
    large, small = (dataset.inputs("test", key).inputs for dataset in (full, half))

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(N // 2, 2, N // 2, 2, -1).mean((1, 3))

    for name in ("image", "mask"):
        np.testing.assert_allclose(small[name], mean(large[name]), atol=1e-6)
    np.testing.assert_allclose(small["camera"].intrinsics[:2], large["camera"].intrinsics[:2] / 2)
    assert (small["camera"].height, small["camera"].width) == (N // 2, N // 2)
    known, fine = (dataset.targets("test", key).quantities for dataset in (half, full))
    covered = mean(large["mask"])
    weighted = mean(fine["albedo"] * large["mask"])
    inside = covered[..., 0] > 0
    np.testing.assert_allclose(
        known["albedo"][inside], (weighted / np.maximum(covered, 1e-9))[inside], atol=1e-6
    )
    turned = mean(fine["normal"] * large["mask"])[inside]
    turned /= np.linalg.norm(turned, axis=-1, keepdims=True)
    np.testing.assert_allclose(known["normal"][inside], turned, atol=0.02)  # 8-bit lengths
    for name, answer in half.targets("test", key).queries.items():
        expected = mean(np.asarray(full.targets("test", key).queries[name]["relit"]))
        np.testing.assert_allclose(answer["relit"], expected, atol=1e-6)


def test_normals_are_averaged_by_their_coverage(tmp_path: Path) -> None:
    stored = np.zeros((2, 2, 4), np.float32)
    stored[0, 0] = (0.5, 1, 0.5, 1)  # all of a pixel faces +y of Blender's world
    stored[1, 1] = (1, 0.5, 0.5, 0.2)  # a fifth of one faces +x
    write_png(tmp_path / "normal.png", stored)
    upright = Camera(np.eye(3), np.diag([1.0, -1, -1, 1]), 1, 1)  # its frame is the bench's world
    (found,) = read_normal(tmp_path / "normal.png", upright, False, 1)[0]
    expected = np.array([-1, 0, -0.2]) / math.hypot(1, 0.2)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_size_above_the_stored_one_is_refused(written: Path) -> None:
    dataset = opened(written, "tensoir", size=N + 1)
    with pytest.raises(DataError, match=r"rgba_sunset_000\.png: 20×20 pixels .* width of 21"):
        dataset.inputs("test", Key("ball", "test_001"))


def test_context_is_the_views_that_follow(written: Path) -> None:
    dataset = opened(written, "tensoir", context=2)
    sample = dataset.inputs("train", Key("ball", "train_002"))
    for values, name in zip(sample.context, ("train_000", "train_001"), strict=True):
        other = dataset.inputs("train", Key("ball", name)).inputs
        np.testing.assert_array_equal(values["image"], other["image"])
        np.testing.assert_array_equal(
            values["camera"].camera_to_world, other["camera"].camera_to_world
        )


def test_the_unrotated_or_the_plain_picture_under_sunset_serves(copied: Path) -> None:
    before = opened(copied, "tensoir").inputs("test", Key("ball", "test_001"))
    folder = copied / "tensoir" / "ball" / "test_001"
    (folder / "rgba_sunset_000.png").rename(folder / "rgba_sunset.png")
    after = opened(copied, "tensoir").inputs("test", Key("ball", "test_001"))
    np.testing.assert_array_equal(after.inputs["image"], before.inputs["image"])


def test_truth_of_a_training_view_is_handed_over_where_it_is_there(copied: Path) -> None:
    key = Key("ball", "train_001")
    assert {"normal", "albedo"} <= set(opened(copied, "tensoir").targets("train", key).quantities)
    for name in ("normal", "albedo"):
        (copied / "tensoir" / "ball" / "train_001" / f"{name}.png").unlink()
    assert set(opened(copied, "tensoir").targets("train", key).quantities) == {"mask"}


def test_truth_of_a_test_view_must_be_there(copied: Path) -> None:
    path = copied / "tensoir" / "ball" / "test_001" / "normal.png"
    path.unlink()
    with pytest.raises(DataError, match=r"test_001/normal\.png: no such"):
        opened(copied, "tensoir").targets("test", Key("ball", "test_001"))


def test_a_test_view_of_nerfactor_without_a_picture_is_asked_and_not_scored(copied: Path) -> None:
    for path in (copied / "nerfactor").glob("*/test_*/rgba.png"):
        path.unlink()
    dataset = opened(copied, "nerfactor")
    for key in dataset.samples("test-from-train"):
        views = [
            q.id for q in dataset.inputs("test-from-train", key).queries if q.quantity == "view"
        ]
        answers = dataset.targets("test-from-train", key).queries
        assert not set(views) & set(answers)
    with pytest.raises(DataError, match="use the split val or test-from-train"):
        dataset.samples("test")


def spoil(root: Path, preset: str, name: str, **changes: Any) -> None:
    file = root / preset / "ball" / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_angle_x": "wide"}, r"transforms_test\.json, key camera_angle_x: .*'wide'"),
        ({"camera_angle_x": 4}, r"key camera_angle_x: must be an angle in radians, not 4"),
        ({"frames": []}, r"transforms_test\.json, key frames: must be a list of frames"),
        ({"frames": [3]}, r"key frames\[0\]: must be an object"),
        ({"frames": [{"file_path": 1}]}, r"key frames\[0\]\.file_path: must be the path"),
        (
            {"frames": [{"file_path": "../../other/r_0", "transform_matrix": []}]},
            r"key frames\[0\]\.file_path: '\.\./\.\./other/r_0' leads out",
        ),
        (
            {"frames": [{"file_path": "/etc/r_0", "transform_matrix": []}]},
            r"key frames\[0\]\.file_path: '/etc/r_0' leads out",
        ),
        (
            {"frames": [{"file_path": "C:\\r_0", "transform_matrix": []}]},
            r"key frames\[0\]\.file_path: .* leads out",
        ),
        (
            {"frames": [{"file_path": "test/r_0", "transform_matrix": [[1, 2], [3]]}]},
            r"key frames\[0\]\.transform_matrix: must be a 4×4 matrix",
        ),
        (
            {"frames": [{"file_path": "test/r_0", "transform_matrix": [[2.0] * 4] * 4}]},
            r"key frames\[0\]\.transform_matrix: is not rigid",
        ),
        (
            {"frames": [{"file_path": "test/r_0", "transform_matrix": np.eye(4).tolist()}] * 2},
            r"two frames of test have one name",
        ),
    ],
)
def test_a_wrong_list_of_frames_names_file_and_key(
    copied: Path, changes: dict[str, Any], message: str
) -> None:
    spoil(copied, "nerf-synthetic", "transforms_test.json", **changes)
    with pytest.raises(DataError, match=message):
        opened(copied, "nerf-synthetic").samples("test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cam_angle_x": None}, r"metadata\.json, key cam_angle_x"),
        ({"cam_transform_mat": [1, 2]}, r"metadata\.json, key cam_transform_mat: must be 16"),
        ({"cam_transform_mat": "1,2"}, r"key cam_transform_mat: 2 numbers instead of 16"),
        ({"cam_transform_mat": "1,x"}, r"key cam_transform_mat: could not convert .* 'x'"),
        ({"cam_transform_mat": ",".join(["nan"] * 16)}, r"cam_transform_mat: must be a 4×4"),
    ],
)
def test_wrong_metadata_names_file_and_key(
    copied: Path, changes: dict[str, Any], message: str
) -> None:
    spoil(copied, "tensoir", "test_001/metadata.json", **changes)
    with pytest.raises(DataError, match=message):
        opened(copied, "tensoir").samples("test")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]"])
def test_a_list_of_frames_that_is_no_object_is_refused(copied: Path, text: str) -> None:
    (copied / "nerf-synthetic" / "ball" / "transforms_test.json").write_text(text)
    with pytest.raises(DataError, match=r"transforms_test\.json: .*JSON"):
        opened(copied, "nerf-synthetic").samples("test")


@pytest.mark.parametrize(
    ("preset", "where"),
    [
        ("nerf-synthetic", "drive.google.com"),
        ("nerfactor", "xiuming.info"),
        ("tensoir", "zenodo.org/records/7880113"),
        ("synthetic4relight", "github.com/zju3dv/InvRender"),
    ],
)
def test_what_is_missing_is_named_with_where_to_get_it(
    copied: Path, tmp_path: Path, preset: str, where: str
) -> None:
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(DataError, match=rf"(?s){root.name}: .*<scene>.*{where}"):
            Blender({"root": root, "preset": preset}).samples("test")
    dataset = opened(copied, preset)
    keys = dataset.samples("train")
    missing = [
        path
        for path in (copied / preset / "ball").rglob("*")
        if "train" in str(path.relative_to(copied)) and path.suffix in (".png", ".exr")
    ]
    for path in missing:
        path.unlink()
    with pytest.raises(DataError, match=rf"(?s)files are missing.*{where}.*ball.*ball") as raised:
        opened(copied, preset).samples("train")
    assert len(str(raised.value).splitlines()) - 1 >= len(keys) // 2


def test_missing_maps_of_lights_are_all_named(copied: Path) -> None:
    for light in ("city", "night"):
        (copied / "maps" / "tensoir" / f"{light}.exr").unlink()
    with pytest.raises(DataError, match=r"lacks the maps city, night \(\.hdr or \.exr\)"):
        opened(copied, "tensoir").samples("test")


@pytest.mark.parametrize(
    ("preset", "split"),
    [("tensoir", "val"), ("synthetic4relight", "val-from-train"), ("tensoir", "train-from-train")],
)
def test_a_split_that_the_preset_lacks_is_refused(written: Path, preset: str, split: str) -> None:
    with pytest.raises(DataError, match=f"has no split '{split}'; it has train, test, test-from"):
        opened(written, preset).samples(split)


@pytest.mark.parametrize("key", [Key("ball", "test_777"), Key("cube", "test_000")])
def test_an_unknown_sample_is_refused(written: Path, key: Key) -> None:
    with pytest.raises(DataError, match=f"no sample {key.scene}/{key.id}"):
        opened(written, "tensoir").inputs("test", key)


def test_a_truncated_picture_is_named(copied: Path) -> None:
    path = copied / "tensoir" / "ball" / "test_001" / "rgba_sunset_000.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"test_001/rgba_sunset_000\.png: truncated or corrupt"):
        opened(copied, "tensoir").inputs("test", Key("ball", "test_001"))


def test_a_picture_without_alpha_is_refused(copied: Path) -> None:
    path = copied / "tensoir" / "ball" / "test_001" / "rgba_sunset_000.png"
    write_png(path, read_image(path)[..., :3])
    with pytest.raises(DataError, match="3 channels instead of RGB and alpha"):
        opened(copied, "tensoir").inputs("test", Key("ball", "test_001"))


@pytest.mark.parametrize("name", ["albedo.png", "normal.png", "rgba_city.png"])
def test_truth_of_another_size_is_refused(copied: Path, name: str) -> None:
    path = copied / "tensoir" / "ball" / "test_001" / name
    write_png(path, read_image(path)[:-2])
    with pytest.raises(DataError, match="pixels, and"):
        opened(copied, "tensoir").targets("test", Key("ball", "test_001"))


@pytest.mark.parametrize(("preset", "split"), SPLITS)
def test_the_fingerprint_changes_with_every_file_that_is_read(
    copied: Path, preset: str, split: str
) -> None:
    before = opened(copied, preset).fingerprint(split)
    assert opened(copied, preset).fingerprint(split) == before
    assert opened(copied, preset, size=N // 2).fingerprint(split) != before
    assert opened(copied, preset, context=1).fingerprint(split) != before
    asked = split.removesuffix("-from-train")
    for path in sorted((copied / preset / "ball").rglob(f"*{asked}*"))[-1:]:
        file = path if path.is_file() else sorted(path.iterdir())[-1]
        file.write_bytes(file.read_bytes() + b" ")
        assert opened(copied, preset).fingerprint(split) != before


def test_a_scene_is_known_in_every_split_and_from_any_root(written: Path) -> None:
    digests = [
        opened(written, "tensoir").scene_digests(s) for s in ("train", "test", "test-from-train")
    ]
    alone = Blender({"root": written / "tensoir" / "ball", "preset": "tensoir"})
    assert digests[0] == digests[1] == digests[2]
    assert alone.scene_digests("test")["ball"] == digests[0]["ball"]


@pytest.mark.parametrize(("preset", "split"), SPLITS)
def test_the_card_says_what_is_handed_over(written: Path, preset: str, split: str) -> None:
    (card,) = bench_datasets()
    given = {"root": str(written / preset), "preset": preset}
    if LIGHTS[preset]:
        given["environments"] = str(written / "maps" / preset)
    options = resolve_options(card.options, given, "options", written)
    findings = check_dataset(card, options, split)
    assert all(finding.ok for finding in findings), findings


def test_fetch_brings_a_scene_of_tensoir(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fetch(url: str, path: Path) -> Fetched:
        asked.append(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted((written / "tensoir" / "ball").rglob("*.*")):
                archive.write(file, f"packed/{file.relative_to(written / 'tensoir')}")
        return Fetched(path, "0", first=True)

    monkeypatch.setattr(installing, "fetch", fetch)
    fetch_tensoir(scene="lego", out=tmp_path)
    assert asked == ["https://zenodo.org/records/7880113/files/lego.zip"]
    dataset = Blender({"root": tmp_path / "tensoir", "preset": "tensoir"})
    assert {key.scene for key in dataset.samples("test")} == {"lego"}
    sample: Sample = dataset.inputs("test", Key("lego", "test_000"))
    assert sample.inputs["image"].shape == (N, N, 3)
