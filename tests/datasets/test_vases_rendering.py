"""Rendering vases: Mitsuba against closed sums, shapes, resumption, and refusals."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from bench.datasets.vases import layout, lights, meshes, profiles, rendering, scenes, shapes
from bench.datasets.vases import render as command
from bench.datasets.vases.adapter import Vases
from bench.datasets.vases.plugin import bench_datasets
from bench.datasets.vases.renderer import (
    Geometry,
    Radiance,
    Renderer,
    load_mitsuba,
    mitsuba_environment,
    refractive_index,
)
from bench.datasets.vases.textures import ALBEDO_RANGE, Points
from bench.datasets.vases.variants import LIBRARY_VARIABLE, llvm_version, mitsuba_variant
from bench.errors import ConfigError, DataError
from bench.graphics.cameras import unproject
from bench.graphics.environments import directions, irradiance, lookup, solid_angles
from bench.graphics.image_files import write_exr
from bench.graphics.normals import world_from_camera
from bench.quantities import Camera, validate


def soft_lights(seed: int) -> np.ndarray:
    """A 64×128 environment of a few broad coloured lobes, without any symmetry."""
    rng = np.random.default_rng(seed)
    radiance = np.full((64, 128, 3), 0.05)
    for _ in range(4):
        axis = rng.standard_normal(3)
        lobe = np.exp(12 * (directions(64, 128) @ (axis / np.linalg.norm(axis)) - 1))
        radiance += lobe[..., None] * rng.random(3) * 2
    return radiance.astype(np.float32)


def sphere(albedo: float, roughness: float, specular: float) -> scenes.Surface:
    turn = np.linspace(0, np.pi, 300)
    shape = shapes.turned(np.stack([np.sin(turn), -np.cos(turn)], axis=1), 300)
    count = shape.vertices.shape[0]
    return scenes.Surface(
        shape,
        np.full((count, 3), [albedo, albedo / 2, albedo / 4]),
        np.full((count, 1), roughness),
        np.full((count, 1), specular),
    )


def one_camera(surface: scenes.Surface, size: int) -> Camera:
    return scenes.cameras(surface.shape, size, np.random.default_rng(2))[0]


def specular_sum(
    normal: np.ndarray, view: np.ndarray, roughness: float, f0: float, radiance: np.ndarray
) -> np.ndarray:
    """∫ D G F L (n·l) / (4 (n·l)(n·v)) dω for one point, with the exact dielectric Fresnel term
    (Born and Wolf), over a fine grid of directions."""
    height, width = 200, 400
    light = directions(height, width).reshape(-1, 3)
    power = lookup(radiance, light) * np.repeat(solid_angles(height, width)[:, 0], width)[:, None]
    light, power = light[light @ normal > 1e-4], power[light @ normal > 1e-4]
    half = light + view
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    cos_light, cos_view, cos_half, cos_i = light @ normal, view @ normal, half @ normal, half @ view
    squared = roughness**4
    distribution = squared / np.pi / (cos_half**2 * (squared - 1) + 1) ** 2

    def masking(cosine: np.ndarray) -> np.ndarray:
        return 2 * cosine / (cosine + np.sqrt(squared + (1 - squared) * cosine**2))

    eta = refractive_index(np.array(f0))
    cos_t = np.sqrt(1 - (1 - cos_i**2) / eta**2)
    perpendicular = (cos_i - eta * cos_t) / (cos_i + eta * cos_t)
    parallel = (eta * cos_i - cos_t) / (eta * cos_i + cos_t)
    fresnel = (perpendicular**2 + parallel**2) / 2
    weight = distribution * masking(cos_light) * masking(cos_view) * fresnel / (4 * cos_view)
    return weight @ power


def test_mitsuba_sees_our_environment_in_every_direction() -> None:
    radiance = soft_lights(0)
    radiance[11, 83] = 4  # one bright pixel tells left from right and up from down
    mitsuba = load_mitsuba()
    emitter = mitsuba.load_dict(
        {"type": "envmap", "bitmap": mitsuba.Bitmap(mitsuba_environment(radiance))}
    )
    rays = np.random.default_rng(1).standard_normal((200, 3))
    near_poles = [[1e-3, 1, 0], [0, -1, 1e-3]]
    rays = np.concatenate([rays, directions(64, 128)[11:12, 83], near_poles])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    expected = lookup(radiance, rays)
    for ray, value in zip(rays, expected, strict=True):
        interaction = mitsuba.SurfaceInteraction3f()
        interaction.wi = mitsuba.Vector3f(*(float(-x) for x in ray))
        seen = np.ravel(emitter.eval(interaction))
        np.testing.assert_allclose(seen, value, atol=4e-3)  # single precision of Mitsuba's angles


def test_a_sphere_shades_as_the_clamped_cosine_sum_says() -> None:
    surface, radiance = sphere(0.5, 0.5, 0.04), soft_lights(3)
    camera = one_camera(surface, 24)
    renderer = Renderer(surface, (camera,), 1024, seed=0)
    maps, (view,) = renderer.geometry(0), renderer.radiance(radiance)
    inside = (maps.mask[..., 0] == 1) & (maps.normal[..., 2] > 0.4)
    normals = world_from_camera(maps.normal, camera)[inside]
    points = unproject(maps.depth, camera)[inside]
    np.testing.assert_allclose(points / np.linalg.norm(points, axis=1)[:, None], normals, atol=0.01)
    np.testing.assert_allclose(maps.albedo[inside], [[0.5, 0.25, 0.125]] * inside.sum(), atol=1e-4)
    np.testing.assert_allclose(maps.roughness[inside], 0.5, atol=1e-4)
    np.testing.assert_allclose(maps.specular[inside], 0.04, atol=1e-5)
    shading = view.diffuse[inside] / maps.albedo[inside]
    expected = irradiance(radiance, normals.astype(np.float64)) / np.pi
    np.testing.assert_allclose(shading.mean(axis=0), expected.mean(axis=0), rtol=0.01)
    assert np.abs(shading / expected - 1).mean() < 0.05


def test_a_sphere_reflects_as_the_microfacet_sum_says() -> None:
    """Fails when roughness, F₀ or the layer's weight do not reach Mitsuba as they are meant."""
    surface, radiance = sphere(1e-3, 0.6, 0.08), soft_lights(4)
    camera = one_camera(surface, 24)
    renderer = Renderer(surface, (camera,), 1024, seed=0)
    maps, (view,) = renderer.geometry(0), renderer.radiance(radiance)
    inside = (maps.mask[..., 0] == 1) & (maps.normal[..., 2] > 0.5)
    reflected = (sum(view.halves) / 2 - view.diffuse)[inside]
    normals = world_from_camera(maps.normal, camera)[inside].astype(np.float64)
    toward = camera.camera_to_world[:3, 3] - unproject(maps.depth, camera)[inside]
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    expected = [
        specular_sum(normal, viewing, 0.6, 0.08, radiance)
        for normal, viewing in zip(normals[::3], toward[::3], strict=True)
    ]
    np.testing.assert_allclose(reflected[::3].mean(axis=0), np.mean(expected, axis=0), rtol=0.02)


