"""`bench prepare aligned` from COLMAP models and .ply files, and what bad ones get."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycolmap
import pytest

from bench.api import Source
from bench.cli.commands import arguments
from bench.datasets.aligned.plugin import bench_datasets
from bench.datasets.aligned.prepare import prepare
from bench.datasets.folder.adapter import Folder
from bench.errors import DataError
from bench.graphics.point_clouds import PointCloud
from bench.graphics.point_files import write_points

H, W = 64, 72
FOCAL, CENTRE = (60.0, 50.0), (37.0, 30.0)
BENT = (-0.2, 0.05, 0.01, -0.02)
(COMMAND,) = bench_datasets()[0].commands


def grid() -> np.ndarray:
    """Points of the plane z = 2, N×3, that cover the picture and lie apart in it."""
    x, y = np.meshgrid(np.linspace(-1.3, 1.3, 60), np.linspace(-1.3, 1.3, 60))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, 2.0)], axis=1)


def colours() -> np.ndarray:
    """8-bit, N×3, no two alike."""
    number = np.arange(len(grid()))
    return np.stack([number % 60 * 4 + 1, number // 60 * 4 + 1, np.full(len(number), 99)], axis=1)


def pixels(bent: bool) -> np.ndarray:
    """Where the points fall, N×2, by OpenCV and not by COLMAP."""
    matrix = np.array([[FOCAL[0], 0, CENTRE[0]], [0, FOCAL[1], CENTRE[1]], [0, 0, 1]])
    coefficients = np.array(BENT) if bent else np.zeros(4)
    found, _ = cv2.projectPoints(grid(), np.zeros(3), np.zeros(3), matrix, coefficients)
    return np.asarray(found[:, 0])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bin/ and txt/, each of four photos from one place, the last two without distortion."""
    folder = tmp_path_factory.mktemp("colmap")
    made = pycolmap.Reconstruction()
    for number in range(4):
        bent = number < 2
        kind = {"model": "OPENCV", "params": [*FOCAL, *CENTRE, *BENT]}
        straight = {"model": "PINHOLE", "params": [*FOCAL, *CENTRE]}
        made.add_camera_with_trivial_rig(
            pycolmap.Camera(camera_id=number + 1, width=W, height=H, **(kind if bent else straight))
        )
        image = pycolmap.Image(name=f"set/{number}.png", camera_id=number + 1, image_id=number + 1)
        made.add_image_with_trivial_frame(image, pycolmap.Rigid3d())
    for point, colour in zip(grid(), colours(), strict=True):
        made.add_point3D(point, pycolmap.Track(), colour.astype(np.uint8))
    for kind in ("bin", "txt"):
        (folder / kind).mkdir()
    made.write_binary(str(folder / "bin"))
    made.write_text(str(folder / "txt"))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "set").mkdir(parents=True)
    for number in range(4):
        picture = np.full((H, W, 3), 50 * number, np.uint8)
        assert cv2.imwrite(str(folder / "set" / f"{number}.png"), picture)
    return folder


def run(out: Path, source: Source | None = None, **given: Any) -> Path:
    given = {"from": "colmap", "semantics": "none", "radius": 0.0} | given
    named = {option.name: given.get(option.name) for option in COMMAND.options}
    named |= {"out": out, "name": "made", "dataset": None, "dataset_option": ()}
    prepare(**arguments("aligned", COMMAND, named) | {"dataset": source})
    return out / "made"


def places(folder: Path) -> dict[str, Path]:
    """Photo → what its pictures' names begin with."""
    splits = json.loads((folder / "manifest.json").read_text())["splits"]
    return {
        entry["source"]: folder / split / name
        for split, entries in splits.items()
        for name, entry in entries.items()
    }


def stored(begin: Path, item: str) -> np.ndarray:
    return np.asarray(cv2.imread(f"{begin}_{item}.png", cv2.IMREAD_UNCHANGED))


def expected(bent: bool) -> np.ndarray:
    """H×W×4 BGRA: each point's colour at its pixel."""
    picture = np.zeros((H, W, 4), np.uint8)
    for (u, v), colour in zip(np.floor(pixels(bent)).astype(int), colours(), strict=True):
        if 0 <= u < W and 0 <= v < H and not picture[v, u, 3]:
            picture[v, u] = (*colour[::-1], 255)
    return picture


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_points_are_projected_through_the_lens_and_photos_kept(
    tmp_path: Path, model: Path, photos: Path, kind: str
) -> None:
    found = places(run(tmp_path, model=model / kind, photos=photos))
    assert sorted(found) == [f"set/{number}.png" for number in range(4)]
    for number in range(4):
        begin = found[f"set/{number}.png"]
        np.testing.assert_array_equal(stored(begin, "color"), expected(bent=number < 2))
        assert (stored(begin, "reference") == 50 * number).all()
    assert (expected(bent=True) != expected(bent=False)).any()


