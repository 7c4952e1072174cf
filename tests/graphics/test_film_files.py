import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest

from bench.errors import UnavailableError
from bench.graphics.film_files import write_gif, write_mp4


@pytest.fixture
def frames() -> list[np.ndarray]:
    """Ten of 32×48, two of them equal: a ramp of orange that brightens, below white."""
    ramp = np.linspace(0.3, 1, 48)[None, :, None] * np.array([250, 140, 60])  # 1×48×3
    film = []
    for step in (0, 1, 2, 3, 4, 4, 5, 6, 7, 8):
        frame = np.broadcast_to(ramp * (0.5 + step / 16), (32, 48, 3)).copy()
        frame[:4] = 255
        film.append(np.rint(frame).astype(np.uint8))
    return film


def test_an_mp4_shows_every_frame_in_its_colours(tmp_path: Path, frames: list[np.ndarray]) -> None:
    write_mp4(tmp_path / "a.mp4", frames, 25)
    read = (imageio_ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "a.mp4")
    decoded = subprocess.run(
        [*read, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    )
    stream = re.findall(r"Stream #0:0.*", decoded.stderr.decode())[0]
    assert all(each in stream for each in ("h264", "yuv420p(tv, bt709", "48x32", "25 fps"))
    found = np.frombuffer(decoded.stdout, np.uint8).reshape(-1, 32, 48, 3)
    assert len(found) == 10
    assert np.abs(found.astype(float) - np.stack(frames)).mean() < 2


def test_a_gif_shows_every_frame_for_its_time(tmp_path: Path, frames: list[np.ndarray]) -> None:
    write_gif(tmp_path / "a.gif", frames, 25)
    with PIL.Image.open(tmp_path / "a.gif") as film:
        assert film.info["loop"] == 0
        shown: list[np.ndarray] = []
        for each in PIL.ImageSequence.Iterator(film):
            times = each.info["duration"] // 40
            shown += [np.asarray(each.convert("RGB"))] * times
    assert len(shown) == 10
    assert np.abs(np.stack(shown).astype(float) - np.stack(frames)).max() <= 6


def test_films_of_odd_or_unlike_frames_are_refused(tmp_path: Path) -> None:
    odd, even = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"a\.mp4: a film of 5×4: both must be even"):
        write_mp4(tmp_path / "a.mp4", [odd], 25)
    for write in (write_mp4, write_gif):
        with pytest.raises(ValueError, match="frames of one size"):
            write(tmp_path / "a", [odd, even], 25)
        with pytest.raises(ValueError, match="frames of one size"):
            write(tmp_path / "a", [], 25)


def test_a_film_that_cannot_be_written_is_said_so(
    tmp_path: Path, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match=r"a\.mp4"):
        write_mp4(tmp_path / "absent" / "a.mp4", frames, 25)
    with pytest.raises(OSError, match=r"a\.gif"):
        write_gif(tmp_path / "absent" / "a.gif", frames, 25)

    def absent() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", absent)
    with pytest.raises(UnavailableError, match="pip install"):
        write_mp4(tmp_path / "a.mp4", frames, 25)
