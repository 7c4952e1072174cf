"""`bench prepare aligned`: from depth maps, COLMAP models and .ply files to aligned folders."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.api import Key, Sample, Source, Targets
from bench.cli.commands import arguments
from bench.datasets.aligned import semantics
from bench.datasets.aligned.adapter import Aligned
from bench.datasets.aligned.layout import Place
from bench.datasets.aligned.plugin import bench_datasets
from bench.datasets.aligned.prepare import prepare
from bench.datasets.aligned.shots import Shot, framed
from bench.datasets.aligned.splitting import by_chance
from bench.datasets.aligned.writing import write_sample
from bench.errors import ConfigError, DataError, UnavailableError
from bench.graphics.cameras import look_at
from bench.graphics.colour import srgb_encode
from bench.graphics.depth_codes import DepthCode
from bench.graphics.splatting import Splats
from bench.quantities import Camera

SIZE, DISTANCE = 64, 4.0
INTRINSICS = np.array([[70.0, 0, 32], [0, 70, 32], [0, 0, 1]])
(COMMAND,) = bench_datasets()[0].commands

SCENES = ("a", "b", "c")
COLOURS = np.linspace(0.1, 0.9, 6)[:, None] * (1.0, 0.5, 0.25)  # 6×3
"""Of the six photos, so that a render's colours tell which of them measured its points."""


def camera(index: int) -> Camera:
    """One of several cameras side by side, all facing the wall z = 4."""
    pose = look_at((0.3 * (index - 2.5), 0.1 * index, 0.0), (0.0, 0.0, DISTANCE), up=(0, -1, 0))
    return Camera(INTRINSICS, pose, SIZE, SIZE)


def wall_depth(seen: Camera) -> np.ndarray:
    """H×W×1: of the wall, by intersection."""
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(seen.intrinsics).T
    towards = (rays @ seen.camera_to_world[:3, :3].T)[..., 2]
    return ((DISTANCE - seen.camera_to_world[2, 3]) / towards)[..., None].astype(np.float32)


class Walls:
    """A dataset: three scenes of two photos of one wall, each in one colour of its own."""

    def __init__(
        self, depth: bool = True, masked: bool = False, stop_at: int = 99, kill_at: int = 99
    ) -> None:
        self.depth, self.masked = depth, masked
        self.stop_at, self.kill_at, self.read = stop_at, kill_at, 0

    def samples(self, split: str) -> list[Key]:
        return [Key(scene, str(index)) for scene in SCENES for index in range(2)]

    def fingerprint(self, split: str) -> str:
        return "walls"

    def inputs(self, split: str, key: Key) -> Sample:
        self.read += 1
        if self.read > self.stop_at:
            raise KeyboardInterrupt
        if self.read > self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        index = self.samples("").index(key)
        image = np.broadcast_to(COLOURS[index], (SIZE, SIZE, 3)).astype(np.float32)
        mask = np.ones((SIZE, SIZE, 1), np.float32)
        if self.masked:
            mask[:32] = 0
        return Sample(*key, {"image": image, "camera": camera(index), "mask": mask})

    def targets(self, split: str, key: Key) -> Targets:
        index = self.samples("").index(key)
        return Targets({"depth": wall_depth(camera(index))} if self.depth else {})


def options(**given: Any) -> dict[str, Any]:
    """What the command line would hand over."""
    given = {"from": "depth", "split": "all", "semantics": "none", "voxel": 0.0} | given
    named = {option.name: given.get(option.name) for option in COMMAND.options}
    named |= {"out": Path("x"), "name": "x"}
    made = arguments("aligned", COMMAND, named | {"dataset": None, "dataset_option": ()})
    return {name: value for name, value in made.items() if name not in ("dataset", "out", "name")}


def run(out: Path, walls: Walls | None = None, name: str = "wall", **given: Any) -> Path:
    source = Source("walls", {}, walls or Walls())
    prepare(dataset=source, out=out, name=name, **options(**given))
    return out / name


