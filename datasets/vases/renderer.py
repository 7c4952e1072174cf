"""Path tracing with Mitsuba 3: one scene's views under its lights.

The surface reflects f = a/π + f_s: a Lambertian base of albedo a under a microfacet layer f_s with
GGX distribution α = r², separable Smith masking, sampled by visible normals, and the exact Fresnel
reflectance of a dielectric whose value at normal incidence is the `specular` F₀. The layer does not
dim the base. Mitsuba's `blendbsdf` of `diffuse` and `roughconductor` (extinction 0) gives this sum
when each part is divided by its weight.

What is rendered, all with a box filter over the pixel and a black background that emits nothing:

- `image`: the radiance that reaches the camera along all paths.
- `shading`: the radiance of the same scene whose specular layer is removed everywhere, ÷ albedo.
  It holds direct light, shadows and the interreflection between diffuse surfaces. What is left,
  image − coverage·albedo·shading, is the specular layer's: its reflections, and what it throws on
  the base elsewhere.
- `albedo`, `normal`, `depth`, `roughness`, `specular`: means over the covered part of the pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.datasets.vases.variants import mitsuba_variant
from bench.graphics.environments import directions, lookup
from bench.graphics.normals import camera_from_world, normalise
from bench.quantities import Camera

if TYPE_CHECKING:
    from bench.datasets.vases.scenes import Surface

Float32: TypeAlias = NDArray[np.float32]

SPECULAR_WEIGHT = 0.2
"""The share of samples for the specular layer; albedo must stay below 1 less this."""

MOST_BOUNCES = 8
_CHUNK = 2**23  # samples per kernel launch, which bounds the memory
_NEAR, _FAR = 0.1, 1e4


@dataclass(frozen=True, eq=False)
class Geometry:
    """What one camera sees, H×W×C float32, zeros where the coverage is zero.

    Attributes:
        mask: coverage in [0, 1].
        normal: unit length, camera frame (x right, y up, z toward the viewer).
        depth: along the optical axis, scene units.
    """

    mask: Float32
    normal: Float32
    depth: Float32
    albedo: Float32
    roughness: Float32
    specular: Float32


@dataclass(frozen=True, eq=False)
class Radiance:
    """One view under one light, H×W×3 float32: two independent estimates and the diffuse pass.

    Attributes:
        halves: estimates of the radiance, each from half of the samples.
        diffuse: the radiance without the specular layer, from all of them.
    """

    halves: tuple[Float32, Float32]
    diffuse: Float32


class Renderer:
    """Renders one surface seen by given cameras; Mitsuba is loaded on construction.

    Args:
        surface: the mesh and its per-vertex reflectance.
        cameras: of one image size.
        samples: paths per pixel and pass, even.
        seed: all random numbers follow from it.
    """

    def __init__(
        self, surface: Surface, cameras: tuple[Camera, ...], samples: int, seed: int
    ) -> None:
        self._mi = load_mitsuba()
        self._cameras = cameras
        self._samples = samples
        self._seed = seed
        self._sensors = [self._sensor(camera) for camera in cameras]
        attributes = {
            "vertex_color": surface.albedo / (1 - SPECULAR_WEIGHT),
            "vertex_albedo": surface.albedo,
            "vertex_alpha": surface.roughness**2,  # one channel, or Mitsuba reads it as zero
            "vertex_eta": np.repeat(refractive_index(surface.specular), 3, axis=1),
            "vertex_gain": np.full_like(surface.albedo, 1 / SPECULAR_WEIGHT),
            "vertex_lobe": np.concatenate(
                [surface.roughness, surface.specular, np.ones_like(surface.specular)], axis=1
            ),
        }
        bsdfs = {"full": _layered(), "base": _diffuse("albedo"), "lobe": _diffuse("lobe")}
        self._shapes = {name: self._mesh(surface, attributes, bsdf) for name, bsdf in bsdfs.items()}

    def geometry(self, view: int) -> Geometry:
        """The maps that no light changes, seen by the camera `view`."""
        aovs = {"type": "aov", "aovs": "a:albedo,n:sh_normal,p:position"}
        base = self._render(self._scene("base", None), aovs, view, self._samples, 0)
        lobe = self._render(self._scene("lobe", None), aovs, view, self._samples, 0)
        coverage = np.clip(lobe[..., 2:3], 0, 1)
        known = coverage > 0
        share = np.where(known, coverage, 1)
        camera = self._cameras[view]
        forward, position = camera.camera_to_world[:3, 2], camera.camera_to_world[:3, 3]
        depth = (base[..., 6:9] / share - position) @ forward  # H×W
        maps = {
            "mask": coverage,
            "normal": normalise(camera_from_world(base[..., 3:6], camera)),
            "depth": np.where(known, depth[..., None], 0),
            "albedo": base[..., :3] / share,
            "roughness": lobe[..., :1] / share,
            "specular": lobe[..., 1:2] / share,
        }
        return Geometry(**{name: value.astype(np.float32) for name, value in maps.items()})

    def radiance(self, environment: Float32) -> tuple[Radiance, ...]:
        """Every view under one environment H×W×3 (world frame)."""
        path = {"type": "path", "max_depth": MOST_BOUNCES, "hide_emitters": True}
        full, base = self._scene("full", environment), self._scene("base", environment)
        half = self._samples // 2
        return tuple(
            Radiance(
                (
                    self._render(full, path, view, half, 1)[..., :3],
                    self._render(full, path, view, half, 2)[..., :3],
                ),
                self._render(base, path, view, self._samples, 3)[..., :3],
            )
            for view in range(len(self._cameras))
        )

    def _render(
        self, scene: Any, integrator: Mapping[str, Any], view: int, samples: int, stream: int
    ) -> Float32:
        camera = self._cameras[view]
        chunk = max(1, min(samples, _CHUNK // (camera.height * camera.width)))
        total = np.zeros((), np.float64)
        done = 0
        while done < samples:
            count = min(chunk, samples - done)
            seed = np.random.SeedSequence((self._seed, view, stream, done)).generate_state(1)[0]
            part = self._mi.render(
                scene,
                sensor=self._sensors[view],
                integrator=self._mi.load_dict(dict(integrator)),
                spp=count,
                seed=int(seed),
            )
            total = total + count * np.asarray(part, np.float64)
            done += count
        return (total / samples).astype(np.float32)

    def _scene(self, shape: str, environment: Float32 | None) -> Any:
        scene: dict[str, Any] = {"type": "scene", "shape": self._shapes[shape]}
        if environment is not None:
            bitmap = self._mi.Bitmap(mitsuba_environment(environment))
            scene["light"] = {"type": "envmap", "bitmap": bitmap}
        return self._mi.load_dict(scene)

    def _sensor(self, camera: Camera) -> Any:
        # Mitsuba's camera looks along +z like OpenCV's, but its x points left and its y up.
        pose = camera.camera_to_world @ np.diag([-1.0, -1.0, 1.0, 1.0])
        fov = 2 * np.degrees(np.arctan(camera.width / 2 / camera.intrinsics[0, 0]))
        return self._mi.load_dict(
            {
                "type": "perspective",
                "fov": float(fov),
                "fov_axis": "x",
                "near_clip": _NEAR,
                "far_clip": _FAR,
                "to_world": self._mi.ScalarTransform4f(pose),
                "film": {
                    "type": "hdrfilm",
                    "width": camera.width,
                    "height": camera.height,
                    "pixel_format": "rgb",
                    "component_format": "float32",
                    "rfilter": {"type": "box"},
                },
                "sampler": {"type": "independent"},
            }
        )

    def _mesh(self, surface: Surface, attributes: Mapping[str, Any], bsdf: dict[str, Any]) -> Any:
        mi = self._mi
        properties = mi.Properties()
        properties["bsdf"] = mi.load_dict(bsdf)
        shape = surface.shape
        mesh = mi.Mesh(
            "surface",
            vertex_count=shape.vertices.shape[0],
            face_count=shape.faces.shape[0],
            has_vertex_normals=True,
            props=properties,
        )
        for name, values in attributes.items():
            mesh.add_attribute(name, values.shape[1], values.astype(np.float32).ravel())
        parameters = mi.traverse(mesh)
        parameters["vertex_positions"] = shape.vertices.astype(np.float32).ravel()
        parameters["vertex_normals"] = shape.normals.astype(np.float32).ravel()
        parameters["faces"] = shape.faces.astype(np.uint32).ravel()
        parameters.update()
        return mesh


def load_mitsuba() -> Any:
    """The module `mitsuba` with the variant set that this machine runs fastest."""
    variant = mitsuba_variant()
    import mitsuba

    if mitsuba.variant() != variant:
        mitsuba.set_variant(variant)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


def refractive_index(specular: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The dielectric index η ≥ 1 whose reflectance at normal incidence ((η−1)/(η+1))² is F₀."""
    root = np.sqrt(specular)
    index: NDArray[np.floating[Any]] = (1 + root) / (1 - root)
    return index


