"""`bench fetch diligent`: the data is behind a page that people read."""

from bench.errors import UnavailableError

ADVICE = (
    "download DiLiGenT.zip from https://sites.google.com/site/photometricstereodata, unpack it, "
    "and set the option root of diligent to the folder that holds pmsData"
)


def fetch_diligent() -> None:
    """Raise `UnavailableError`, which names the page."""
    raise UnavailableError(f"DiLiGenT cannot be downloaded by a program: {ADVICE}")
