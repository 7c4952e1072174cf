"""The neural rerenderer as a method, what its networks are given, and its floor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_closing

from bench.api import Query, Sample
from bench.errors import DataError, UnavailableError
from bench.methods.neural_rerenderer import encoding, rerender
from bench.methods.neural_rerenderer.checkpoints import save_weights
from bench.methods.neural_rerenderer.configuration import Configuration
from bench.methods.neural_rerenderer.method import NeuralRerenderer
from bench.methods.neural_rerenderer.networks import AppearanceEncoder, Generator
from bench.methods.neural_rerenderer.rerender import Rerenderer
from bench.methods.neural_rerenderer.splat import PointSplat, filled

TINY = Configuration("tiny", 4, (4,) * 7, (4, 6, 8, 10), (4, 4, 4, 4))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Untrained networks by their framebuffers' channels."""
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for channels in (4, 7):
        torch.manual_seed(channels)
        tiny = TINY.with_channels(channels)
        networks = {"generator": Generator(tiny), "encoder": AppearanceEncoder(tiny)}
        found[channels] = folder / f"{channels}.safetensors"
        save_weights(found[channels], networks, tiny, {})
    return found


def picture(seed: int, height: int = 40, width: int = 50, channels: int = 3) -> np.ndarray:
    """Random values in [0, 1], H×W×C; the last channel of a framebuffer is never 0."""
    return np.random.default_rng(seed).random((height, width, channels), np.float32)


def asked(seed: int = 0, size: tuple[int, int] = (40, 50), **condition: np.ndarray) -> Query:
    """A query of a framebuffer and a photo of that size."""
    given = {
        "framebuffer": picture(seed, *size, 4),
        "reference": picture(seed + 1, *size),
        "reference_framebuffer": picture(seed + 2, *size, 4),
    }
    return Query(f"query{seed}", "view", given | condition)


def sample(*queries: Query) -> Sample:
    return Sample("trevi", "0007", {}, (), queries)


def answers(method: NeuralRerenderer, *queries: Query) -> list[np.ndarray]:
    (prediction,) = method.predict([sample(*queries)])
    return [prediction[query.id] for query in queries]


def test_a_photo_survives_the_way_to_the_networks_and_back() -> None:
    image = picture(1)
    there = encoding.photo_tensor(image)
    assert there.shape == (3, 40, 50) and there.min() >= -1 and there.max() <= 1
    np.testing.assert_allclose(encoding.linear_image(there), image, atol=1e-6)


def test_stored_8_bit_values_are_seen_as_the_paper_scales_them() -> None:
    values = np.arange(256, dtype=np.float32).reshape(16, 16, 1)
    framebuffer = np.concatenate([np.zeros((16, 16, 3), np.float32), values / 255], axis=-1)
    seen = encoding.framebuffer_tensor(framebuffer)[3].numpy()
    np.testing.assert_allclose(seen, values[..., 0] * 2 / 255 - 1, atol=1e-6)
    stored = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(encoding.to_bytes(encoding.from_bytes(stored)), stored)


def test_where_no_point_is_all_channels_are_minus_one() -> None:
    assert (encoding.framebuffer_tensor(np.zeros((2, 3, 7), np.float32)) == -1).all()


def test_padding_adds_empty_pixels_right_and_below() -> None:
    conditions = torch.rand(1, 4, 65, 64)
    wide = encoding.padded(conditions)
    assert wide.shape == (1, 4, 128, 64)
    assert torch.equal(wide[..., :65, :], conditions) and (wide[..., 65:, :] == -1).all()


def test_a_mask_is_cut_to_its_bounding_box() -> None:
    mask = np.zeros((10, 12, 1), np.float32)
    mask[2, 5] = mask[7, 3] = 1
    mask[9, 9] = 0.4
    assert encoding.cropped_to(mask) == (slice(2, 8), slice(3, 6))
    with pytest.raises(DataError, match="empty"):
        encoding.cropped_to(0 * mask)


