"""Which Mitsuba variant this machine can run, found without loading Mitsuba.

Dr.Jit needs LLVM 16 or newer; an older libLLVM makes it abort the whole process, so the version is
read from the library itself before a variant is chosen.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from bench.api import Diagnosis

OLDEST_LLVM = 16
LIBRARY_VARIABLE = "DRJIT_LIBLLVM_PATH"

_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/opt/llvm/lib")
_PATTERNS = (
    "libLLVM*.so*",
    "*-linux-gnu/libLLVM*.so*",
    "llvm-*/lib/libLLVM*.so*",
    "libLLVM*.dylib",
)

# Run apart, so that a library that cannot be loaded twice or crashes takes only the child with it.
_READ_VERSION = """
import ctypes, sys
parts = [ctypes.c_uint() for _ in range(3)]
ctypes.CDLL(sys.argv[1]).LLVMGetVersion(*map(ctypes.byref, parts))
print(parts[0].value)
"""


def mitsuba_variant() -> str:
    """ "llvm_ad_rgb" where LLVM ≥ 16 is found (and `DRJIT_LIBLLVM_PATH` is then set to it), else
    "scalar_rgb": the same images, several times slower."""
    library = llvm_library()
    if library is None:
        return "scalar_rgb"
    os.environ[LIBRARY_VARIABLE] = str(library)
    return "llvm_ad_rgb"


def diagnose() -> list[Diagnosis]:
    """What `bench doctor` says of rendering."""
    library = llvm_library()
    if library is not None:
        return [Diagnosis("LLVM for Mitsuba", True, str(library))]
    found = f"none of version {OLDEST_LLVM} or later; `bench render` is several times slower"
    return [Diagnosis("LLVM for Mitsuba", False, found, "apt-get install libllvm19")]


def llvm_library() -> Path | None:
    """The libLLVM to use: the one `DRJIT_LIBLLVM_PATH` names if it will do, else the newest found;
    None where none is new enough."""
    named = os.environ.get(LIBRARY_VARIABLE)
    candidates = [Path(named)] if named else _installed()
    usable = [
        (version, library)
        for library in candidates
        if (version := llvm_version(library)) is not None and version >= OLDEST_LLVM
    ]
    return max(usable)[1] if usable else None


def llvm_version(library: Path) -> int | None:
    """The major version of a libLLVM, None where it is no such library.

    Read from the file's name (also the one a link points to), else asked of the library.
    """
    if not library.exists():
        return None
    for name in (library.name, library.resolve().name):
        match = re.search(r"libLLVM[-.](?:so\.|dylib\.)?(\d+)", name)
        if match:
            return int(match[1])
    answer = subprocess.run(
        [sys.executable, "-c", _READ_VERSION, str(library)],
        capture_output=True,
        text=True,
        check=False,
    )
    return int(answer.stdout) if answer.returncode == 0 else None


def _installed() -> list[Path]:
    found = {
        path.resolve()
        for folder in _FOLDERS
        for pattern in _PATTERNS
        for path in Path(folder).glob(pattern)
    }
    return sorted(found)
