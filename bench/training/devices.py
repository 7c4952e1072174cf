"""Where a method trains."""

from __future__ import annotations

import torch

from bench.errors import UnavailableError


def device_named(name: str) -> str:
    """A device of torch; "auto" is a GPU where there is one.

    Raises:
        UnavailableError: it is not here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UnavailableError(f"--device {name}: {error}; --device cpu works anywhere") from error
    return name
