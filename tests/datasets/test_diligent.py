"""The dataset `diligent`, on spheres that are rendered here in the documented layout."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from bench.api import Key
from bench.conformance.dataset import check_dataset
from bench.datasets.diligent.adapter import LIGHTS, OBJECTS, Diligent
from bench.datasets.diligent.fetch import fetch_diligent
from bench.datasets.diligent.plugin import bench_datasets
from bench.errors import DataError, UnavailableError
from bench.graphics.image_files import write_png
from bench.graphics.normals import angular_error_degrees

H, W = 12, 16
(CARD,) = bench_datasets()
BALL, BEAR = Key("ball", "object"), Key("bear", "object")
PAGE = "sites.google.com/site/photometricstereodata"
Float64 = NDArray[np.float64]


def sphere() -> tuple[Float64, Float64]:
    """Normals H×W×3 of a ball seen from +z, x right and y up, and its mask H×W×1."""
    rows, columns = np.mgrid[:H, :W] + 0.5
    x, y = (columns - W / 2) / 5.5, (H / 2 - rows) / 5.5
    inside = (x**2 + y**2 < 0.8)[..., None]
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    return np.where(inside, np.stack([x, y, z], axis=-1), 0), inside.astype(float)


def lights() -> tuple[Float64, Float64]:
    """Directions and intensities, 96×3 each."""
    rng = np.random.default_rng(3)
    directions = rng.normal(size=(LIGHTS, 3)) * 0.4 + [0, 0, 1.2]
    directions[:, 2] = np.abs(directions[:, 2])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions, 0.5 + 1.5 * rng.random((LIGHTS, 3))


def add(folder: Path) -> None:
    """One object: a Lambertian ball of albedo 0.4, 0.3, 0.2 on black, 16 bits, mask in RGB."""
    folder.mkdir(parents=True)
    normals, mask = sphere()
    for number, (direction, intensity) in enumerate(zip(*lights(), strict=True), start=1):
        cosine = np.maximum(normals @ direction, 0)[..., None]  # H×W×1
        picture = cosine * [0.4, 0.3, 0.2] * intensity
        write_png(folder / f"{number:03d}.png", picture, bits=16)
    write_png(folder / "mask.png", np.repeat(mask, 3, axis=2))
    np.savetxt(folder / "light_directions.txt", lights()[0])
    np.savetxt(folder / "light_intensities.txt", lights()[1])
    (folder / "filenames.txt").write_text("\n".join(f"{n:03d}.png" for n in range(1, 97)))
    (folder / "normal.txt").write_text("upside down: nobody reads this")
    savemat(folder / "Normal_gt.mat", {"Normal_gt": normals})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All ten objects; not to be changed."""
    root = tmp_path_factory.mktemp("diligent")
    add(root / "pmsData/ballPNG")
    for name in OBJECTS[1:]:
        shutil.copytree(root / "pmsData/ballPNG", root / f"pmsData/{name}PNG")
    return root


@pytest.fixture
def ball(whole: Path, tmp_path: Path) -> Path:
    """The folder of one object, free to be damaged."""
    return shutil.copytree(whole / "pmsData/ballPNG", tmp_path / "pmsData/ballPNG")


def opened(root: Path, **options: Any) -> Diligent:
    return Diligent({"root": root, "all_of_bear": False, **options})


def damaged(ball: Path) -> Diligent:
    return opened(ball.parents[1])


def test_the_card_keeps_its_promises(whole: Path) -> None:
    findings = check_dataset(CARD, {"root": whole, "all_of_bear": False}, "test")
    assert [finding for finding in findings if not finding.ok] == []


