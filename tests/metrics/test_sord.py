"""The official scores against the script's formulas in plain NumPy (vase_derenderer.md §7.1)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Item, Key, MetricCard, Sample
from bench.errors import DataError, InvalidValueError
from bench.graphics.cameras import look_at
from bench.graphics.environments import directions, solid_angles, to_frame
from bench.protocol.named import PROTOCOLS, SORD
from bench.quantities import Camera, Environment, Values

Float64 = NDArray[np.float64]
SIZE = 40
SCORES = (
    "normal_ad",
    "albedo_sie",
    "pitch_mae",
    "shininess_mae",
    "specular_mae",
    "light_sie",
)
Files = Mapping[str, Any]
"""What the script reads of one vase: 8-bit pictures, and numbers."""


def script(truth: Files, found: Files) -> dict[str, float]:
    """All six scores of one image, from files alone."""
    t, p = ({k: v / 255 for k, v in f.items() if np.ndim(v)} for f in (truth, found))
    weight = t["mask"][..., :1] * p["front"][..., :1]
    three = np.repeat(weight, 3, -1)
    scale = (three * p["albedo"] * t["albedo"]).sum() / (three * p["albedo"] ** 2).sum()
    albedo = (three * (scale * p["albedo"] - t["albedo"]) ** 2).sum() / three.sum()
    cosine = ((2 * p["normal"] - 1) * (2 * t["normal"] - 1)).sum(-1, keepdims=True)
    angle = np.arccos(np.clip(cosine, -1, 1)) * 180 / np.pi
    rows, columns = t["light"].shape[:2]
    light, true_light = enlarged(p["light"][..., 0], rows, columns), t["light"][..., 0]
    light, true_light = light[:, : columns // 2], true_light[:, : columns // 2]
    light_scale = (light * true_light).sum() / (light**2).sum()
    return {
        "normal_ad": (weight * angle).sum() / weight.sum(),
        "albedo_sie": albedo,
        "pitch_mae": np.sqrt((truth["pitch"] - found["pitch"]) ** 2),
        "shininess_mae": np.sqrt((truth["shininess"] - found["shininess"]) ** 2),
        "specular_mae": np.sqrt((truth["ks"] - found["ks"]) ** 2),
        "light_sie": ((light_scale * light - true_light) ** 2).mean(),
    }


def enlarged(image: Float64, rows: int, columns: int) -> Float64:
    """Bilinear with pixel centres at +0.5, the border held."""
    down, across = (
        np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        for new, old in zip((rows, columns), image.shape, strict=True)
    )
    first = np.array([np.interp(across, np.arange(image.shape[1]), row) for row in image])
    result = [np.interp(down, np.arange(image.shape[0]), column) for column in first.T]
    return np.array(result).T


def stored(values: Float64) -> NDArray[np.uint8]:
    return np.floor(255 * np.clip(values, 0, 1)).astype(np.uint8)


def files(quantities: Values, light: Float64) -> Files:
    """The files of quantities of the contract, by formulas of their own."""
    normal: Any = quantities["normal"]
    inward = np.stack([-normal[..., 0], normal[..., 1], normal[..., 2]], -1).astype(float)
    albedo: Any = quantities["albedo"]
    roughness: Any = quantities["roughness"]
    specular: Any = quantities["specular"]
    pitch: Any = quantities["pitch"]
    return {
        "mask": np.round(255 * np.asarray(quantities["mask"])).astype(np.uint8),
        "front": np.round(255 * np.asarray(quantities["front"])).astype(np.uint8),
        "normal": stored((inward + 1) / 2),
        "albedo": stored(np.maximum(albedo.astype(float), 1e-7) ** (1 / 2.2)),
        "light": stored(light[..., None]),
        "pitch": float(pitch[0]),
        # r⁴ = 2 / (n + 2) with the Blinn exponent n = 4α
        "shininess": (2 / float(roughness.max()) ** 4 - 2) / 4,
        "ks": np.pi * float(specular.max()),
    }


def lat_long(light: Float64) -> Environment:
    """E of §3.5 as radiance, each pixel looked up by its direction: L dω = π·E cos(e)·50/(hw)."""
    rows, columns = light.shape
    x, y, z = np.moveaxis(directions(rows, columns) * [1, -1, -1], -1, 0)  # OpenCV axes
    elevation, azimuth = np.arcsin(y), np.arctan2(z, x)
    row = np.round((elevation / (np.pi / 2) + 1) / 2 * rows - 0.5).astype(int)
    column = np.round((azimuth / np.pi + 1) / 2 * columns - 0.5).astype(int) % columns
    power = np.pi * light[row, column] * np.cos(elevation) * 50 / (rows * columns)
    radiance = (power / solid_angles(rows, columns))[..., None] * np.ones(3)
    return Environment(radiance.astype(np.float32), "camera")


def vase(seed: int, lit: tuple[int, int]) -> tuple[dict[str, Any], Float64]:
    """Quantities of a made-up object, and its light in the script's own axes."""
    rng = np.random.default_rng(seed)
    row, column = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE * 2 - 1
    x, y = 1.3 * column + 0.05 * seed, 1.1 * row
    inside = x**2 + y**2 < 1
    z = np.sqrt(np.where(inside, 1 - x**2 - y**2, 1))
    normal = np.stack([x, -y, z], -1) * inside[..., None]
    soft = rng.choice([0, 64, 128, 191, 255], (SIZE, SIZE, 2)) / 255
    mask = np.where(np.hypot(x, y) < 0.8, 1, soft[..., 0]) * inside
    front = np.where(np.abs(x) < 0.6, 1, soft[..., 1]) * inside
    codes = rng.integers(0, 255, (SIZE, SIZE, 3)) + 0.5  # far from where 8 bit would tip over
    light = (rng.integers(0, 255, lit) + 0.5) / 255
    quantities = {
        "mask": mask[..., None],
        "front": front[..., None],
        "normal": normal,
        "albedo": (codes / 255) ** 2.2 * (1 + 0.5 * seed * (rng.random((SIZE, SIZE, 1)) > 0.9)),
        "roughness": inside[..., None] * (0.4 + 0.05 * seed),
        "specular": inside[..., None] * (0.1 + 0.05 * seed),
        "pitch": np.array([7.5 + 4.25 * seed]),
    }
    arrays: dict[str, Any] = {k: np.asarray(v, np.float32) for k, v in quantities.items()}
    return arrays | {"environment": lat_long(light)}, light


