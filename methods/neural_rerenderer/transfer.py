"""`bench transfer neural-rerenderer`: what weights of one place are worth at another (spec §8).

Training begins twice with each share of the other place's photos: with all networks of the given
weights (stage 3 for as many steps as are asked for), and at random (stage 1, then four fifths of
the same steps in stage 2 and the rest in stage 3). Stage 1 comes on top, in favour of the latter.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.api import Source
from bench.errors import ConfigError, DataError
from bench.training.devices import device_named

from .checkpoints import Loaded, load_weights
from .configuration import CONFIGURATIONS
from .rerender import Rerenderer
from .train import WEIGHTS, train
from .training_options import TRAIN
from .vary import Judge

TABLE, FIGURE = "transfer.csv", "transfer.png"
FINE_TUNED, SCRATCH, AS_IS = "fine-tuned", "from scratch", "as they are"
_STAGE_2 = 0.8


@dataclass(frozen=True)
class Row:
    """What one training came to on the validation split.

    Attributes:
        start: "fine-tuned", "from scratch", or "as they are" for the weights without training.
        share: of the training photos, 0 to 1.
        psnr: dB, mean over the views under their own look, see `vary.Cell`.
    """

    start: str
    share: float
    steps: int
    psnr: float


def transfer(
    *,
    dataset: Source,
    split: str,
    val_split: str,
    start_from: Path,
    out: Path,
    shares: str,
    steps: int,
    stage1_triplets: int,
    batch: int,
    limit: int,
    workers: int,
    vgg: Path | None,
    seed: int,
    device: str,
    precision: str,
) -> None:
    """Write transfer.csv and transfer.png; a training per row lies in a folder of its own.

    Run it again to go on where it stopped: trainings that have ended are only scored again.

    Args:
        start_from: weights of another place; `warm_start.safetensors` of a training brings the
            discriminators, too.
        shares: of the training photos, in percent with commas between.
        limit: most validation views that are scored, 0 for all.

    Raises:
        ConfigError: shares that are none, weights that no configuration fits, or `val_split` is
            trained on.
        DataError: pictures or weights that cannot be used, or weights that saw `val_split`.
        UnavailableError: the device is not here.
        TrainingError: a loss is no number, or the disk is full.
    """
    percents = _percents(shares)
    _refuse_judge(split, val_split)
    device = device_named(device)
    before = load_weights(start_from)
    _refuse_seen(before, dataset, val_split, start_from)
    options: dict[str, Any] = {option.name: option.default for option in TRAIN.options} | {
        "dataset": dataset,
        "split": split,
        "val_split": val_split,
        "configuration": _configuration(before, start_from),
        "stage1_triplets": stage1_triplets,
        "batch": batch,
        "workers": workers,
        "cache": out / "pictures",
        "vgg": vgg,
        "seed": seed,
        "device": device,
        "precision": precision,
    }
    score = partial(_score, source=dataset, split=val_split, limit=limit, device=device)
    rows = [Row(AS_IS, 0.0, 0, score(before))]
    for row in _trained(options, start_from, out, percents, steps, score):
        rows.append(row)
        _write(out / TABLE, rows)
        print(f"{row.start} with {row.share:.0%}: {row.psnr:.2f} dB")
    _draw(out / FIGURE, rows)
    print(f"{out}: {TABLE}, {FIGURE}")


def _trained(
    options: Mapping[str, Any],
    start_from: Path,
    out: Path,
    percents: Sequence[float],
    steps: int,
    score: Callable[[Loaded], float],
) -> Iterator[Row]:
    """One training after the other, with its score."""
    first = min(steps - 1, round(_STAGE_2 * steps))
    lengths = {
        FINE_TUNED: {"stages": "3", "stage3_steps": steps, "start_from": start_from},
        SCRATCH: {"stages": "all", "stage2_steps": first, "stage3_steps": steps - first},
    }
    for percent in percents:
        for start, chosen in lengths.items():
            folder = out / f"{start.replace(' ', '-')}-{percent:g}"
            print(f"{folder}:")
            train(**{**options, **chosen, "share": percent / 100, "out": folder})
            yield Row(start, percent / 100, steps, score(load_weights(folder / WEIGHTS)))


def _score(loaded: Loaded, source: Source, split: str, limit: int, device: str) -> float:
    judge = Judge(Rerenderer(loaded, device), source, split)
    scores = [cell.psnr for cell in judge.own(limit)]
    if not scores:
        raise DataError(f"{source.name}:{split}: no view has a pixel to be scored")
    return float(np.mean(scores))


def _percents(text: str) -> list[float]:
    try:
        percents = [float(part) for part in text.split(",")]
    except ValueError:
        percents = []
    if not percents or not all(0 < each <= 100 for each in percents):
        raise ConfigError(f"--shares {text!r}: write percents such as 10,25,50,100")
    return sorted(set(percents))


def _configuration(loaded: Loaded, path: Path) -> str:
    name = loaded.configuration.name
    if name not in CONFIGURATIONS:
        raise ConfigError(f"{path}: is of configuration {name!r}, which this version has not")
    return name


def _refuse_judge(split: str, val_split: str) -> None:
    if val_split in [name.strip() for name in split.split(",")]:
        raise ConfigError(
            f"--val-split {val_split}: is trained on, by which it would be judged; name another"
        )


def _refuse_seen(loaded: Loaded, source: Source, split: str, path: Path) -> None:
    """By digests alone: a photo is the same whatever the split that it was trained on in."""
    trained, judged = (
        {entry.rpartition(":")[2] for entry in entries}
        for entries in (loaded.metadata.get("trained_on", ()), source.seen(split))
    )
    seen = trained & judged
    if seen:
        raise DataError(
            f"{path}: was trained on {source.name}:{split} ({len(seen)} digests agree), by which "
            "it would be judged; name another --val-split"
        )


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({**asdict(row), "psnr": f"{row.psnr:.4f}"})


def _draw(path: Path, rows: Sequence[Row]) -> None:
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    for start, marker in ((FINE_TUNED, "o"), (SCRATCH, "s")):
        chosen = [row for row in rows if row.start == start]
        across, up = [100 * row.share for row in chosen], [row.psnr for row in chosen]
        axes.plot(across, up, marker=marker, label=start)
    for row in rows:
        if row.start == AS_IS:
            axes.axhline(row.psnr, color="0.5", linestyle="--", label=f"weights {AS_IS}")
    axes.set_xlabel("photos of the other place, %")
    axes.set_ylabel("PSNR, dB")
    axes.legend()
    figure.savefig(path, dpi=150)
