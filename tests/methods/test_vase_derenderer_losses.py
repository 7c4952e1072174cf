"""Every training loss against its formula of specs/vase_derenderer.md §5.1 in NumPy."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from bench.graphics.rasterisers import Rasteriser, rasteriser
from bench.methods.vase_derenderer import losses
from bench.methods.vase_derenderer.configuration import OFFICIAL_MET, Configuration
from bench.methods.vase_derenderer.derender import Explanation, posed
from bench.methods.vase_derenderer.lighting import Shaded, shaded_front

Array = NDArray[np.float64]

TINY = Configuration("tiny", size=32, rows=8, columns=24, environment=(8, 8), width=4, patch=16)
SIZE, ROWS, COLUMNS = TINY.size, TINY.rows, TINY.columns
FIRST, LAST = 2, 10  # quad columns within ±60° of the one that faces the camera, of 24


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Others may be at work; small tensors wait long for a second core that is not free."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def backend() -> Rasteriser:
    return rasteriser(None, "cpu")


def explained(seed: int, light: float = 0.12) -> Explanation:
    """Two vases of arbitrary shape, pose, albedo and light."""
    torch.manual_seed(seed)
    extent = TINY.extent
    shape = posed(
        radius=extent * (0.3 + 0.4 * torch.rand(2, ROWS)),
        half_height=extent * torch.tensor([0.8, 0.6]),
        pitch=torch.tensor([0.2, 0.05]),
        roll=torch.tensor([0.1, -0.07]),
        shift=torch.tensor([[0.02, -0.01], [0.0, 0.03]]),
        columns=COLUMNS,
    )
    return Explanation(
        **vars(shape),
        texture=torch.rand(2, 3, SIZE, SIZE),
        albedo=torch.rand(2, 3, SIZE, SIZE),
        environment=light * torch.rand(2, 8, 8),
        shininess=torch.tensor([9.0, 18.0]),
        specular_albedo=torch.tensor([0.3, 1.1]),
    )


def pictures(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, SIZE, SIZE, generator=rng)
    masks = torch.rand(2, 1, SIZE, SIZE, generator=rng).round(decimals=1)
    return images, masks, torch.rand(2, 1, SIZE, SIZE, generator=rng)


# The oracle: one picture, float64, loops where they read best.


def faces() -> NDArray[np.int64]:
    """(kind, row, column) of each triangle and its three vertices: §3.1's table."""
    found = []
    for kind in "AB":
        for i in range(ROWS - 1):
            for j in range(COLUMNS):
                right = (j + 1) % COLUMNS
                corners = {
                    "A": [(i, j), (i + 1, j), (i, right)],
                    "B": [(i + 1, right), (i, right), (i + 1, j)],
                }[kind]
                found.append([kind == "B", i, j, *(COLUMNS * r + c for r, c in corners)])
    return np.array(found)


