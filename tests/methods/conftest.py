"""A training small enough for a test: eight drawn photos, networks of four channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE = 32


@pytest.fixture(scope="session")
def vase_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight shaded outlines over black with masks and normals, for the dataset `folder`."""
    from bench.graphics.image_files import write_exr, write_png

    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    for index in range(8):
        wave = np.sin(rng.uniform(0, 6) + rows * rng.uniform(0.1, 0.4))
        across = (columns - SIZE / 2) / (7 + 3 * wave)
        mask = (np.abs(across) < 1) & (np.abs(rows - SIZE / 2) < rng.uniform(8, 14))
        depth = np.sqrt(np.maximum(1 - across**2, 0))
        normal = np.stack([across, 0 * across, depth], axis=-1) * mask[..., None]
        shown = mask[..., None] * (0.2 + 0.8 * depth[..., None]) * rng.uniform(0.2, 1, 3)
        write_png(folder / f"vase{index}.png", shown.astype(np.float32))
        write_png(folder / f"vase{index}_mask.png", mask[..., None].astype(np.float32))
        write_exr(folder / f"vase{index}_normal.exr", normal.astype(np.float32))
    return folder


@dataclass(frozen=True)
class Course:
    """`bench train vase-derenderer` of a tiny configuration on the drawn photos.

    Attributes:
        photos: folder of the photos.
        configuration: what "mini" stands for.
    """

    photos: Path
    configuration: Any

    @property
    def settings(self) -> dict[str, Any]:
        """All options of the command but `out`: six steps."""
        return {
            "split": "all",
            "val_split": "all",
            "configuration": "mini",
            "steps": 6,
            "minutes": 0.0,
            "batch": 2,
            "learning_rate": 2e-4,
            "decay": 0.0,
            "warm_up": 0,
            "told": "nothing",
            "shapes": "as-is",
            "start_from": None,
            "seed": 0,
            "limit": 0,
            "workers": 0,
            "backgrounds": "random",
            "device": "cpu",
            "backend": None,
            "precision": "float32",
            "compile": False,
            "validate_every": 4,
            "save_every": 2,
        }

    def __call__(self, out: Path, **changes: Any) -> None:
        from bench.api import Source
        from bench.datasets.folder.adapter import Folder
        from bench.methods.vase_derenderer.train import train

        options = {"root": self.photos}
        source = changes.pop("dataset", Source("folder", options, Folder(options)))
        train(dataset=source, out=out, **{**self.settings, **changes})


@pytest.fixture(scope="module")
def course(vase_photos: Path) -> Iterator[Course]:
    """Trains in this process, on one thread, for others may be at work."""
    import torch

    from bench.methods.vase_derenderer import train
    from bench.methods.vase_derenderer.configuration import Configuration

    tiny = Configuration(
        "tiny", size=SIZE, rows=8, columns=24, environment=(8, 8), width=4, patch=16
    )
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train.CONFIGURATIONS, "mini", tiny)
        torch.set_num_threads(1)
        yield Course(vase_photos, tiny)
    torch.set_num_threads(threads)


@pytest.fixture
def learned() -> Callable[[Path], Mapping[str, Any]]:
    """What a state holds that the data and the seed decide: all of it but the seconds."""
    import torch

    def read(out: Path) -> Mapping[str, Any]:
        state = torch.load(out / "state.pt", weights_only=True)
        return {"step": state["step"], **flat("networks", state["networks"])} | flat(
            "optimisers", state["optimisers"]
        )

    def flat(name: str, value: Any) -> dict[str, Any]:
        if isinstance(value, Mapping):
            return {k: v for key in value for k, v in flat(f"{name}.{key}", value[key]).items()}
        if isinstance(value, list | tuple):
            return flat(name, dict(enumerate(value)))
        return {name: value.tolist() if torch.is_tensor(value) else value}

    return read