def mitsuba_environment(radiance: Float32) -> Float32:
    """Our H×W×3 map as Mitsuba's `envmap` (identity `to_world`), the same function of direction.

    Mitsuba's columns start at −z where ours have their middle, and its rows lie on θ = πj/(h−1),
    both poles included, where ours lie on pixel centres. With h = 2H + 1 rows every centre of ours
    is a row of its, so that both interpolate to the same piecewise bilinear function.
    """
    height, width, _ = radiance.shape
    theta = np.pi * np.arange(2 * height + 1) / (2 * height)
    toward = directions(height, width)[height // 2] * [1, 0, 1]  # W×3, along the horizon
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    rays = np.sin(theta)[:, None, None] * toward  # (2H+1)×W×3
    rays[..., 1] = np.cos(theta)[:, None]
    # At the poles every azimuth is one direction to `lookup`; step off them to keep the columns.
    rays[[0, -1]] += 1e-9 * toward
    return np.roll(lookup(radiance, rays), -width // 2, axis=1).astype(np.float32)


def _layered() -> dict[str, Any]:
    layer = {
        "type": "roughconductor",
        "distribution": "ggx",
        "alpha": _attribute("alpha"),
        "eta": _attribute("eta"),
        "k": {"type": "rgb", "value": [0.0, 0.0, 0.0]},
        "specular_reflectance": _attribute("gain"),
    }
    base = {"type": "diffuse", "reflectance": _attribute("color")}
    return {"type": "blendbsdf", "weight": SPECULAR_WEIGHT, "base": base, "layer": layer}


def _diffuse(attribute: str) -> dict[str, Any]:
    return {"type": "diffuse", "reflectance": _attribute(attribute)}


def _attribute(name: str) -> dict[str, Any]:
    return {"type": "mesh_attribute", "name": f"vertex_{name}"}
