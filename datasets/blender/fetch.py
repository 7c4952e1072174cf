"""`bench fetch blender`: a scene of TensoIR-Synthetic, unpacked."""

from __future__ import annotations

from pathlib import Path

from bench.fetching.installing import install

ARCHIVES = "https://zenodo.org/records/7880113/files"


def fetch_tensoir(*, scene: str, out: Path, url: str = "") -> None:
    """Bring a scene to `out`/tensoir/<scene>; the option `root` is then `out`/tensoir.

    Args:
        url: of a copy of the archive; "" for the one on Zenodo.

    Raises:
        ConfigError, UnavailableError, DataError, OSError: as `install`.
    """
    folder = out / "tensoir" / scene
    archive = folder.with_name(f"{scene}.zip")
    install(url or f"{ARCHIVES}/{scene}.zip", archive, folder, "train_000/metadata.json")