@pytest.fixture
def pair() -> tuple[Item, Mapping[str, float]]:
    """A prediction and a truth that differ in everything, and what the script says of them."""
    truth, true_light = vase(0, (32, 96))
    found, light = vase(1, (16, 48))
    expected = script(files(truth, true_light), files(found, light))
    target = {name: value for name, value in truth.items() if name != "front"}
    return Item(Key("a", "b"), None, found, target, Sample("a", "b", {})), expected


@pytest.fixture
def score(measure: Callable[..., Any]) -> Callable[..., Any]:
    """score(name, item, column) under the protocol's own comparison."""

    def call(name: str, item: Item, column: str = "") -> Any:
        comparison = dict(SORD.comparisons(f"sord.{name}"))[column]
        return measure(f"sord.{name}", item, comparison=comparison)

    return call


@pytest.mark.parametrize("name", SCORES)
def test_each_score_is_what_the_script_computes(pair: Any, score: Any, name: str) -> None:
    item, expected = pair
    assert expected[name] > 1e-3
    assert score(name, item) == pytest.approx(expected[name], rel=2e-5)


@pytest.mark.parametrize("name", SCORES)
def test_a_perfect_prediction_is_without_error_but_for_the_normals_of_8_bit(
    pair: Any, score: Any, name: str
) -> None:
    item, _ = pair
    perfect = replace(item, prediction=item.target)
    floor = 3 if name == "normal_ad" else 0
    assert floor <= score(name, perfect) < floor + 5 * (floor > 0) + 1e-6
    assert score(name, item) > score(name, perfect) + 1e-3


