"""`bench train vase-derenderer`: from a dataset's splits to a file of weights."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from tqdm import tqdm

from bench.api import Source
from bench.errors import ConfigError
from bench.graphics.rasterisers import rasteriser
from bench.training.devices import device_named
from bench.training.folders import claim, write_whole

from . import losses
from .backgrounds import Backgrounds
from .checkpoints import Loaded, load, save_safetensors
from .configuration import CONFIGURATIONS
from .examples import Examples, Split, batches, decode_all
from .journal import Journal
from .networks import Networks
from .sheets import sheet
from .stretching import Shapes
from .trainer import LearningRate, Trainer, TrainingError
from .validation import validate

WEIGHTS, RECORD = "weights.safetensors", "record.json"


@dataclass(frozen=True)
class Schedule:
    """How long, and what happens every so many steps.

    Attributes:
        warm_up: how many of the steps, the first ones, are of the shape network alone.
        minutes: of training altogether, after which it ends early; 0 for no bound.
        validated: most pictures of one validation.
    """

    steps: int
    warm_up: int
    minutes: float
    validate_every: int
    save_every: int
    show_every: int = 200
    validated: int = 96


def train(
    *,
    dataset: Source,
    split: str,
    val_split: str,
    out: Path,
    configuration: str,
    steps: int,
    minutes: float,
    batch: int,
    learning_rate: float,
    decay: float,
    warm_up: int,
    told: str,
    seed: int,
    limit: int,
    workers: int,
    backgrounds: str,
    shapes: str,
    start_from: Path | None,
    device: str,
    backend: str | None,
    precision: str,
    compile: bool,
    validate_every: int,
    save_every: int,
) -> None:
    """Train into the folder `out`, going on where an earlier call of the same settings stopped.

    Writes `weights.safetensors`, `record.json` (settings, seed, data, versions, last validation),
    `log.csv`, and events for TensorBoard.

    Raises:
        DataError: pictures that cannot be used, all of them listed.
        ConfigError: the folder holds a training of other settings.
        UnavailableError: the device or the backend cannot be had.
        TrainingError: a loss is no number, or the disk is full; the last good state is kept.
    """
    chosen = CONFIGURATIONS[configuration]
    device = device_named(device)
    splits = [name.strip() for name in split.split(",")]
    parts = [splits, [val_split]]
    cache = out / "pictures"
    data, held_out = decode_all(dataset, parts, chosen.size, limit, cache, told == "pitch")
    if shapes == "stretched" and not data.over_black:
        raise ConfigError("--shapes stretched: the pictures' background must be black")
    settings = {
        "configuration": asdict(chosen),
        "splits": {"train": splits, "val": [val_split]},
        "data": {"train": data.fingerprints, "val": held_out.fingerprints},
        "pictures": {"train": len(data.keys), "val": len(held_out.keys)},
        "seed": seed,
        "batch": batch,
        "backgrounds": backgrounds,
        "shapes": shapes,
        "start_from": _digest(start_from),
        "precision": precision,
        "learning_rate": learning_rate,
        "decay": [decay, steps] if decay else 0,
        "warm_up": warm_up,
        "told": told,
        "losses": dict(losses.WEIGHTS),
    }
    claim(out, settings)
    torch.manual_seed(seed)
    backend_ = rasteriser(backend, device)
    rate = LearningRate(learning_rate, decay, steps)
    start = load(start_from, chosen) if start_from else Loaded(chosen, Networks(chosen), {})
    trainer = Trainer(start.networks, chosen, backend_, seed, device, precision, compile, rate)
    trainer.resume(out, tqdm.write)
    schedule = Schedule(steps, warm_up, minutes, validate_every, save_every)
    examples = Examples(
        data,
        augmented=True,
        backgrounds=cast(Backgrounds, backgrounds),
        shapes=cast(Shapes, shapes),
    )
    feed = batches(examples, batch, seed, trainer.step, workers)
    check = partial(validate, trainer, held_out, dataset, schedule.validated)
    try:
        found = _run(trainer, schedule, feed, out, check)
        _finish(trainer, out, settings, data, found, start.metadata)
    except OSError as error:
        raise TrainingError(
            f"{out}: cannot be written: {error}; free some space and run the same command again, "
            "it goes on from the last state"
        ) from error


def _run(
    trainer: Trainer,
    schedule: Schedule,
    feed: Iterator[Sequence[torch.Tensor]],
    out: Path,
    check: Callable[[], Mapping[str, float]],
) -> Mapping[str, float]:
    """Steps until the schedule ends, and the last validation's results."""
    found: Mapping[str, float] = {}
    bar = tqdm(total=schedule.steps, initial=trainer.step, desc="train", unit="step", disable=None)
    with bar, Journal(out, trainer.step) as journal:
        while not _over(trainer, schedule):
            examples = next(feed)
            try:
                values = _step(trainer, schedule, examples)
            except TrainingError:
                trainer.save(out)
                raise
            bar.update()
            bar.set_postfix(mask=f"{values['mask']:.4f}")
            journal.losses(trainer.step, values)
            if trainer.step % schedule.show_every == 0:
                journal.picture(
                    trainer.step, sheet(examples[0], examples[1], trainer.evaluate(*examples))
                )
            last = _over(trainer, schedule)
            if last or trainer.step % schedule.validate_every == 0:
                found = check()
                journal.validation(trainer.step, found)
            if last or trainer.step % schedule.save_every == 0:
                journal.settle(trainer.step)
                trainer.save(out)
    return found or check()


def _step(
    trainer: Trainer, schedule: Schedule, examples: Sequence[torch.Tensor]
) -> Mapping[str, float]:
    if trainer.step < schedule.warm_up:
        return trainer.warm_up(*examples)
    return trainer.train(*examples).losses


def _over(trainer: Trainer, schedule: Schedule) -> bool:
    late = bool(schedule.minutes) and trainer.seconds > 60 * schedule.minutes
    return trainer.step >= schedule.steps or late


def _finish(
    trainer: Trainer,
    out: Path,
    settings: Mapping[str, Any],
    data: Split,
    found: Mapping[str, float],
    before: Mapping[str, Any],
) -> None:
    record = {
        **settings,
        "started_from": before.get("record"),
        "steps": trainer.step,
        "seconds": round(trainer.seconds),
        "validation": {name: round(value, 5) for name, value in found.items()},
        "torch": torch.__version__,
        "python": platform.python_version(),
        "rasteriser": trainer.rasteriser.name,
        "threads": torch.get_num_threads(),
    }
    write_whole(out / RECORD, record)
    save_safetensors(
        out / WEIGHTS,
        trainer.networks,
        {"record": record, "trained_on": sorted({*before.get("trained_on", ()), *data.seen})},
    )
    print(f"{out / WEIGHTS}: {trainer.step} steps, {_written(found)}")


def _written(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


def _digest(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
