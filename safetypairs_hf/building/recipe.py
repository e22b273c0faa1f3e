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
from safetypairs_hf.core.settings import check_counts, check_names, parameters_of, read_setting
from safetypairs_hf.core.user_code import load_file, telling
from safetypairs_hf.core.user_function import COLLECTS, kind_of
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import refuse_name


@dataclass(frozen=True)
class Weights:
    """A model whose output is published: its Hub id or name, its licence, and whether that allows free publication."""

    model: str
    license: str
    publishable: bool = True


# What a build asks of a source; see `core.records.Source`.
_OF_A_SOURCE = ("size", "take", "rejected_inputs", "fingerprint")


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the bytes of a run.

    The instructor, the editor and the judges may be plain functions; see `function_parts` and
    `guards.user_guard.FunctionGuard`. A source that gives finished pairs takes neither `instructor` nor `editor`, and
    then `rounds` is 0.

    Attributes:
        pairs: The number of pairs to draw.
        unit_size: The number of sources in a work unit.
        expected_yield: The share of sources that become pairs, in (0, 1]; it only decides how many units are made
            before
            the first draw.
        packages: Distributions whose version changes the output.
        taxonomy: The taxonomy of the categories, whose policies the instructor and the judges use.
        categories: The categories that the source can give; all by default. The draw is even over them.
        license: The licence, for the card.
        attribution: The attribution, for the card.
        about: A text at the head of the card: what the pairs test, and what they cannot show.
        rounds: How often a source is tried in all while its edits fail. With a `ByRound` as `editor`, later rounds use
            other editors.
        attempts: The number of candidates that the editor makes of a source in a round.
        preservation: The rule that measures what an edit changed.
        controls: The controls to make of the drawn pairs, if any.
        weights: The models that write or draw published content.
        gpu_gb: The GPU memory that the largest of them needs, in GB; 0 means no GPU.
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
        rounds = None if finished else self.rounds
        check_counts(pairs=self.pairs, unit_size=self.unit_size, attempts=self.attempts, rounds=rounds)
        if finished and self.rounds:
            raise RecipeError(f"rounds = {self.rounds} without an instructor and an editor: give both, or rounds = 0")
        if not finished:
            object.__setattr__(self, "instructor", as_instructor(self.instructor))
            if not isinstance(self.editor, ByRound):
                object.__setattr__(self, "editor", as_editor(self.editor))
        if self.controls is not None:
            if self.editor is None:
                raise RecipeError("controls are given, but no editor to make them; give both, or neither")
            self.controls.check(self.editor)
        self._bind()

    def _bind(self) -> None:
        """Bind every part to the taxonomy."""
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
                f"the recipe has the category {unknown[0]!r}, which is not in {mine.name}; "
                f"that has {', '.join(mine.slugs)}"
            )
        theirs = getattr(self.source, "taxonomy", mine)
        if theirs != mine:
            raise RecipeError(
                f"the source uses the taxonomy {theirs.name}, and the recipe {mine.name}; give "
                "taxonomy=taxonomy to both"
            )

    @property
    def instruct(self) -> Instruct:
        assert self.instructor is not None
        return Instruct(self.instructor)

    def edit(self, run: RunFolder, step: str, unit: int) -> Edit:
        """Return the edit stage for a step of a work unit."""
        assert self.editor is not None and self.instructor is not None
        editor = keeping(self.editor, run, step, unit)
        return Edit(editor, self.instructor.name, self.finishing, self.attempts)

    @property
    def encoder(self) -> str:
        """The writer of the PNG files of both members of a pair, which is that of the source."""
        return str(getattr(self.source, "encoder", PILLOW))

    @property
    def finishing(self) -> Finishing:
        return Finishing(self.preservation, self.encoder)


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and its origin. `settings` are the given ones, by name; `path` is its file, "" without one."""

    name: str
    path: str
    settings: Mapping[str, Any]
    recipe: Recipe

    def resolved(self) -> dict[str, Any]:
        """Return the content of `recipe.json`: all settings, versions, the source's fingerprint, and a hash.

        The hash leaves out `pairs`, because a run may grow and then still holds every earlier pair. It also leaves out
        inputs that a source lists one by one; see `inputs.py`.

        Raises:
            RecipeError: A part has no description that is the same in every process (see `core.description`), or a
                package that the recipe names is not installed.
        """
        with telling(about="it was asked for the fingerprint of the source"):
            inputs = (
                self.recipe.source.fingerprint()
            )  # first, because a source that is not set says what else is missing
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
    """Return a resolved recipe with other categories, and the matching hash."""
    content = {key: value for key, value in resolved.items() if key not in ("hash", "pairs")}
    content["parts"] = {**content["parts"], "categories": list(categories)}
    return {**content, "hash": _hash(content), "pairs": resolved["pairs"]}


def _hash(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _taxonomy_of(recipe: Recipe) -> dict[str, Any]:
    """Return the entry of `recipe.json` for a taxonomy other than the nine."""
    taxonomy = recipe.taxonomy
    return {} if taxonomy == NINE else {"taxonomy": {"name": taxonomy.name, "digest": taxonomy.digest}}


def load_recipe(name: str, settings: Mapping[str, str] | None = None, taxonomy: Taxonomy | None = None) -> LoadedRecipe:
    """Load a recipe by the name of a file in `builders/`, or by path.

    Args:
        name: "icons", or "path/to/mine.py".
        settings: Arguments of the file's `recipe` function as text, which is converted by their annotations.
        taxonomy: The taxonomy of the categories; None is the recipe's own, which is usually the nine.

    Returns:
        The recipe with its file and settings.

    Raises:
        RecipeError: There is no such recipe, its file cannot be loaded, or it does not take a setting.
    """
    path, function = find_recipe(name)
    takes, given = parameters_of(function), settings or {}
    takes_taxonomy = takes.pop("taxonomy", None) is not None
    if not takes_taxonomy and taxonomy not in (None, NINE):
        raise RecipeError(
            f"recipe {path.stem!r} takes no taxonomy; give its function a parameter taxonomy, and pass it to its "
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
        RecipeError: There is no such recipe, or its file cannot be loaded.
    """
    path = _find(name)
    return path, _function(load_file(path).module, path)


