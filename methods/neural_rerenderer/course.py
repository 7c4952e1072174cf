"""The stages of one training, one after the other, and what is written on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from bench.errors import ConfigError
from bench.graphics.image_files import write_png

from .examples import Examples, Indices, crops, normalised, triplets
from .losses import L1Loss, PerceptualLoss
from .record import Log
from .schedule import Schedule
from .stages import codes_of, encoder_step, rates, rerendering_step
from .style import distances, gram_descriptors, lab_descriptors, neighbours
from .trainer import Trainer, TrainingError
from .validation import validate
from .vgg import Vgg16

NEIGHBOURS, SHEET = "neighbours.npz", "validation.png"
_DESCRIBED = 16
"""Photos of one pass that tells styles."""

Step = Callable[[float], Mapping[str, float]]


@dataclass(eq=False)
class Course:
    """One call's part of a training.

    Attributes:
        given: networks did not begin at random, so that stages 2 and 3 need none before them.
        vgg: None: L1 and Lab statistics stand in.
        found: what the last validation said.
    """

    trainer: Trainer
    schedule: Schedule
    examples: Examples
    held_out: Examples
    vgg: Vgg16 | None
    out: Path
    given: bool
    seed: int
    batch: int
    crop: tuple[int, int]
    workers: int
    found: Mapping[str, float] = field(default_factory=dict)

    def run(self, stages: tuple[int, ...]) -> bool:
        """Go through the stages, or on with them; False where the call's minutes ended first.

        Raises:
            ConfigError: a stage is asked for without the one before it.
            TrainingError: a loss is no number, or the disk is full; the last good state is kept.
        """
        for stage in stages:
            if self.trainer.progress.has(stage):
                print(f"stage {stage}: was done by an earlier call")
            elif not self._run_stage(stage):
                return False
        return True

    def validation(self) -> Mapping[str, float]:
        """What the last validation said; of weights that had none, one is made."""
        if not self.found and self.trainer.progress.stage > 1:
            self._validate()
        return self.found

    def _run_stage(self, stage: int) -> bool:
        at = self.trainer.progress
        if at.stage != stage or at.has(at.stage):
            self._refuse_early(stage)
            self.trainer.begin(stage, rates(self.trainer.configuration)[stage])
        step = self._steps(stage)
        at = self.trainer.progress
        total, start = self.schedule.steps[stage], at.step
        bar = tqdm(total=total, initial=start, desc=f"stage {stage}", unit="step", disable=None)
        with bar, Log(self.out, stage, start) as log:
            while self.schedule.gone(at) < 1 and not self.schedule.interrupted():
                values = self._attempt(step)
                bar.update()
                log.losses(stage, at.step, values)
                if at.step % self.schedule.validate_every == 0:
                    log.validation(stage, at.step, self._validate())
                if at.step % self.schedule.save_every == 0:
                    log.settle(stage, at.step)
                    self.trainer.save(self.out)
            ended = self.schedule.gone(at) >= 1
            if ended and at.step % self.schedule.validate_every:
                log.validation(stage, at.step, self._validate())
            log.settle(stage, at.step)
        if ended:
            self.trainer.end()
        self.trainer.save(self.out)
        return ended

    def _refuse_early(self, stage: int) -> None:
        at = self.trainer.progress
        if at.stage and not at.has(at.stage):
            raise ConfigError(
                f"{self.out}: stage {at.stage} has not ended; go on with it first (--stages "
                f"{at.stage} or all)"
            )
        if stage > 1 and not self.given and not at.has(stage - 1):
            raise ConfigError(
                f"stage {stage} begins with what stage {stage - 1} learned: train that into "
                f"{self.out} first, or give --start-from"
            )

    def _attempt(self, step: Step) -> Mapping[str, float]:
        try:
            return step(self.schedule.rate(self.trainer.progress))
        except TrainingError:
            self.trainer.save(self.out)
            raise

    def _steps(self, stage: int) -> Step:
        """What makes one step of a stage, its batches going on where they stopped."""
        trainer, start = self.trainer, self.trainer.progress.step
        order = (self.batch, (self.seed, stage), start, self.workers)
        if stage == 1:
            near, far = self._neighbours()
            drawn = triplets(self.examples, near, far, *order)
            return lambda share: encoder_step(trainer, next(drawn), share)
        codes = None
        if stage == 2:
            codes = codes_of(trainer.averages["encoder"], self.examples, trainer.device)
        batches = crops(self.examples, self.crop, codes is None, *order)
        reconstruction, weight = self._reconstruction()
        return lambda share: rerendering_step(
            trainer, next(batches), codes, reconstruction, weight, share
        )

    def _reconstruction(self) -> tuple[torch.nn.Module, float]:
        chosen = self.trainer.configuration
        if self.vgg is None:
            return L1Loss(), chosen.l1_weight
        return PerceptualLoss(self.vgg), chosen.perceptual_weight

    def _neighbours(self) -> tuple[Indices, Indices]:
        """Of each photo the candidates for positive and negative, told once for a folder."""
        path = self.out / NEIGHBOURS
        if not path.exists():
            started = time.perf_counter()
            found = neighbours(distances(self._descriptors(), folder=self.out))
            partial = path.with_name(f".{path.name}.partial")
            with partial.open("wb") as file:
                np.savez(file, positives=found.positives, negatives=found.negatives)
            partial.replace(path)
            count = len(found.positives)
            print(f"told the styles of {count} photos in {time.perf_counter() - started:.0f} s")
            if found.clamped:
                near, far = found.positives.shape[1], found.negatives.shape[1]
                print(
                    f"only {count} photos: triplets take a positive of {near} and a negative of "
                    f"{far}, where the paper has 5 and 13"
                )
        with np.load(path, allow_pickle=False) as stored:
            return stored["positives"], stored["negatives"]

    def _descriptors(self) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
        numbers = self.examples.photos
        for start in range(0, len(numbers), _DESCRIBED):
            photos = self.examples.pictures.photos[numbers[start : start + _DESCRIBED]]
            shown = normalised(torch.from_numpy(np.ascontiguousarray(photos)))
            if self.vgg is None:
                yield lab_descriptors(shown)
            else:
                yield gram_descriptors(shown.to(self.trainer.device), self.vgg)

    def _validate(self) -> Mapping[str, float]:
        """Nothing of stage 1, which renders no picture."""
        if self.trainer.progress.stage > 1:
            self.found, sheet = validate(self.trainer, self.held_out, self.schedule.validated)
            write_png(self.out / SHEET, sheet)
        return self.found