def drawn(vertices: Array, triangles: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
    """Nearest triangle and perspective-correct weights at the centres of 2S×2S samples (§4.1)."""
    points = vertices + np.array([0, 0, 5])
    focal = SIZE / math.tan(math.radians(5))
    screen = focal * points[:, :2] / points[:, 2:] + SIZE
    y, x = np.mgrid[: 2 * SIZE, : 2 * SIZE] + 0.5
    nearest, depth = np.full(x.shape, -1), np.full(x.shape, np.inf)
    weights = np.zeros((*x.shape, 3))
    for index, corners in enumerate(triangles[:, 3:]):
        system = np.vstack([screen[corners].T, np.ones(3)])
        if abs(np.linalg.det(system)) < 1e-12:
            continue
        flat = np.linalg.solve(system, np.stack([x, y, np.ones_like(x)]).reshape(3, -1))
        flat = flat.reshape(3, *x.shape)
        share = flat / points[corners, 2][:, None, None]
        z = 1 / share.sum(0)
        seen = (flat >= 0).all(0) & (z > 0.1) & (z < depth)
        nearest[seen], depth[seen] = index, z[seen]
        weights[seen] = (share * z).transpose(1, 2, 0)[seen]
    return nearest, weights


def bilinear(texture: Array, x: Array, y: Array) -> Array:
    """C×h×w at texel coordinates, centres at k + ½, the border held; …×C."""
    places = [y - 0.5, x - 0.5]
    values = [map_coordinates(channel, places, order=1, mode="nearest") for channel in texture]
    return np.stack(values, axis=-1)


def enlarged(quads: Array, height: int, width: int) -> Array:
    """A map h×w resampled bilinearly, corners not aligned, its borders held."""
    x = (np.arange(width) + 0.5) * quads.shape[1] / width
    y = (np.arange(height) + 0.5) * quads.shape[0] / height
    return bilinear(quads[None], *np.meshgrid(x, y))[..., 0]


def averaged(samples: Array) -> Array:
    return samples.reshape(SIZE, 2, SIZE, 2, -1).mean((1, 3)).transpose(2, 0, 1)


def phong_shading(item: dict[str, Array]) -> tuple[Array, Array]:
    """D and S of §3.6 light by light, each (H−1)×T."""
    diffuse, specular = np.zeros((2, ROWS - 1, COLUMNS))
    normals = -item["normals"]
    view = np.array([0, 0, -5]) - item["centres"]
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    alpha = item["shininess"]
    for k in range(8):
        for m in range(8):
            e, a = ((k + 0.5) / 8 * 2 - 1) * math.pi / 2, ((m + 0.5) / 8 * 2 - 1) * math.pi
            light = np.array([math.cos(e) * math.cos(a), math.sin(e), math.cos(e) * math.sin(a)])
            intensity = item["environment"][k, m] * math.cos(e) * 50 / 64
            cosine = normals @ light
            mirrored = 2 * cosine[..., None] * normals - light
            along = np.maximum((view * mirrored).sum(-1), 0) * (cosine > 0)
            diffuse += intensity * cosine.clip(0, 1)
            specular += (alpha + 1) / (2 * math.pi) * intensity * np.maximum(along, 1e-7) ** alpha
    return diffuse, specular


def shaded_maps(item: dict[str, Array]) -> tuple[Array, Array]:
    """D and ks·S of the front crop S×S, cut from the texture of the full turn S×3S."""
    margin = SIZE // 4
    front = (slice(None), slice(margin, margin + SIZE))
    diffuse, specular = (enlarged(m, SIZE, 3 * SIZE)[front] for m in phong_shading(item))
    return diffuse, item["specular_albedo"] * specular


def texture_of(albedo: Array, item: dict[str, Array]) -> Array:
    diffuse, specular = shaded_maps(item)
    return np.minimum(np.maximum(albedo * diffuse + specular, 1e-7) ** (1 / 2.2), 1)


def rendered_front(item: dict[str, Array], texture: Array) -> tuple[Array, Array]:
    """The front crop over white, 3×S×S, and its coverage, 1×S×S, by §4.1's closed form."""
    table = faces()
    table = table[(table[:, 2] >= FIRST) & (table[:, 2] < LAST)]
    nearest, weights = drawn(item["vertices"].reshape(-1, 3), table)
    second, i, j = (table[nearest, k] for k in range(3))
    across, down = weights[..., 2], weights[..., 1]
    u = np.where(second, j - FIRST + 1 - across, j - FIRST + across) / (LAST - FIRST)
    v = np.where(second, i + 1 - down, i + down) / (ROWS - 1)
    covered = (nearest >= 0)[..., None].astype(float)
    colours = bilinear(texture, u * SIZE, v * SIZE)
    return averaged(colours * covered + 1 - covered), averaged(covered)


def item_of(explanation: Explanation, index: int) -> dict[str, Array]:
    return {name: value[index].double().numpy() for name, value in vars(explanation).items()}


def expected_losses(
    explanation: Explanation, images: Tensor, masks: Tensor, distances: Tensor
) -> dict[str, float]:
    """§5.1, term by term; the two image losses are sums over the batch over one sum of weights."""
    mask, distance, diffuse = [], [], []
    sums = {"image": 0.0, "mean_albedo_image": 0.0}
    total = 0.0
    for index in range(len(images)):
        item = item_of(explanation, index)
        image, target, far = (t[index].double().numpy() for t in (images, masks, distances))
        nearest, _ = drawn(item["vertices"].reshape(-1, 3), faces())
        silhouette = averaged((nearest >= 0)[..., None].astype(float))
        mask.append(((silhouette - target) ** 2).mean())
        distance.append((silhouette * far).mean())
        mean_shading = phong_shading(item)[0][:, FIRST:LAST].mean()
        diffuse.append(max(abs(mean_shading - 0.5) - 0.1, 0) ** 2)
        plain = np.ones_like(item["albedo"]) * item["albedo"].mean((1, 2), keepdims=True)
        for name, albedo in (("image", item["albedo"]), ("mean_albedo_image", plain)):
            render, covered = rendered_front(item, texture_of(albedo, item))
            sums[name] += (covered * target * abs(render - image)).sum()
        total += 3 * (covered * target).sum()
    means = {"mask": mask, "mask_distance": distance, "diffuse": diffuse}
    return {name: float(np.mean(v)) for name, v in means.items()} | {
        name: v / total for name, v in sums.items()
    }


@pytest.mark.parametrize("light", [0.12, 0.5], ids=["dim", "overexposed"])
def test_every_loss_is_that_of_the_spec(backend: Rasteriser, light: float) -> None:
    explanation, seen = explained(0, light), pictures(0)
    shaded = shaded_front(explanation, TINY)
    found, _, _ = losses.reconstruction(explanation, shaded, *seen, backend, TINY)
    expected = expected_losses(explanation, *seen)
    assert {name: float(v) for name, v in found.items()} == pytest.approx(expected, rel=1e-4)


def test_shading_of_the_crop_is_that_of_the_whole_turn() -> None:
    explanation = explained(2)
    shaded = shaded_front(explanation, TINY)
    for index in range(2):
        item = item_of(explanation, index)
        diffuse, specular = shaded_maps(item)
        np.testing.assert_allclose(shaded.diffuse[index, 0], diffuse, rtol=2e-5)
        np.testing.assert_allclose(shaded.specular[index, 0], specular, rtol=2e-4)
        expected = phong_shading(item)[0][:, FIRST:LAST].mean()
        assert float(shaded.mean_diffuse[index]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("brightness", "loss"), [(0.3, 0.01), (0.45, 0.0), (0.6, 0.0), (0.8, 0.04)]
)
def test_diffuse_light_is_free_between_0_4_and_0_6(
    backend: Rasteriser, brightness: float, loss: float
) -> None:
    explanation = explained(0)
    bright = Shaded(*[torch.rand(2, 1, SIZE, SIZE)] * 2, torch.full((2,), brightness))
    found, _, _ = losses.reconstruction(explanation, bright, *pictures(0), backend, TINY)
    assert float(found["diffuse"]) == pytest.approx(loss, abs=1e-7)


def test_a_told_pitch_is_compared_where_it_is_told() -> None:
    explanation = explained(0)  # 0.2 and 0.05 radians
    degrees = 180 / math.pi
    told = losses.told_pitch(explanation, torch.tensor([5.0, math.nan]))
    assert float(told["pitch"]) == pytest.approx(((0.2 * degrees - 5) / 20) ** 2, rel=1e-5)
    told = losses.told_pitch(explanation, torch.tensor([5.0, 10.0]))
    second = ((0.05 * degrees - 10) / 20) ** 2
    expected = (((0.2 * degrees - 5) / 20) ** 2 + second) / 2
    assert float(told["pitch"]) == pytest.approx(expected, rel=1e-5)
    assert losses.told_pitch(explanation, torch.full((2,), math.nan)) == {}


def test_the_silhouette_is_that_of_the_spec(backend: Rasteriser) -> None:
    steps = torch.arange(32)
    degrees = math.pi / 180
    shape = posed(
        radius=OFFICIAL_MET.extent * (0.5 + 0.3 * torch.sin(0.3 * steps))[None],
        half_height=torch.tensor([0.8 * OFFICIAL_MET.extent]),
        pitch=torch.tensor([10 * degrees]),
        roll=torch.tensor([5 * degrees]),
        shift=torch.tensor([[0.02, -0.03]]),
    )
    unused = ("texture", "albedo", "environment", "shininess", "specular_albedo")
    explanation = Explanation(**vars(shape), **dict.fromkeys(unused, torch.zeros(1)))
    mask = losses.silhouettes(explanation, backend, OFFICIAL_MET)[0, 0]
    assert float(mask.mean()) == pytest.approx(0.4924, abs=5e-5)
    rows, columns = np.nonzero(mask.numpy())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 236, 26, 242)


