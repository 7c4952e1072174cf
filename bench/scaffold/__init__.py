"""`bench new method NAME`: a complete plugin package that passes its own tests at once."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
from pathlib import Path
from string import Template

from bench.errors import ConfigError
from bench.plugins import registry

TEMPLATE = Path(__file__).parent / "template"
"""Files named as they will be, with `module` for the package's name and `.tmpl` at the end."""


def new_method(name: str, folder: Path) -> Path:
    """Write the package `name` into `folder`/`name` and return that path.

    The folder appears whole or not at all.

    Args:
        name: lower-case words of letters and digits joined by hyphens; the method's name, and with
            underscores the module's.

    Raises:
        ConfigError: the name cannot be used, something is there already, or it cannot be written.
    """
    module = module_name(name)
    target = folder / name
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target}: is there already; choose another name, or remove it first")
    words = {
        "name": name,
        "module": module,
        "class_name": "".join(word.capitalize() for word in name.split("-")),
        "title": name.replace("-", " ").capitalize(),
    }
    partial = folder / f".{name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _fill(partial, words)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error
    return target


def module_name(name: str) -> str:
    """The module of a method called `name`. Raises `ConfigError` where it can be none."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ConfigError(
            f"{name!r} cannot name a method: use lower-case letters, digits and single hyphens, "
            "beginning with a letter, such as 'my-method'"
        )
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise ConfigError(f"{name!r} cannot name a module of Python; choose another name")
    if importlib.util.find_spec(module) is not None:
        raise ConfigError(
            f"a module {module!r} is installed already, and the new one would hide it; "
            "choose another name"
        )
    if ("method", name) in registry().owners:
        raise ConfigError(f"a method {name!r} is installed already; choose another name")
    return module


def _fill(folder: Path, words: dict[str, str]) -> None:
    for source in sorted(TEMPLATE.rglob("*.tmpl")):
        relative = source.relative_to(TEMPLATE).as_posix().removesuffix(".tmpl")
        # A .gitignore of that name would hide files of the repository that holds the template.
        path = folder / relative.replace("module", words["module"]).replace("dot-", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(source.read_text(encoding="utf-8")).substitute(words)
        path.write_text(text, encoding="utf-8")
