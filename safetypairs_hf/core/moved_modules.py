"""Explain an import in user code that names an old place in the library."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Final

from safetypairs_hf.core.errors import verb

_LIBRARY: Final = "safetypairs_hf"
FACE: Final = f"{_LIBRARY}.recipes"

# Old module -> new module, both relative to the library. An entry for a package covers all modules in it. The table has
# only modules that authors of recipes import from.
MOVED: Final[dict[str, str]] = {
    "contact_sheet": "core.contact_sheet",
    "crosswalk": "taxonomy.crosswalk",
    "decoding": "core.decoding",
    "errors": "core.errors",
    "hub": "core.hub",
    "pictures": "core.pictures",
    "policies": "taxonomy.categories",
    "records": "core.records",
    "resources": "core.resources",
    "taxonomy": "taxonomy.nine",
    "tiny": "testing.tiny",
    "building.by_round": "building.stages",
    "building.edit": "building.stages",
    "building.engine": "building.engines.base",
    "building.funnel": "core.funnel",
    "building.grouping": "core.near_duplicates",
    "building.ids": "core.ids",
    "building.instruct": "building.stages",
    "building.local_engine": "building.engines.local",
    "building.near": "core.near_duplicates",
    "building.parts": "building.stage_files",
    "building.preserving": "building.preservation",
    "building.ray_engine": "building.engines.ray",
    "building.ray_pool": "building.engines.ray_pool",
    "building.results": "building.run_reader",
    "building.run": "building.build",
    "building.runfolder": "core.run_folder",
    "building.steps": "building.rounds",
    "building.summary": "building.yields",
    "editors.batching": "editors.base",
    "editors.loading": "editors.base",
    "editors.qwen_edit_plus": "editors.qwen_edit",
    "guards.answers": "guards.verdicts",
    "guards.asking": "guards.base",
    "guards.batched": "guards.base",
    "guards.chat_guard": "guards.trained",
    "guards.generated": "guards.chat_vlm",
    "guards.guard_reasoner": "guards.trained",
    "guards.llama_guard": "guards.trained",
    "guards.llavaguard": "guards.trained",
    "guards.own": "guards.user_guard",
    "guards.policy_shift": "guards.trained",
    "guards.server_vlm": "guards.chat_vlm",
    "guards.simple": "icons.scene_guards",
    "guards.words": "guards.token_probability",
    "guards.yes_no": "guards.verdicts",
    "instructors.server": "instructors.served_vlm",
    "models.wire": "models.chat_server",
    "sources.hub": "sources.hub_dataset",
}


def explain(error: ImportError, file: str) -> str | None:
    """Explain a failed import of a name that the library does not have, or has in another module.

    Args:
        error: The exception of the import.
        file: The path of the file that imports.

    Returns:
        One clause: what is imported, where user code should import from, and the new place of the name if it is known.
        None if the import is of another package.
    """
    old = error.name or ""
    if old != _LIBRARY and not old.startswith(f"{_LIBRARY}."):
        return None
    module, names = _imported(old, file)
    imported = f"{', '.join(names)} from {module}" if names else module
    new = _new_module(module)
    known = [name for name in names if new is not None and _has(new, name)]
    where = f", and {', '.join(known)} {verb(len(known), 'is')} in {new}" if known else ""
    if new is not None and not names:
        where = f", and what was there is in {new}"
    what = "was moved" if where else "does not exist"
    return f"imports {imported}, which {what}: import from {FACE} now{where}"


def _imported(old: str, file: str) -> tuple[str, list[str]]:
    """Return the module that the file imports from, and the names that the module does not have."""
    for node in ast.walk(ast.parse(Path(file).read_bytes())):
        module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
        if isinstance(node, ast.ImportFrom) and module is not None and (module == old or module.startswith(f"{old}.")):
            names = [each.name for each in node.names if not hasattr(sys.modules.get(module), each.name)]
            if names and module == _LIBRARY:
                return f"{module}.{names[0]}", []
            if names:
                return module, names
    return old, []


def _new_module(old: str) -> str | None:
    """Return the full new name of a module of the library, by its own entry in MOVED or that of a package around it."""
    head, rest = old.removeprefix(f"{_LIBRARY}."), ""
    while head not in MOVED:
        head, dot, last = head.rpartition(".")
        if not dot:
            return None
        rest = f".{last}{rest}"
    return f"{_LIBRARY}.{MOVED[head]}{rest}"


def _has(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.util.find_spec(f"{module}.{name}"))
    except ImportError:
        return False
