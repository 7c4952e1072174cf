"""LPIPS: unavailable without weights, and §13 of specs/metrics.md with a random backbone."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Item
from bench.errors import UnavailableError
from bench.metrics.images import perceptual
from bench.protocol import Comparison

SHOWN = Comparison(space="srgb", clip=(0, 1), mask="zero-outside")
LAYERS = ((0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3), (10, 256, 256, 3))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch.hub cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def backbone(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A random AlexNet trunk with a file name that keeps its promise."""
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for index, outputs, inputs, side in LAYERS:
        shape = (outputs, inputs, side, side)
        scale = (2 / (inputs * side**2)) ** 0.5
        weights[f"features.{index}.weight"] = torch.randn(shape, generator=generator) * scale
        weights[f"features.{index}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    weights["classifier.1.weight"] = torch.zeros(2)
    torch.save(weights, home / "trunk.pth")
    digest = hashlib.sha256((home / "trunk.pth").read_bytes()).hexdigest()
    path = (home / "trunk.pth").rename(home / f"alexnet-owt-{digest[:8]}.pth")
    monkeypatch.setattr(perceptual, "BACKBONE_FILES", ("alexnet-owt-00000000.pth", path.name))
    return path


@pytest.fixture
def view(view: Item) -> Item:
    """The sphere on a frame that the backbone can take, in a little noise."""
    rng = np.random.default_rng(8)
    for name in ("relit", "mask"):
        grown = np.tile(view.target[name], (2, 2, 1))[:70, :80]
        view.target[name] = view.prediction[name] = grown
    view.prediction["relit"] = np.abs(
        view.target["relit"] + rng.normal(0, 0.1, (70, 80, 3)).astype(np.float32)
    )
    return view


def test_without_weights_it_is_unavailable_with_the_command(
    home: Path, measure: Callable[..., Any], view: Item
) -> None:
    with pytest.raises(UnavailableError, match=r"python -c .*alexnet") as caught:
        measure("relit.lpips", view, comparison=SHOWN)
    assert str(home) in str(caught.value)


def test_a_damaged_file_is_unavailable_and_named(
    home: Path, measure: Callable[..., Any], view: Item
) -> None:
    (home / "alexnet-owt-7be5be79.pth").write_bytes(b"cut short")
    with pytest.raises(UnavailableError, match=r"alexnet-owt-7be5be79\.pth is damaged"):
        measure("view.lpips", view, comparison=SHOWN)


def test_unavailability_is_decided_without_torch(home: Path) -> None:
    script = """
import sys
from bench.errors import UnavailableError
from bench.metrics.images import perceptual

try:
    perceptual.find_backbone(perceptual.checkpoints(), perceptual.BACKBONE_FILES)
except UnavailableError:
    sys.exit("torch" in sys.modules)
sys.exit("found weights")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_cache_is_the_one_of_torch_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for name, value in (("TORCH_HOME", str(tmp_path)), ("XDG_CACHE_HOME", "~/elsewhere")):
        monkeypatch.delenv("TORCH_HOME", raising=False)
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        assert perceptual.checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"
        monkeypatch.setenv(name, value)
        assert perceptual.checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"


def test_identical_images_are_at_distance_zero(
    backbone: Path, measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    same = predicting(view, relit=view.target["relit"])
    assert measure("relit.lpips", same, comparison=SHOWN) == 0
    assert measure("relit.lpips", view, comparison=SHOWN) > 1e-4


def test_distance_is_symmetric(
    backbone: Path, measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    there = measure("relit.lpips", view, comparison=SHOWN)
    mirrored = predicting(view, relit=view.target["relit"])
    mirrored.target["relit"] = view.prediction["relit"]
    assert measure("relit.lpips", mirrored, comparison=SHOWN) == pytest.approx(there, rel=1e-6)


def test_distance_is_the_formula_of_the_specification(backbone: Path) -> None:
    torch = pytest.importorskip("torch")
    lpips = pytest.importorskip("lpips")
    first, second = np.random.default_rng(9).random((2, 67, 71, 3))
    trunk = torch.load(backbone, weights_only=True)
    heads = torch.load(
        Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth",
        map_location="cpu",
        weights_only=True,
    )
    total = 0.0
    pairs = zip(features(torch, trunk, first), features(torch, trunk, second), strict=True)
    for layer, (a, b) in enumerate(pairs):
        difference = (unit(a) - unit(b)) ** 2  # C×h×w
        weights = heads[f"lin{layer}.model.1.weight"][0, :, 0, 0]
        total += float(torch.einsum("c,chw->hw", weights, difference).mean())
    path = perceptual.find_backbone(perceptual.checkpoints(), perceptual.BACKBONE_FILES)
    network = perceptual.load(path, path.stat().st_mtime_ns)
    assert perceptual.distance(network, first, second) == pytest.approx(total, rel=1e-4)


def test_a_frame_too_small_for_the_backbone_is_undefined(
    backbone: Path, measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    for side, defined in ((32, False), (33, True)):
        cut = {name: view.target[name][:side, :40] for name in ("relit", "mask")}
        view.target.update(cut)
        small = predicting(view, relit=cut["relit"])
        assert (measure("relit.lpips", small, comparison=SHOWN) is not None) == defined
        view.target.update({n: np.tile(v, (2, 2, 1))[:70, :80] for n, v in cut.items()})


def features(torch: Any, trunk: Any, image: NDArray[np.floating[Any]]) -> Iterator[Any]:
    """Activations C×h×w after the five ReLUs of AlexNet, for an image H×W×3 in [0, 1]."""
    functional = torch.nn.functional
    x = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)) * 2 - 1
    mean, spread = torch.tensor([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]])
    x = (x - mean[:, None, None]) / spread[:, None, None]
    for index, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
        if index in (3, 6):
            x = functional.max_pool2d(x, 3, 2)
        weight, bias = trunk[f"features.{index}.weight"], trunk[f"features.{index}.bias"]
        x = functional.relu(functional.conv2d(x, weight, bias, stride, padding))
        yield x[0]


def unit(activation: Any) -> Any:
    return activation / (activation.square().sum(0, keepdim=True).sqrt() + 1e-10)
