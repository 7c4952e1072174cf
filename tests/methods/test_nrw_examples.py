"""Training pictures of the neural rerenderer: decoded once, cut in step, drawn by the seed."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import Key, Query, Sample, Source, Targets
from bench.datasets.vases.adapter import Vases
from bench.errors import DataError
from bench.methods.neural_rerenderer import decoding
from bench.methods.neural_rerenderer.decoding import decode
from bench.methods.neural_rerenderer.encoding import framebuffer_tensor, photo_tensor
from bench.methods.neural_rerenderer.examples import crops, examples_of, normalised, triplets
from bench.methods.neural_rerenderer.pictures import FRAMEBUFFERS, INDEX, PHOTOS

Asked = Mapping[str, tuple[str, Mapping[str, Any], Any]]


class Album:
    """Samples by name: query id → (quantity, condition, answer)."""

    def __init__(self, samples: Mapping[str, Asked]) -> None:
        self.content = samples

    def samples(self, split: str) -> list[Key]:
        return [Key("album", name) for name in self.content]

    def fingerprint(self, split: str) -> str:
        return "album"

    def inputs(self, split: str, key: Key) -> Sample:
        asked = self.content[key.id]
        queries = tuple(Query(name, asked[name][0], asked[name][1]) for name in asked)
        return Sample(key.scene, key.id, {}, (), queries)

    def targets(self, split: str, key: Key) -> Targets:
        asked = self.content[key.id]
        return Targets({}, {name: {asked[name][0]: asked[name][2]} for name in asked})


def picture(value: float, channels: int = 3, size: int = 64) -> np.ndarray[Any, Any]:
    return np.full((size, size, channels), value, np.float32)


def query(value: float, quantity: str = "view", size: int = 64, **more: Any) -> Any:
    """A query whose pictures are of one value each, all different."""
    condition = {
        "framebuffer": picture(value, 4, size),
        "reference": picture(value + 0.01, 3, size),
        "reference_framebuffer": picture(value + 0.02, 4, size),
    }
    return quantity, condition | more, picture(value + 0.03, 3, size)


def decoded(folder: Path, samples: Mapping[str, Asked], **changes: Any) -> Any:
    settings = {"splits": ["all"], "limit": 0, "workers": 0, "folder": folder, **changes}
    return decode(Source("album", {}, Album(samples)), **settings)


def test_an_example_holds_what_inference_would_see(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    framebuffer, reference_framebuffer = rng.random((2, 64, 96, 7), np.float32)
    target, reference = 1.2 * rng.random((2, 64, 96, 3), np.float32) - 0.1
    given = {
        "framebuffer": framebuffer,
        "reference": reference,
        "reference_framebuffer": reference_framebuffer,
    }
    pictures = decoded(tmp_path, {"a": {"asked": ("view", given, target)}})
    examples = examples_of(pictures)
    assert pictures.size == (64, 96) and pictures.channels == 7
    batch = next(crops(examples, (64, 96), True, 1, (0,), 0, 0))
    pairs = [
        (batch.conditions, framebuffer_tensor(framebuffer)),
        (batch.targets, photo_tensor(target)),
        (batch.seen[..., :3], photo_tensor(reference)),
        (batch.seen[..., 3:], framebuffer_tensor(reference_framebuffer)),
    ]
    for stored, expected in pairs:
        assert (normalised(stored)[0] - expected).abs().max() <= 1.001 / 255


def test_what_several_examples_share_is_stored_once(tmp_path: Path) -> None:
    first, second = query(0.1), query(0.5)
    second[1]["reference"] = first[2]
    second[1]["reference_framebuffer"] = first[1]["framebuffer"]
    pictures = decoded(tmp_path, {"a": {"one": first, "two": second}, "b": {"one": first}})
    assert len(pictures.photos) == 3 and len(pictures.framebuffers) == 3
    assert pictures.samples.tolist() == [0, 0, 1]
    assert (pictures.examples[0] == pictures.examples[2]).all()
    assert pictures.examples[1, 2] == pictures.examples[0, 1]
    assert len(examples_of(pictures).pairs) == 2


def test_reconstructions_go_before_views_and_masked_references_are_left_out(
    tmp_path: Path,
) -> None:
    samples = {
        "a": {"own": query(0.1, "reconstruction"), "seen": query(0.2)},
        "b": {"half": query(0.3, reference_mask=picture(1, 1)), "lit": query(0.4, "relit")},
        "c": {"bare": ("view", {"camera": None}, None)},
    }
    pictures = decoded(tmp_path, samples)
    targets = pictures.photos[pictures.examples[:, 1]]
    expected = [decoding.as_bytes(picture(value))[0, 0, 0] for value in (0.13, 0.43)]
    assert targets[:, 0, 0, 0].tolist() == expected


def test_a_split_without_framebuffers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hold no query with a framebuffer, a reference"):
        decoded(tmp_path, {"a": {"bare": ("view", {"camera": None}, None)}})


@pytest.mark.parametrize("lost", ["line", "pictures"])
def test_decoding_goes_on_where_it_was_broken_off(tmp_path: Path, lost: str) -> None:
    samples = {name: {"asked": query(0.1 * index)} for index, name in enumerate("abcd")}
    whole = decoded(tmp_path / "whole", samples)
    decoded(tmp_path / "cut", samples, limit=3)
    (folder,) = (path for path in (tmp_path / "cut").iterdir() if path.is_dir())
    damaged = folder / (INDEX if lost == "line" else PHOTOS)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with (folder / FRAMEBUFFERS).open("ab") as file:  # of a sample that has no line yet
        file.write(b"of the fourth")
    again = decoded(tmp_path / "cut", samples)
    assert (again.examples == whole.examples).all()
    assert (again.photos == whole.photos).all()
    assert (again.framebuffers == whole.framebuffers).all()
    assert (
        again.photos[again.examples[3, 1], 0, 0, 0] == whole.photos[whole.examples[3, 1], 0, 0, 0]
    )


def test_nothing_is_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = {name: {"asked": query(0.1 * index)} for index, name in enumerate("ab")}
    decoded(tmp_path, samples)
    monkeypatch.setattr(Album, "targets", None)
    assert len(decoded(tmp_path, samples).examples) == 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (query(0.2, size=96), "album/b has framebuffers of 96×96×4, all/album/a of 64×64×4"),
        (
            query(0.2, reference=picture(0, 3, 80)),
            "album/b: .*reference is 80×80 pixels, its frame",
        ),
        (query(float("nan")), "album/b: query asked: framebuffer is no picture of finite numbers"),
    ],
    ids=["size", "reference", "nan"],
)
def test_pictures_that_cannot_be_used_are_named(tmp_path: Path, other: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decoded(tmp_path, {"a": {"asked": query(0.1)}, "b": {"asked": other}})


@pytest.mark.slow
def test_several_processes_decode_what_one_does(tmp_path: Path) -> None:
    source = Source("vases", {}, Vases({}))
    one, two = (decode(source, ["mini"], 4, workers, tmp_path / str(workers)) for workers in (0, 2))
    assert len(one.examples) == 16
    assert (one.examples == two.examples).all() and (one.photos == two.photos).all()
    assert (one.framebuffers == two.framebuffers).all()


@pytest.fixture(scope="module")
def charted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two examples whose every picture tells its pixels' rows and columns."""
    row, column = np.mgrid[:80, :72].astype(np.float32) / 255
    chart = np.stack([row, column], axis=-1)
    samples = {}
    for index, name in enumerate("ab"):
        number = picture(index / 255, 1, 80)[:, :72]
        framebuffer = np.concatenate([0 * chart, number, chart, number, number], -1)
        photo = np.concatenate([chart, number], -1) / 12.92  # sRGB's linear piece: row/255 again
        given = {
            "framebuffer": framebuffer,
            "reference": photo,
            "reference_framebuffer": framebuffer,
        }
        samples[name] = {"asked": ("view", given, photo)}
    return examples_of(decoded(tmp_path_factory.mktemp("charted"), samples))


