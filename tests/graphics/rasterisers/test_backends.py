"""The choice of a backend, and the two that need CUDA, against stand-ins for their libraries.

The stand-ins speak the conventions that the libraries document, by code of their own: clip
coordinates with row 0 at y = −1 there, y-up normalised coordinates of a square picture here.
"""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.errors import ConfigError, UnavailableError
from bench.graphics.rasterisers import (
    NAMES,
    Rasteriser,
    availability,
    diagnose,
    neural_renderer,
    nvdiffrast,
    rasteriser,
)
from bench.graphics.rasterisers.fragments import Fragments, coverage, downsample, interpolate

Scene = tuple[Tensor, Tensor, Tensor]

SIZE = (20, 28)
GPU = torch.cuda.is_available()


@pytest.fixture
def pyramid() -> Scene:
    """Two images of an open pyramid, its mouth to the camera, and the intrinsics of SIZE."""
    base = [[-0.3, -0.2, 2.0], [0.3, -0.25, 2.2], [0.35, 0.2, 2.4], [-0.25, 0.3, 2.1]]
    vertices = torch.tensor([[*base, [0.05, 0.02, 3.0]], [*base, [0.6, 0.1, 1.5]]])
    faces = torch.tensor([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0]])
    intrinsics = torch.tensor([[60.0, 0.0, 13.0], [0.0, 55.0, 11.0], [0.0, 0.0, 1.0]])
    return vertices, faces, intrinsics