def test_least_squares_photometric_stereo_recovers_the_normals(whole: Path) -> None:
    """An oracle that knows nothing but n·l: intensities, frame and order must all be right."""
    dataset = opened(whole)
    sample = dataset.inputs("test", BALL)
    views: Any = [sample.inputs, *sample.context]
    images = np.stack([view["image"] for view in views]).astype(np.float64)  # 96×H×W×3
    towards = np.stack([view["light_direction"] for view in views]).astype(np.float64)  # 96×3
    known: Any = dataset.targets("test", BALL).quantities["normal"]
    inside = known.any(axis=2)
    for channel, albedo in enumerate((0.4, 0.3, 0.2)):
        for row, column in np.argwhere(inside):
            seen = images[:, row, column, channel]
            lit = seen > 0.01
            scaled, *_ = np.linalg.lstsq(towards[lit], seen[lit], rcond=None)
            assert angular_error_degrees(scaled, known[row, column])[0] < 0.05
            assert np.linalg.norm(scaled) == pytest.approx(albedo, rel=2e-3)


def test_what_is_above_has_normals_that_point_up(whole: Path) -> None:
    normal: Any = opened(whole).targets("test", BALL).quantities["normal"]
    top, right = normal[2, W // 2], normal[H // 2, W // 2 + 4]
    assert top[1] > 0.5
    assert right[0] > 0.5
    assert normal[..., 2].min() >= 0


def test_a_sample_is_an_object_with_96_lights(whole: Path) -> None:
    dataset = opened(whole)
    assert [key.scene for key in dataset.samples("test")] == list(OBJECTS)
    sample = dataset.inputs("test", BALL)
    views: Any = [sample.inputs, *sample.context]
    assert len(views) == LIGHTS
    for view, direction, intensity in zip(views, *lights(), strict=True):
        np.testing.assert_allclose(view["light_direction"], direction, rtol=1e-6)
        np.testing.assert_allclose(view["light_intensity"], intensity, rtol=1e-6)
        np.testing.assert_array_equal(view["mask"], sphere()[1])


def test_the_corrupted_photos_of_bear_are_left_out_unless_asked_for(
    whole: Path, ball: Path
) -> None:
    def directions(**options: Any) -> Any:
        sample = opened(whole, **options).inputs("test", BEAR)
        return [view["light_direction"] for view in (sample.inputs, *sample.context)]

    assert len(directions(all_of_bear=True)) == 96
    np.testing.assert_allclose(directions(), lights()[0][20:], rtol=1e-6)
    for name in OBJECTS[1:]:
        shutil.copytree(whole / f"pmsData/{name}PNG", ball.parent / f"{name}PNG")
    for number in range(1, 21):
        (ball.parent / f"bearPNG/{number:03d}.png").unlink()
    assert len(damaged(ball).samples("test")) == 10
    with pytest.raises(DataError, match="20 files are missing"):
        opened(ball.parents[1], all_of_bear=True).samples("test")


def test_inputs_work_with_every_target_removed(ball: Path) -> None:
    (ball / "Normal_gt.mat").unlink()
    (ball / "normal.txt").unlink()
    sample = damaged(ball).inputs("test", BALL)
    assert len(sample.context) == 95
    with pytest.raises(DataError, match=rf"(?s)1 files are missing; .*{PAGE}.*Normal_gt\.mat"):
        damaged(ball).targets("test", BALL)


def test_all_missing_files_are_named_with_the_page_that_has_them(ball: Path) -> None:
    (ball / "017.png").unlink()
    (ball / "light_intensities.txt").unlink()
    with pytest.raises(DataError, match=rf"files are missing; .*{PAGE}") as caught:
        damaged(ball).samples("test")
    assert "ballPNG/017.png" in str(caught.value)
    assert "ballPNG/light_intensities.txt" in str(caught.value)
    assert "catPNG/mask.png" in str(caught.value)


def test_a_root_that_is_something_else_names_the_page(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"holds no \*PNG/mask\.png; .*{PAGE}"):
        opened(tmp_path).samples("test")
    with pytest.raises(UnavailableError, match=PAGE):
        fetch_diligent()


def mat(path: Path, **values: Any) -> bytes:
    savemat(path, values)
    return path.read_bytes()


def test_a_malformed_mat_file_is_named_with_its_key(ball: Path, tmp_path: Path) -> None:
    normals, _ = sphere()
    good = (ball / "Normal_gt.mat").read_bytes()
    beyond = np.where(normals > 0.9, np.nan, normals)
    cases = {
        "truncated or corrupt .mat file": [good[: len(good) // 2], b"", b"text\n" * 100],
        "key 'Normal_gt' is missing": [
            mat(tmp_path / "a", Normals=normals),
            mat(tmp_path / "a", Normal_gt=np.array([normals, "x"], object)),
            mat(tmp_path / "a", Normal_gt="text"),
        ],
        "key 'Normal_gt' is of shape": [
            mat(tmp_path / "a", Normal_gt=normals[..., 0]),
            mat(tmp_path / "a", Normal_gt=normals.transpose(1, 0, 2)),
        ],
        "key 'Normal_gt': normal: .* neither of unit": [mat(tmp_path / "a", Normal_gt=2 * normals)],
        "key 'Normal_gt': normal: .* NaN": [mat(tmp_path / "a", Normal_gt=beyond)],
    }
    for message, contents in cases.items():
        for content in contents:
            (ball / "Normal_gt.mat").write_bytes(content)
            with pytest.raises(DataError, match=rf"Normal_gt\.mat: {message}"):
                damaged(ball).targets("test", BALL)


@pytest.mark.parametrize(
    ("name", "line", "content", "message"),
    [
        ("light_directions", 4, "0 0", r"directions\.txt:5: '0 0' is not 3 finite"),
        ("light_directions", 4, "0 0 two", r"directions\.txt:5: .*'two'"),
        ("light_directions", 4, "0 0 2", r"directions\.txt: light 5 is no unit vector"),
        ("light_intensities", 95, "1 0 1", r"intensities\.txt: light 96 has no positive"),
        ("light_intensities", 95, "", r"intensities\.txt: 95 lines of numbers instead of 96"),
    ],
)
def test_malformed_lights_are_named_by_line(
    ball: Path, name: str, line: int, content: str, message: str
) -> None:
    path = ball / f"{name}.txt"
    lines = path.read_text().splitlines()
    lines[line] = content
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=message):
        damaged(ball).inputs("test", BALL)


def test_a_truncated_photo_and_one_of_another_size_are_named(ball: Path) -> None:
    write_png(ball / "005.png", np.zeros((H, W + 1, 3)), bits=16)
    with pytest.raises(DataError, match=r"005\.png: 12×17 pixels instead of 12×16"):
        damaged(ball).inputs("test", BALL)
    (ball / "003.png").write_bytes((ball / "003.png").read_bytes()[:-60])
    with pytest.raises(DataError, match=r"003\.png: truncated or corrupt"):
        damaged(ball).inputs("test", BALL)


def test_unknown_splits_and_samples_are_refused(ball: Path) -> None:
    with pytest.raises(DataError, match="one split 'test'"):
        damaged(ball).samples("train")
    with pytest.raises(DataError, match=r"no sample \.\./object"):
        damaged(ball).inputs("test", Key("..", "object"))


def test_the_fingerprint_follows_what_is_used_of_the_files(whole: Path, tmp_path: Path) -> None:
    root = shutil.copytree(whole, tmp_path / "copy")
    prints = [opened(root).fingerprint("test"), opened(whole).fingerprint("test")]
    assert prints[0] == prints[1]
    shutil.copy(root / "pmsData/bearPNG/040.png", root / "pmsData/bearPNG/001.png")
    assert opened(root).fingerprint("test") == prints[0]  # it is one of the corrupted
    prints.append(opened(root, all_of_bear=True).fingerprint("test"))
    shutil.copy(root / "pmsData/bearPNG/040.png", root / "pmsData/bearPNG/021.png")
    prints.append(opened(root).fingerprint("test"))
    assert len(set(prints)) == 3
    assert set(opened(root).scene_digests("test")) == set(OBJECTS)
