"""`bench train neural-rerenderer`: from a dataset's splits, through three stages, to weights."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench.api import Source
from bench.errors import ConfigError, DataError
from bench.training.devices import device_named
from bench.training.folders import claim, write_whole

from .checkpoints import load_weights, save_weights
from .configuration import ALIGNMENT, CONFIGURATIONS, Configuration
from .course import Course
from .decoding import Pictures, decode
from .examples import Examples, examples_of
from .record import RECORD
from .schedule import Schedule
from .schedule import stage_minutes as parsed_minutes
from .stages import STAGES, rates
from .trainer import Networks, Trainer, TrainingError
from .vgg import COMMAND, Vgg16, find

WEIGHTS, WARM_START, CACHE = "weights.safetensors", "warm_start.safetensors", "pictures"
_LENGTHS = ("stage1_triplets", "stage2_steps", "stage3_steps")
_ARCHITECTURE = ("channels", "widths", "encoder_widths", "discriminator_widths", "code")


def train(
    *,
    dataset: Source,
    split: str,
    val_split: str,
    out: Path,
    configuration: str,
    stages: str,
    stage1_triplets: int | None,
    stage2_steps: int | None,
    stage3_steps: int | None,
    stage_minutes: str,
    minutes: float,
    batch: int | None,
    decay: float,
    seed: int,
    limit: int,
    share: float,
    workers: int,
    cache: Path | None,
    vgg: Path | None,
    start_from: Path | None,
    device: str,
    precision: str,
    compile: bool,
    validate_every: int,
    validated: int,
    save_every: int,
) -> None:
    """Train into the folder `out`, going on where an earlier call of the same settings stopped.

    Writes `weights.safetensors` (averaged generator and encoder), `warm_start.safetensors` (all
    networks as they are), `record.json`, `log.csv` and `validation.png`.

    Raises:
        DataError: pictures that cannot be used, listed, or too few for triplets.
        ConfigError: the folder holds a training of other settings, or a stage lacks the one before.
        UnavailableError: the device cannot be had.
        TrainingError: a loss is no number, or the disk is full; the last good state is kept.
    """
    until = time.perf_counter() + 60 * minutes if minutes else float("inf")
    bounds = parsed_minutes(stage_minutes)
    device = device_named(device)
    features, begun_with = _vgg(vgg, device), _digest(start_from)
    splits = [name.strip() for name in split.split(",")]
    with _disk_trouble_told(out):
        data, held_out = _decoded(dataset, splits, val_split, limit, workers, cache or out / CACHE)
        examples = examples_of(data, share, seed)
        lengths = (stage1_triplets, stage2_steps, stage3_steps)
        chosen = _configured(configuration, data.channels, batch, lengths)
        crop = _crop(chosen, data)
        settings = {
            "configuration": _claimed(chosen),
            "splits": {"train": splits, "val": [val_split]},
            **_counted(data, held_out, examples),
            "share": share,
            "seed": seed,
            "decay": decay,
            "precision": precision,
            "start_from": begun_with,
            "perceptual": "vgg16" if features else "l1",
            "style": "gram" if features else "lab",
        }
        claim(out, settings)
        torch.manual_seed(seed)
        networks, before = _begun(chosen, start_from)
        trainer = Trainer(networks, chosen, device, precision, compile)
        trainer.resume(out, rates(chosen), print)
        course = Course(
            trainer,
            Schedule(_lengths(chosen), bounds, until, decay, validate_every, validated, save_every),
            examples,
            examples_of(held_out),
            features,
            out,
            given=start_from is not None,
            seed=seed,
            batch=chosen.batch,
            crop=crop,
            workers=workers,
        )
        ended = course.run(STAGES if stages == "all" else (int(stages),))
        _finish(course, settings, data, before)
        if not ended:
            print(f"the call's minutes are over in {trainer.progress}; run it again to go on")


@contextmanager
def _disk_trouble_told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{out}: cannot be written: {error}; free some space and run the same command again, "
            "it goes on from the last state"
        ) from error


def _vgg(path: Path | None, device: str) -> Vgg16 | None:
    """VGG16 on the device; None, said in print, where it is not here."""
    found = find(path)
    if found is None:
        print(f"no VGG16: L1 and Lab statistics stand in, and the record says so. {COMMAND}")
        return None
    return found.to(device)


def _decoded(
    source: Source, splits: Sequence[str], val_split: str, limit: int, workers: int, folder: Path
) -> tuple[Pictures, Pictures]:
    """What is trained on, and what is held out.

    Raises:
        DataError: pictures that cannot be used, or of unlike channels.
    """
    data = decode(source, splits, limit, workers, folder)
    held_out = decode(source, [val_split], limit, workers, folder)
    if data.channels != held_out.channels:
        raise DataError(
            f"the training framebuffers have {data.channels} channels, those of validation "
            f"{held_out.channels}"
        )
    return data, held_out


def _counted(data: Pictures, held_out: Pictures, examples: Examples) -> dict[str, Any]:
    return {
        "data": {"train": data.fingerprints, "val": held_out.fingerprints},
        "examples": {"train": len(examples), "val": len(held_out.examples)},
        "photos": len(examples.photos),
    }


def _configured(
    name: str, channels: int, batch: int | None, lengths: tuple[int | None, int | None, int | None]
) -> Configuration:
    chosen = CONFIGURATIONS[name].with_channels(channels)
    fields = ("stage1_triplets", "stage2_steps", "stage3_steps", "batch")
    given: dict[str, Any] = dict(zip(fields, (*lengths, batch), strict=True))
    return replace(chosen, **{field: value for field, value in given.items() if value is not None})


def _lengths(chosen: Configuration) -> dict[int, int]:
    """Stage → steps."""
    triplets = -(-chosen.stage1_triplets // chosen.batch)
    return {1: triplets, 2: chosen.stage2_steps, 3: chosen.stage3_steps}


def _claimed(chosen: Configuration) -> dict[str, Any]:
    """All but the stages' lengths, which a later call may change."""
    content = chosen.as_json()
    return {key: content[key] for key in content if key not in _LENGTHS}


