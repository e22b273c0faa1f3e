"""The house: imports point down, no circle, no file stem twice, and nothing heavy imported before it is used."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "safetypairs_hf"

# What each room may import beside itself; a name with a dot is one file or part of a room.
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "taxonomy": {"core"},
    "models": {"core", "taxonomy"},
    "guards": {"core", "taxonomy", "models"},
    "metric": {"core.errors"},
    "dataset": {"core", "taxonomy"},
    "versions": {"core", "taxonomy", "dataset"},
    "editors": {"core", "taxonomy", "guards", "models"},
    "instructors": {"core", "taxonomy", "guards", "models"},
    "sources": {"core", "taxonomy", "guards", "models", "dataset"},
    "building": {"core", "taxonomy", "guards", "models"},
    "importing": {"core", "taxonomy", "guards", "models", "building", "sources"},
    "reviewing": {"core", "taxonomy", "guards", "models", "dataset", "versions", "building.run_reader", "metric"},
    "publishing": {"core", "taxonomy", "dataset", "probing", "building.run_reader", "reviewing"},
    "probing": {"core", "dataset"},
    "loading": {"core", "taxonomy", "dataset", "versions"},
    "evaluating": {"core", "taxonomy", "dataset", "versions", "loading", "guards", "models", "metric"},
    "training": {"core", "taxonomy", "dataset", "probing", "loading", "guards", "models", "evaluating", "metric"},
    "testing": {"core", "taxonomy", "models"},
    "icons": {"core", "taxonomy"},
    "signs": {"core", "taxonomy", "icons"},
    "recipes": {"core", "taxonomy", "building", "sources", "instructors", "editors", "guards", "models"},
}
EVERYTHING = {"report", "spaces", "integrations", "cli", "demo"}  # faces: they may import any room
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
    "sklearn",
    "scipy",
    "openai",
    "cv2",
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


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it, those for type checkers among them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in inner if name.removeprefix("safetypairs_hf.") in MODULES}
            names |= submodules if submodules == inner else submodules | {node.module}
    return {name.removeprefix("safetypairs_hf.") for name in names if name.startswith("safetypairs_hf.")}


def crossings() -> Iterator[tuple[str, str]]:
    """Each import from one room into another."""
    for name, path in MODULES.items():
        for other in imports(path):
            if other.split(".")[0] != name.split(".")[0]:
                yield name, other


def test_a_room_imports_only_what_the_design_lets_it() -> None:
    wrong = []
    for name, other in crossings():
        room = name.split(".")[0]
        if room in EVERYTHING or room in ("__init__", "__main__"):
            continue
        allowed = MAY_IMPORT[room]
        if not any(other == each or other.startswith(f"{each}.") for each in allowed):
            wrong.append(f"{name} imports {other}")
    assert sorted(wrong) == []


def test_at_the_root_stand_rooms_alone() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_there_is_no_circle() -> None:
    """Between files, and between rooms; the root's `__init__` names what is imported on first use."""
    files = {name: imports(path) & MODULES.keys() - {name} for name, path in MODULES.items()} | {"__init__": set()}
    rooms: dict[str, set[str]] = defaultdict(set)
    for name, other in crossings():
        if name != "__init__":
            rooms[name.split(".")[0]].add(other.split(".")[0])
    for graph in (files, rooms):
        list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_a_file_stem_is_used_once() -> None:
    stems: dict[str, list[str]] = defaultdict(list)
    for name, path in MODULES.items():
        if path.stem not in ("__init__", "__main__", "base", "catalogue") and name.split(".")[0] not in (
            "testing",
            "cli",
        ):
            stems[path.stem].append(name)
    assert {stem: names for stem, names in stems.items() if len(names) > 1} == {}


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


def test_the_metric_needs_neither_torch_nor_scipy() -> None:
    """It could be a package of its own: numpy and Arrow, and of this one the errors alone (see MAY_IMPORT)."""
    for path in (PACKAGE / "metric").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.partition(".")[0] for name in names} & {"torch", "scipy"}, path