def test_condition_and_target_are_cut_at_one_place(charted: Any) -> None:
    found = set()
    for batch in itertools.islice(crops(charted, (16, 16), False, 2, (1,), 0, 0), 20):
        shown = batch.targets[..., :2]  # rows and columns below 11 are in sRGB's linear piece
        low = (shown < 11).all(-1)
        assert (batch.conditions[..., 3:5][low] == shown[low]).all()
        corners = batch.conditions[:, 0, 0, 3:5].tolist()
        assert batch.conditions[:, -1, -1, 3:5].tolist() == [[r + 15, c + 15] for r, c in corners]
        found |= {tuple(corner) for corner in corners}
    assert len(found) > 30
    assert max(row for row, _ in found) <= 64 and max(column for _, column in found) <= 56


def test_batches_go_on_from_any_step_with_any_number_of_workers(charted: Any) -> None:
    first = itertools.islice(crops(charted, (32, 32), True, 3, (5,), 0, 0), 4)
    later = itertools.islice(crops(charted, (32, 32), True, 3, (5,), 2, 1), 2)
    for one, other in zip(itertools.islice(first, 2, None), later, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_triplets_are_drawn_among_the_neighbours(tmp_path: Path) -> None:
    samples = {str(index): {"asked": query(0.1 * index)} for index in range(5)}
    examples = examples_of(decoded(tmp_path, samples))
    value = {int(examples.appearance(index)[0, 0, 0]): index for index in range(5)}
    near, far = (np.arange(5) + 1) % 5, np.stack([np.arange(5) + 2, np.arange(5) + 3], 1) % 5
    drawn = set()
    for batch in itertools.islice(triplets(examples, near[:, None], far, 5, (0,), 0, 0), 8):
        numbers = [[value[int(each[0, 0, 0])] for each in triplet] for triplet in batch]
        assert sorted(anchor for anchor, _, _ in numbers) == list(range(5))
        for anchor, positive, negative in numbers:
            assert positive == near[anchor] and negative in far[anchor]
            drawn.add((anchor, negative))
    assert len(drawn) == 10


def test_a_photo_of_several_framebuffers_is_seen_with_each(tmp_path: Path) -> None:
    first, second = query(0.1), query(0.5)
    second[1]["reference"] = first[1]["reference"]
    samples = {"a": {"one": first, "two": second}, "b": {"one": query(0.8)}}
    examples = examples_of(decoded(tmp_path, samples))
    assert len(examples.photos) == 2 and len(examples.pairs) == 3
    other = np.array([[1], [0]])
    batches = itertools.islice(triplets(examples, other, other, 2, (0,), 0, 0), 20)
    seen = {tuple(map(int, each[0, 0, [0, 3]])) for batch in batches for each in batch[:, 0]}
    assert len(seen) == 3


def test_a_share_is_part_of_a_larger_share(tmp_path: Path) -> None:
    samples = {str(index): {"asked": query(0.1 * index)} for index in range(8)}
    pictures = decoded(tmp_path, samples)
    drawn = set()
    for seed in range(5):
        shares = [set(examples_of(pictures, share, seed).targets) for share in (0.25, 0.5, 1.0)]
        assert [len(each) for each in shares] == [2, 4, 8]
        assert shares[0] < shares[1] < shares[2]
        drawn.add(frozenset(shares[0]))
    assert len(drawn) > 1
