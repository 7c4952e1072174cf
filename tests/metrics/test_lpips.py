"""LPIPS: unavailable without weights, and §13 of specs/metrics.md with a random backbone."""

import hashlib
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Item
from bench.errors import UnavailableError
from bench.graphics.colour import srgb_encode
from bench.metrics.images import backbones, perceptual
from bench.metrics.images.backbones import BACKBONES
from bench.protocol import Comparison

SHOWN = Comparison(space="srgb", clip=(0, 1), mask="zero-outside")
NAMES = ("alex", "vgg", "squeeze")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch.hub cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def random_backbone(
    trunk_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """random_backbone(name) → a random trunk with a file name that keeps its promise."""

    def make(name: str) -> Path:
        path = trunk_file(name)
        model = BACKBONES[name].model
        files = (f"{model}-00000000.pth", path.name)
        monkeypatch.setenv("TORCH_HOME", str(path.parents[2]))
        monkeypatch.setitem(BACKBONES, name, replace(BACKBONES[name], files=files))
        return path

    return make


@pytest.fixture(scope="session")
def trunk_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """trunk_file(name) → seeded random weights, written once."""

    @lru_cache
    def make(name: str) -> Path:
        torch = pytest.importorskip("torch")
        torchvision = pytest.importorskip("torchvision")
        torch.manual_seed(0)
        model = getattr(torchvision.models, BACKBONES[name].model)(weights=None)
        weights = {k: v for k, v in model.state_dict().items() if k.startswith("features.")}
        home = tmp_path_factory.mktemp(name) / "hub" / "checkpoints"
        home.mkdir(parents=True)
        torch.save(weights | {"classifier.1.weight": torch.zeros(2)}, home / "trunk.pth")
        digest = hashlib.sha256((home / "trunk.pth").read_bytes()).hexdigest()
        return (home / "trunk.pth").rename(home / f"{BACKBONES[name].model}-{digest[:8]}.pth")

    return make


@pytest.fixture
def backbone(random_backbone: Callable[[str], Path]) -> Path:
    """A random AlexNet trunk."""
    return random_backbone("alex")


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


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_it_is_unavailable_with_the_command(
    home: Path, measure: Callable[..., Any], view: Item, name: Any
) -> None:
    model = BACKBONES[name].model
    with pytest.raises(UnavailableError, match=rf"python -c .*models\.{model}\(") as caught:
        measure("relit.lpips", view, comparison=replace(SHOWN, backbone=name))
    assert str(home) in str(caught.value)


def test_a_damaged_file_is_unavailable_and_named(
    home: Path, measure: Callable[..., Any], view: Item
) -> None:
    (home / "alexnet-owt-7be5be79.pth").write_bytes(b"cut short")
    with pytest.raises(UnavailableError, match=r"alexnet-owt-7be5be79\.pth is damaged"):
        measure("relit.lpips", view, comparison=SHOWN)


def test_the_doctor_says_which_backbones_are_here_and_how_the_others_come(
    random_backbone: Callable[[str], Path],
) -> None:
    path = random_backbone("squeeze")
    found = {diagnosis.what: diagnosis for diagnosis in backbones.diagnose()}
    assert list(found) == [f"LPIPS {name} weights" for name in NAMES]
    assert str(path) in found["LPIPS squeeze weights"].found
    for name in ("alex", "vgg"):
        missing = found[f"LPIPS {name} weights"]
        assert not missing.works and BACKBONES[name].model in missing.remedy


def test_unavailability_is_decided_without_torch(home: Path) -> None:
    script = """
import sys
from bench.metrics.images import backbones

found = any(diagnosis.works for diagnosis in backbones.diagnose())
sys.exit("found weights" if found else "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_cache_is_the_one_of_torch_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for name, value in (("TORCH_HOME", str(tmp_path)), ("XDG_CACHE_HOME", "~/elsewhere")):
        monkeypatch.delenv("TORCH_HOME", raising=False)
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        assert backbones.checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"
        monkeypatch.setenv(name, value)
        assert backbones.checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"


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
    network = perceptual.network(Comparison())
    assert perceptual.distance(network, first, second) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("averaged", ["frame", "inside"])
@pytest.mark.parametrize("background", [0.0, 0.5, 1.0])
def test_each_backbone_and_convention_is_the_packages(
    random_backbone: Callable[[str], Path],
    measure: Callable[..., Any],
    view: Item,
    name: Any,
    averaged: Any,
    background: float,
) -> None:
    torch = pytest.importorskip("torch")
    path = random_backbone(name)
    said = replace(SHOWN, backbone=name, averaged=averaged, background=background)
    inside = np.asarray(view.target["mask"])[..., 0] > 0.5
    images = []
    for values in (view.prediction, view.target):
        shown = srgb_encode(np.clip(np.asarray(values["relit"], float), 0, 1))
        shown[~inside] = background
        images.append(torch.from_numpy(2 * shown.transpose(2, 0, 1)[None] - 1).float())  # [−1, 1]
    network = package(name, path)
    network.spatial = averaged == "inside"
    expected = network(*images)[0, 0]  # H×W, or 1×1
    if averaged == "inside":
        expected = expected[torch.from_numpy(inside)]
    found = measure("relit.lpips", view, comparison=said)
    assert found == pytest.approx(float(expected.mean()), rel=1e-4)


@lru_cache
def package(name: str, path: Path) -> Any:
    """The lpips package with a trunk taken over by position instead of by name."""
    torch = pytest.importorskip("torch")
    lpips = pytest.importorskip("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net=name, pnet_rand=True, verbose=False)
    weights = torch.load(path, weights_only=True)
    with torch.no_grad():
        for parameter, values in zip(network.net.parameters(), weights.values(), strict=False):
            parameter.copy_(values)
    return network.requires_grad_(False)


def test_what_is_encoded_twice_is_further_encoded(
    backbone: Path, measure: Callable[..., Any], view: Item
) -> None:
    twice = measure("relit.lpips", view, comparison=replace(SHOWN, encoded=2))
    encoded = {
        name: srgb_encode(np.clip(np.asarray(values["relit"], float), 0, 1))
        for name, values in (("prediction", view.prediction), ("target", view.target))
    }
    by_hand = replace(
        view,
        prediction={"relit": encoded["prediction"]},
        target={"relit": encoded["target"], "mask": view.target["mask"]},
    )
    assert twice == pytest.approx(measure("relit.lpips", by_hand, comparison=SHOWN), rel=1e-5)
    assert twice != pytest.approx(measure("relit.lpips", view, comparison=SHOWN), rel=1e-2)


@pytest.mark.parametrize("averaged", ["frame", "inside"])
def test_a_batch_has_the_distances_of_its_items(
    backbone: Path, measure: Callable[..., Any], view: Item, averaged: Any
) -> None:
    torch = pytest.importorskip("torch")
    from bench.metrics.images import batched
    from bench.protocol.batched import prepare

    said = replace(SHOWN, averaged=averaged)
    pair = (view.prediction["relit"], view.target["relit"], view.target["mask"])
    stacked = [torch.from_numpy(np.stack([a, a[::-1]])) for a in map(np.asarray, pair)]
    found = batched.lpips(perceptual.network(said), prepare(*stacked, said))
    turned = [np.asarray(array)[::-1] for array in pair]
    upside_down = replace(
        view, prediction={"relit": turned[0]}, target={"relit": turned[1], "mask": turned[2]}
    )
    expected = [measure("relit.lpips", item, comparison=said) for item in (view, upside_down)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_takes_its_smallest_frame(
    random_backbone: Callable[[str], Path], name: Any
) -> None:
    random_backbone(name)
    side = BACKBONES[name].smallest
    network = perceptual.network(Comparison(backbone=name))
    first, second = np.random.default_rng(1).random((2, side, side, 3))
    assert perceptual.distance(network, first, second) > 0


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