def test_a_fused_cloud_takes_the_place_of_the_sparse_one(
    tmp_path: Path, model: Path, photos: Path
) -> None:
    fused = tmp_path / "fused.ply"
    write_points(fused, PointCloud(grid(), np.full((3600, 3), 1, np.float32)))
    given = {"model": model / "bin", "photos": photos, "points": fused}
    for kind in ("colmap", "ply"):
        begin = places(run(tmp_path / kind, **given, **{"from": kind}))["set/0.png"]
        assert set(np.unique(stored(begin, "color")).tolist()) == {0, 255}


def test_a_folder_of_photos_and_cameras_takes_a_cloud(tmp_path: Path, photos: Path) -> None:
    cloud, matrix = tmp_path / "cloud.ply", np.diag([*FOCAL, 1.0])
    matrix[:2, 2] = CENTRE
    write_points(cloud, PointCloud(grid(), np.full((3600, 3), 1, np.float32)))
    for number in range(4):
        camera = {"intrinsics": matrix.tolist(), "camera_to_world": np.eye(4).tolist()}
        text = json.dumps(camera | {"height": H, "width": W})
        (photos / "set" / f"{number}_camera.json").write_text(text)
    options = {"root": photos / "set"}
    source = Source("folder", options, Folder(options))
    begin = places(run(tmp_path, source, split="all", points=cloud, **{"from": "ply"}))["2/image"]
    np.testing.assert_array_equal(
        stored(begin, "color")[..., 3] > 0, expected(bent=False)[..., 3] > 0
    )


def test_photos_are_scaled_and_cut_with_their_cameras(
    tmp_path: Path, model: Path, photos: Path
) -> None:
    begin = places(run(tmp_path, model=model / "bin", photos=photos, size=64))["set/0.png"]
    np.testing.assert_array_equal(stored(begin, "color"), expected(bent=True)[:, 4:68])


def test_photos_that_cannot_be_used_are_dropped_and_named(
    tmp_path: Path, model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "set" / "1.png").unlink()
    cv2.imwrite(str(photos / "set" / "2.png"), np.zeros((H, W + 1, 3), np.uint8))
    folder = run(tmp_path, model=model / "bin", photos=photos)
    assert sorted(places(folder)) == ["set/0.png", "set/3.png"]
    said = capsys.readouterr().out
    assert "2 of 4 photos were dropped" in said
    assert "1.png: no such image file" in said
    assert f"2.png: is {H}×{W + 1}×3, and its camera in the model asks for {H}×{W}×3" in said


def test_without_any_photo_it_ends_and_says_why(tmp_path: Path, model: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(
        DataError, match=r"none of 4 photos is left:\n  set/0.png: .* no such image"
    ):
        run(tmp_path, model=model / "bin", photos=tmp_path / "photos")
    for given in ({"photos": tmp_path / "nowhere"}, {"model": tmp_path / "nowhere"}):
        with pytest.raises(DataError, match="nowhere: no such folder"):
            run(tmp_path / "b", **{"model": model / "bin", "photos": tmp_path / "photos"} | given)


@pytest.mark.parametrize(
    ("points", "words"),
    [(np.zeros((0, 3)), "no points"), (np.full((5, 3), np.nan), "not finite")],
)
def test_clouds_of_nothing_and_of_nan_are_refused(
    tmp_path: Path, model: Path, photos: Path, points: np.ndarray, words: str
) -> None:
    cloud = tmp_path / "cloud.ply"
    write_points(cloud, PointCloud(points, np.zeros((len(points), 3), np.float32)))
    with pytest.raises(DataError, match=rf"cloud\.ply.*{words}"):
        run(tmp_path, model=model / "bin", photos=photos, points=cloud)


def test_a_cloud_that_no_view_shows_is_refused(tmp_path: Path, model: Path, photos: Path) -> None:
    cloud = tmp_path / "behind.ply"
    write_points(cloud, PointCloud(grid() * (1, 1, -1), np.zeros((3600, 3), np.float32)))
    with pytest.raises(DataError, match="no view shows a point"):
        run(tmp_path, model=model / "bin", photos=photos, points=cloud)
