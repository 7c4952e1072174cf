"""What each backend needs, and whether it is here."""

import importlib
from dataclasses import dataclass

import torch

from bench.errors import UnavailableError


@dataclass(frozen=True)
class Backend:
    """A backend and whether it can be used here.

    Attributes:
        name: its word for `rasteriser`.
        works: whether `rasteriser(name)` gives it.
        found: one sentence on what was found.
        remedy: the command that brings it; "" where it works.
    """

    name: str
    works: bool
    found: str
    remedy: str = ""

    def require(self) -> None:
        """Raises UnavailableError with sentence and command where the backend does not work."""
        if not self.works:
            raise UnavailableError(f"rasteriser {self.name} {self.found}: {self.remedy}")


def extension(name: str, module: str, command: str) -> Backend:
    """A backend that is an extension for CUDA: whether there is a GPU, and `module` imports."""
    package = module.split(".")[0]
    if not torch.cuda.is_available():
        found = "runs on NVIDIA GPUs alone, and torch sees none here"
        return Backend(name, False, found, f"where there is one, {command}")
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        found = f"needs the package {package}, which is not installed"
        if error.name != package:
            found = f"needs the compiled module {error.name}, which is not built"
        return Backend(name, False, found, command)
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        return Backend(name, False, f"cannot load what was built for it ({reason})", command)
    return Backend(name, True, f"on {torch.cuda.get_device_name()}")