@pytest.mark.parametrize("size", [(33, 40), (64, 128), (65, 20)])
def test_an_answer_has_the_framebuffers_size_and_is_displayable(
    weights: dict[int, Path], size: tuple[int, int]
) -> None:
    method = NeuralRerenderer({"checkpoint": weights[4]}, "cpu")
    (answer,) = answers(method, asked(0, size))
    assert answer.shape == (*size, 3) and answer.dtype == np.float32
    assert answer.min() >= 0 and answer.max() <= 1


def test_the_reference_photo_decides_the_look(weights: dict[int, Path]) -> None:
    method = NeuralRerenderer({"checkpoint": weights[4]}, "cpu")
    dark = asked(0, reference=np.zeros((40, 50, 3), np.float32))
    assert not np.allclose(*answers(method, asked(0), Query("dark", "view", dark.condition)))


def test_a_batch_gives_what_samples_by_themselves_give(weights: dict[int, Path]) -> None:
    method = NeuralRerenderer({"checkpoint": weights[4]}, "cpu")
    samples = [sample(asked(3 * k, (33, 40) if k % 2 else (48, 64))) for k in range(4)]
    together = method.predict(samples)
    for whole, each in zip(together, samples, strict=True):
        (alone,) = method.predict([each])
        (query,) = each.queries
        assert np.array_equal(whole[query.id], alone[query.id])


def test_a_photo_that_queries_share_is_encoded_once(
    weights: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, forward = [], AppearanceEncoder.forward
    monkeypatch.setattr(
        AppearanceEncoder, "forward", lambda self, x: encoded.append(len(x)) or forward(self, x)
    )
    first = asked(0)
    shared = {**first.condition, "framebuffer": picture(9, channels=4)}
    other = {**shared, "reference": picture(10)}
    samples = [
        sample(first, Query("shared", "view", shared)),
        sample(Query("again", "relit", shared), Query("other", "relit", other)),
    ]
    NeuralRerenderer({"checkpoint": weights[4]}, "cpu").predict(samples)
    assert sum(encoded) == 2


def test_a_masked_photo_counts_only_in_its_bounding_box(weights: dict[int, Path]) -> None:
    method = NeuralRerenderer({"checkpoint": weights[4]}, "cpu")
    mask = np.zeros((40, 50, 1), np.float32)
    mask[:, :25] = 1
    whole = asked(0)
    half = {
        name: value if name == "framebuffer" else value[:, :25]
        for name, value in whole.condition.items()
    }
    masked = Query("masked", "view", {**whole.condition, "reference_mask": mask})
    cut, given = answers(method, Query("cut", "view", half), masked)
    assert np.array_equal(cut, given)


def test_weights_without_semantics_leave_the_labels_unread(weights: dict[int, Path]) -> None:
    method = NeuralRerenderer({"checkpoint": weights[4]}, "cpu")
    query = asked(0)
    labelled = {
        name: np.concatenate([value, picture(5)], axis=-1) if value.shape[-1] == 4 else value
        for name, value in query.condition.items()
    }
    (plain,), (same,) = (answers(method, q) for q in (query, Query("same", "view", labelled)))
    assert np.array_equal(plain, same)


def test_weights_with_semantics_refuse_framebuffers_without(weights: dict[int, Path]) -> None:
    method = NeuralRerenderer({"checkpoint": weights[7]}, "cpu")
    with pytest.raises(DataError, match=r"trevi/0007, query query0: .*semantic colours"):
        answers(method, asked(0))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"framebuffer": picture(0, channels=5)}, "H×W×4"),
        ({"framebuffer": 3 * picture(0, channels=4)}, r"must lie in \[0, 1\]"),
        ({"reference": picture(0, 40, 51)}, "40×51 and its framebuffer 40×50"),
        ({"reference": picture(0, channels=1)}, "photo is H×W×3"),
        ({"reference_mask": np.zeros((40, 50, 1), np.float32)}, "mask .* empty"),
        ({"reference_mask": np.ones((20, 50, 1), np.float32)}, "its mask 20×50"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    weights: dict[int, Path], changed: dict[str, np.ndarray], message: str
) -> None:
    method = NeuralRerenderer({"checkpoint": weights[4]}, "cpu")
    with pytest.raises(DataError, match=f"trevi/0007, query query0: .*{message}"):
        answers(method, asked(0, **changed))


