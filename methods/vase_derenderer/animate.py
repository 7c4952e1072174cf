"""`bench animate vase-derenderer IMAGE`: films and a textured mesh of the vase in a photo."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from bench.errors import ConfigError, UnavailableError
from bench.graphics import phong
from bench.graphics.film_files import write_gif, write_mp4
from bench.graphics.image_files import write_png
from bench.graphics.rasterisers import rasteriser
from bench.graphics.textured_mesh_files import write_textured_mesh
from bench.training.folders import written_whole

from .checkpoints import EMBEDDED, Loaded, load
from .configuration import CONFIGURATIONS
from .derender import Explanation, derender
from .evidence import outline_evidence
from .films import FRAMES, RATE, Studio, moving_light, turning
from .framing import framed
from .method import LEAST_EVIDENCE
from .photos import read_photo
from .turntable import textured_mesh

FILMS: dict[str, Callable[[Explanation, Studio], Iterator[NDArray[np.uint8]]]] = {
    "view": turning,
    "relight": moving_light,
}
STILL_EVERY = 8


@torch.inference_mode()
def animate(
    *,
    image: Path,
    out: Path | None,
    checkpoint: Path | None,
    configuration: str | None,
    backend: str | None,
    device: str,
    size: int,
) -> None:
    """Explain one photo and write what it is taken to show.

    Into `out` (default: NAME-vase in the current folder) go view and relight, each as .mp4 and .gif
    and every eighth frame in stills/; vase.glb; vase.obj with its .mtl and .png; and vase.json. A
    photo that shows no outline where the vase was found is warned of.

    Args:
        configuration: of a .pth that does not say which of the published models it is.
        size: pixels per side of a film, even; 0 for what the networks see.

    Raises:
        DataError: the photo or the weights cannot be read.
        ConfigError: the folder cannot be written, an odd size, or weights of unknown configuration.
        UnavailableError: weights, the rasteriser or ffmpeg are not here.
    """
    if size % 2:
        raise ConfigError(f"size = {size}: must be even, since films store colour for 2×2 pixels")
    photo = read_photo(image)
    loaded = _loaded(checkpoint, configuration)
    device = _device(device)
    chosen = loaded.configuration
    backend_ = rasteriser(backend, device)
    pixels = framed(photo, chosen.size).pixels  # S×S×3
    images = torch.from_numpy(pixels).to(device).permute(2, 0, 1)[None]  # 1×3×S×S
    found = derender(loaded.networks.to(device), images, chosen)
    evidence = _evidence(pixels, found, Studio(backend_, chosen, chosen.size))
    _warn(image, evidence)
    studio = Studio(backend_, chosen, size or chosen.size)
    out = out or Path(f"{image.stem}-vase")
    with written_whole(out) as folder:
        for name, film in FILMS.items():
            frames = tqdm(film(found, studio), name, FRAMES, leave=False, disable=None)
            _write_film(folder, name, list(frames))
        for suffix in (".glb", ".obj"):
            write_textured_mesh(folder / f"vase{suffix}", textured_mesh(found))
        record = {"photo": str(image), "outline_evidence": round(evidence, 4), **described(found)}
        (folder / "vase.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        written = sorted(file.name for file in folder.iterdir() if file.is_file())
    print(f"{out}: {', '.join(written)}, stills/")


def described(found: Explanation) -> dict[str, Any]:
    """Shape, pose and material of one explanation (B = 1), of types that JSON knows.

    Lengths are in scene units, in which the camera is `distance` (5) from the object's origin; the
    profile runs from the top downwards, with y down. Shininess is the exponent of a Phong lobe
    about the mirrored direction, specular albedo its ks, roughness perceptual.
    """
    heights = found.canonical[0, :, 0, 1]  # H
    return {
        "profile": [
            {"radius": _number(radius), "y": _number(height)}
            for radius, height in zip(found.radius[0], heights, strict=True)
        ],
        "pose": {
            "pitch_degrees": _number(found.pitch[0].rad2deg()),
            "roll_degrees": _number(found.roll[0].rad2deg()),
            "shift": [_number(each) for each in found.shift[0]],
        },
        "material": {
            "shininess": _number(found.shininess[0]),
            "specular_albedo": _number(found.specular_albedo[0]),
            "roughness": _number(phong.roughness_from_shininess(found.shininess)[0]),
        },
    }


def _number(value: torch.Tensor) -> float:
    return round(value.item(), 6)


def _evidence(pixels: NDArray[np.float32], found: Explanation, studio: Studio) -> float:
    (seen,) = studio.look(found.vertices)
    linear = phong.decode(torch.from_numpy(pixels)).numpy()
    return outline_evidence(linear, seen.coverage.cpu().numpy())


def _warn(image: Path, evidence: float) -> None:
    if evidence < LEAST_EVIDENCE:
        print(
            f"{image}: the photo shows an edge along only {evidence:.0%} of the outline that was "
            "found: perhaps there is no vase; crop it around one upright vase",
            file=sys.stderr,
        )


def _write_film(folder: Path, name: str, frames: Sequence[NDArray[np.uint8]]) -> None:
    write_mp4(folder / f"{name}.mp4", frames, RATE)
    write_gif(folder / f"{name}.gif", frames, RATE)
    (folder / "stills").mkdir(exist_ok=True)
    for index in range(0, len(frames), STILL_EVERY):
        write_png(folder / "stills" / f"{name}_{index:02}.png", frames[index] / np.float32(255))


def _loaded(checkpoint: Path | None, configuration: str | None) -> Loaded:
    if checkpoint is None and not EMBEDDED.is_file():
        raise UnavailableError(
            f"{EMBEDDED}: no weights came with this installation; name a file with --checkpoint, "
            "or make one with `bench train vase-derenderer`"
        )
    return load(checkpoint or EMBEDDED, CONFIGURATIONS.get(configuration or ""))


def _device(name: str) -> str:
    works = torch.cuda.is_available()
    if name.startswith("cuda") and not works:
        raise UnavailableError(f"device {name!r}: torch finds no CUDA here; use --device cpu")
    if name == "auto":
        return "cuda" if works else "cpu"
    return name
