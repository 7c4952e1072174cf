"""The dataset `owl`, on a set that is written here in the documented layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Key
from bench.conformance.dataset import check_dataset
from bench.datasets.owl.adapter import Owl
from bench.datasets.owl.plugin import bench_datasets
from bench.errors import DataError
from bench.graphics.cameras import look_at, pixel_rays, project
from bench.graphics.environments import directions, lookup
from bench.graphics.image_files import write_png

H, W = 8, 10
(CARD,) = bench_datasets()
TOY = Key("toy", "object")
INTRINSICS = np.array([[12.0, 0.5, 5.5], [0, 13, 3.75], [0, 0, 1]])
INPUT_EXPOSURE = -1.25
LAMP = np.array([0.48, -0.6, 0.64])
AXES = np.concatenate([np.eye(3), -np.eye(3)])


def text(path: Path, rows: Any) -> None:
    path.write_text("\n".join(" ".join(repr(float(n)) for n in row) for row in np.atleast_2d(rows)))


def pose(number: int) -> NDArray[np.float64]:
    """camera_to_world of a camera around the origin, z up."""
    angle = 0.7 * number
    return look_at((4 * np.cos(angle), 4 * np.sin(angle), 1.5), (0, 0, 0), (0, 0, 1))


def write_camera(path: Path, camera_to_world: NDArray[np.float64]) -> None:
    """K, R, t and the size, of x = K (R X + t)."""
    world_to_camera = np.linalg.inv(camera_to_world)
    rows = [*INTRINSICS, *world_to_camera[:3, :3], world_to_camera[:3, 3], [W, H, 3]]
    text(path, rows)


def encoded(linear: NDArray[np.float64], exposure: float) -> NDArray[np.uint8]:
    """The data set's bytes, from its formula: y = clip(255 · (x · 2^exposure)^(1/2.2))."""
    shown = 255 * (linear * 2.0**exposure) ** (1 / 2.2)
    return np.rint(shown).clip(0, 255).astype(np.uint8)


def stored_directions(height: int, width: int) -> NDArray[np.float64]:
    """Where the pixels of a stored map lie: +z top, +x centre, +y at u = ¼, −y at u = ¾."""
    v, u = np.mgrid[:height, :width] + 0.5
    azimuth, elevation = -2 * np.pi * (u / width - 0.5), np.pi * (0.5 - v / height)
    parts = (np.cos(azimuth), np.sin(azimuth), np.tan(elevation))
    return np.stack(parts, axis=-1) * np.cos(elevation)[..., None]


def radiance(world: NDArray[np.float64]) -> NDArray[np.float32]:
    """A light that is a function of the world's directions ...×3: a red lamp over a dim sky."""
    lamp = np.exp(40 * (world @ LAMP - 1))[..., None] * [8.0, 2.0, 1.0]
    return np.asarray(0.3 + 0.1 * world[..., 2:] + lamp, np.float32)


def write_hdr(path: Path, values: NDArray[np.float32]) -> None:
    cv2.imwrite(str(path), values[..., ::-1])


def turn(number: int) -> NDArray[np.float64]:
    """world_to_env 4×4 of one environment, with a translation that must not matter."""
    angle = 0.9 + number
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ [
        [1, 0, 0],
        [0, 0, -1],
        [0, 1, 0],
    ]
    matrix[:3, 3] = 5
    return matrix


