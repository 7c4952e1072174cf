"""What `bench doctor` says of the rasterisers."""

from bench.api import Diagnosis
from bench.graphics import rasterisers


def diagnose() -> list[Diagnosis]:
    """Each backend, whether it works here, and which one is taken."""
    return [
        Diagnosis(f"rasteriser {backend.name}", backend.works, backend.found, backend.remedy)
        for backend in rasterisers.diagnose()
    ]
