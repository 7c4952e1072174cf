"""Any text as LaTeX that pdfLaTeX compiles and that shows what was written."""

import re
import unicodedata

_COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r'{\ttfamily\char"22}',
    "`": r"\`{}",
    "-": "{-}",
    "–": "--",
    "—": "---",
    "−": r"\ensuremath{-}",
    "…": r"\ldots{}",
    "†": r"\ensuremath{\dagger}",
    "‡": r"\ensuremath{\ddagger}",
    "°": r"\ensuremath{^\circ}",
    "·": r"\ensuremath{\cdot}",
    "×": r"\ensuremath{\times}",
    "÷": r"\ensuremath{\div}",
    "±": r"\ensuremath{\pm}",
    "∞": r"\ensuremath{\infty}",
    "↑": r"\ensuremath{\uparrow}",
    "↓": r"\ensuremath{\downarrow}",
    "→": r"\ensuremath{\rightarrow}",
    "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}",
    "§": r"\S{}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
}
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
        "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega".split(),
        strict=True,
    )
)
# What every font encoding can build or has, so that no font package is needed.
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"
_LETTERS = "ÆæŒœØøßŁłı¡¿"
_LONG, _LONGEST = 13, 17
_RUN = re.compile(r"[^\W_]*[\W_]|[^\W_]+")
_BREAK = r"\allowbreak{}"


def escaped(text: str) -> str:
    """One line of LaTeX; what pdfLaTeX has no letter for is shown as [U+4E2D]."""
    return "".join(map(_character, _one_line(text)))


def breakable(text: str) -> str:
    """`escaped`, with lines allowed to break within long words, for cells of a fixed width.

    A long word breaks after a mark such as / or -, and anywhere where it has none for long.
    """
    return " ".join(map(_breakable_word, _one_line(text).split(" ")))


def _breakable_word(word: str) -> str:
    if len(word) < _LONG:
        return escaped(word)
    return _BREAK.join(_breakable_run(run) for run in _RUN.findall(word))


def _breakable_run(run: str) -> str:
    return (_BREAK if len(run) >= _LONGEST else "").join(map(_character, run))


def _one_line(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _character(letter: str) -> str:
    if letter in _COMMANDS:
        return _COMMANDS[letter]
    if letter in _GREEK:
        return rf"\ensuremath{{\{_GREEK[letter]}}}"
    return letter if _printable(letter) else f"[U+{ord(letter):04X}]"


def _printable(letter: str) -> bool:
    """Whether every text font has this letter, alone or as a letter with one accent."""
    if letter.isascii():
        return letter.isprintable()
    parts = unicodedata.normalize("NFD", letter)
    accented = len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS
    return letter in _LETTERS or (accented and ord(letter) < 0x180)
