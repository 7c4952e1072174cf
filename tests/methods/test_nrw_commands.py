"""What the commands of the neural rerenderer write: grids, films, edited views, transfer."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import PIL.Image
import pytest
import torch

from bench.api import Key, Query, Sample, Source, Targets
from bench.errors import ConfigError, DataError
from bench.graphics.image_files import read_image
from bench.graphics.semantic_colours import SEMANTIC_COLOURS
from bench.methods.neural_rerenderer import commands, transfer
from bench.methods.neural_rerenderer.animate import animate
from bench.methods.neural_rerenderer.checkpoints import save_weights
from bench.methods.neural_rerenderer.configuration import Configuration
from bench.methods.neural_rerenderer.edit import classes, edit, parsed, recoloured
from bench.methods.neural_rerenderer.grids import GAP, fitted, grid, shown
from bench.methods.neural_rerenderer.networks import AppearanceEncoder, Discriminators, Generator
from bench.methods.neural_rerenderer.rerender import Rerenderer
from bench.methods.neural_rerenderer.vary import vary

HEIGHT, WIDTH = 33, 40
TINY = Configuration("tiny", 4, (4,) * 7, (4, 6, 8, 10), (4, 4, 4, 4), crop=64, batch=2)


class Views:
    """Photos with their framebuffers in `photos` and `held`, framebuffers alone in `path`, as
    `aligned`."""

    def __init__(self, channels: int = 4, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
        self.channels, self.size = channels, size

    def samples(self, split: str) -> Sequence[Key]:
        counts = {"photos": 4, "held": 4, "path": 3}
        return [Key("trevi", f"{index:04}") for index in range(counts[split])]

    def fingerprint(self, split: str) -> str:
        return split

    def photo(self, key: Key) -> np.ndarray:
        """A colour of its own for each photo, with a gradient."""
        base = np.random.default_rng(int(key.id)).random(3)
        ramp = np.linspace(0.1, 1, self.size[1])[:, None]
        return np.broadcast_to(base * ramp, (*self.size, 3)).astype(np.float32)

    def framebuffer(self, split: str, key: Key) -> np.ndarray:
        rng = np.random.default_rng([len(split), int(key.id)])
        values = rng.random((*self.size, self.channels), np.float32)
        if self.channels == 7:
            labels = np.array([SEMANTIC_COLOURS["building"], SEMANTIC_COLOURS["person"]]) / 255
            values[..., 4:] = labels[(np.arange(self.size[1]) < 10).astype(int)]
        return values

    def inputs(self, split: str, key: Key) -> Sample:
        framebuffer = self.framebuffer(split, key)
        if split == "path":
            return Sample(*key, {"framebuffer": framebuffer})
        photo, half = self.photo(key), self.size[1] // 2
        own = {"framebuffer": framebuffer, "reference": photo, "reference_framebuffer": framebuffer}
        left = {name: v if name == "framebuffer" else v[:, :half] for name, v in own.items()}
        queries = (Query("half", "view", left), Query("own", "reconstruction", own))
        return Sample(*key, {"framebuffer": framebuffer}, queries=queries)

    def targets(self, split: str, key: Key) -> Targets:
        photo = self.photo(key)
        mask = np.ones((*self.size, 1), np.float32)
        return Targets({}, {"own": {"reconstruction": photo, "mask": mask}})


def source(channels: int = 4, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Source:
    return Source("views", {}, Views(channels, size))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Untrained networks by their framebuffers' channels."""
    folder = tmp_path_factory.mktemp("weights")

    def saved(channels: int) -> Path:
        torch.manual_seed(channels)
        tiny, path = TINY.with_channels(channels), folder / f"{channels}.safetensors"
        networks = {
            "generator": Generator(tiny),
            "encoder": AppearanceEncoder(tiny),
            "discriminators": Discriminators(tiny),
        }
        networks["encoder"].mean.weight.data *= 300  # that untrained ones tell photos apart
        save_weights(path, networks, tiny, {"trained_on": ["views:seen:seen"]}, half=False)
        return path

    return saved


def called(command: Callable[..., None], **given: Any) -> None:
    """A command with the defaults of its card for all that is not given."""
    (card,) = (each for each in commands.COMMANDS if each.entry.endswith(f":{command.__name__}"))
    options = {option.name: option.default for option in card.options}
    assert set(given) - {"dataset"} <= set(options)
    command(**{"dataset": source(), **options, "device": "cpu", **given})