def manifest(folder: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def sources(folder: Path, split: str) -> dict[str, str]:
    return {name: entry["source"] for name, entry in manifest(folder)["splits"][split].items()}


def shown(folder: Path, name: str) -> set[int]:
    """Which photos' points a render shows."""
    render = cv2.imread(str(folder / f"{name}_color.png"), cv2.IMREAD_UNCHANGED)
    seen = render[render[..., 3] > 0][:, 2::-1] / 255  # n×3
    apart = np.abs(seen[:, None] - srgb_encode(COLOURS)).max(axis=2)  # n×6
    assert (apart.min(axis=1) < 0.003).all()
    return set(apart.argmin(axis=1).tolist())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_no_render_shows_points_of_its_own_photo_or_of_scenes_held_out(tmp_path: Path) -> None:
    folder = run(tmp_path, held_out="c")
    assert sources(folder, "val") == {"0000": "c/0", "0001": "c/1"}
    assert sources(folder, "train") == {f"{n:04d}": f"{'ab'[n // 2]}/{n % 2}" for n in range(4)}
    for own in range(4):
        assert shown(folder / "train", f"{own:04d}") <= {0, 1, 2, 3} - {own}
    assert shown(folder / "val", "0000") | shown(folder / "val", "0001") <= {0, 1, 2, 3}


def test_a_scene_may_be_left_out_whole_or_be_a_world_by_itself(tmp_path: Path) -> None:
    apart = run(tmp_path, held_out="c", leave_out="scene")
    assert shown(apart / "train", "0000") <= {2, 3}
    own = run(tmp_path, name="own", world="scene", held_out="c", radius=2.0)
    assert shown(own / "train", "0000") == {1}
    assert [each["source"] for each in manifest(own)["dropped"]] == ["c/0", "c/1"]
    assert (own / "val" / "sparse_renders" / "0000_color.png").exists()


def test_depth_is_coded_as_the_manifest_says(tmp_path: Path) -> None:
    folder = run(tmp_path, held_out="c", radius=0.0)
    code = manifest(folder)["depth_code"]
    depth = wall_depth(camera(4))[..., 0]
    share = (depth - code["near"]) / (code["far"] - code["near"])
    wanted = np.rint(254 * (1 - np.clip(share, 0, 1))) + 1
    stored = cv2.imread(str(folder / "val" / "0000_depth.png"), cv2.IMREAD_UNCHANGED)
    known = stored > 0
    assert known.mean() > 0.3
    assert np.abs(stored[known].astype(float) - wanted[known]).max() <= 20  # half a pixel's slope
    render = cv2.imread(str(folder / "val" / "0000_color.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(known, render[..., 3] == 255)
    assert render[~known].max() == 0


def test_near_is_255_far_is_1_and_empty_is_0(tmp_path: Path) -> None:
    depth = np.array([[1, 2, 6], [10, 12, 0]], np.float32)[..., None]
    index = np.where(depth[..., 0] > 0, 0, -1)
    splats = Splats(np.zeros((2, 3, 3), np.float32), depth, None, index)
    write_sample(Place(tmp_path, "0000"), splats, DepthCode(2, 10), None)
    stored = cv2.imread(str(tmp_path / "0000_depth.png"), cv2.IMREAD_UNCHANGED)
    assert stored.tolist() == [[255, 255, 128], [1, 1, 0]]
    render = cv2.imread(str(tmp_path / "0000_color.png"), cv2.IMREAD_UNCHANGED)
    assert (render[..., 3] > 0).tolist() == [[True, True, True], [True, True, False]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0000_color.png", "0000_depth.png"]


def test_what_a_mask_leaves_out_measures_no_points(tmp_path: Path) -> None:
    folder = run(tmp_path, Walls(masked=True), held_out="c", radius=0.0)
    stored = cv2.imread(str(folder / "val" / "0000_depth.png"), cv2.IMREAD_UNCHANGED)
    assert stored[:24].max() == 0
    assert stored[44:].max() > 0


def test_the_adapter_reads_what_was_written(tmp_path: Path) -> None:
    run(tmp_path, held_out="c")
    data = Aligned({"root": tmp_path})
    sample = data.inputs("val", Key("wall", "0001"))
    truth = np.asarray(data.targets("val", Key("wall", "0001")).queries["own"]["reconstruction"])
    assert np.abs(truth - COLOURS[5]).max() < 0.004
    seen = np.asarray(sample.inputs["framebuffer"])
    assert seen.shape == (SIZE, SIZE, 4)
    assert set(np.unique(np.rint(seen[seen[..., 3] > 0, 0] * 50)).tolist()) <= {
        *np.rint(COLOURS[:4, 0] * 50).tolist()
    }


def test_a_fifth_of_the_photos_is_drawn_for_validation() -> None:
    drawn = by_chance(50, 42)
    assert drawn == by_chance(50, 42) != by_chance(50, 43)
    assert drawn.count("val") == 10
    assert by_chance(2, 0).count("val") == 1
    assert by_chance(1, 0) == ["train"]


def test_it_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = run(tmp_path / "whole", held_out="c")
    with pytest.raises(KeyboardInterrupt):  # after cameras, depth maps of four, and three photos
        run(tmp_path / "cut", Walls(stop_at=6 + 4 + 3), held_out="c")
    cut = tmp_path / "cut" / "wall"
    there = {path: path.stat().st_mtime_ns for path in cut.glob("*/*.png")}
    assert len(there) == 9
    with pytest.raises(DataError, match="not prepared to its end"):
        Aligned({"root": cut}).samples("train")
    assert run(tmp_path / "cut", held_out="c") == cut
    assert contents(cut) == contents(whole)
    assert {path: path.stat().st_mtime_ns for path in there} == there
    capsys.readouterr()
    run(tmp_path / "cut", held_out="c")
    assert "is prepared already" in capsys.readouterr().out


@pytest.mark.slow
def test_it_outlives_being_killed_again_and_again(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", held_out="c")
    program = (
        "import runpy, sys, pathlib; here = runpy.run_path(sys.argv[1]); walls = here['Walls'](); "
        "walls.kill_at = int(sys.argv[3]); "
        "here['run'](pathlib.Path(sys.argv[2]), walls, held_out='c')"
    )
    for reads in (3, 8, 11, 13):  # among cameras, depth maps, and twice among photos
        command = [sys.executable, "-c", program, __file__, str(tmp_path / "cut"), str(reads)]
        ended = subprocess.run(command, capture_output=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert contents(run(tmp_path / "cut", held_out="c")) == contents(whole)


def test_other_settings_or_other_contents_are_not_mixed(tmp_path: Path) -> None:
    run(tmp_path, held_out="c")
    with pytest.raises(ConfigError, match="other settings"):
        run(tmp_path, held_out="b")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something else"):
        run(tmp_path, name="mine")


def test_few_photos_are_said_to_be_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, held_out="c")
    said = capsys.readouterr().out
    assert "4 train" in said
    assert "fewer than 14 photos for training" in said


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"held_out": "c,z"}, "--held-out z: no such scene; there are a, b, c"),
        ({"held_out": "a,b,c"}, "no scene is left for training"),
        ({"from": "ply"}, "give the file with --points"),
        ({"from": "colmap"}, "give the folder of the model"),
        ({"split": ""}, "give its --split"),
        ({"path": "a/0"}, "two photos or more"),
        ({"path": "a/0,z/9"}, "no photo z/9"),
        ({"path": "a/0,a/1", "path_split": "train"}, "--path-split 'train'"),
    ],
)
def test_options_that_do_not_fit_are_named(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        run(tmp_path, **given)
    assert not list(tmp_path.rglob("*.png"))
    run(tmp_path, held_out="c")  # and nothing is in the way of the next call


def test_a_dataset_without_depth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a/0 has no depth"):
        run(tmp_path, Walls(depth=False))


def test_a_view_that_sees_nothing_is_dropped_and_the_report_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Turned(Walls):
        def inputs(self, split: str, key: Key) -> Sample:
            sample = super().inputs(split, key)
            if key != ("c", "1"):
                return sample
            away = np.diag([-1.0, 1, -1, 1]) @ camera(5).camera_to_world
            turned = Camera(INTRINSICS, away, SIZE, SIZE)
            return Sample(*key, {**sample.inputs, "camera": turned})

    folder = run(tmp_path, Turned(), held_out="c")
    (dropped,) = manifest(folder)["dropped"]
    assert (dropped["source"], dropped["density"]) == ("c/1", 0)
    assert "c/1: points cover 0.0% of it" in capsys.readouterr().out


def test_without_a_segmentation_model_framebuffers_have_four_channels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path, held_out="c", semantics=str(tmp_path / "no-model"))
    assert "4 channels, without semantics" in capsys.readouterr().out
    assert manifest(folder)["semantics"].startswith("none")


def test_semantic_colours_of_the_photo_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky = np.broadcast_to(np.array((128, 64, 128), np.uint8), (SIZE, SIZE, 3))
    monkeypatch.setattr(semantics, "load", lambda name: lambda photo: sky)
    folder = run(tmp_path, held_out="c", semantics="some-model")
    seen = np.asarray(
        Aligned({"root": folder}).inputs("val", Key("wall", "0000")).inputs["framebuffer"]
    )
    np.testing.assert_allclose(seen[..., 4:], sky / 255, atol=1e-6)
    assert manifest(folder)["semantics"] == "some-model"


def test_a_camera_path_is_added_to_a_finished_data_set(tmp_path: Path) -> None:
    run(tmp_path, held_out="c")
    folder = run(tmp_path, held_out="c", path="a/0,val/0001", frames=3)
    data = Aligned({"root": folder, "appearance": "train/0001"})
    assert [key.id for key in data.samples("path")] == ["0000", "0001", "0002"]
    assert data.inputs("path", Key("wall", "0000")).queries[0].id == "path"
    assert shown(folder / "path", "0000") == {0, 1, 2, 3}
    assert manifest(folder)["paths"] == {"path": {"stops": ["a/0", "val/0001"], "frames": 3}}
    with pytest.raises(ConfigError, match="is another camera path"):
        run(tmp_path, held_out="c", path="a/0,b/0", frames=3)
    before = contents(folder)
    run(tmp_path, held_out="c", path="a/0,val/0001", frames=3)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "paths",
    [
        {"../outside": {"stops": ["a/0", "a/1"], "frames": 2}},
        {"path": {"frames": 2}},
        {"path": {"stops": None, "frames": 2}},
        ["path"],
    ],
)
def test_a_note_that_somebody_changed_is_not_followed(tmp_path: Path, paths: Any) -> None:
    folder = run(tmp_path / "data", held_out="c")
    note = folder / "manifest.json"
    note.write_text(json.dumps({**manifest(folder), "paths": paths}))
    with pytest.raises(DataError, match=r"manifest\.json: corrupt"):
        run(tmp_path / "data", held_out="c", path="a/0,b/0", frames=2)
    assert not (tmp_path / "data" / "outside").exists()


