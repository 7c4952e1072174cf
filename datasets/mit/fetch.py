"""`bench fetch mit`."""

from pathlib import Path

from bench.fetching.installing import install


def fetch_mit(*, out: Path, url: str) -> None:
    """Bring the images to `out`/MIT-intrinsic. Raises as `install`."""
    install(url, out / "intrinsic-data.tar.gz", out / "MIT-intrinsic", "data/box/mask.png")