def single(checkpoint: Path, view: Key, look: Key, split: str = "photos") -> np.ndarray:
    """One view under one photo's look, 8-bit, by the networks alone."""
    views, rerenderer = Views(), Rerenderer.from_file(checkpoint, "cpu")
    seen = rerenderer.appearance(views.photo(look), views.framebuffer("photos", look))
    condition = rerenderer.condition(views.framebuffer(split, view))
    (picture,) = rerenderer.render([condition], rerenderer.codes([seen]))
    return np.rint(255 * shown(picture)).astype(np.uint8)


FIRST, LAST = Key("trevi", "0000"), Key("trevi", "0003")


def bytes_of(path: Path) -> np.ndarray:
    return np.rint(255 * read_image(path)).astype(np.uint8)


def test_a_grid_puts_pictures_in_the_middle_of_their_places() -> None:
    tall, wide = np.zeros((6, 2, 3), np.float32), np.zeros((2, 6, 3), np.float32)
    whole = grid([[None, wide], [tall, wide]])
    assert whole.shape == (2 + GAP + 6, 2 + GAP + 6, 3)
    dark = whole[..., 0] == 0
    assert not dark[:2, :2].any() and dark[:2, -6:].all()
    assert dark[2 + GAP :, :2].all() and dark[2 + GAP + 2 : 2 + GAP + 4, -6:].all()
    assert dark.sum() == 12 + 12 + 12


def test_a_photo_is_made_smaller_but_never_larger_than_its_place() -> None:
    assert fitted(np.ones((100, 50, 3)), 20, 20).shape == (20, 10, 3)
    assert fitted(np.ones((10, 5, 3)), 20, 20).shape == (10, 5, 3)


def test_a_variation_shows_renders_above_and_each_look_in_its_row(
    weights: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = weights(4)
    called(vary, split="photos", checkpoint=checkpoint, out=tmp_path, columns=2, rows=2)
    picture = bytes_of(tmp_path / "variation.png")
    down, across = HEIGHT + GAP, WIDTH + GAP
    assert picture.shape == (3 * down - GAP, 3 * across - GAP, 3)
    raw = np.rint(255 * shown(Views().framebuffer("photos", FIRST))).astype(np.uint8)
    np.testing.assert_array_equal(picture[:HEIGHT, across : across + WIDTH], raw)
    lower = picture[2 * down :, across : across + WIDTH]
    np.testing.assert_allclose(lower, single(checkpoint, FIRST, LAST), atol=2)
    assert "of 4 views" in capsys.readouterr().out


def test_a_cell_is_scored_where_its_appearance_was_not_seen(
    weights: Callable[[int], Path], tmp_path: Path
) -> None:
    called(vary, split="photos", checkpoint=weights(4), out=tmp_path, columns=1, rows=2)
    with (tmp_path / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (cell,) = (r for r in rows if (r["view"], r["appearance"]) == ("trevi/0000", "trevi/0003"))
    views, half = Views(), WIDTH // 2
    rerenderer = Rerenderer.from_file(weights(4), "cpu")
    left = [v[:, :half] for v in (views.photo(LAST), views.framebuffer("photos", LAST))]
    condition = rerenderer.condition(views.framebuffer("photos", FIRST))
    (made,) = rerenderer.render([condition], rerenderer.codes([rerenderer.appearance(*left)]))
    error = np.square(shown(made) - shown(views.photo(FIRST)))[:, half:].mean()
    assert float(cell["psnr"]) == pytest.approx(-10 * np.log10(error), abs=0.001)
    assert cell["own"] == "False" and sum(row["own"] == "True" for row in rows) == 4


def test_another_look_is_of_another_photo(
    weights: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, framebuffer = Views.photo, Views.framebuffer

    def twin(key: Key) -> Key:  # photos 0, 1 and 2 are one
        return LAST if key == LAST else FIRST

    monkeypatch.setattr(Views, "photo", lambda self, key: photo(self, twin(key)))
    monkeypatch.setattr(Views, "framebuffer", lambda self, s, key: framebuffer(self, s, twin(key)))
    given = {"split": "photos", "columns": 1, "rows": 1, "checkpoint": weights(4)}
    called(vary, **given, appearances="trevi/0000", out=tmp_path)
    with (tmp_path / "scores.csv").open(encoding="utf-8") as file:
        others = {r["view"]: r["appearance"] for r in csv.DictReader(file) if r["own"] == "False"}
    assert [others[f"trevi/000{index}"] for index in range(3)] == 3 * ["trevi/0003"]
    assert others["trevi/0003"] != "trevi/0003"


def test_a_films_end_frames_equal_the_single_renders(
    weights: Callable[[int], Path], tmp_path: Path
) -> None:
    checkpoint = weights(4)
    called(animate, split="photos", checkpoint=checkpoint, out=tmp_path)
    stills = sorted((tmp_path / "stills").iterdir())
    assert [still.name for still in stills] == [f"frame_{k:03}.png" for k in range(11)]
    np.testing.assert_array_equal(bytes_of(stills[0]), single(checkpoint, FIRST, FIRST))
    np.testing.assert_array_equal(bytes_of(stills[-1]), single(checkpoint, FIRST, LAST))
    with PIL.Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.size) == (11, (WIDTH, HEIGHT - 1))
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "film.mp4"))
    assert frames == 11