def test_a_reference_smaller_than_the_encoders_stride_is_taken(weights: dict[int, Path]) -> None:
    small = {"reference": picture(1, 5, 9), "reference_framebuffer": picture(2, 5, 9, 4)}
    (answer,) = answers(NeuralRerenderer({"checkpoint": weights[4]}, "cpu"), asked(0, **small))
    assert np.isfinite(answer).all()


def test_a_sample_without_queries_is_answered_with_nothing(weights: dict[int, Path]) -> None:
    assert NeuralRerenderer({"checkpoint": weights[4]}, "cpu").predict([sample()]) == [{}]


def test_large_pictures_go_through_the_generator_in_several_passes(
    weights: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rerenderer = Rerenderer.from_file(weights[4], "cpu")
    conditions = [rerenderer.condition(picture(seed, channels=4)) for seed in range(3)]
    codes = torch.rand(3, 8)
    at_once = rerenderer.render(conditions, codes)
    monkeypatch.setattr(rerender, "_PIXELS", 1)
    for whole, alone in zip(at_once, rerenderer.render(conditions, codes), strict=True):
        np.testing.assert_allclose(whole, alone, atol=0.01)  # untrained norms amplify rounding


def test_an_installation_without_weights_says_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rerender, "EMBEDDED", tmp_path / "mini.safetensors")
    with pytest.raises(UnavailableError, match="bench train neural-rerenderer"):
        NeuralRerenderer({}, "cpu")


def by_hand(framebuffer: np.ndarray) -> np.ndarray:
    """Holes filled pixel by pixel; a tie is left as NaN."""
    covered = np.argwhere(framebuffer[..., 3] > 0)
    padded = np.pad(framebuffer[..., 3] > 0, 20)
    disc = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4
    closed = binary_closing(padded, disc)[20:-20, 20:-20]
    result = np.zeros_like(framebuffer[..., :3])
    for place in np.ndindex(framebuffer.shape[:2]):
        squared = ((covered - place) ** 2).sum(axis=1)
        nearest = covered[squared == squared.min()]
        if closed[place]:
            colours = framebuffer[nearest[:, 0], nearest[:, 1], :3]
            result[place] = colours[0] if len(nearest) == 1 else np.nan
    return result


def test_holes_that_a_closing_fills_take_the_colour_of_the_nearest_point() -> None:
    framebuffer = picture(3, 24, 30, 4)
    framebuffer[np.random.default_rng(4).random((24, 30)) < 0.97] = 0
    wanted, found = by_hand(framebuffer), filled(framebuffer)
    known = ~np.isnan(wanted)
    np.testing.assert_array_equal(found[known], wanted[known])
    assert known.mean() > 0.8 and (wanted == 0).all(axis=-1).any()


def test_the_floor_answers_with_black_where_the_view_sees_nothing() -> None:
    query = asked(0, framebuffer=np.zeros((8, 9, 4), np.float32))
    (prediction,) = PointSplat({}, "cpu").predict([sample(query)])
    assert not prediction[query.id].any() and prediction[query.id].shape == (8, 9, 3)


def test_the_floor_leaves_covered_pixels_and_its_input_alone() -> None:
    framebuffer = picture(0, channels=4)
    before = framebuffer.copy()
    assert np.array_equal(filled(framebuffer), before[..., :3])
    assert np.array_equal(framebuffer, before)
