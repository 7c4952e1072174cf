"""Films as .mp4 (H.264) and .gif."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from bench.errors import UnavailableError

Frame = NDArray[np.uint8]

# Untagged, small films are shown with the colours of another matrix by some players.
_COLOURS = "scale=out_color_matrix=bt709,setparams=color_primaries=bt709:color_trc=iec61966-2-1"
_SETTINGS: dict[str, Any] = {
    "codec": "libx264",
    "pix_fmt_in": "rgb24",
    "pix_fmt_out": "yuv420p",  # the one that every player and browser shows
    "quality": None,
    "macro_block_size": 2,
    "output_params": [
        *("-vf", _COLOURS, "-crf", "16", "-preset", "slow", "-movflags", "+faststart"),
    ],
}


def write_mp4(path: Path, frames: Sequence[Frame], rate: int) -> None:
    """Frames H×W×3 sRGB-encoded uint8, H and W even, at `rate` per second, as H.264 in yuv420p.

    Raises:
        ValueError: no frames, unlike ones, or an odd size: colour is stored for 2×2 pixels.
        OSError: the file cannot be written.
        UnavailableError: ffmpeg, which imageio-ffmpeg brings, is absent.
    """
    height, width = _common_size(path, frames)
    if height % 2 or width % 2:
        raise ValueError(f"{path}: a film of {width}×{height}: both must be even")
    _check_ffmpeg()
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=rate, ffmpeg_log_level="error", **_SETTINGS
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    if not path.is_file() or not path.stat().st_size:
        raise OSError(f"{path}: ffmpeg wrote nothing")


def write_gif(path: Path, frames: Sequence[Frame], rate: int) -> None:
    """Frames H×W×3 sRGB-encoded uint8 at `rate` per second, repeated for ever.

    Each frame has 256 colours of its own, undithered: dots would dance. The format counts in
    hundredths of a second, and of equal frames in a row one stands for as long as all.

    Raises:
        ValueError: no frames, or unlike ones.
        OSError: the file cannot be written.
    """
    _common_size(path, frames)
    method, undithered = PIL.Image.Quantize.MEDIANCUT, PIL.Image.Dither.NONE
    pictures = [
        PIL.Image.fromarray(frame).quantize(256, method, dither=undithered) for frame in frames
    ]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=round(100 / rate) * 10,
        loop=0,
        optimize=False,
    )


def _common_size(path: Path, frames: Sequence[Frame]) -> tuple[int, int]:
    shapes = {frame.shape for frame in frames}
    if len(shapes) != 1:
        raise ValueError(f"{path}: a film needs frames of one size, not of {sorted(shapes)}")
    height, width, _ = shapes.pop()
    return height, width


def _check_ffmpeg() -> None:
    try:
        imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise UnavailableError(
            f"ffmpeg is absent ({error}); run: pip install --force-reinstall imageio-ffmpeg"
        ) from error