def test_the_halves_of_a_render_are_independent() -> None:
    surface = sphere(0.5, 0.5, 0.04)
    renderer = Renderer(surface, (one_camera(surface, 16),), 16, seed=0)
    (view,) = renderer.radiance(soft_lights(5))
    (same,) = renderer.radiance(soft_lights(5))
    np.testing.assert_array_equal(view.halves[0], same.halves[0])
    assert not np.array_equal(*view.halves)


@pytest.mark.parametrize("family", [*profiles.MINI, *profiles.OTHERS])
def test_every_family_turns_into_a_watertight_vessel(family: str) -> None:
    points = {**profiles.MINI, **profiles.OTHERS}[family]
    for seed in range(3):
        outer = profiles.outer_wall(points, np.random.default_rng(seed), 200)
        assert outer[:, 0].min() > 0.02
        shape = shapes.turned(profiles.closed_wall(outer, 0.025, 200), 48)
        mesh = trimesh.Trimesh(shape.vertices, shape.faces, process=True)
        mesh.merge_vertices()
        mesh.update_faces(mesh.nondegenerate_faces())
        assert mesh.is_watertight
        assert mesh.volume > 0


@pytest.mark.parametrize("families", [scenes.MINI, scenes.OTHERS])
def test_every_texture_and_form_gives_valid_reflectance(families: scenes.Families) -> None:
    forms = ["revolution", *families.sections, *families.handles]
    family = next(iter(families.profiles))
    for index, texture in enumerate(families.textures):
        recipe = scenes.Recipe(family, forms[index % len(forms)], texture)
        vase = scenes.vase(recipe, families, 16, np.random.default_rng(index))
        surface = vase.surface
        assert np.isfinite(surface.shape.vertices).all()
        np.testing.assert_allclose(np.linalg.norm(surface.shape.normals, axis=1), 1, atol=1e-6)
        assert surface.albedo.min() >= ALBEDO_RANGE[0] - 1e-9
        assert surface.albedo.max() <= ALBEDO_RANGE[1] + 1e-9
        assert surface.albedo.std() > 0.01
        assert 0.1 < surface.roughness.min() <= surface.roughness.max() <= 1
        assert 0.01 < surface.specular.min() <= surface.specular.max() < 0.1