def test_renormalised_is_the_mean_angle_of_unit_vectors(pair: Any, score: Any) -> None:
    item, _ = pair
    first, second = (np.asarray(v["normal"], float) for v in (item.prediction, item.target))
    weights = (item.target["mask"] * item.prediction["front"])[..., 0] * first.any(-1)
    weights = weights * second.any(-1)
    degrees = np.degrees(np.arccos(np.clip((first * second).sum(-1), -1, 1)))
    found = score("normal_ad", item, "renormalised")
    assert found == pytest.approx((weights * degrees).sum() / weights.sum(), abs=1e-2)
    perfect = replace(item, prediction=item.target)
    assert score("normal_ad", perfect, "renormalised") == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("column", ["", "renormalised"])
def test_normals_that_are_not_predicted_are_a_right_angle_off(
    pair: Any, score: Any, column: str
) -> None:
    item, _ = pair
    blank = item.prediction | {"normal": np.zeros_like(item.prediction["normal"])}
    found = score("normal_ad", replace(item, prediction=blank), column)
    assert found == pytest.approx(90, abs=0.5)


def test_the_predicted_strip_counts_then_the_true_one_then_the_mask(pair: Any, score: Any) -> None:
    item, _ = pair
    mask = np.zeros((SIZE, SIZE, 1), np.float32)
    mask[10:30, 10:30] = 1
    left, right = mask.copy(), mask.copy()
    left[:, 20:], right[:, :20] = 0, 0
    wrong = np.where(left > 0, item.target["albedo"][:, ::-1], item.target["albedo"])
    target = item.target | {"mask": mask}
    without = {"albedo": wrong}

    def errors(prediction: Any, truth: Any) -> float:
        return float(score("albedo_sie", replace(item, prediction=prediction, target=truth)))

    assert errors(without | {"front": right}, target | {"front": left}) == pytest.approx(0)
    assert errors(without, target | {"front": right}) == pytest.approx(0)
    whole, half = errors(without, target), errors(without | {"front": left}, target)
    assert half > whole > 0.01


def test_how_much_of_the_mask_the_strip_keeps_is_told(pair: Any, score: Any) -> None:
    item, _ = pair
    mask, front = (np.asarray(v, float) for v in (item.target["mask"], item.prediction["front"]))
    expected = 100 * (mask * front).sum() / mask.sum()
    assert score("compared", item) == pytest.approx(expected)


def test_a_strip_beside_the_object_is_a_failure_and_an_empty_mask_defines_nothing(
    pair: Any, score: Any
) -> None:
    item, _ = pair
    beside = item.prediction | {"front": (item.target["mask"] == 0).astype(np.float32)}
    with pytest.raises(InvalidValueError, match="covers nothing of the object") as caught:
        score("albedo_sie", replace(item, prediction=beside))
    assert caught.value.kind == "missing"
    empty = replace(item, target=item.target | {"mask": np.zeros_like(item.target["mask"])})
    for name in ("normal_ad", "albedo_sie", "shininess_mae", "specular_mae", "compared"):
        assert score(name, empty) is None


