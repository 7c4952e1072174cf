"""`bench fetch iiw`."""

from pathlib import Path

from bench.fetching.installing import install


def fetch_iiw(*, out: Path, url: str) -> None:
    """Bring photos and judgements to `out`/iiw-dataset. Raises as `install`."""
    # 54 is the lowest id; any photo would do to find the folder.
    install(url, out / "iiw-dataset-release-0.zip", out / "iiw-dataset", "data/54.png")