def test_a_scaled_crop_shows_the_same_points_at_the_same_places() -> None:
    pose = look_at((0, 0, 0), (0, 0, 1), up=(0, -1, 0))
    wide = Camera(np.array([[90.0, 0, 70], [0, 80, 40], [0, 0, 1]]), pose, 80, 141)
    ramp = np.tile(np.arange(141, dtype=np.float32)[None, :, None], (80, 1, 3))
    cut = framed(Shot("x", "x", wide, lambda: ramp), 64)
    assert cut.photo is not None
    photo = cut.photo()
    assert photo.shape == (64, 64, 3)
    # the column of the photo that a direction falls on is the ramp's value there
    for x in (-0.2, 0.0, 0.2):
        column = cut.camera.intrinsics[0] @ (x, 0, 1)
        there = np.interp(column - 0.5, np.arange(64), photo[32, :, 0])
        assert there == pytest.approx(90 * x + 70 - 0.5, abs=0.05)


def test_a_photo_smaller_than_the_crop_is_refused() -> None:
    cut = framed(Shot("x", "x", camera(0), lambda: np.zeros((SIZE, SIZE, 3), np.float32)), 128)
    assert cut.photo is not None
    with pytest.raises(DataError, match="64×64 pixels, fewer than --size 128"):
        cut.photo()


def test_a_model_that_cannot_be_had_says_how_to_bring_it(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"pip install|hf download"):
        semantics.load(str(tmp_path / "no-model"))
