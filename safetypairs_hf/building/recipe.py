"""A recipe: a Python file with a function `recipe(**settings) -> Recipe`, loaded by name or by path."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.finishing import Finishing
from safetypairs_hf.building.function_parts import as_editor, as_instructor
from safetypairs_hf.building.judge import Judging
from safetypairs_hf.building.preservation import Exact, Preserving
from safetypairs_hf.building.selection import Selection
from safetypairs_hf.building.stages import ByRound, Edit, Instruct, keeping
from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.core.pictures import ENCODERS, PILLOW
from safetypairs_hf.core.records import Editor, Instructor, Source
from safetypairs_hf.core.resources import folder
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.settings import check_names, parameters_of, read_setting
from safetypairs_hf.core.user_code import load_file, telling
from safetypairs_hf.core.user_function import COLLECTS, kind_of
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import refuse_name


@dataclass(frozen=True)
class Weights:
    """A model whose output is published: its Hub id or name, its licence, and whether that lets one publish freely."""

    model: str
    license: str
    publishable: bool = True


# What a build asks of a source; see `core.records.Source`.
_OF_A_SOURCE = ("size", "take", "rejected_inputs", "fingerprint")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of a run.

    `pairs`: how many to draw. `unit_size`: sources in a work unit. `expected_yield`: the share of sources that become
    pairs, in (0, 1]; it only decides how many units are made before selection first looks. `packages`: distributions
    whose version changes the output. `taxonomy`: what the categories are of, and by whose policies the instructor and
    the judges ask. `categories`: those that the source can give, by default all; the draw is even over them.
    `license` and `attribution` go on the card, and so does `about`, at its head: what the pairs are a test of, and what
    they cannot show. `rounds`: how often a source whose edits failed is tried, the first
    included; where `editor` is a `ByRound`, later rounds have an editor of their own. `attempts`: how many candidates
    the editor makes of a source in a round. `preservation` measures what an edit changed. `controls` are made of the
    drawn pairs, where a recipe wants any. `weights`: the models that write or draw what is published. `gpu_gb`: the GPU
    memory that the largest of them needs, in GB; 0 = no GPU. The instructor, the editor and the judges may be plain
    functions, see `function_parts` and `guards.user_guard.FunctionGuard`.

    A source that gives finished pairs takes neither `instructor` nor `editor`, and then `rounds` is 0.
    """

    source: Source
    instructor: Instructor | None
    editor: Editor | ByRound | None
    judging: Judging
    selection: Selection
    pairs: int
    license: str
    attribution: str
    about: str = ""
    unit_size: int = 32
    expected_yield: float = 0.5
    packages: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    rounds: int = 1
    attempts: int = 1
    preservation: Preserving = field(default_factory=Exact)
    controls: Controls | None = None
    weights: tuple[Weights, ...] = ()
    gpu_gb: float = 0.0
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    def __post_init__(self) -> None:
        if missing := [name for name in _OF_A_SOURCE if name not in dir(self.source)]:
            raise RecipeError(
                f"the source {type(self.source).__name__} has no {missing[0]}; a source has {', '.join(_OF_A_SOURCE)}: "
                "see the whole recipe in docs/building.md"
            )
        finished = self.instructor is None and self.editor is None
        for name in ("pairs", "unit_size", "attempts", *(() if finished else ("rounds",))):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} = {getattr(self, name)}: give at least 1")
        if finished and self.rounds:
            raise RecipeError(f"rounds = {self.rounds} without an instructor and an editor: give both, or 0")
        if not finished:
            object.__setattr__(self, "instructor", as_instructor(self.instructor))
            if not isinstance(self.editor, ByRound):
                object.__setattr__(self, "editor", as_editor(self.editor))
        if self.controls is not None:
            if self.editor is None:
                raise RecipeError("controls are given and no editor that could make them; give both, or neither")
            self.controls.check(self.editor)
        self._bind()

    def _bind(self) -> None:
        """Let every part ask by the taxonomy."""
        mine = self.taxonomy
        if fault := refuse_name(mine):
            raise RecipeError(f"the taxonomy of the recipe: {fault}")
        judges = tuple(bind(judge, mine) for judge in self.judging.judges)
        if any(bound is not judge for bound, judge in zip(judges, self.judging.judges, strict=True)):
            object.__setattr__(self, "judging", replace(self.judging, judges=judges))
        object.__setattr__(self, "instructor", bind(self.instructor, mine))
        object.__setattr__(self, "categories", self.categories or mine.slugs)
        if unknown := [slug for slug in self.categories if slug not in mine.slugs]:
            raise RecipeError(
                f"the recipe gives the category {unknown[0]!r}, which is not in {mine.name}; "
                f"that has {', '.join(mine.slugs)}"
            )
        theirs = getattr(self.source, "taxonomy", mine)
        if theirs != mine:
            raise RecipeError(
                f"the source has the categories of {theirs.name}, and the recipe those of {mine.name}; give "
                "taxonomy=taxonomy to both"
            )

    @property
    def instruct(self) -> Instruct:
        assert self.instructor is not None
        return Instruct(self.instructor)

    def edit(self, run: RunFolder, step: str, unit: int) -> Edit:
        """The edit stage for a step of a work unit."""
        assert self.editor is not None and self.instructor is not None
        editor = keeping(self.editor, run, step, unit)
        return Edit(editor, self.instructor.name, self.finishing, self.attempts)

    @property
    def encoder(self) -> str:
        """What writes the PNG files: of both members of a pair, so it is the encoder of the source."""
        return str(getattr(self.source, "encoder", PILLOW))

    @property
    def finishing(self) -> Finishing:
        return Finishing(self.preservation, self.encoder)


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe with where it came from. `settings` are those given, by name; `path` is the file, "" without one."""

    name: str
    path: str
    settings: Mapping[str, Any]
    recipe: Recipe

    def resolved(self) -> dict[str, Any]:
        """Return what `recipe.json` holds: every setting of every part, versions, the source's fingerprint, and a hash.

        The hash is of all but `pairs`, because a run may grow and then holds every pair that it held before. Inputs
        that a source lists one by one are not in it; see `inputs.py`.

        Raises:
            RecipeError: a part has no description that is the same in every process (see `core.description`), or a
                package that the recipe names is not installed.
        """
        with telling(about="it was asked for the fingerprint of the source"):
            inputs = self.recipe.source.fingerprint()  # first: a source that is not given yet says what else is missing
        described = describe(self.recipe)
        pairs = described.pop("pairs")
        content = {
            "recipe": self.name,
            **({"file_sha256": hashlib.sha256(Path(self.path).read_bytes()).hexdigest()} if self.path else {}),
            "inputs": inputs,
            "parts": described,
            "versions": versions(self.recipe),
            **_taxonomy_of(self.recipe),
        }
        return {**content, "hash": _hash(content), "pairs": pairs}


def with_categories(resolved: Mapping[str, Any], categories: Sequence[str]) -> dict[str, Any]:
    """A resolved recipe as it would be with these categories, hash included."""
    content = {key: value for key, value in resolved.items() if key not in ("hash", "pairs")}
    content["parts"] = {**content["parts"], "categories": list(categories)}
    return {**content, "hash": _hash(content), "pairs": resolved["pairs"]}


def _hash(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _taxonomy_of(recipe: Recipe) -> dict[str, Any]:
    """What `recipe.json` says of a taxonomy that is not the nine."""
    taxonomy = recipe.taxonomy
    return {} if taxonomy == NINE else {"taxonomy": {"name": taxonomy.name, "digest": taxonomy.digest}}


def load_recipe(name: str, settings: Mapping[str, str] | None = None, taxonomy: Taxonomy | None = None) -> LoadedRecipe:
    """Load a recipe by the name of a file in `builders/`, or by path.

    Args:
        name: "icons", or "path/to/mine.py".
        settings: keyword arguments of the file's `recipe` function, as text; each is read by its annotation.
        taxonomy: what the categories are of; None is what the recipe says, mostly the nine.

    Raises:
        RecipeError: no such recipe, a file that does not load, or a setting that it does not take.
    """
    path, function = find_recipe(name)
    takes, given = parameters_of(function), settings or {}
    takes_taxonomy = takes.pop("taxonomy", None) is not None
    if not takes_taxonomy and taxonomy not in (None, NINE):
        raise RecipeError(
            f"recipe {path.stem!r} takes no taxonomy; give its function a parameter taxonomy, and hand that to its "
            "source and to Recipe"
        )
    check_names(given, takes, f"recipe {path.stem!r}")
    arguments = {key: read_setting(key, text, takes[key]) for key, text in given.items()}
    if missing := [name for name in _needed(function) if name not in ("taxonomy", *arguments)]:
        raise RecipeError(f"recipe {path.stem!r} needs {', '.join(missing)}; give --set {missing[0]}=...")
    with telling(f"recipe {path.stem!r}", f"its settings were {arguments}"):
        recipe = function(**arguments, **({"taxonomy": taxonomy} if taxonomy and takes_taxonomy else {}))
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path}: its function recipe() returned {kind_of(recipe)}; expected a Recipe")
    return LoadedRecipe(path.stem, str(path), arguments, recipe)


def find_recipe(name: str) -> tuple[Path, Callable[..., Recipe]]:
    """Return the file of a recipe, and its function.

    Raises:
        RecipeError: no such recipe, or a file that does not load.
    """
    path = _find(name)
    return path, _function(load_file(path).module, path)


def recipe_names() -> list[str]:
    """Return the names of the recipes that there are."""
    return sorted(path.stem for path in folder("builders").glob("*.py"))


def _needed(function: Callable[..., Recipe]) -> list[str]:
    """The parameters that have no default."""
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind not in COLLECTS]


def versions(recipe: Recipe) -> dict[str, str]:
    """The versions in this process of what changes the output. Raises RecipeError where one is not installed."""
    return {name: _version(name) for name in ("safetypairs-hf", *recipe.packages, ENCODERS[recipe.encoder])}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise RecipeError(
            f"the recipe needs the package {distribution}, which is not installed; "
            f"pip install {distribution} (see the recipe's own text for all that it needs)"
        ) from error


def check_machine(loaded: LoadedRecipe) -> None:
    """Raise RecipeError where the recipe needs a GPU that is not there, or a larger one."""
    if loaded.recipe.gpu_gb:
        check_gpu(loaded.name, loaded.recipe.gpu_gb)


def check_gpu(name: str, needs: float) -> None:
    """Raise RecipeError where this machine has no GPU with `needs` GB, that the recipe `name` needs."""
    try:
        import torch
    except ImportError as error:
        raise RecipeError(f"recipe {name!r} needs PyTorch; install it: pip install 'safetypairs-hf[gpu]'") from error
    others = "without one: icons (no weights), tiny (small random weights)"
    if not torch.cuda.is_available():
        raise RecipeError(f"recipe {name!r} needs a GPU with {needs:g} GB and this machine has none; {others}")
    has = torch.cuda.get_device_properties(0).total_memory / 1e9
    if has < needs:
        raise RecipeError(
            f"recipe {name!r} needs a GPU with {needs:g} GB and this one has {has:.0f}; klein is the smallest "
            f"with real weights; {others}"
        )


def _find(name: str) -> Path:
    if name.endswith(".py") or "/" in name:
        path = Path(name)
        if path.is_file():
            return path
        raise RecipeError(
            f"no recipe file {name!r}; give the path of a Python file, or one of: {', '.join(recipe_names())}"
        )
    path = folder("builders") / f"{name}.py"
    if path.is_file():
        return path
    here = f"; the file here is ./{name}.py" if Path(f"{name}.py").is_file() else hint(name, recipe_names())
    raise RecipeError(
        f"no recipe {name!r}{here}; there are {', '.join(recipe_names())}; or give a path that ends in .py"
    )


def _function(module: types.ModuleType, path: Path) -> Callable[..., Recipe]:
    function = getattr(module, "recipe", None)
    if not callable(function):
        raise RecipeError(f"{path} has no function recipe(); see builders/icons.py for one")
    return typing.cast("Callable[..., Recipe]", function)
