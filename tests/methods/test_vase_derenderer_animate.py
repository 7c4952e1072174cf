"""The films against a cylinder traced by hand, the mesh against Mitsuba, and what is written."""

import contextlib
import dataclasses
import io
import json
import math
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest
import torch
import trimesh
from scipy.ndimage import map_coordinates

from bench.errors import BenchError, ConfigError, DataError, UnavailableError
from bench.graphics.colour import srgb_decode
from bench.graphics.rasterisers import rasteriser
from bench.graphics.textured_mesh_files import write_textured_mesh
from bench.methods.vase_derenderer import animate as animating
from bench.methods.vase_derenderer.checkpoints import save_safetensors
from bench.methods.vase_derenderer.configuration import Configuration
from bench.methods.vase_derenderer.derender import Explanation, Shape, posed
from bench.methods.vase_derenderer.films import (
    Studio,
    light_environments,
    moving_light,
    moving_lights,
    turning,
    turning_angles,
)
from bench.methods.vase_derenderer.networks import Networks
from bench.methods.vase_derenderer.turntable import textured_mesh

CONFIGURATION = Configuration("tiny", size=64, roll=(-10.0, 10.0), shift=0.2, width=4, patch=16)
L = 5 * math.tan(math.radians(5))
RADIUS, HALF_HEIGHT, ALPHA, KS = 0.5 * L, 0.6 * L, 8.0, 0.3
PITCH, ROLL, SHIFT = math.radians(12), math.radians(6), (0.02, -0.015)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def explained(crop: np.ndarray, environment: np.ndarray) -> Explanation:
    """A cylinder whose front shows the linear colours S×S×3."""
    shape = posed(
        torch.full((1, 32), RADIUS),
        torch.tensor([HALF_HEIGHT]),
        torch.tensor([PITCH]),
        torch.tensor([ROLL]),
        torch.tensor([SHIFT]),
    )
    albedo = torch.tensor(crop, dtype=torch.float32).permute(2, 0, 1)[None]  # 1×3×S×S
    return Explanation(
        **{field.name: getattr(shape, field.name) for field in dataclasses.fields(Shape)},
        texture=albedo,
        albedo=albedo,
        environment=torch.tensor(environment, dtype=torch.float32)[None],
        shininess=torch.tensor([ALPHA]),
        specular_albedo=torch.tensor([KS]),
    )


def gradient(size: int = 64) -> np.ndarray:
    """Red rises to the right, green downwards."""
    across, down = np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2)
    return np.stack([0.2 + 0.6 * across, 0.2 + 0.6 * down, np.full_like(down, 0.4)], -1)