def test_cameras_look_from_0_to_20_degrees_through_about_10_and_see_all_of_the_object() -> None:
    shape = sphere(0.5, 0.5, 0.04).shape
    for seed in range(20):
        for camera in scenes.cameras(shape, 64, np.random.default_rng(seed)):
            position = camera.camera_to_world[:3, 3]
            elevation = np.degrees(np.arcsin(position[1] / np.linalg.norm(position)))
            assert 0 <= elevation <= 20
            fov = 2 * np.degrees(np.arctan(32 / camera.intrinsics[0, 0]))
            assert 9 <= fov <= 11
            inside = (shape.vertices - position) @ camera.camera_to_world[:3, :3]
            pixels = inside @ camera.intrinsics.T
            pixels = pixels[:, :2] / pixels[:, 2:]
            assert pixels.min() > 0
            assert pixels.max() < 64


def test_every_fourth_scene_is_not_a_surface_of_revolution() -> None:
    recipes = [
        scenes.drawn_recipe(scenes.OTHERS, index, np.random.default_rng(index))
        for index in range(40)
    ]
    assert sum(recipe.form != "revolution" for recipe in recipes) == 10
    assert len({recipe.family for recipe in recipes}) > 8


def test_points_know_their_angle_and_height() -> None:
    points = Points.of(np.array([[0, -1, 1], [1, 3, 0], [0, 1, -1.0]]))
    np.testing.assert_allclose(points.angle, [0, np.pi / 2, np.pi])
    np.testing.assert_allclose(points.height, [0, 1, 0.5])


