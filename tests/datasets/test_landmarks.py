"""The dataset `landmarks`: bundles in pickles, and relighting by the half of a photo."""

import dataclasses
import itertools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import Key
from bench.datasets.landmarks.adapter import Landmarks
from bench.datasets.landmarks.bundle import Bundle
from bench.datasets.landmarks.relighting import HALVES, MINIMUM_SHARE
from bench.datasets.landmarks.unpickling import read_pickle, rebuild
from bench.errors import DataError
from bench.graphics.cameras import project, unproject
from bench.graphics.colour import srgb_decode
from bench.graphics.normals import angular_error_degrees, normals_from_depth
from bench.quantities import validate

SIZE = 40
FOCAL, SCALE = 200.0, 4.0


def rotation_about_y(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def world_to_camera(view: int) -> tuple[np.ndarray, np.ndarray]:
    """Five cameras side by side before the plane z = 4, each turned a little toward its middle."""
    rotation = rotation_about_y(3.0 * (view - 2))
    return rotation, -rotation @ np.array([0.25 * (view - 2), 0.02 * view, 0.0])


def points_on_plane(view: int) -> tuple[np.ndarray, np.ndarray]:
    """World points H×W×3 and depths H×W that view sees, by intersection and not by the adapter."""
    rotation, translation = world_to_camera(view)
    centre = -rotation.T @ translation
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5
    focal = FOCAL / SCALE
    rays = np.stack([(u - SIZE / 2) / focal, (v - SIZE / 2) / focal, np.ones_like(u)], -1)
    directions = rays @ rotation
    distance = (4.0 - centre[2]) / directions[..., 2]
    return centre + directions * distance[..., None], distance


def texture(points: np.ndarray) -> np.ndarray:
    """Linear RGB in (0, 1), affine in the plane, so that bilinear warping is nearly exact."""
    x, y = points[..., 0], points[..., 1]
    return np.stack([0.5 + 0.1 * x, 0.5 + 0.1 * y, 0.5 + 0.05 * (x - y)], -1)


def gain(view: int) -> float:
    return 0.4 + 0.1 * view


def plane_bundle() -> dict[str, np.ndarray]:
    cameras, photos, depths = [], [], []
    for view in range(5):
        rotation, translation = world_to_camera(view)
        points, depth = points_on_plane(view)
        linear = gain(view) * texture(points)
        encoded = 1.055 * linear ** (1 / 2.4) - 0.055
        photos.append(np.rint(255 * encoded).astype(np.uint8))
        depths.append(depth.astype(np.float32))
        middle = SIZE / 2
        cameras.append([FOCAL, 1.0, middle, middle, *rotation.ravel(), *translation])
    normals = np.zeros((5, SIZE, SIZE, 3), np.int8)
    for view in range(5):
        toward_viewer = world_to_camera(view)[0] @ [0, 0, -1] * [1, -1, -1]
        normals[view] = np.rint(127 * toward_viewer)
    return {
        "input": np.stack(photos),
        "mask": np.ones((5, SIZE, SIZE), bool),
        "cam": np.array(cameras),
        "scaleX": np.full(5, SCALE, np.float32),
        "scaleY": np.full(5, SCALE, np.float32),
        "dm": np.stack(depths),
        "nm": normals,
    }


def write(folder: Path, bundle: Any, name: str = "000_0000.pk") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(pickle.dumps(bundle, protocol=3))
    return path


def opened(root: Path, **options: Any) -> Landmarks:
    return Landmarks({"root": root, **options})


VIEW = Key("000_0000", "view1")


def test_image_is_decoded_mask_and_camera_are_handed_over(tmp_path: Path) -> None:
    bundle = plane_bundle()
    bundle["mask"][1, :5] = False
    write(tmp_path / "000", bundle)
    sample = opened(tmp_path).inputs("000", VIEW)
    np.testing.assert_allclose(
        sample.inputs["image"], srgb_decode(bundle["input"][1] / 255), atol=1e-6
    )
    assert sample.inputs["mask"].sum() == SIZE * SIZE - 5 * SIZE
    camera = sample.inputs["camera"]
    assert camera.intrinsics[0, 0] == FOCAL / SCALE
    points, depth = points_on_plane(1)
    pixels, distance = project(points, camera)
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5
    np.testing.assert_allclose(pixels, np.stack([u, v], -1), atol=1e-9)
    np.testing.assert_allclose(distance[..., 0], depth, atol=1e-9)
    for name, value in sample.inputs.items():
        validate(name, value)


def test_targets_are_unit_normals_and_depth_with_zero_for_unknown(tmp_path: Path) -> None:
    bundle = plane_bundle()
    bundle["dm"][1, 0, 0] = np.nan
    bundle["nm"][1, 0, 1] = 0
    write(tmp_path / "000", bundle)
    known = opened(tmp_path).targets("000", VIEW).quantities
    assert known["depth"][0, 0] == 0
    assert (known["depth"] > 0).sum() == SIZE * SIZE - 1
    assert not known["normal"][0, 1].any()
    np.testing.assert_allclose(np.linalg.norm(known["normal"][1:], axis=-1), 1, atol=1e-6)
    for name, value in known.items():
        validate(name, value)


def test_inputs_need_no_key_of_the_geometry(tmp_path: Path) -> None:
    bundle = plane_bundle()
    whole = opened(write(tmp_path / "a", bundle).parent).inputs("a", VIEW)
    del bundle["dm"], bundle["nm"]
    blind = opened(write(tmp_path / "b", bundle).parent)
    sample = blind.inputs("b", VIEW)
    assert [query.id for query in sample.queries] == [query.id for query in whole.queries]
    with pytest.raises(DataError, match="no key 'nm'"):
        blind.targets("b", VIEW)


def test_every_other_view_is_asked_by_either_half(tmp_path: Path) -> None:
    write(tmp_path / "000", plane_bundle())
    queries = opened(tmp_path).inputs("000", VIEW).queries
    assert [query.id for query in queries] == [
        f"relit-view{other}-{half}" for other in (0, 2, 3, 4) for half in HALVES
    ]
    assert {query.quantity for query in queries} == {"relit"}
    assert set(queries[0].condition) == {
        "reference",
        "reference_mask",
        "reference_camera",
        "reference_framebuffer",
        "camera",
        "framebuffer",
    }


def test_the_hidden_half_of_a_reference_is_blank(tmp_path: Path) -> None:
    bundle = plane_bundle()
    bundle["mask"][2, :5] = False
    write(tmp_path / "000", bundle)
    dataset = opened(tmp_path)
    photo = dataset.inputs("000", Key("000_0000", "view2")).inputs["image"]
    left, right = (
        query.condition for query in dataset.inputs("000", VIEW).queries if "view2" in query.id
    )
    middle = SIZE // 2
    assert not left["reference"][:, middle:].any()
    assert not right["reference"][:, :middle].any()
    np.testing.assert_array_equal(left["reference"] + right["reference"], photo)
    np.testing.assert_array_equal(left["reference_mask"][5:, :middle], 1)
    assert not left["reference_mask"][:5].any()
    assert not left["reference_mask"][:, middle:].any()


@pytest.mark.parametrize("other", [0, 2, 4])
@pytest.mark.parametrize("half", HALVES)
def test_the_answer_is_the_other_photo_at_the_points_this_view_shows(
    tmp_path: Path, other: int, half: str
) -> None:
    write(tmp_path / "000", plane_bundle())
    answer = opened(tmp_path).targets("000", VIEW).queries[f"relit-view{other}-{half}"]
    scored = answer["mask"][..., 0] > 0
    expected = gain(other) * texture(points_on_plane(1)[0])
    assert np.abs(answer["relit"] - expected)[scored].max() < 0.004  # 8-bit steps of the photo
    assert not answer["relit"][~scored].any()


def brute_force_mask(
    bundle: dict[str, np.ndarray], view: int, other: int, given: str
) -> np.ndarray:
    """One pixel at a time, in the words of the definition."""
    rotation, translation = world_to_camera(other)
    points, _ = points_on_plane(view)
    mask = np.zeros((SIZE, SIZE), bool)
    for row in range(SIZE):
        for column in range(SIZE):
            x, y, z = rotation @ points[row, column] + translation
            u = FOCAL / SCALE * x / z + SIZE / 2 - 0.5
            v = FOCAL / SCALE * y / z + SIZE / 2 - 0.5
            if not (0 < u < SIZE - 1 and 0 < v < SIZE - 1 and z > 0):
                continue
            left, top = int(u), int(v)
            four = (other, slice(top, top + 2), slice(left, left + 2))
            in_half = left >= SIZE // 2 if given == "left" else left + 1 < SIZE // 2
            known = np.isfinite(bundle["dm"][four]).all() and bundle["mask"][four].all()
            mask[row, column] = in_half and known and bundle["mask"][view, row, column]
    return mask


@pytest.mark.parametrize("half", HALVES)
def test_scored_pixels_are_those_whose_four_neighbours_lie_in_the_hidden_half(
    tmp_path: Path, half: str
) -> None:
    bundle = plane_bundle()
    bundle["mask"][2, :4] = False
    bundle["mask"][1, :, 7] = False
    bundle["dm"][2, 20:23, 5:35] = np.nan
    write(tmp_path / "000", bundle)
    answer = opened(tmp_path).targets("000", VIEW).queries[f"relit-view2-{half}"]
    np.testing.assert_array_equal(answer["mask"][..., 0] > 0, brute_force_mask(bundle, 1, 2, half))


def test_no_scored_pixel_changes_when_the_given_half_does(tmp_path: Path) -> None:
    bundle = plane_bundle()
    before = opened(write(tmp_path / "a", bundle).parent).targets("a", VIEW)
    bundle["input"][2, :, : SIZE // 2] = 255
    after = opened(write(tmp_path / "b", bundle).parent).targets("b", VIEW)
    name = "relit-view2-left"
    np.testing.assert_array_equal(after.queries[name]["relit"], before.queries[name]["relit"])
    other_way = "relit-view2-right"
    assert (after.queries[other_way]["relit"] != before.queries[other_way]["relit"]).any()


def test_points_hidden_from_the_other_photo_are_not_scored(tmp_path: Path) -> None:
    bundle = plane_bundle()
    bundle["dm"][2, 10:30, 25:35] *= 0.9  # something stands before the plane in photo 2
    write(tmp_path / "000", bundle)
    mask = opened(tmp_path).targets("000", VIEW).queries["relit-view2-left"]["mask"]
    free = brute_force_mask(plane_bundle(), 1, 2, "left")
    assert 150 < free.sum() - mask.sum() < 350


def test_a_reference_without_overlap_is_asked_and_not_scored(tmp_path: Path) -> None:
    bundle = plane_bundle()
    bundle["cam"][2, 4:13] = (rotation_about_y(180) @ world_to_camera(2)[0]).ravel()
    write(tmp_path / "000", bundle)
    dataset = opened(tmp_path)
    assert any("view2" in query.id for query in dataset.inputs("000", VIEW).queries)
    assert not any("view2" in name for name in dataset.targets("000", VIEW).queries)


def test_normals_of_the_reference_come_on_request_and_for_the_given_half_only(
    tmp_path: Path,
) -> None:
    write(tmp_path / "000", plane_bundle())
    dataset = opened(tmp_path, reference_normals=True)
    truth = dataset.targets("000", Key("000_0000", "view0")).quantities["normal"]
    normals = dataset.inputs("000", VIEW).queries[0].condition["reference_normal"]
    np.testing.assert_array_equal(normals[:, : SIZE // 2], truth[:, : SIZE // 2])
    assert not normals[:, SIZE // 2 :].any()
    assert dataset.fingerprint("000") != opened(tmp_path).fingerprint("000")


def test_what_is_handed_out_can_be_changed_without_harm(tmp_path: Path) -> None:
    write(tmp_path / "000", plane_bundle())
    dataset = opened(tmp_path)
    first, known = dataset.inputs("000", VIEW), dataset.targets("000", VIEW).quantities
    for array in (first.inputs["image"], first.inputs["camera"].intrinsics, known["depth"]):
        array *= 0
    assert dataset.inputs("000", VIEW).inputs["image"].any()
    assert dataset.inputs("000", VIEW).queries[0].condition["camera"].intrinsics.any()
    assert dataset.targets("000", VIEW).quantities["depth"].any()


def test_splits_are_folders_and_all(tmp_path: Path) -> None:
    write(tmp_path / "001", plane_bundle(), "001_0001.pk")
    write(tmp_path / "001", plane_bundle(), "001_0000.pk")
    write(tmp_path / "002", plane_bundle(), "002_0000.pk")
    dataset = opened(tmp_path)
    assert dataset.samples("001")[:6] == [
        *(Key("001_0000", f"view{view}") for view in range(5)),
        Key("001_0001", "view0"),
    ]
    assert len(dataset.samples("all")) == 15
    assert opened(tmp_path / "002").samples("002") == opened(tmp_path / "002").samples("all")
    with pytest.raises(DataError, match=r"003.*001, 002, all"):
        dataset.samples("003")


def test_listing_opens_no_file(tmp_path: Path) -> None:
    (tmp_path / "001_0000.pk").write_bytes(b"not a pickle")
    assert len(opened(tmp_path).samples("all")) == 5


def test_a_missing_root_says_which_option_to_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.*option root"):
        opened(tmp_path / "nowhere").samples("all")


def test_the_fingerprint_changes_with_a_byte(tmp_path: Path) -> None:
    bundle = plane_bundle()
    first = opened(write(tmp_path / "a" / "x", bundle).parents[1]).fingerprint("x")
    same = opened(write(tmp_path / "b" / "x", bundle).parents[1]).fingerprint("x")
    bundle["dm"][0, 0, 0] += 1
    other = opened(write(tmp_path / "c" / "x", bundle).parents[1]).fingerprint("x")
    assert first == same != other


class Runs:
    """A pickle that calls `function` when it is loaded by the plain unpickler."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def malicious(marker: Path) -> dict[str, Any]:
    touch = f"touch {marker}"
    python = f"open({str(marker)!r}, 'w').close()"
    array = np.empty(2, object)
    array[0] = Runs(os.system, touch)
    return {
        "a command": Runs(os.system, touch),
        "an evaluation": Runs(eval, python),
        "an execution": {"input": Runs(exec, python)},
        "a command after good arrays": plane_bundle()
        | {"z": [1, {"deep": (Runs(os.system, touch),)}]},
        "a command in an object array": {"input": array},
    }


@pytest.mark.parametrize("kind", malicious(Path("unused")))
def test_a_pickle_that_would_run_something_is_refused_before_it_does(
    tmp_path: Path, kind: str
) -> None:
    marker = tmp_path / "ran"
    path = write(tmp_path / "000", malicious(marker)[kind])
    with pytest.raises(DataError, match=r"000_0000.pk.*nothing in it was run"):
        opened(tmp_path).inputs("000", VIEW)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # the trap is live: a plain load does run it
    assert marker.exists()


FORGED = {
    "an object array over bytes of the file's choosing": (
        b"\x80\x03cnumpy\nndarray\n(K\x01\x85X\x01\x00\x00\x00OC\x08AAAAAAAAtR."
    ),
    "a dtype with a forged state": (
        b"\x80\x03cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R"
        b"(K\x03X\x01\x00\x00\x00|NNNK\x08K\x01K\x00tb."
    ),
    "a name on a stand-in": (
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n}X\x01\x00\x00\x00xK\x01sb."
    ),
    "a persistent id": b"Pabc\n.",
    "memory for four thousand million things": b"\x80\x03}r\xff\xff\xff\xff.",
    "a buffer": b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00A.",
    "an extension code": b"\x80\x03\x82\x01.",
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_arrays_never_reach_numpy(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "000_0000.pk"
    path.write_bytes(FORGED[kind])
    with pytest.raises(DataError, match=r"000_0000.pk"):
        opened(tmp_path).inputs("all", VIEW)


def test_an_object_array_of_numbers_is_refused(tmp_path: Path) -> None:
    write(tmp_path, plane_bundle() | {"input": np.array([1, 2], object)})
    with pytest.raises(DataError, match=r"000_0000.pk.*'input'.*plain number"):
        opened(tmp_path).inputs("all", VIEW)


def test_the_real_bundles_name_of_numpy_before_2_is_read(tmp_path: Path) -> None:
    bundle = plane_bundle()
    old = pickle.dumps(bundle, 2 + 1).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / "000_0000.pk").write_bytes(old)
    recorded = read_pickle(tmp_path / "000_0000.pk")
    for key, array in bundle.items():
        rebuilt = rebuild(recorded[key])
        np.testing.assert_array_equal(rebuilt, array)
        assert rebuilt.dtype == array.dtype


def test_arrays_that_python_2_pickled_as_text_are_read(tmp_path: Path) -> None:
    data = np.array([[1, -2], [3, -4], [5, 300]], ">i2")
    body = (
        b"\x80\x02}U\x01xcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03K\x02\x86cnumpy\ndtype\nU\x02i2K\x00K\x01\x87R"
        b"(K\x03U\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x0c"
        + data.tobytes()
        + b"tbs."
    )
    (tmp_path / "old.pk").write_bytes(body)
    rebuilt = rebuild(read_pickle(tmp_path / "old.pk")["x"])
    np.testing.assert_array_equal(rebuilt, data)


def test_an_array_stored_by_columns_is_read(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    recorded = read_pickle(write(tmp_path, {"x": array}))
    np.testing.assert_array_equal(rebuild(recorded["x"]), array)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_pickle_is_an_error_that_names_it(tmp_path: Path, share: float) -> None:
    path = write(tmp_path, plane_bundle())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"000_0000.pk: refused, truncated or corrupt pickle: ."):
        opened(tmp_path).inputs("all", VIEW)


def changed(key: str, value: Any) -> dict[str, Any]:
    return plane_bundle() | {key: value}


BROKEN = {
    "no rotation": ("'cam'.*no rotation", changed("cam", np.ones((5, 16)))),
    "a mask of another size": ("'mask' is of 10×10", changed("mask", np.ones((5, 10, 10), bool))),
    "other views": ("'mask'.*5 ×", changed("mask", np.ones((3, SIZE, SIZE), bool))),
    "another dtype": ("'input' is float64", changed("input", np.ones((5, SIZE, SIZE, 3)))),
    "wide integers": ("uint16", changed("input", np.ones((5, SIZE, SIZE, 3), np.uint16))),
    "NaN in a camera": ("not finite", changed("cam", np.full((5, 16), np.nan))),
    "no scale": ("not finite and positive", changed("scaleX", np.zeros(5, np.float32))),
    "a list": ("'scaleX' is no array but list", changed("scaleX", [1, 2])),
    "no dict": ("holds a list", [1, 2]),
    "a missing key": ("no key 'input'", {"mask": np.ones(3)}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bundle_of_another_layout_is_an_error_that_names_the_key(
    tmp_path: Path, kind: str
) -> None:
    message, bundle = BROKEN[kind]
    write(tmp_path, bundle)
    with pytest.raises(DataError, match=f"000_0000.pk.*{message}"):
        opened(tmp_path).inputs("all", VIEW)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("nm", np.full((5, SIZE, SIZE, 3), 127, np.int8), "not of unit length"),
        ("dm", np.full((5, SIZE, SIZE), -1, np.float32), "negative or infinite"),
        ("dm", np.full((5, SIZE, SIZE), np.inf, np.float32), "negative or infinite"),
        ("dm", np.ones((5, 3, 3), np.float32), "'dm' is of 3×3"),
    ],
)
def test_impossible_geometry_is_an_error_of_the_targets(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    write(tmp_path, changed(key, value))
    dataset = opened(tmp_path)
    dataset.inputs("all", VIEW)
    with pytest.raises(DataError, match=f"000_0000.pk.*{message}"):
        dataset.targets("all", VIEW)


def test_real_bundles_keep_the_contract_and_can_mostly_be_scored(shared: Path) -> None:
    dataset = opened(shared / "data" / "landmarks")
    keys = dataset.samples("037")
    assert len(keys) == 50
    scored = 0
    for key in keys:
        sample, targets = dataset.inputs("037", key), dataset.targets("037", key)
        for name, value in (*sample.inputs.items(), *targets.quantities.items()):
            validate(name, value)
        assert targets.queries.keys() <= {query.id for query in sample.queries}
        for answer in targets.queries.values():
            assert answer["mask"].mean() >= MINIMUM_SHARE
        scored += len(targets.queries)
    assert scored == 369


def test_real_normals_have_the_axes_of_the_camera_frame(shared: Path) -> None:
    dataset = opened(shared / "data" / "landmarks")
    key = Key("037_0009", "view3")
    known = dataset.targets("037", key).quantities
    camera = dataset.inputs("037", key).inputs["camera"]
    error = angular_error_degrees(normals_from_depth(known["depth"], camera), known["normal"])
    flipped = angular_error_degrees(
        normals_from_depth(known["depth"], camera), known["normal"] * [1, -1, 1]
    )
    assert np.nanmedian(error) < 12
    assert np.nanmedian(flipped) > 2 * np.nanmedian(error)


def reprojection_error(bundle: Bundle, offset: float) -> float:
    """Median share by which two views' depths disagree where pixel centres are at `offset`, as the
    mean over all pairs of the bundle."""
    shift = np.array([[0, 0, 0.5 - offset], [0, 0, 0.5 - offset], [0, 0, 0]])
    cameras = [
        dataclasses.replace(view.camera, intrinsics=view.camera.intrinsics + shift)
        for view in bundle.views
    ]
    errors = []
    for first, second in itertools.permutations(range(5), 2):
        depth, other = bundle.depths[first], bundle.depths[second]
        points = unproject(depth, cameras[first])[depth[..., 0] > 0]  # N×3
        pixels, distance = project(points, cameras[second])
        column, row = np.rint(pixels - 0.5).astype(int).T
        inside = (column >= 0) & (column < 200) & (row >= 0) & (row < 200)
        seen = other[row[inside], column[inside], 0]
        error = np.abs(seen / distance[inside, 0] - 1)[seen > 0]
        errors.append(np.median(error[error < 0.02]))
    return float(np.mean(errors))


def test_depths_of_real_views_agree_best_with_pixel_centres_at_one_half(shared: Path) -> None:
    bundle = Bundle(shared / "data" / "landmarks" / "037" / "037_0005.pk")
    errors = {offset: reprojection_error(bundle, offset) for offset in (0.0, 0.5, 1.0)}
    assert min(errors, key=errors.__getitem__) == 0.5
    assert errors[0.5] < 0.001