def test_only_where_object_and_mask_agree_does_the_image_count(backend: Rasteriser) -> None:
    explanation, (images, masks, distances) = explained(3), pictures(3)
    shaded = shaded_front(explanation, TINY)
    where = (masks > 0.5).float()

    def image_loss(photos: Tensor) -> float:
        found, _, _ = losses.reconstruction(
            explanation, shaded, photos, where, distances, backend, TINY
        )
        return float(found["image"])

    other = torch.where(where > 0, images, torch.rand_like(images))
    assert image_loss(other) == image_loss(images)
    assert image_loss(1 - images) != image_loss(images)


def test_the_image_pulls_at_light_albedo_gloss_and_shape(backend: Rasteriser) -> None:
    explanation = explained(4)
    leaves = [
        getattr(explanation, name).requires_grad_()
        for name in ("albedo", "environment", "shininess", "specular_albedo", "vertices")
    ]
    shaded = shaded_front(explanation, TINY)
    images, masks, distances = pictures(4)
    found, _, _ = losses.reconstruction(
        explanation, shaded, images, masks, distances, backend, TINY
    )
    for pulled in torch.autograd.grad(found["image"], leaves, retain_graph=True):
        assert float(pulled.abs().max()) > 0
    # The mean of an albedo alone is pulled at by the second image: every texel alike.
    (flat,) = torch.autograd.grad(found["mean_albedo_image"], leaves[0])
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat))