class NoisyDisc:
    """Stands in for `Renderer` where only files matter."""

    def __init__(self, _: object, cameras: tuple[Camera, ...], samples: int, seed: int) -> None:
        self._size, self._views, self._seed = cameras[0].height, len(cameras), seed

    def geometry(self, view: int) -> Geometry:
        size = self._size
        x, y = np.meshgrid(*[np.linspace(-1.2, 1.2, size)] * 2)
        mask = (x * x + y * y < 1).astype(np.float32)[..., None]
        normal = mask * np.array([0, 0, 1], np.float32)
        return Geometry(mask, normal, mask * 10, normal + mask * 0.1, mask * 0.5, mask * 0.04)

    def radiance(self, environment: np.ndarray) -> tuple[Radiance, ...]:
        rng = np.random.default_rng((self._seed, int(1e4 * environment[9, 5, 0])))
        draw = (rng.random((self._views, 3, self._size, self._size, 3)) + 1).astype(np.float32)
        return tuple(Radiance((one, two), three) for one, two, three in draw)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No light is traced: a disc stands in for every picture."""
    monkeypatch.setattr(rendering, "Renderer", NoisyDisc)


def small(out: Path, **changes: object) -> None:
    options = {"scenes": 1, "size": 16, "seed": 5, "split": "train", "out": out, "samples": 4}
    command.render(**{**options, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_rendered_split_is_read_by_the_adapter(tmp_path: Path) -> None:
    small(tmp_path)
    dataset = Vases({"root": tmp_path, "context": 2})
    keys = dataset.samples("train")
    assert len(keys) == 12
    sample, targets = dataset.inputs("train", keys[5]), dataset.targets("train", keys[5])
    assert sample.inputs["image"].shape == (16, 16, 3)
    for quantity, value in {**sample.inputs, **targets.quantities}.items():
        validate(quantity, value)


@pytest.mark.usefixtures("unrendered")
def test_more_scenes_leave_the_first_ones_as_they_were(tmp_path: Path) -> None:
    small(tmp_path)
    first = contents(tmp_path / "train")
    small(tmp_path, scenes=2)
    grown = contents(tmp_path / "train")
    scene = Vases({"root": tmp_path}).samples("train")[0].scene
    assert {n: c for n, c in grown.items() if scene in n} == {
        n: c for n, c in first.items() if scene in n
    }
    assert len(Vases({"root": tmp_path}).samples("train")) == 24


@pytest.mark.usefixtures("unrendered")
def test_an_interrupted_rendering_goes_on_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(tmp_path / "whole", scenes=2)
    write, calls = rendering.write_scene, []

    def fail_on_the_second(folder: Path, render: object) -> None:
        write(folder, render)
        calls.append(folder)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(rendering, "write_scene", fail_on_the_second)
    with pytest.raises(OSError, match="No space left"):
        small(tmp_path / "broken", scenes=2)
    assert not (tmp_path / "broken" / "train" / layout.MANIFEST).exists()
    with pytest.raises(DataError, match="unfinished"):
        Vases({"root": tmp_path / "broken"}).samples("train")
    small(tmp_path / "broken", scenes=2)
    assert len(calls) == 3
    assert contents(tmp_path / "broken" / "train") == contents(tmp_path / "whole" / "train")


@pytest.mark.usefixtures("unrendered")
def test_other_settings_do_not_mix_into_a_begun_folder(tmp_path: Path) -> None:
    small(tmp_path)
    with pytest.raises(ConfigError, match="other settings"):
        small(tmp_path, seed=6)


def test_a_second_process_is_told_to_wait(tmp_path: Path) -> None:
    with rendering.lock(tmp_path / "train"), pytest.raises(ConfigError, match="another process"):
        small(tmp_path)


@pytest.mark.parametrize("split", ["mini", "", "..", "a/b"])
def test_a_split_needs_a_plain_name_of_its_own(tmp_path: Path, split: str) -> None:
    with pytest.raises(ConfigError, match="--split"):
        small(tmp_path, split=split)


@pytest.mark.usefixtures("unrendered")
def test_photographed_environments_and_meshes_can_be_given(tmp_path: Path) -> None:
    maps, objects = tmp_path / "maps", tmp_path / "objects"
    maps.mkdir()
    objects.mkdir()
    write_exr(maps / "window.exr", soft_lights(7))
    trimesh.creation.torus(1.0, 0.4).export(objects / "ring.ply")
    small(tmp_path / "out", environments=maps, meshes=objects)
    scene = layout.read_scene(tmp_path / "out" / "train" / "ring_00" / layout.SCENE)
    assert {light.environment for light in scene.lights} == {"window"}
    assert len({light.yaw for light in scene.lights}) > 1


def test_the_environments_of_mini_are_refused(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "renamed.hdr").symlink_to(shared / "data" / "hdri" / "noon_grass_1k.hdr")
    with pytest.raises(ConfigError, match=r"renamed\.hdr.*noon_grass.*vases/mini"):
        small(tmp_path / "out", environments=tmp_path)


@pytest.mark.parametrize("option", ["environments", "meshes"])
def test_an_empty_folder_of_maps_or_meshes_is_named(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        small(tmp_path / "out", **{option: tmp_path})


def test_a_truncated_map_or_mesh_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.hdr").write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 16\n123")
    with pytest.raises(DataError, match=r"cut\.hdr"):
        small(tmp_path / "out", environments=tmp_path)
    (tmp_path / "cut.obj").write_text("v 0 0 0\nf 1 2 3\n")
    with pytest.raises(DataError, match=r"cut\.obj"):
        small(tmp_path / "out2", meshes=tmp_path)


def test_a_mesh_turned_inside_out_is_turned_back(tmp_path: Path) -> None:
    box = trimesh.creation.box()
    box.invert()
    box.export(tmp_path / "box.obj")
    shape = meshes.object_shape(tmp_path / "box.obj")
    assert np.einsum("ij,ij->i", shape.vertices, shape.normals).min() > 0
    assert shape.vertices.shape[0] >= 100_000


def test_an_environment_is_brought_to_size_with_a_mean_of_one() -> None:
    radiance = lights.procedural(np.random.default_rng(0))
    mean = (radiance.mean(axis=2) * solid_angles(64, 128)).sum() / (4 * np.pi)
    assert mean == pytest.approx(1, abs=2e-3)
    np.testing.assert_array_equal(radiance, radiance.astype(np.float16))


def test_the_command_takes_the_options_of_the_card() -> None:
    (card,) = bench_datasets()
    render = next(each for each in card.commands if each.verb == "render")
    names = command.render.__kwdefaults__.keys() | set(command.render.__annotations__)
    assert {option.name for option in render.options} == names - {"return"}


@pytest.mark.parametrize(
    ("name", "version"),
    [("libLLVM-15.so.1", 15), ("libLLVM.so.19.1", 19), ("libLLVM-16.so", 16), ("libLLVM.so", None)],
)
def test_the_version_of_llvm_is_read_from_the_library(
    tmp_path: Path, name: str, version: int | None
) -> None:
    (tmp_path / name).touch()
    assert llvm_version(tmp_path / name) == version


@pytest.mark.parametrize("name", ["libLLVM-15.so.1", "missing/libLLVM.so.19.1"])
def test_too_old_or_missing_a_library_means_the_scalar_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "libLLVM-15.so.1").touch()
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / name))
    assert mitsuba_variant() == "scalar_rgb"


def test_a_new_enough_library_means_the_llvm_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libLLVM.so.17"
    library.touch()
    monkeypatch.setenv(LIBRARY_VARIABLE, str(library))
    assert mitsuba_variant() == "llvm_ad_rgb"
    assert os.environ[LIBRARY_VARIABLE] == str(library)


@pytest.fixture
def mean_image(tmp_path: Path) -> Callable[[Path | None], np.ndarray]:
    """Renders one small split in a process that sees the given LLVM; the mean of its images."""

    def run(library: Path | None) -> np.ndarray:
        out = tmp_path / ("fast" if library is None else "slow")
        script = (
            "from pathlib import Path; from bench.datasets.vases.render import render; "
            f"render(scenes=1, size=16, seed=5, split='s', out=Path({str(out)!r}), samples=64)"
        )
        environment = {
            **os.environ,
            **({} if library is None else {LIBRARY_VARIABLE: str(library)}),
        }
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
        dataset = Vases({"root": out})
        return np.array([dataset.inputs("s", key).inputs["image"] for key in dataset.samples("s")])

    return run


@pytest.mark.slow
def test_both_variants_render_the_same_picture(
    tmp_path: Path, mean_image: Callable[[Path | None], np.ndarray]
) -> None:
    old = tmp_path / "libLLVM-15.so.1"
    old.touch()
    fast, slow = mean_image(None), mean_image(old)
    np.testing.assert_allclose(fast.mean(axis=(1, 2)), slow.mean(axis=(1, 2)), rtol=0.1)