def cells(rows: int = 16, columns: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Directions rows×columns×3 and cos(elevation)·50/(rows·columns), by §3.5."""
    e = (((np.arange(rows) + 0.5) / rows) * 2 - 1)[:, None] * math.pi / 2
    a = (((np.arange(columns) + 0.5) / columns) * 2 - 1)[None] * math.pi
    directions = np.stack(
        [np.cos(e) * np.cos(a), np.sin(e) + 0 * a, np.cos(e) * np.sin(a)], axis=-1
    )
    return directions, np.cos(e) * 50 / (rows * columns)


def lamp(direction: np.ndarray, ambient: float = 0.05) -> np.ndarray:
    directions, _ = cells()
    return 0.6 * np.exp(12 * (directions @ direction - 1)) + ambient


def about_x(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_y(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def about_z(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def around(crop: np.ndarray) -> np.ndarray:
    """The full turn of a crop of 64 columns as §5.5 words it."""
    clean = crop.copy()
    clean[:, :2] = crop[:, 2:4][:, ::-1]
    clean[:, -2:] = crop[:, -4:-2][:, ::-1]
    mirror = clean[:, ::-1]
    return np.concatenate([clean[:, :16][:, ::-1], clean, mirror, clean[:, :48]], axis=1)


def met(
    turn: np.ndarray, shift: tuple[float, float], size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """What one ray per pixel centre meets first: S×S, 1 the outside, 2 the inner wall, 0 nothing;
    and where, S×S×3 before the pose."""
    focal = size / 2 / math.tan(math.radians(5))
    steps = (np.arange(size) + 0.5 - size / 2) / focal
    x, y = np.meshgrid(steps, steps)
    rays = np.stack([x, y, np.ones_like(x)], -1) @ turn  # rows Rᵀ d
    start = (np.array([0, 0, -5.0]) - [*shift, 0]) @ turn  # 3
    a = rays[..., 0] ** 2 + rays[..., 2] ** 2
    b = rays[..., 0] * start[0] + rays[..., 2] * start[2]
    root = np.sqrt(np.maximum(b**2 - a * (start[0] ** 2 + start[2] ** 2 - RADIUS**2), 0))
    near, far = (-b - root) / a, (-b + root) / a
    kind = np.zeros(x.shape, int)
    for name, along in ((2, far), (1, near)):  # the nearer one, where both are met, stays
        kind[(root > 0) & (np.abs(start[1] + along * rays[..., 1]) <= HALF_HEIGHT)] = name
    return kind, start + np.where(kind == 1, near, far)[..., None] * rays


def painted(local: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Linear colour S×S×3 of the nearest texel."""
    texture = around(crop)
    u = np.arctan2(local[..., 2], local[..., 0]) / (2 * math.pi) + 0.5
    v = local[..., 1] / (2 * HALF_HEIGHT) + 0.5
    row, column = ((each * n).astype(int) for each, n in zip((v, u), texture.shape, strict=False))
    colours: np.ndarray = texture[row.clip(0, 63), column.clip(0, 191)]
    return colours


def traced(
    turn: np.ndarray,
    shift: tuple[float, float],
    environment: np.ndarray,
    crop: np.ndarray,
    size: int = 64,
) -> tuple[np.ndarray, np.ndarray]:
    """Tone-mapped colour S×S×3 by §3.6 and §4.1, and the kind of `met`."""
    kind, local = met(turn, shift, size)
    directions, weights = cells()
    lights, power = directions.reshape(-1, 3), (environment * weights).ravel()
    normal = (local * [1, 0, 1] / RADIUS) @ turn.T
    view = np.array([0, 0, -5]) - (local @ turn.T + [*shift, 0])
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    cosine = normal @ lights.T  # S×S×K
    mirrored = 2 * cosine * (normal * view).sum(-1, keepdims=True) - view @ lights.T
    lobes = np.where(cosine > 0, np.maximum(mirrored, 1e-7), 1e-7) ** ALPHA
    diffuse = cosine.clip(0, 1) @ power
    specular = lobes @ power * (ALPHA + 1) / (2 * math.pi)
    linear = painted(local, crop) * diffuse[..., None] + KS * specular[..., None]
    toned = np.clip(linear, 1e-7, 1) ** (1 / 2.2) * np.where(kind == 2, 0.5, 1)[..., None]
    return np.where(kind[..., None] > 0, toned, 1), kind


def settled(kind: np.ndarray) -> np.ndarray:
    """Where a pixel and all its neighbours are of one kind."""
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return np.all([np.roll(kind, each, (0, 1)) == kind for each in shifts], axis=0)


def assert_alike(frame: np.ndarray, wanted: np.ndarray, kind: np.ndarray) -> None:
    inner = settled(kind)
    assert inner.mean() > 0.7
    difference = np.abs(frame / 255 - wanted)[inner]
    assert difference.mean() < 0.003
    assert np.quantile(difference, 0.995) < 0.03
    assert (frame[inner & (kind == 0)] == 255).all()


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(rasteriser("reference", "cpu"), CONFIGURATION, 64)


def test_the_vase_turns_once_and_tips_up_by_60_degrees_and_back() -> None:
    yaw, pitch = (np.degrees(each.numpy()) for each in turning_angles())
    np.testing.assert_allclose(yaw, [360 * k / 79 for k in range(80)], atol=1e-3)
    rise = [60 * k / 39 for k in range(40)]
    np.testing.assert_allclose(pitch, rise + rise[::-1], atol=1e-4)


def test_the_light_goes_twice_around_from_behind_the_camera_and_over_the_top() -> None:
    found = moving_lights().numpy()
    azimuth = np.radians([720 * k / 79 for k in range(80)])
    rise = [90 * k / 39 for k in range(40)]
    e = np.radians(rise + rise[::-1])
    x, z = np.cos(e) * np.sin(azimuth), -np.cos(e) * np.cos(azimuth)
    np.testing.assert_allclose(found, np.stack([x, -np.sin(e), z], -1), atol=2e-6)
    np.testing.assert_allclose(found[0], [0, 0, -1], atol=1e-6)  # from the camera
    assert found[1, 0] > 0 and found[1, 1] < 0  # then from the right and from above
    np.testing.assert_allclose(found[39], [0, -1, 0], atol=1e-6)


def test_the_lamp_is_one_gaussian_lobe_over_a_faint_sky() -> None:
    towards = np.array([[0.6, -0.64, -0.48]])
    directions, _ = cells()
    wanted = 0.15 * math.sqrt(20) * np.exp(20 * (directions @ towards[0] - 1)) + 0.015
    found = light_environments(torch.tensor(towards).float())
    np.testing.assert_allclose(found.numpy(), wanted[None], rtol=1e-4, atol=1e-6)


def test_each_frame_of_the_turning_vase_is_a_traced_cylinder(studio: Studio) -> None:
    light = lamp(np.array([-0.48, -0.6, -0.64]))
    frames = list(turning(explained(gradient(), light), studio))
    assert len(frames) == 80
    for index in (0, 13, 39, 60, 79):
        turn = about_x(math.radians(60) * (min(index, 79 - index) / 39))
        turn = turn @ about_y(2 * math.pi * index / 79)
        assert_alike(frames[index], *traced(turn, (0, 0), light, gradient()))


def test_each_frame_under_the_moving_light_is_a_traced_cylinder(studio: Studio) -> None:
    frames = list(moving_light(explained(gradient(), lamp(np.array([0, 0, -1]))), studio))
    assert len(frames) == 80
    turn = about_z(ROLL) @ about_x(PITCH)
    directions, _ = cells()
    for index, direction in enumerate(moving_lights().double().numpy()):
        if index % 13:
            continue
        light = 0.15 * math.sqrt(20) * np.exp(20 * (directions @ direction - 1)) + 0.015
        assert_alike(frames[index], *traced(turn, SHIFT, light, gradient()))


def test_a_larger_film_shows_the_same(studio: Studio) -> None:
    light = lamp(np.array([-0.48, -0.6, -0.64]))
    large = next(turning(explained(gradient(), light), dataclasses.replace(studio, size=96)))
    assert_alike(large, *traced(np.eye(3), (0, 0), light, gradient(), 96))


def test_the_mesh_is_closed_around_the_turn_and_faces_outward() -> None:
    mesh = textured_mesh(explained(gradient(), lamp(np.array([0, 0, -1]))))
    grid = mesh.vertices.reshape(32, 97, 3)
    np.testing.assert_array_equal(grid[:, 0], grid[:, 96])
    np.testing.assert_array_equal(
        mesh.normals.reshape(32, 97, 3)[:, 0], mesh.normals.reshape(32, 97, 3)[:, 96]
    )
    np.testing.assert_array_equal(mesh.coordinates.reshape(32, 97, 2)[:, [0, 96], 0], [[0, 1]] * 32)
    corners = mesh.vertices[mesh.faces]  # F×3×3
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = corners.mean(1) * [1, 0, 1]
    assert ((faces * outward).sum(-1) > 0).all()
    np.testing.assert_allclose(mesh.normals, mesh.vertices * [1, 0, 1] / RADIUS, atol=2e-3)
    welded = trimesh.Trimesh(mesh.vertices, mesh.faces)  # merges what lies in one place
    assert welded.is_winding_consistent
    assert len(welded.vertices) == 32 * 96
    assert mesh.vertices[:, 1].max() == pytest.approx(HALF_HEIGHT)  # upright, whatever the photo


def test_a_viewer_that_repeats_textures_mixes_no_colour_of_the_foot_into_the_rim() -> None:
    mesh = textured_mesh(explained(gradient(), lamp(np.array([0, 0, -1]))))
    rows = len(mesh.texture)
    v = mesh.coordinates.reshape(32, 97, 2)[:, 0, 1]
    between = (rows * v - 0.5)[:, None]  # 32×1, in texels
    red, green = (srgb_decode(mesh.texture[..., each]) for each in (0, 1))
    column = np.zeros_like(between)
    found = map_coordinates(green, [between, column], order=1, mode="grid-wrap")[:, 0]
    down = np.clip(np.linspace(0, 1, 32), 0.5 / 64, 1 - 0.5 / 64)  # between texels' centres
    np.testing.assert_allclose(found, 0.2 + 0.6 * down, atol=2e-3)
    assert np.ptp(red[:, 0]) < 1e-6


def test_mitsuba_sees_the_written_mesh_as_the_camera_does(tmp_path: Path) -> None:
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    mesh = textured_mesh(explained(gradient(), lamp(np.array([0, 0, -1]))))
    write_textured_mesh(tmp_path / "vase.obj", mesh)
    turn = about_x(math.radians(30)) @ about_y(math.radians(70))
    upright = np.diag([1, -1, -1])  # from OpenCV's axes to the mesh's
    eye, up = (upright @ turn.T @ each for each in ([0, 0, -5], [0, -1, 0]))
    picture = {"type": "bitmap", "filename": str(tmp_path / "vase.png")}
    scene = {
        "type": "scene",
        "integrator": {"type": "aov", "aovs": "colour:albedo"},
        "sensor": {
            "type": "perspective",
            "fov": 10,
            "to_world": mitsuba.ScalarTransform4f().look_at(eye, [0, 0, 0], up),
            "film": {"type": "hdrfilm", "width": 64, "height": 64, "rfilter": {"type": "box"}},
        },
        "light": {"type": "constant"},
        "mesh": {
            "type": "obj",
            "filename": str(tmp_path / "vase.obj"),
            "bsdf": {"type": "diffuse", "reflectance": picture},
        },
    }
    seen = np.array(mitsuba.render(mitsuba.load_dict(scene), spp=4))[..., -3:]  # 64×64×3
    kind, local = met(turn, (0, 0))
    outside = settled(kind) & (kind == 1)
    assert outside.sum() > 500
    difference = np.abs(seen - painted(local, gradient()))[outside]
    assert difference.mean() < 0.01
    assert np.quantile(difference, 0.98) < 0.03


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    torch.manual_seed(0)
    save_safetensors(path, Networks(CONFIGURATION), {})
    return path


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise."""
    path = tmp_path_factory.mktemp("photo") / "jug.png"
    pixels = np.random.default_rng(0).integers(0, 255, (50, 40, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    return path


Animate = Callable[..., str]


@pytest.fixture(scope="module")
def animate(photo: Path, checkpoint: Path) -> Animate:
    """Calls with other arguments, and returns what was printed as an error."""

    def call(**changed: Any) -> str:
        given = {
            "image": photo,
            "out": None,
            "checkpoint": checkpoint,
            "configuration": None,
            "backend": "reference",
            "device": "cpu",
            "size": 0,
        }
        with contextlib.redirect_stderr(io.StringIO()) as said, torch.inference_mode():
            animating.animate(**(given | changed))
        return said.getvalue()

    return call


@pytest.fixture(scope="module")
def finished(animate: Animate, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a call filled, and what it warned of."""
    out = tmp_path_factory.mktemp("finished") / "out"
    return out, animate(out=out)


def decoded(path: Path, size: int) -> np.ndarray:
    shown = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    )
    assert re.search(r"h264.*yuv420p.* 25 fps", shown.stderr.decode())
    return np.frombuffer(shown.stdout, np.uint8).reshape(-1, size, size, 3)


