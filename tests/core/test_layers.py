"""The import rules, held from the source itself."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("methods", "datasets", "metrics", "reports")

# Each module of the core may import those above it, whatever stands beside it on its line, and
# nothing below. `cli` stands last.
LAYERS = (
    ("errors",),
    ("quantities",),
    ("graphics", "protocol", "fetching", "training"),
    ("cards",),
    ("api",),
    ("plugins", "wire"),
    ("own_protocols", "environment", "store"),
    ("config",),
    ("jobs", "references"),
    ("plan", "work", "handover", "overlap", "worker", "child", "fits"),
    ("units", "records", "writing", "predicting"),
    ("scoring",),
    ("items", "recording", "executors"),
    ("batches", "runner", "view", "verifying"),
    ("arrays", "claims", "published"),
    ("manifest", "estimate", "cleaning", "reporting", "diagnosis", "tables", "conformance"),
    ("foreign", "scaffold"),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PLUGIN_MAY = {"api", "quantities", "protocol", "graphics", "errors", "fetching", "training"}


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Every module a file imports, wherever in it, and whether that is for the type checker."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    checked = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in checked) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level < 2, f"{file}: imports from its parent's folder"
            if node.level == 1:
                continue  # from its own folder
            assert node.module is not None
            yield node.module, node in checked
            if node.module in ("bench", "bench.graphics", *(f"bench.{kind}" for kind in KINDS)):
                yield from (
                    (f"{node.module}.{alias.name}", node in checked) for alias in node.names
                )


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "bench" and len(parts) > 1 else ""


def core() -> list[Path]:
    return sorted(file for file in (ROOT / "bench").rglob("*.py") if "template" not in file.parts)


def plugin_files() -> list[Path]:
    return sorted(file for kind in KINDS for file in (ROOT / kind).rglob("*.py"))


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "bench" else ("bench", *parts))


def of_core(file: Path) -> str:
    return layer(name_of(file).removesuffix(".__init__"))


def test_every_module_of_the_core_has_its_layer() -> None:
    assert {of_core(file) for file in core()} - {"", "__main__"} <= set(RANK)


@pytest.mark.parametrize("file", core(), ids=name_of)
def test_the_core_imports_downward_only(file: Path) -> None:
    own = of_core(file)
    if own in ("", "__main__"):
        return
    for module, for_types in imports(file):
        wanted = layer(module)
        if wanted in RANK and not for_types:
            assert RANK[wanted] <= RANK[own], f"{name_of(file)} imports {module}"


def test_graphics_import_only_quantities_and_errors() -> None:
    for file in (ROOT / "bench/graphics").rglob("*.py"):
        for module, _ in imports(file):
            assert layer(module) in ("", "graphics", "quantities", "errors"), f"{file}: {module}"


def test_no_two_modules_of_the_core_import_each_other() -> None:
    edges = {
        of_core(file): {layer(module) for module, for_types in imports(file) if not for_types}
        for file in core()
        if file.parent == ROOT / "bench"
    }
    left = dict(edges)
    while left:
        free = [name for name, needs in left.items() if not (needs - {name, ""}) & set(left)]
        assert free, f"a cycle among {sorted(left)}"
        for name in free:
            del left[name]


def test_the_core_imports_no_plugin() -> None:
    for file in core():
        for module, _ in imports(file):
            assert layer(module) not in KINDS, f"{name_of(file)} imports {module}"


@pytest.mark.parametrize("file", plugin_files(), ids=name_of)
def test_a_plugin_imports_the_contract_and_itself_alone(file: Path) -> None:
    kind, own = file.relative_to(ROOT).parts[:2]
    allowed = PLUGIN_MAY | ({"tables"} if kind == "reports" else set())
    for module, _ in imports(file):
        parts = module.split(".")
        assert parts[0] not in KINDS or parts[0] in sys.stdlib_module_names, module
        if layer(module) in KINDS:
            assert parts[1:3] == [kind, own.removesuffix(".py")] or parts == ["bench", kind], module
        elif parts[0] == "bench":
            assert layer(module) in {"", *allowed}, f"{name_of(file)} imports {module}"


def test_the_four_folders_are_no_packages() -> None:
    for kind in KINDS:
        assert not (ROOT / kind / "__init__.py").exists()


@pytest.mark.parametrize(
    "file", [file for file in plugin_files() if file.name == "plugin.py"], ids=name_of
)
def test_a_card_imports_the_standard_library_and_the_contract_alone(file: Path) -> None:
    for module, _ in imports(file):
        root = module.partition(".")[0]
        assert root in sys.stdlib_module_names or root == "bench", f"{file}: {module}"
        if layer(module) in KINDS:
            assert module.endswith(".plugin") or is_light(module), f"{file}: {module}"


def is_light(module: str) -> bool:
    file = ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return not file.exists() or all(
        imported.partition(".")[0] in {*sys.stdlib_module_names, "bench"}
        for imported, _ in imports(file)
    )
