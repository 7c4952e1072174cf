"""`bench render synthetic-vases`: the published data set's generator (spec §6), under a seed.

A texture serves five vases, as published. Unlike there, every split is rendered by itself and `val`
is no link to `test`: textures of the user's are divided among the splits, procedural ones and all
other random numbers differ from split to split under the same seed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import PIL.Image
import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from bench.datasets.sord import layout, textures
from bench.datasets.sord.images import rendered
from bench.datasets.sord.patterns import PATTERNS, pattern
from bench.datasets.sord.recipes import recipe
from bench.datasets.sord.textures import Source
from bench.datasets.sord.writing import write_vase
from bench.errors import ConfigError, DataError

REPEATS = 5
"""Vases per texture."""

FORMAT = 1
# Streams of random numbers of one vase or texture, so that one can be drawn without the others.
_VASE, _COLOURS, _PATTERN = range(3)

Sources: TypeAlias = Callable[[int], Source]
"""The number of a texture → what it is made from."""


@dataclass(frozen=True)
class Settings:
    """What decides every pixel of a split, but for the number of vases.

    Attributes:
        textures: file → SHA-256 of the user's pictures of this split; empty for procedural ones.
    """

    split: str
    seed: int
    textures: Mapping[str, str]
    format: int = FORMAT

    def generator(self, index: int, stream: int) -> np.random.Generator:
        """The random numbers of one vase, or texture, for one purpose."""
        return np.random.default_rng((self.seed, layout.SPLITS.index(self.split), index, stream))


def render(*, count: int, split: str, seed: int, out: Path, textures: Path | None = None) -> None:
    """Render `count` vases into `out`, going on where an earlier call stopped.

    Writes `rendering/<split>/` and, for training and as inputs, copies of image and mask under
    `image_mask/<split>/`. A larger count of the same settings adds vases; those there stay.

    Args:
        textures: folder of pictures, *Color.jpg or else any; procedural ones where None.

    Raises:
        ConfigError: options that do not fit, the folder holds vases of other settings, or another
            process renders into it.
        DataError: a texture cannot be read.
        OSError: the disk is full or cannot be written.
    """
    settings, sources = _sources(split, seed, textures)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / f".{split}.lock", timeout=0):
            _claim(out / f"rendered_{split}.json", settings)
            _render_all(out, settings, sources, count)
    except Timeout as error:
        raise ConfigError(
            f"{out}: another process is rendering {split} into it; wait for it, or give another "
            "--out"
        ) from error
    print(f"{out / 'rendering' / split}: {count} vases; read them with the option root = {out}")


def _sources(split: str, seed: int, folder: Path | None) -> tuple[Settings, Sources]:
    if folder is None:
        settings = Settings(split, seed, {})
        return settings, lambda number: _procedural(settings, number)
    paths = textures.share(textures.files(folder), split)
    digests = {path.relative_to(folder).as_posix(): _digest(path) for path in paths}
    return Settings(split, seed, digests), lambda n: textures.from_file(paths[n % len(paths)])


def _procedural(settings: Settings, number: int) -> Source:
    """The families in turn, each time with other random numbers."""
    family = list(PATTERNS)[number % len(PATTERNS)]

    def picture() -> PIL.Image.Image:
        return PIL.Image.fromarray(pattern(family, settings.generator(number, _PATTERN)))

    return Source(f"{family.capitalize()}{number // len(PATTERNS):03d}", picture)


def _claim(path: Path, settings: Settings) -> None:
    """Note what the split is being filled with; refuse one that holds something else."""
    wanted = asdict(settings)
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path}: truncated or corrupt JSON; remove the split") from error
        if found != wanted:
            raise ConfigError(
                f"{path}: the split was begun with other settings; give another --out, or remove "
                f"this file, rendering/{settings.split} and image_mask/{settings.split}"
            )
        return
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _render_all(out: Path, settings: Settings, sources: Sources, count: int) -> None:
    """All vases, the five of a texture by one thread after another."""
    for folder in layout.pair_files(out, settings.split, ""):
        folder.parent.mkdir(parents=True, exist_ok=True)
    groups = [range(start, min(start + REPEATS, count)) for start in range(0, count, REPEATS)]
    bar = tqdm(total=count, desc=f"render {settings.split}", unit="vase", disable=None)
    workers = os.cpu_count() or 1
    with bar, _one_thread_each(), ThreadPoolExecutor(workers) as pool:
        try:
            for finished in pool.map(lambda group: _group(out, settings, sources, group), groups):
                bar.update(finished)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    shutil.rmtree(_partials(out, settings.split), ignore_errors=True)


def _group(out: Path, settings: Settings, sources: Sources, indices: range) -> int:
    """The vases of one texture; returns their number."""
    number = indices.start // REPEATS
    source = sources(number)
    names = {index: f"{number:04d}_{source.name}_{index % REPEATS:02d}" for index in indices}
    missing = [i for i in indices if not (out / "rendering" / settings.split / names[i]).is_dir()]
    picture = source.picture() if missing else None
    for index in indices:
        if picture is not None and index in missing:
            _vase(out, settings, picture, index, names[index])
        _assemble(out, settings.split, names[index])
    return len(indices)


def _vase(out: Path, settings: Settings, picture: PIL.Image.Image, index: int, name: str) -> None:
    """One vase's folder, there whole or not at all."""
    partial = _partials(out, settings.split) / name
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    drawn = recipe(settings.generator(index, _VASE))
    albedo = textures.albedo(picture, settings.generator(index, _COLOURS))
    write_vase(partial, name, drawn, rendered(drawn, albedo))
    target = out / "rendering" / settings.split / name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(target)


def _partials(out: Path, split: str) -> Path:
    """Where vases grow: beside the split, so that no reader of it meets half a vase."""
    return out / f".{split}.partial"


def _assemble(out: Path, split: str, name: str) -> None:
    """Copies of image and mask, as pairs for training."""
    items = (layout.IMAGE, layout.MASK)
    for item, path in zip(items, layout.pair_files(out, split, name), strict=True):
        if not path.exists():
            partial = path.with_name(f".{path.name}.partial")
            shutil.copyfile(layout.item_file(out, split, name, item), partial)
            partial.replace(path)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """One thread per vase: faster than all threads on one, and the bits do not depend on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