def test_one_photo_becomes_films_stills_meshes_and_a_description(
    finished: tuple[Path, str],
) -> None:
    out, _ = finished
    films = ["relight.gif", "relight.mp4", "view.gif", "view.mp4"]
    meshes = ["vase.glb", "vase.json", "vase.mtl", "vase.obj", "vase.png"]
    assert sorted(each.name for each in out.iterdir()) == sorted([*films, *meshes, "stills"])
    for name in ("view", "relight"):
        film = decoded(out / f"{name}.mp4", 64)
        assert len(film) == 80
        with PIL.Image.open(out / f"{name}.gif") as gif:
            times = [each.info["duration"] for each in PIL.ImageSequence.Iterator(gif)]
        assert sum(times) == 3200
        stills = sorted((out / "stills").glob(f"{name}_*.png"))
        assert [each.stem[-2:] for each in stills] == [f"{8 * k:02}" for k in range(10)]
        for still, frame in zip(stills, film[::8], strict=True):
            assert np.abs(np.asarray(PIL.Image.open(still)) - frame.astype(float)).mean() < 4
    (found,) = trimesh.load_scene(out / "vase.glb").geometry.values()
    assert found.faces.shape == (2 * 31 * 96, 3)


def test_the_description_holds_shape_pose_and_material(finished: tuple[Path, str]) -> None:
    out, _ = finished
    found = json.loads((out / "vase.json").read_text())
    (mesh,) = trimesh.load_scene(out / "vase.obj").geometry.values()
    profile = np.array([[each["radius"], each["y"]] for each in found["profile"]])
    assert profile.shape == (32, 2)
    assert profile[0, 1] == -profile[-1, 1] < 0  # the top first, y down
    assert mesh.vertices[:, 1].max() == pytest.approx(-profile[0, 1], abs=1e-5)
    assert mesh.vertices[:, 0].max() == pytest.approx(profile[:, 0].max(), abs=1e-5)
    assert 0 <= found["pose"]["pitch_degrees"] <= 20
    assert abs(found["pose"]["roll_degrees"]) <= 10
    alpha = found["material"]["shininess"]
    assert found["material"]["roughness"] == pytest.approx((2 / (4 * alpha + 2)) ** 0.25, abs=1e-5)
    assert set(found) == {"photo", "outline_evidence", "profile", "pose", "material"}


