"""NumPy arrays out of a stranger's pickle, without calling anything the file names.

A pickle is a program. The three names that a pickled array needs are answered with recorders that
keep their arguments, every other name is refused, and arrays are rebuilt from what was recorded.
The instructions are looked through before any is followed, so that none can reserve memory at will.
NumPy's own functions stay out of reach because they are no safe answer: an object array over bytes
of the file's choosing, or a dtype with a forged state, makes NumPy follow pointers from the file.
"""

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError


class _Recorded:
    """What a pickle wanted made: the arguments of the call, and the state set afterwards."""

    args: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


class RecordedArray(_Recorded):
    """Stands for an array, and for the function that makes an empty one."""


class _RecordedDtype(_Recorded):
    """Stands for a dtype."""


_ANSWERS: dict[tuple[str, str], type[_Recorded]] = {
    ("numpy.core.multiarray", "_reconstruct"): RecordedArray,
    ("numpy._core.multiarray", "_reconstruct"): RecordedArray,
    ("numpy", "ndarray"): RecordedArray,
    ("numpy", "dtype"): _RecordedDtype,
}
_SCALARS = re.compile(r"b1|[iu][1248]|f[248]")


# What protocols 2 to 5 need for containers, numbers, text, bytes, names, calls and states.
_INSTRUCTIONS = frozenset(
    "PROTO FRAME STOP MARK POP EMPTY_DICT EMPTY_TUPLE EMPTY_LIST TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND "
    "APPENDS SETITEM SETITEMS NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT "
    "BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES BINBYTES8 "
    "GLOBAL STACK_GLOBAL REDUCE BUILD BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET".split()
)


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Recorded]:
        answer = _ANSWERS.get((module, name))
        if answer is None:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which no array needs; nothing in it was run"
            )
        return answer


def read_pickle(path: Path) -> dict[str, Any]:
    """The dict in a pickle of protocol 2 or later, of Python 2 or 3; arrays still as recorded.

    Raises:
        DataError: missing, truncated or corrupt file, a name other than those of arrays, no dict.
    """
    try:
        stored = path.read_bytes()
        _look_through(stored)
        content = _ArraysOnly(io.BytesIO(stored), encoding="latin1").load()
    except Exception as error:  # a corrupt pickle makes its machine raise whatever it stumbles over
        cause = str(error) or type(error).__name__
        raise DataError(f"{path}: refused, truncated or corrupt pickle: {cause}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__} instead of a dict of arrays")
    return content


def _look_through(stored: bytes) -> None:
    for instruction, argument, _ in pickletools.genops(stored):
        if instruction.name not in _INSTRUCTIONS:
            raise pickle.UnpicklingError(
                f"it uses {instruction.name}, which no array needs; nothing in it was run"
            )
        # The machine's memory grows to the largest number it is told to remember something under.
        if instruction.name == "LONG_BINPUT" and (argument or 0) > len(stored):
            raise pickle.UnpicklingError(f"it numbers {argument} things in {len(stored)} bytes")


def rebuild(recorded: object) -> NDArray[Any]:
    """The array that was recorded: plain numbers, read-only, native or as stored byte order.

    Raises:
        ValueError: not an array, or not one of plain numbers.
    """
    if not isinstance(recorded, RecordedArray) or not isinstance(recorded.state, tuple):
        raise ValueError(f"is no array but {type(recorded).__name__}")
    try:
        shape, dtype, column_major, data = recorded.state[-4:]
        sizes = tuple(int(size) for size in shape)
    except (TypeError, ValueError) as error:
        raise ValueError(f"is no array: {error}") from error
    numbers = _plain_dtype(dtype)
    content = data.encode("latin1") if isinstance(data, str) else data
    count = math.prod(sizes)
    if not isinstance(content, bytes) or min(sizes, default=0) < 0:
        raise ValueError("is an array without bytes or of negative size")
    if len(content) != count * numbers.itemsize:
        raise ValueError(f"has {len(content)} bytes for shape {sizes} of {numbers}")
    return np.frombuffer(content, numbers).reshape(sizes, order="F" if column_major else "C")


def _plain_dtype(recorded: object) -> np.dtype[Any]:
    args = recorded.args if isinstance(recorded, _RecordedDtype) else ()
    code = args[0] if args else None
    if not isinstance(code, str) or not _SCALARS.fullmatch(code):
        raise ValueError(f"has dtype {code!r}, which is no plain number")
    state = recorded.state if isinstance(recorded, _RecordedDtype) else None
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
    if order not in ("<", ">", "|", "="):
        raise ValueError(f"has byte order {order!r}")
    return np.dtype(order + code)