def inside(corners: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Which pixel centres of a picture of [−1, 1]² are in one triangle, and its weights there.

    corners 3×2, row 0 at y = −1. H'×W' bool and H'×W'×3.
    """
    rows = (torch.arange(shape[0]) + 0.5) / shape[0] * 2 - 1
    columns = (torch.arange(shape[1]) + 0.5) / shape[1] * 2 - 1
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).double()  # H'×W'×3
    matrix = torch.cat([corners.double(), torch.ones(3, 1)], dim=1).T  # 3×3
    weights = pixels @ torch.linalg.inv(matrix).T  # H'×W'×3
    return (weights >= 0).all(dim=-1), weights


def stand_in_rasterize(
    context: Any,
    positions: Tensor,
    triangles: Tensor,
    resolution: list[int],
    ranges: Tensor | None,
    grad_db: bool,
) -> tuple[Tensor, Tensor]:
    """What nvdiffrast's documentation says of `rasterize`, one triangle after another."""
    assert positions.dtype == torch.float32
    assert positions.is_contiguous()
    assert triangles.dtype == torch.int32
    count = len(positions) if ranges is None else len(ranges)
    buffer = torch.zeros(count, *resolution, 4)
    nearest = torch.full((count, *resolution), torch.inf)
    for image in range(count):
        first, number = (0, len(triangles)) if ranges is None else ranges[image].tolist()
        own = positions[image] if ranges is None else positions
        for index in range(first, first + number):
            clip = own[triangles[index].long()]  # 3×4
            covered, screen = inside(clip[:, :2] / clip[:, 3:], (resolution[0], resolution[1]))
            share = screen / clip[:, 3]
            share = share / share.sum(dim=-1, keepdim=True)
            depth = (share @ clip[:, 2].double()) / (share @ clip[:, 3].double())
            drawn = covered & (depth < nearest[image]) & (depth.abs() <= 1)
            nearest[image][drawn] = depth[drawn].float()
            values = [share[..., 0], share[..., 1], depth, torch.full_like(depth, index + 1)]
            buffer[image][drawn] = torch.stack(values, dim=-1)[drawn].float()
    return buffer, torch.empty(0)


def stand_in_antialias(color: Tensor, rast: Tensor, pos: Tensor, tri: Tensor) -> Tensor:
    """Any function of both that blends."""
    assert tri.dtype == torch.int32
    assert rast.shape == (*color.shape[:3], 4)
    return 0.5 * color + pos[..., 0].sum()


def stand_in_index_map(
    faces: Tensor,
    number: Tensor,
    weights: Tensor,
    depth: Tensor,
    unused: Tensor,
    inverses: Tensor,
    side: int,
    near: float,
    far: float,
    *wanted: bool,
) -> list[Tensor]:
    """neural_renderer's forward loop by its description in spec §4.1."""
    assert number.dtype == torch.int32
    assert faces.is_contiguous()
    assert not any(wanted)
    for image, own in enumerate(faces):
        for index, corners in enumerate(own):
            (x0, y0), (x1, y1), (x2, y2) = corners[:, :2].tolist()
            if (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0) < 0:
                continue
            covered, screen = inside(corners[:, :2], (side, side))
            z = 1 / (screen / corners[:, 2]).sum(dim=-1)
            drawn = covered & (z > near) & (z < depth[image])
            depth[image][drawn] = z[drawn].float()
            number[image][drawn] = index
            weights[image][drawn] = screen[drawn].float()
    return [number, weights, depth, unused]


@pytest.fixture
def with_libraries(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand-ins in the place of both libraries, and a GPU that torch claims to see."""
    torch_part = ModuleType("nvdiffrast.torch")
    torch_part.rasterize = stand_in_rasterize  # type: ignore[attr-defined]
    torch_part.antialias = stand_in_antialias  # type: ignore[attr-defined]
    torch_part.RasterizeCudaContext = SimpleNamespace  # type: ignore[attr-defined]
    loops = ModuleType("neural_renderer.cuda.rasterize")
    loops.forward_face_index_map = stand_in_index_map  # type: ignore[attr-defined]
    for name, module in (
        ("nvdiffrast", ModuleType("nvdiffrast")),
        ("nvdiffrast.torch", torch_part),
        ("neural_renderer", ModuleType("neural_renderer")),
        ("neural_renderer.cuda", ModuleType("neural_renderer.cuda")),
        ("neural_renderer.cuda.rasterize", loops),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU of the test")
    return SimpleNamespace(nvdiffrast=torch_part, loops=loops)


def assert_alike(ours: Fragments, theirs: Fragments) -> None:
    assert torch.equal(ours.face, theirs.face)
    torch.testing.assert_close(ours.weights, theirs.weights, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.depth, theirs.depth, atol=1e-4, rtol=0)


@pytest.mark.usefixtures("with_libraries")
@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("name", ["nvdiffrast", "neural_renderer"])
def test_every_backend_gives_the_same_fragments(pyramid: Scene, name: str, cull: bool) -> None:
    vertices, faces, intrinsics = pyramid
    ours = rasteriser("reference").rasterise(vertices, faces, intrinsics, SIZE, cull=cull)
    theirs = rasteriser(name, "cuda").rasterise(vertices, faces, intrinsics, SIZE, cull=cull)
    assert coverage(ours).mean() > 0.05
    assert_alike(ours, theirs)


@pytest.mark.usefixtures("with_libraries")
@pytest.mark.parametrize("name", ["nvdiffrast", "neural_renderer"])
def test_every_backend_lets_weights_carry_gradients(pyramid: Scene, name: str) -> None:
    vertices, faces, intrinsics = pyramid
    found = []
    for backend in (rasteriser("reference"), rasteriser(name, "cuda")):
        leaf = vertices.clone().requires_grad_()
        fragments = backend.rasterise(leaf, faces, intrinsics, SIZE, through_weights=True)
        interpolate(fragments, faces, leaf.detach()).square().sum().backward()
        found.append(leaf.grad)
    assert found[0].any()
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.usefixtures("with_libraries")
@pytest.mark.parametrize("name", ["nvdiffrast", "neural_renderer"])
def test_an_empty_mesh_is_an_empty_picture_everywhere(pyramid: Scene, name: str) -> None:
    vertices, faces, intrinsics = pyramid
    backend = rasteriser(name, "cuda")
    hidden = backend.rasterise(vertices[:1], faces.flip(1), intrinsics, SIZE, cull=True)
    assert (hidden.face == -1).all()
    fragments = backend.rasterise(vertices, faces[:0], intrinsics, SIZE)
    assert (fragments.face == -1).all()
    image = backend.antialias(coverage(fragments), fragments, vertices, faces[:0], intrinsics)
    assert not image.any()


@pytest.mark.usefixtures("with_libraries")
@pytest.mark.parametrize("depth", [-1.0, 0.0])
def test_neural_renderer_leaves_out_what_reaches_behind_the_camera(
    pyramid: Scene, depth: float
) -> None:
    vertices, faces, intrinsics = pyramid
    vertices[:, 4, 2] = depth  # the tip, a corner of every face
    vertices[1, 4, 2] = 1.5
    ours = rasteriser("reference").rasterise(vertices, faces, intrinsics, SIZE)
    theirs = rasteriser("neural_renderer", "cuda").rasterise(vertices, faces, intrinsics, SIZE)
    assert not coverage(ours)[0].any()
    assert_alike(ours, theirs)


@pytest.mark.usefixtures("with_libraries")
def test_nvdiffrast_adds_a_gradient_and_leaves_the_values(pyramid: Scene) -> None:
    vertices, faces, intrinsics = pyramid
    leaf = vertices.clone().requires_grad_()
    backend = rasteriser("nvdiffrast", "cuda")
    fragments = backend.rasterise(leaf, faces, intrinsics, SIZE)
    image = torch.rand(2, 40, 56, 3, requires_grad=True)
    result = backend.antialias(image, fragments, leaf, faces, intrinsics)
    assert torch.equal(result, image)
    result.sum().backward()
    assert image.grad is not None
    assert leaf.grad is not None
    assert (image.grad == 0.5).all()  # the stand-in's blend
    expected = 40 * 56 * 3 * 2 * (2 * 60 / 28)  # both images' pixels × d clip x / d x
    torch.testing.assert_close(leaf.grad[..., 0], torch.full((2, 5), expected))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_neural_renderer_is_handed_what_it_drew(
    pyramid: Scene, with_libraries: SimpleNamespace, channels: int
) -> None:
    vertices, faces, intrinsics = pyramid
    drawn: list[Tensor] = []
    calls: list[tuple[int, int]] = []
    shown: list[Tensor] = []

    def index_map(*arguments: Any) -> list[Tensor]:
        drawn.append(arguments[1])
        return stand_in_index_map(*arguments)

    def pixel_map(
        corners: Tensor,
        numbers: Tensor,
        colour: Tensor,
        alpha: Tensor,
        grad_colour: Tensor,
        grad_alpha: Tensor,
        moved: Tensor,
        side: int,
        epsilon: float,
        with_colour: int,
        with_alpha: int,
    ) -> Tensor:
        assert torch.equal(numbers, drawn[0])
        assert numbers.dtype == torch.int32
        used = colour if with_colour else alpha[..., None]
        assert used.shape[:3] == (2, side, side)
        shown.append(used)
        calls.append((with_colour, with_alpha))
        push = torch.zeros_like(moved)
        push[1, 0, 1, 0] = 1.0  # image 1, face 0, its corner 1, x
        return moved + push

    with_libraries.loops.forward_face_index_map = index_map
    with_libraries.loops.backward_pixel_map = pixel_map
    leaf, backend = vertices.clone().requires_grad_(), rasteriser("neural_renderer", "cuda")
    fragments = backend.rasterise(leaf, faces, intrinsics, SIZE)
    image = torch.rand(2, 40, 56, channels, requires_grad=True)
    result = backend.antialias(image, fragments, leaf, faces, intrinsics)
    assert torch.equal(result, image)
    result.sum().backward()
    assert image.grad is not None
    assert leaf.grad is not None
    assert (image.grad == 1).all()
    assert calls == {1: [(0, 1)], 2: [(1, 0)], 3: [(1, 0)], 4: [(1, 0), (1, 0)]}[channels]
    assert torch.equal(shown[0][:, -1, :56, 0], image[:, 0, :, 0])  # its last row is our first
    scale = 2 * (60 * 2) / 56 / vertices[1, 4, 2]  # dx there / dx in camera coordinates
    torch.testing.assert_close(leaf.grad[1, 4, 0], len(calls) * scale)
    assert leaf.grad[0].abs().max() == 0


def test_the_official_camera_has_the_clip_coordinates_of_the_spec() -> None:
    # spec §4.3: (s·X, s·Y, (f+n)/(f−n)·Z − 2fn/(f−n), Z) with s = 11.430052, n = 0.1, f = 10
    points = torch.tensor([[[0.1, -0.2, 4.7], [0.0, 0.3, 5.2]]])
    focal = 1463.0467
    intrinsics = torch.tensor([[focal, 0.0, 128.0], [0.0, focal, 128.0], [0.0, 0.0, 1.0]])
    clip = nvdiffrast.clip_coordinates(points, intrinsics, (256, 256))
    x, y, z = points.unbind(dim=-1)
    depth = 10.1 / 9.9 * z - 2 / 9.9
    expected = torch.stack([11.430052 * x, 11.430052 * y, depth, z], dim=-1)
    torch.testing.assert_close(clip, expected, atol=1e-5, rtol=0)


def test_a_buffer_tells_near_from_far_and_nothing_from_all() -> None:
    fragments = Fragments(
        face=torch.tensor([[[-1, 0, 7]]]),
        weights=torch.tensor([[[[0.0, 0, 0], [0.2, 0.3, 0.5], [1.0, 0, 0]]]]),
        depth=torch.tensor([[[0.0, 2.0, 5.0]]]),
    )
    u, v, order, number = nvdiffrast.buffer_from(fragments).unbind(dim=-1)
    torch.testing.assert_close(u, torch.tensor([[[0.0, 0.2, 1.0]]]))
    torch.testing.assert_close(v, torch.tensor([[[0.0, 0.3, 0.0]]]))
    assert number.tolist() == [[[0, 1, 8]]]
    assert order[0, 0, 1] < order[0, 0, 2] < order[0, 0, 0]


def test_a_square_is_undone() -> None:
    image = torch.rand(2, 3, 5, 4)
    square = neural_renderer.to_square(image, 5)
    assert square.shape == (2, 5, 5, 4)
    assert torch.equal(square[:, 4], image[:, 0])
    assert torch.equal(neural_renderer.from_square(square, (3, 5)), image)


def test_the_reference_serves_where_nothing_is_named() -> None:
    assert rasteriser().name == "reference"
    assert rasteriser("reference", "cuda").name == "reference"


@pytest.mark.usefixtures("with_libraries")
def test_the_fastest_that_works_is_taken() -> None:
    assert rasteriser(device="cuda:0").name == "nvdiffrast"
    assert rasteriser(device="cpu").name == "reference"
    fast, reference, other = diagnose()
    assert fast.works
    assert "a GPU of the test; taken there" in fast.found
    assert "taken on the CPU" in reference.found
    assert other.works
    with pytest.raises(ConfigError, match="runs on CUDA, not on cpu"):
        rasteriser("nvdiffrast", "cpu")


def test_an_unknown_backend_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=f"'opengl'; there are {', '.join(NAMES)}"):
        rasteriser("opengl")


@pytest.mark.parametrize("name", ["nvdiffrast", "neural_renderer"])
def test_without_a_gpu_a_backend_says_so_and_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnavailableError, match=f"{name} runs on NVIDIA GPUs alone.*pip install"):
        rasteriser(name, "cuda")


def importing(error: Exception) -> Callable[[str], ModuleType]:
    def fail(name: str) -> ModuleType:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError(name="nvdiffrast"), "needs the package nvdiffrast, which is not inst"),
        (ModuleNotFoundError(name="_nvdiffrast_c"), "module _nvdiffrast_c, which is not built"),
        (ImportError("undefined symbol: x\nmore"), r"cannot load .* \(undefined symbol: x\)"),
        (OSError("libcudart.so.10.1: cannot open"), r"\(libcudart.so.10.1: cannot open\)"),
    ],
)
def test_a_package_that_does_not_load_is_one_sentence_and_a_command(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(availability.importlib, "import_module", importing(error))
    found = nvdiffrast.diagnose()
    assert not found.works
    with pytest.raises(UnavailableError, match=f"{words}.*: pip install"):
        found.require()
    assert rasteriser(device="cuda").name == "reference"


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_a_backend_agrees_with_the_reference_on_the_cpu(vase: Scene, name: str) -> None:
    backend = available(name)
    vertices, faces, intrinsics = vase
    ours = rasteriser("reference").rasterise(vertices, faces, intrinsics, (256, 256))
    theirs = backend.rasterise(vertices.cuda(), faces.cuda(), intrinsics.cuda(), (256, 256))
    same = ours.face == theirs.face.cpu()
    assert same.float().mean() > 0.99  # nvdiffrast snaps vertices to 1/16 of a sample
    masks = [downsample(coverage(each)).cpu() for each in (ours, theirs)]
    assert (masks[0] - masks[1]).abs().mean() < 1e-3
    torch.testing.assert_close(theirs.depth.cpu()[same], ours.depth[same], atol=1e-4, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="no CUDA device")
@pytest.mark.parametrize("name", ["nvdiffrast", "reference"])
def test_on_a_gpu_a_silhouette_has_the_gradient_of_the_reference(vase: Scene, name: str) -> None:
    backend = available(name)
    found = []
    for each, device in ((rasteriser("reference"), "cpu"), (backend, "cuda")):
        vertices, faces, intrinsics = (part.to(device) for part in vase)
        leaf = vertices.clone().requires_grad_()
        fragments = each.rasterise(leaf, faces, intrinsics, (256, 256))
        mask = each.antialias(coverage(fragments), fragments, leaf, faces, intrinsics)
        ramp = torch.linspace(0, 1, 256, device=device)[:, None]
        (downsample(mask) * ramp).sum().backward()
        assert leaf.grad is not None
        found.append(leaf.grad.cpu().sum(dim=1))
    torch.testing.assert_close(found[1], found[0], rtol=0.1, atol=0.02 * found[0].abs().max())


def available(name: str) -> Rasteriser:
    try:
        return rasteriser(name, "cuda")
    except UnavailableError as error:
        pytest.skip(str(error))