def test_a_photo_of_noise_is_warned_of(finished: tuple[Path, str]) -> None:
    _, said = finished
    assert re.search(r"jug\.png: .*only \d+% of the outline.*perhaps there is no vase", said)


def still(found: Explanation, studio: Studio) -> Iterator[np.ndarray]:
    yield np.zeros((studio.size, studio.size, 3), np.uint8)


def test_the_default_folder_is_named_after_the_photo(
    animate: Animate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(animating, "FILMS", {"black": still})
    animate(size=32)
    assert decoded(tmp_path / "jug-vase/black.mp4", 32).shape == (1, 32, 32, 3)


def test_what_cannot_be_done_is_said_before_the_work(
    animate: Animate, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    wrong: list[tuple[type[BenchError], str, dict[str, Any]]] = [
        (ConfigError, "size = 65: must be even", {"size": 65, "out": out}),
        (ConfigError, r"jug\.png: cannot be written", {"out": photo}),
        (ConfigError, "/proc/no: cannot be written", {"out": Path("/proc/no")}),
        (DataError, r"absent\.png: no such", {"image": tmp_path / "absent.png", "out": out}),
        (DataError, r"absent\.pth: no such", {"checkpoint": tmp_path / "absent.pth", "out": out}),
        (DataError, r"jug\.png: begins with", {"checkpoint": photo, "out": out}),
    ]
    for kind, text, changed in wrong:
        with pytest.raises(kind, match=text):
            animate(**changed)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnavailableError, match="--device cpu"):
        animate(device="cuda", out=out)
    monkeypatch.setattr(animating, "EMBEDDED", tmp_path / "mini.safetensors")
    with pytest.raises(UnavailableError, match="--checkpoint"):
        animate(checkpoint=None, out=out)
    assert not out.exists()


def test_a_film_that_fails_leaves_the_earlier_ones(
    animate: Animate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animating, "FILMS", {"black": still})
    animate(out=tmp_path)
    before = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*")}

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(animating, "write_gif", full)
    with pytest.raises(OSError, match="No space"):
        animate(out=tmp_path)
    assert {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*")} == before