def test_along_a_path_view_and_look_move_together(
    weights: Callable[[int], Path], tmp_path: Path
) -> None:
    checkpoint = weights(4)
    called(
        animate,
        split="photos",
        path="path",
        appearances="trevi/0003, trevi/0000",
        checkpoint=checkpoint,
        out=tmp_path,
    )
    stills = sorted((tmp_path / "stills").iterdir())
    assert len(stills) == 3
    begin = single(checkpoint, Key("trevi", "0000"), LAST, "path")
    end = single(checkpoint, Key("trevi", "0002"), FIRST, "path")
    np.testing.assert_array_equal(bytes_of(stills[0]), begin)
    np.testing.assert_array_equal(bytes_of(stills[-1]), end)
    record = json.loads((tmp_path / "film.json").read_text(encoding="utf-8"))
    assert record["appearances"] == ["trevi/0003", "trevi/0000"] and record["path"] == "path"


def test_along_a_path_one_look_may_stay(weights: Callable[[int], Path], tmp_path: Path) -> None:
    checkpoint = weights(4)
    given = {"split": "photos", "path": "path", "appearances": "trevi/0003"}
    called(animate, **given, checkpoint=checkpoint, out=tmp_path)
    last = single(checkpoint, Key("trevi", "0002"), LAST, "path")
    np.testing.assert_array_equal(bytes_of(tmp_path / "stills" / "frame_002.png"), last)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"appearances": "trevi/0001,trevi/0001"}, ConfigError, "trevi/0001: named twice"),
        ({"appearances": "trevi/0001"}, ConfigError, "1 appearances: a film that stands still"),
        ({"appearances": "trevi/0001,trevi/1"}, ConfigError, "did you mean 'trevi/0001'"),
        ({"view": "trevi/0001/halves"}, ConfigError, "no query 'halves'.* own, half"),
        ({"view": "trevi/0001", "path": "path"}, ConfigError, "not both"),
        ({"view": "trevi/0001,trevi/0002"}, ConfigError, "one view stands still"),
        ({"split": "path"}, DataError, "trevi/0000: has no photo"),
    ],
)
def test_a_film_that_cannot_be_made_is_refused(
    weights: Callable[[int], Path],
    tmp_path: Path,
    given: dict[str, str],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        called(animate, **{"split": "photos", "checkpoint": weights(4), **given}, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_film_of_views_of_unlike_sizes_is_refused(
    weights: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    framebuffer = Views.framebuffer
    monkeypatch.setattr(
        Views, "framebuffer", lambda self, s, key: framebuffer(self, s, key)[int(key.id) :]
    )
    with pytest.raises(DataError, match="trevi/0001 is 32×40, the frames before it are 33×40"):
        called(
            animate,
            split="photos",
            path="path",
            appearances="trevi/0000",
            checkpoint=weights(4),
            out=tmp_path,
        )


def test_only_pixels_of_the_class_change_their_labels_and_nothing_else() -> None:
    before = Views(7).framebuffer("photos", FIRST)
    edited = recoloured(before, parsed("person=road, building=person"))
    labels = np.rint(255 * edited[..., 4:]).astype(int)
    assert (labels[:, :10] == SEMANTIC_COLOURS["road"]).all()
    assert (labels[:, 10:] == SEMANTIC_COLOURS["person"]).all()
    np.testing.assert_array_equal(edited[..., :4], before[..., :4])
    assert classes(edited) == {"floor", "road", "sidewalk", "person"}


def test_an_edited_view_stands_below_the_view(
    weights: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"dataset": source(7), "split": "photos", "checkpoint": weights(7), "limit": 1}
    called(edit, **given, replace="person=tree", out=tmp_path)
    picture = bytes_of(tmp_path / "trevi-0000.png")
    assert picture.shape == (2 * HEIGHT + GAP, 2 * WIDTH + GAP, 3)
    before, after = picture[:HEIGHT, :WIDTH], picture[HEIGHT + GAP :, :WIDTH]
    assert (before[:, :10] == SEMANTIC_COLOURS["person"]).all()
    assert (after[:, :10] == SEMANTIC_COLOURS["tree"]).all()
    assert (picture[:HEIGHT, WIDTH + GAP :] != picture[HEIGHT + GAP :, WIDTH + GAP :]).any()
    assert "25.0% of the pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("channels", "replace", "kind", "message"),
    [
        (7, "person", ConfigError, "write OLD=NEW"),
        (7, "persn=road", ConfigError, "no class 'persn'; did you mean 'person'"),
        (7, "sky=tree", DataError, "none of these views shows sky; they show building, person"),
        (4, "person=road", DataError, "no semantic colours"),
    ],
)
def test_an_edit_that_changes_nothing_is_refused(
    weights: Callable[[int], Path],
    tmp_path: Path,
    channels: int,
    replace: str,
    kind: type[Exception],
    message: str,
) -> None:
    given = {"dataset": source(channels), "split": "photos", "checkpoint": weights(channels)}
    with pytest.raises(kind, match=message):
        called(edit, **given, replace=replace, out=tmp_path)


def test_an_edit_needs_labels_in_the_framebuffers_too(
    weights: Callable[[int], Path], tmp_path: Path
) -> None:
    given = {"split": "photos", "checkpoint": weights(7), "replace": "person=road"}
    with pytest.raises(DataError, match="4 channels has no semantic colours"):
        called(edit, **given, out=tmp_path)


@pytest.fixture
def tiny_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(transfer.CONFIGURATIONS, "tiny", TINY)


@pytest.mark.usefixtures("tiny_is_known")
def test_a_transfer_sets_both_beginnings_beside_each_other(
    weights: Callable[[int], Path], tmp_path: Path
) -> None:
    given = {
        "dataset": source(size=(64, 64)),
        "split": "photos",
        "val_split": "held",
        "start_from": weights(4),
        "out": tmp_path,
        "shares": "100,75",
        "steps": 5,
        "stage1_triplets": 2,
        "batch": 2,
        "limit": 2,
    }
    called(transfer.transfer, **given)
    written = (tmp_path / "transfer.csv").read_text(encoding="utf-8")
    rows = [tuple(line.split(",")[:3]) for line in written.splitlines()]
    assert rows == [
        ("start", "share", "steps"),
        ("as they are", "0.0", "0"),
        ("fine-tuned", "0.75", "5"),
        ("from scratch", "0.75", "5"),
        ("fine-tuned", "1.0", "5"),
        ("from scratch", "1.0", "5"),
    ]
    assert (tmp_path / "transfer.png").stat().st_size
    for training, stages in (
        ("fine-tuned-75", [(3, 5)]),
        ("from-scratch-75", [(1, 1), (2, 4), (3, 1)]),
    ):
        record = json.loads((tmp_path / training / "record.json").read_text(encoding="utf-8"))
        assert [(each["stage"], each["steps"]) for each in record["stages"]] == stages
    called(transfer.transfer, **given)
    assert (tmp_path / "transfer.csv").read_text(encoding="utf-8") == written


@pytest.mark.usefixtures("tiny_is_known")
@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"shares": "10,110"}, ConfigError, "write percents"),
        ({"shares": "ten"}, ConfigError, "write percents"),
        ({"val_split": "photos"}, ConfigError, "--val-split photos: is trained on"),
        ({"val_split": "seen"}, DataError, "was trained on views:seen"),
        ({"val_split": "seen", "dataset": Source("moved", {}, Views())}, DataError, "1 digests"),
    ],
)
def test_a_transfer_that_would_tell_nothing_is_refused(
    weights: Callable[[int], Path],
    tmp_path: Path,
    changed: dict[str, Any],
    kind: type[Exception],
    message: str,
) -> None:
    given = {"split": "photos", "val_split": "held", "start_from": weights(4)}
    with pytest.raises(kind, match=message):
        called(transfer.transfer, **{**given, **changed}, out=tmp_path)


@pytest.mark.usefixtures("tiny_is_known")
def test_a_transfer_of_which_nothing_can_be_scored_says_so(
    weights: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"reconstruction": Views().photo(FIRST), "mask": np.zeros((HEIGHT, WIDTH, 1))}
    monkeypatch.setattr(Views, "targets", lambda self, *_: Targets({}, {"own": nothing}))
    given = {"split": "photos", "val_split": "held", "start_from": weights(4)}
    with pytest.raises(DataError, match="views:held: no view has a pixel to be scored"):
        called(transfer.transfer, **given, out=tmp_path)