def _crop(chosen: Configuration, data: Pictures) -> tuple[int, int]:
    """The configuration's crop, less where the pictures are smaller."""
    height, width = (min(chosen.crop, side - side % ALIGNMENT) for side in data.size)
    if not height or not width:
        raise DataError(
            f"pictures of {data.size[0]}×{data.size[1]} pixels: training needs {ALIGNMENT}×"
            f"{ALIGNMENT} at least"
        )
    if (height, width) != (chosen.crop, chosen.crop):
        print(f"crops of {height}×{width}: the pictures are {data.size[0]}×{data.size[1]}")
    return height, width


def _begun(chosen: Configuration, path: Path | None) -> tuple[Networks, Mapping[str, Any]]:
    """Networks at random, but for those that a file holds, and what the file says.

    Raises:
        ConfigError: the file's are of another architecture.
    """
    networks = Networks(chosen)
    if path is None:
        return networks, {}
    loaded = load_weights(path)
    found, wanted = loaded.configuration.as_json(), chosen.as_json()
    other = [key for key in _ARCHITECTURE if found[key] != wanted[key]]
    if other:
        raise ConfigError(
            f"--start-from {path}: its networks are of {loaded.configuration.name!r} and differ in "
            + ", ".join(f"{key} ({found[key]}, not {wanted[key]})" for key in other)
        )
    for part in ("generator", "encoder", "discriminators"):
        held = getattr(loaded, part)
        if held is not None:
            getattr(networks, part).load_state_dict(held.state_dict())
    return networks, loaded.metadata


def _finish(
    course: Course, settings: Mapping[str, Any], data: Pictures, before: Mapping[str, Any]
) -> None:
    trainer, at, found = course.trainer, course.trainer.progress, course.validation()
    underway = () if at.has(at.stage) else ((at.stage, at.step, at.seconds),)
    record = {
        **settings,
        "configuration": trainer.configuration.as_json(),
        "started_from": before.get("record"),
        "stages": [
            {"stage": stage, "steps": steps, "seconds": round(seconds), "crop": course.crop}
            for stage, steps, seconds in (*at.done, *underway)
        ],
        "validation": {name: round(value, 5) for name, value in found.items()},
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(trainer.device),
        "threads": torch.get_num_threads(),
    }
    write_whole(course.out / RECORD, record)
    seen = sorted({*before.get("trained_on", ()), *data.seen})
    metadata = {"record": record, "trained_on": seen}
    averages = dict(trainer.averages.named_children())
    raw = dict(trainer.networks.named_children())
    save_weights(course.out / WEIGHTS, averages, trainer.configuration, metadata)
    save_weights(course.out / WARM_START, raw, trainer.configuration, metadata, half=False)
    said = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
    print(f"{course.out / WEIGHTS}: " + (said or f"stage {at.stage}, step {at.step}"))


def _digest(path: Path | None) -> str:
    """SHA-256 of a file's bytes, "" for no file. Raises `DataError` where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
    except OSError as error:
        raise DataError(f"--start-from {path}: cannot be read: {error.strerror}") from error