def recipe_names() -> list[str]:
    """Return the names of the available recipes."""
    return sorted(path.stem for path in folder("builders").glob("*.py"))


def _needed(function: Callable[..., Recipe]) -> list[str]:
    """Return the parameters without a default."""
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind not in COLLECTS]


def versions(recipe: Recipe) -> dict[str, str]:
    """Return the versions of everything that changes the output. Raises RecipeError if a package is not installed."""
    return {name: _version(name) for name in ("safetypairs-hf", *recipe.packages, ENCODERS[recipe.encoder])}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise RecipeError(
            f"the recipe needs the package {distribution}, which is not installed; "
            f"pip install {distribution} (the recipe's own text lists everything that it needs)"
        ) from error


def check_machine(loaded: LoadedRecipe) -> None:
    """Raise RecipeError if the recipe needs a GPU that this machine does not have, or a larger one."""
    if loaded.recipe.gpu_gb:
        check_gpu(loaded.name, loaded.recipe.gpu_gb)


def check_gpu(name: str, needs: float) -> None:
    """Raise RecipeError if this machine has no GPU with the `needs` GB that the recipe `name` needs."""
    try:
        import torch
    except ImportError as error:
        raise RecipeError(f"recipe {name!r} needs PyTorch; install it: pip install 'safetypairs-hf[gpu]'") from error
    others = "without one: icons (no weights), tiny (small random weights)"
    if not torch.cuda.is_available():
        raise RecipeError(f"recipe {name!r} needs a GPU with {needs:g} GB, but this machine has none; {others}")
    has = torch.cuda.get_device_properties(0).total_memory / 1e9
    if has < needs:
        raise RecipeError(
            f"recipe {name!r} needs a GPU with {needs:g} GB, but this one has {has:.0f}; klein is the smallest "
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
        f"no recipe {name!r}{here}; the recipes are {', '.join(recipe_names())}; or give a path that ends in .py"
    )


def _function(module: types.ModuleType, path: Path) -> Callable[..., Recipe]:
    function = getattr(module, "recipe", None)
    if not callable(function):
        raise RecipeError(f"{path} has no function recipe(); see builders/icons.py for one")
    return typing.cast("Callable[..., Recipe]", function)
