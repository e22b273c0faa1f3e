"""The structure: imports point one way, there is no circle, and nothing heavy is imported before it is used."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "safetypairs_hf"

# From the ground up. A module may import from its own part and from any floor below its own.
FLOORS = (
    {"errors", "records"},
    {"taxonomy"},
    {"contact_sheet", "crosswalk", "decoding", "hub", "pictures", "policies", "resources", "tables"},
    {"building", "icons", "localhub", "metric", "models"},
    {"editors", "guards", "instructors", "publishing"},
    {"loading", "sources", "tiny"},
    {"evaluating"},
    {"demo", "integrations", "report"},
    {"cli"},
    {"__init__", "__main__"},
)
HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "datasets",
    "evaluate",
    "ray",
    "gradio",
    "numpy",
    "pyarrow",
    "PIL",
    "pandas",
    "matplotlib",
    "torchmetrics",
)


def modules() -> dict[str, Path]:
    """Dotted name below the package -> file; a package's own name for its __init__."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = path
    return found


MODULES = modules()


def imports(path: Path, for_types: bool = True) -> set[str]:
    """The modules of ours that a file imports, wherever in it; `for_types`: under TYPE_CHECKING too."""
    names = set()
    for node in nodes(ast.parse(path.read_text()), for_types):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in inner if name.removeprefix("safetypairs_hf.") in MODULES}
            names |= submodules if submodules == inner else submodules | {node.module}
    return {name.removeprefix("safetypairs_hf.") for name in names if name.startswith("safetypairs_hf.")}


def nodes(tree: ast.AST, for_types: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if for_types or not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from nodes(node, for_types)


def floor(name: str) -> int:
    part = name.split(".")[0]
    found = [number for number, parts in enumerate(FLOORS) if part in parts]
    assert found, f"{part} stands on no floor: add it to FLOORS"
    return found[0]


def test_imports_point_down() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, path in MODULES.items()
        for other in imports(path)
        if other.split(".")[0] != name.split(".")[0] and floor(other) >= floor(name)
    ]
    assert wrong == []


def test_there_is_no_circle() -> None:
    graph = {
        name: {other for other in imports(path, for_types=False) if other in MODULES and other != name}
        for name, path in MODULES.items()
    }
    graph["__init__"] = set()  # it names what is imported on first use
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert set(order) == set(MODULES)


def test_nothing_in_the_library_imports_a_recipe() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "builders" for name in names), path


@pytest.mark.parametrize(
    "code",
    [
        "import safetypairs_hf",
        "from safetypairs_hf.cli import group; group.main(['--help'], standalone_mode=False)",
        "from safetypairs_hf.cli import group; group.main(['publish', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    check = f"{code}\nimport sys\nprint('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_files_stay_small() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for path in PACKAGE.rglob("*.py")
        if (n := len(path.read_text().split("\n"))) > 300
    }
    assert long == {}