def add(root: Path, name: str, photos: int = 3, size: tuple[int, int] = (32, 64)) -> Path:
    """One object: photos of noise, nine answers in three environments."""
    test = root / "dataset" / name / "test"
    (test / "inputs").mkdir(parents=True)
    rng = np.random.default_rng(1)
    text(test / "inputs/exposure.txt", INPUT_EXPOSURE)
    text(test / "inputs/object_bounding_box.txt", [-1, 1, -1, 1, -1, 1])
    for number in range(photos):
        write_png(test / f"inputs/image_{number:04d}.png", rng.random((H, W, 3)))
        write_png(test / f"inputs/mask_{number:04d}.png", rng.random((H, W, 1)))
        write_camera(test / f"inputs/camera_{number:04d}.txt", pose(number))
    for number in range(9):
        write_png(test / f"gt_image_{number:04d}.png", rng.random((H, W, 3)))
        write_png(test / f"gt_mask_{number:04d}.png", rng.integers(0, 2, (H, W, 1)) * 0.5 + 0.5)
        write_camera(test / f"gt_camera_{number:04d}.txt", pose(10 + number))
        text(test / f"gt_exposure_{number:04d}.txt", 0.5 * number - 2)
        matrix = turn(number // 3)
        text(test / f"gt_world_to_env_{number:04d}.txt", matrix)
        seen = stored_directions(*size)
        write_hdr(test / f"gt_env_{number:04d}.hdr", radiance(seen @ matrix[:3, :3]))
        write_hdr(test / f"gt_env_512_rotated_{number:04d}.hdr", radiance(seen))
    return test


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return add(tmp_path, "toy")


def opened(test: Path, **options: Any) -> Owl:
    return Owl({"root": test.parents[2], "exposure": "undone", **options})


def test_the_card_keeps_its_promises(toy: Path) -> None:
    add(toy.parents[2], "book")
    for exposure in ("undone", "kept"):
        findings = check_dataset(CARD, {"root": toy.parents[2], "exposure": exposure}, "test")
        assert [finding for finding in findings if not finding.ok] == []


def test_an_object_is_one_sample_with_its_photos_and_nine_queries(toy: Path) -> None:
    dataset = opened(toy)
    assert dataset.samples("test") == [TOY]
    sample, targets = dataset.inputs("test", TOY), dataset.targets("test", TOY)
    assert len(sample.context) == 2
    for view in (sample.inputs, *sample.context):
        assert set(view) == {"image", "mask", "camera"}
    assert [query.id for query in sample.queries] == [f"relit-{n:04d}" for n in range(9)]
    assert {query.quantity for query in sample.queries} == {"relit"}
    assert targets.quantities == {}
    assert set(targets.queries) == {query.id for query in sample.queries}


def test_a_known_point_projects_where_the_files_say(toy: Path) -> None:
    sample = opened(toy).inputs("test", TOY)
    point = np.array([0.3, -0.2, 0.5])
    for camera, path in (
        (sample.context[1]["camera"], toy / "inputs/camera_0002.txt"),
        (sample.queries[4].condition["camera"], toy / "gt_camera_0004.txt"),
    ):
        numbers = np.loadtxt(path)
        u, v, w = numbers[:3] @ (numbers[3:6] @ point + numbers[6])
        pixel, depth = project(point, camera)
        np.testing.assert_allclose(pixel, [u / w, v / w], atol=1e-9)
        np.testing.assert_allclose(depth, [w], atol=1e-9)
        assert (camera.width, camera.height) == (W, H)


def test_photos_decode_to_the_radiance_that_was_encoded(toy: Path) -> None:
    radiance = np.random.default_rng(5).random((H, W, 3)) * 2.0**-INPUT_EXPOSURE
    stored = encoded(radiance, INPUT_EXPOSURE)
    cv2.imwrite(str(toy / "inputs/image_0000.png"), stored[..., ::-1])
    image = opened(toy).inputs("test", TOY).inputs["image"]
    np.testing.assert_array_equal(encoded(image.astype(np.float64), INPUT_EXPOSURE), stored)
    np.testing.assert_allclose(image, radiance, atol=0.025)


def test_answers_decode_with_their_own_exposure_unless_it_is_kept(toy: Path) -> None:
    stored = np.random.default_rng(6).integers(0, 256, (H, W, 3), np.uint8)
    cv2.imwrite(str(toy / "gt_image_0007.png"), stored[..., ::-1])
    undone = opened(toy).targets("test", TOY).queries["relit-0007"]["relit"]
    kept = opened(toy, exposure="kept").targets("test", TOY).queries["relit-0007"]["relit"]
    np.testing.assert_array_equal(encoded(undone.astype(np.float64), 1.5), stored)
    np.testing.assert_array_equal(encoded(kept.astype(np.float64), 0), stored)
    np.testing.assert_allclose(kept, undone * 2**1.5, rtol=1e-6)


def test_only_pixels_of_255_are_scored(toy: Path) -> None:
    stored = np.full((H, W), 254, np.uint8)
    stored[2, 3] = 255
    cv2.imwrite(str(toy / "gt_mask_0000.png"), stored)
    mask = opened(toy).targets("test", TOY).queries["relit-0000"]["mask"]
    assert np.argwhere(mask).tolist() == [[2, 3, 0]]


def without(kind: str) -> Callable[[Path], None]:
    """Remove one of the two ways in which each environment is stored."""

    def remove(test: Path) -> None:
        pattern = {"full": "gt_env_[0-9][0-9][0-9][0-9].hdr", "reduced": "gt_env_512_*"}[kind]
        for path in test.glob(pattern):
            path.unlink()

    return remove


@pytest.mark.parametrize("missing", ["full", "reduced"])
def test_a_lamp_lies_where_the_world_has_it(toy: Path, missing: str) -> None:
    without(missing)(toy)
    for query in opened(toy).inputs("test", TOY).queries[::3]:
        environment: Any = query.condition["environment"]
        assert environment.frame == "world"
        towards = directions(*environment.radiance.shape[:2])
        brightest = towards.reshape(-1, 3)[environment.radiance[..., 0].argmax()]
        assert np.degrees(np.arccos(brightest @ LAMP)) < 180 / 32
        found = lookup(environment.radiance, AXES)
        np.testing.assert_allclose(found, radiance(AXES), atol=0.01)  # no axis is exchanged
        np.testing.assert_allclose(environment.radiance, radiance(towards), atol=0.6)
        assert np.median(np.abs(environment.radiance - radiance(towards))) < 0.01


def test_a_camera_that_faces_the_lamp_has_it_in_its_middle(toy: Path) -> None:
    write_camera(toy / "gt_camera_0003.txt", look_at((0, 0, 0), LAMP, (0, 0, 1)))
    query = opened(toy).inputs("test", TOY).queries[3]
    environment: Any = query.condition["environment"]
    camera: Any = query.condition["camera"]
    seen = lookup(environment.radiance, pixel_rays(camera))[..., 0]
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    assert abs(column + 0.5 - INTRINSICS[0, 2]) <= 0.5
    assert abs(row + 0.5 - INTRINSICS[1, 2]) <= 0.5


def test_a_large_map_is_reduced_to_512_rows(tmp_path: Path) -> None:
    test = add(tmp_path, "toy", photos=1, size=(4, 8))
    large = radiance(stored_directions(768, 1536) @ turn(0)[:3, :3])
    write_hdr(test / "gt_env_0000.hdr", large)
    (test / "gt_env_512_rotated_0000.hdr").unlink()
    environment: Any = opened(test).inputs("test", TOY).queries[0].condition["environment"]
    assert environment.radiance.shape == (512, 1024, 3)
    expected = radiance(directions(512, 1024))
    np.testing.assert_allclose(environment.radiance, expected, atol=0.07)  # 8-bit mantissas of ≤ 8


def test_the_light_of_the_inputs_is_never_opened(toy: Path) -> None:
    before = opened(toy).fingerprint("test")
    for name in ("env.hdr", "env_512_rotated.hdr", "world_to_env.txt"):
        (toy / name).write_bytes(b"nobody reads this")
    dataset = opened(toy)
    sample = dataset.inputs("test", TOY)
    assert all("environment" not in view for view in (sample.inputs, *sample.context))
    assert dataset.targets("test", TOY).quantities == {}
    assert dataset.fingerprint("test") == before
    assert CARD.targets == ()


def test_inputs_work_with_every_target_removed(toy: Path) -> None:
    before = opened(toy).inputs("test", TOY)
    for kind in ("image", "mask", "exposure"):
        for path in toy.glob(f"gt_{kind}_*"):
            path.unlink()
    dataset = opened(toy)
    assert dataset.samples("test") == [TOY]
    after = dataset.inputs("test", TOY)
    np.testing.assert_array_equal(after.inputs["image"], before.inputs["image"])
    assert len(after.queries) == 9
    with pytest.raises(DataError, match="3 files are missing; `bench fetch owl`"):
        dataset.targets("test", TOY)


def test_all_missing_files_are_named_at_once(toy: Path) -> None:
    for name in ("inputs/mask_0001.png", "inputs/exposure.txt", "gt_env_0002.hdr"):
        (toy / name).unlink()
    (toy / "gt_env_512_rotated_0002.hdr").unlink()
    with pytest.raises(DataError, match="3 files are missing; `bench fetch owl`") as caught:
        opened(toy).samples("test")
    for name in ("mask_0001.png", "exposure.txt", "gt_env_512_rotated_0002.hdr"):
        assert name in str(caught.value)


def test_a_root_that_is_something_else_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \*/test/inputs; `bench fetch owl`"):
        Owl({"root": tmp_path}).samples("test")
    (tmp_path / "toy/test/inputs").mkdir(parents=True)
    with pytest.raises(DataError, match=r"toy/test: holds no inputs/image_\*\.png; `bench fetch"):
        Owl({"root": tmp_path}).samples("test")
    with pytest.raises(DataError, match="one split 'test'"):
        Owl({"root": tmp_path}).samples("train")


def camera_rows(**changes: Any) -> list[list[float]]:
    rows = np.vstack([INTRINSICS, np.eye(3), [[0, 0, 4]], [[W, H, 3]]]).tolist()
    for row, values in changes.items():
        rows[int(row.removeprefix("row"))] = values
    return rows  # type: ignore[no-any-return]


BAD_CAMERAS = {
    "seven rows": (camera_rows()[:7], r"camera_0001\.txt: 7 lines of numbers instead of 8"),
    "four columns": ([[*row, 0] for row in camera_rows()], r"camera_0001\.txt:1: "),
    "mirrored": (camera_rows(row5=[0, 0, -1]), r"camera_0001\.txt: .* no rotation"),
    "scaled": (camera_rows(row4=[0, 2, 0]), r"camera_0001\.txt: .* no rotation"),
    "no pinhole": (camera_rows(row2=[0, 0, 2]), r"camera_0001\.txt: .* no intrinsics"),
    "no focal length": (camera_rows(row0=[-1, 0, 5]), r"camera_0001\.txt: .* no intrinsics"),
    "half a pixel": (camera_rows(row7=[W + 0.5, H, 3]), r"camera_0001\.txt: .* whole pixels"),
    "infinite": (camera_rows(row6=[0, np.inf, 1]), r"camera_0001\.txt:7: "),
    "another size": (camera_rows(row7=[H, W, 3]), r"image_0001\.png: 8×10 pixels instead of 10×8"),
}


@pytest.mark.parametrize("kind", BAD_CAMERAS)
def test_a_bad_camera_is_named(toy: Path, kind: str) -> None:
    rows, message = BAD_CAMERAS[kind]
    text(toy / "inputs/camera_0001.txt", rows)
    with pytest.raises(DataError, match=message):
        opened(toy).inputs("test", TOY)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("inputs/exposure.txt", b"bright", r"exposure\.txt:1: .*'bright'"),
        ("inputs/exposure.txt", b"2000", r"exposure\.txt: an exposure of 2000 is beyond"),
        ("inputs/image_0002.png", b"no picture", r"image_0002\.png: truncated or corrupt"),
        ("inputs/mask_0000.png", b"", r"mask_0000\.png: truncated or corrupt"),
        ("gt_env_512_rotated_0001.hdr", b"#?RADIANCE\n", r"rotated_0001\.hdr: truncated or corr"),
    ],
)
def test_a_malformed_input_is_named(toy: Path, name: str, content: bytes, message: str) -> None:
    (toy / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        opened(toy).inputs("test", TOY)


def test_a_truncated_map_and_a_turn_that_is_none_are_named(toy: Path) -> None:
    without("reduced")(toy)
    text(toy / "gt_world_to_env_0004.txt", np.diag([1, 1, -1, 1]))
    with pytest.raises(DataError, match=r"gt_world_to_env_0004\.txt: .* no rotation"):
        opened(toy).inputs("test", TOY)
    path = toy / "gt_env_0001.hdr"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"gt_env_0001\.hdr: truncated or corrupt"):
        opened(toy).inputs("test", TOY)


def test_a_malformed_answer_is_named_and_spoils_no_input(toy: Path) -> None:
    path = toy / "gt_image_0005.png"
    path.write_bytes(path.read_bytes()[:-60])
    opened(toy).inputs("test", TOY)
    with pytest.raises(DataError, match=r"gt_image_0005\.png: truncated or corrupt"):
        opened(toy).targets("test", TOY)


def test_the_fingerprint_follows_files_and_exposure(toy: Path) -> None:
    prints = [opened(toy).fingerprint("test"), opened(toy, exposure="kept").fingerprint("test")]
    text(toy / "gt_exposure_0000.txt", 3)
    prints.append(opened(toy).fingerprint("test"))
    assert len(set(prints)) == 3
    assert set(opened(toy).scene_digests("test")) == {"toy"}
    with pytest.raises(DataError, match=r"no sample \.\./object"):
        opened(toy).inputs("test", Key("..", "object"))