def test_a_strip_of_another_size_is_resized(pair: Any, score: Any) -> None:
    item, _ = pair
    half = {"front": np.ones((SIZE // 2, SIZE // 2, 1), np.float32)}
    whole = {"front": np.ones((SIZE, SIZE, 1), np.float32)}
    small, full = (
        score("albedo_sie", replace(item, prediction=item.prediction | front))
        for front in (half, whole)
    )
    assert small == pytest.approx(full)


def test_light_may_be_in_the_world_frame_where_the_camera_is_known(pair: Any, score: Any) -> None:
    item, _ = pair
    # A quarter turn about the vertical permutes columns, so that nothing is resampled.
    camera = Camera(np.eye(3), look_at((3, 0, 0), (0, 0, 0)), SIZE, SIZE)
    turned = to_frame(item.prediction["environment"], "world", camera)
    posed = replace(
        item,
        prediction=item.prediction | {"environment": turned},
        inputs=Sample("a", "b", {"camera": camera}),
    )
    assert score("light_sie", posed) == pytest.approx(score("light_sie", item), rel=1e-3)
    with pytest.raises(DataError, match="a/b: an environment is in the world frame"):
        score("light_sie", replace(posed, inputs=Sample("a", "b", {})))


def test_a_light_whose_columns_cannot_be_permuted_is_resampled(pair: Any, score: Any) -> None:
    item, _ = pair
    odd = Environment(np.ones((9, 18, 3), np.float32), "camera")
    even = Environment(np.ones((8, 16, 3), np.float32), "camera")
    first, second = (
        score("light_sie", replace(item, prediction=item.prediction | {"environment": light}))
        for light in (odd, even)
    )
    assert first == pytest.approx(second, rel=1e-3)


def test_the_scores_are_given_under_their_own_protocol_alone(
    cards: tuple[MetricCard, ...],
) -> None:
    from bench.scoring import cells

    own = [card for card in cards if card.name.startswith("sord-")]
    assert {score.id for card in own for score in card.scores} == {
        *(f"sord.{name}" for name in SCORES),
        "sord.compared",
    }
    for card in cards:
        given = {name for name, protocol in PROTOCOLS.items() if cells(card, protocol)}
        assert given == {"sord"} if card in own else "sord" not in given, card.name


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two rendered vases: (quantities, files) each, as the adapter and as the script read them."""
    from bench.datasets.sord.render import render
    from bench.datasets.sord.synthetic import SyntheticVases

    root = tmp_path_factory.mktemp("vases")
    render(count=2, split="test", seed=4, out=root)
    dataset = SyntheticVases({"root": root})
    return [
        (values := dataset.targets("test", key).quantities, _files(root, key.scene, values))
        for key in dataset.samples("test")
    ]


def _files(root: Path, name: str, values: Values) -> Files:
    folder = root / "rendering" / "test" / name

    def picture(item: str) -> NDArray[np.uint8]:
        return np.asarray(cv2.imread(str(folder / f"{name}_{item}.png")))[..., ::-1]

    def number(item: str) -> float:
        return float((folder / f"{name}_{item}.txt").read_text())

    return {
        "mask": picture("mask_rendered"),
        "front": np.floor(255 * np.asarray(values["front"])).astype(np.uint8),
        "normal": picture("normal_rendered"),
        "albedo": picture("albedo_rendered"),
        "light": picture("env_map"),
        "pitch": number("pitch"),
        "shininess": number("spec_alpha"),
        "ks": number("spec_albedo"),
    }


def test_a_perfect_prediction_of_rendered_normals_is_five_to_seven_degrees_off(
    rendered: Any, score: Any
) -> None:
    for values, read in rendered:
        item = Item(Key("a", "b"), None, values, values, Sample("a", "b", {}))
        found = score("normal_ad", item)
        assert 5 < found < 7
        assert found == pytest.approx(script(read, read)["normal_ad"], abs=0.1)
        assert score("normal_ad", item, "renormalised") == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("name", SCORES)
def test_files_that_were_rendered_are_scored_as_the_script_scores_them(
    rendered: Any, score: Any, name: str
) -> None:
    (truth, true_files), (found, found_files) = rendered
    item = Item(Key("a", "b"), None, found, truth, Sample("a", "b", {}))
    expected = script(true_files, found_files)[name]
    # The script averages with white at soft edges, which quantities of the object alone do not.
    assert score(name, item) == pytest.approx(expected, rel=0.02)
