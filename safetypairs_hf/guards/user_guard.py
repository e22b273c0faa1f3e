"""The user's own guards: a Python object, or a function.

The identity of each has a hash of its code, so an edited file is a different guard.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, ClassVar, Final, NamedTuple, Self

from safetypairs_hf.core.description import describe, source_hash
from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.nearest import hint, nearest
from safetypairs_hf.core.records import Box, Judge, Picture, Verdict
from safetypairs_hf.core.settings import check_counts
from safetypairs_hf.core.user_code import functions_of, load_code, telling
from safetypairs_hf.core.user_function import (
    OfFunction,
    UserFunction,
    asked_about,
    kind_of,
    place_of,
    read_each,
    user_function,
)
from safetypairs_hf.guards.base import Guard, dtype_on
from safetypairs_hf.guards.verdicts import from_number
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.taxonomy.categories import Taxonomy

_OFFERS: Final = ("image", "category", "policy", "region")
_EXPECTED: Final = "P(unsafe), a number in [0, 1], or None, or a Verdict"


def as_guard(judge: Judge | Callable[..., Any]) -> Guard:
    """Return a guard for any judge: a Guard unchanged, an object or a function wrapped."""
    judge = as_judge(judge)
    return judge if isinstance(judge, Guard) else OwnObject(judge)


def as_judge(judge: Judge | Callable[..., Any]) -> Judge:
    """Return a judge unchanged, and a function as a FunctionGuard.

    Raises:
        RecipeError: It is neither.
    """
    if hasattr(judge, "judge") and not isinstance(judge, type):
        return judge  # type: ignore[return-value]
    if isinstance(judge, type) or not callable(judge):
        from safetypairs_hf.guards.catalogue import guard_names

        name = nearest(judge, guard_names()) if isinstance(judge, str) else None
        raise RecipeError(
            f"the judge is {kind_of(judge)}; expected a function (image, category), or an object with `name` and "
            f"`judge`; for a guard of the package, give sp.guard({name or 'NAME'!r})"
        )
    return FunctionGuard(judge)


@dataclass(frozen=True)
class OwnObject(Guard):
    """An object that judges but is not a Guard: of a user's class, or a judge of a recipe.

    It needs `name` and `judge`. Something must also identify its version. This can be `revision`, a text that changes
    when its answers do, or `identity()`, a mapping of JSON values with that property. A dataclass with plain values
    whose class is defined in a file needs neither. `asked`, `family`, `fidelity`, `holds_model`, `release`, `seed`,
    `uses_regions` and `device` are used if it has them.

    Args:
        inner: The object.
    """

    inner: Judge

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def revision(self) -> str:
        return str(getattr(self.inner, "revision", ""))

    @property
    def family(self) -> str:
        return str(getattr(self.inner, "family", self.name))

    @property
    def fidelity(self) -> str | None:
        return getattr(self.inner, "fidelity", None)

    @property
    def holds_model(self) -> bool:
        return bool(getattr(self.inner, "holds_model", False))

    @property
    def uses_regions(self) -> bool | None:
        return getattr(self.inner, "uses_regions", None)

    @property
    def dtype(self) -> str | None:
        device = getattr(self.inner, "device", None)
        return None if device is None else dtype_on(str(device), self.name)

    @property
    def seed(self) -> int | None:
        return getattr(self.inner, "seed", None)

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        place, names = place_of(self.inner.judge), [image.name for image in images]
        with telling(place, asked_about(names)):
            found = self.inner.judge(images, categories, regions)
        return read_each(found, names, place, _as_verdict, _EXPECTED)

    def under(self, taxonomy: Taxonomy) -> Self:
        bound = super().under(taxonomy)
        if bound is not self:
            object.__setattr__(bound, "inner", bind(self.inner, taxonomy))
        return bound

    def asked(self, slug: str) -> str:
        asked = getattr(self.inner, "asked", None)
        return "" if asked is None else str(asked(slug))

    @property
    def takes_policy(self) -> bool:
        """Return whether its prompts depend on the policy. An object without prompts may use the category."""
        return not hasattr(self.inner, "asked") or super().takes_policy

    def release(self) -> None:
        release = getattr(self.inner, "release", None)
        if release is not None:
            release()

    def settings(self) -> Any:
        """Return the object's own description.

        Raises:
            RecipeError: It has none. The message says what to add.
        """
        kind = type(self.inner)
        if (identity := getattr(self.inner, "identity", None)) is not None:
            return {"class": kind.__qualname__, "identity": describe(identity())}
        if self.revision:
            try:
                return describe(self.inner)
            except RecipeError:  # an attribute without a description, such as a model, which the revision covers
                return {"class": kind.__qualname__, "name": self.name, "revision": self.revision}
        unknown = f"a run cannot tell whether the guard {self.name!r} has changed"
        add = f"add an attribute `revision` to {kind.__qualname__}, a text that you change when its answers do"
        if not is_dataclass(self.inner):
            raise RecipeError(f"{unknown}; {add}")
        try:
            return describe(self.inner) | _source_of(kind)
        except RecipeError as error:
            raise RecipeError(f"{unknown} ({error}); {add}") from error
        except (OSError, TypeError) as error:
            raise RecipeError(f"{unknown} (no file defines its class); {add}") from error


def _source_of(kind: type) -> dict[str, Any]:
    """Return the hash of the file that defines a class; {} for a class of this library, whose version a run records."""
    return (
        {}
        if kind.__module__.startswith("safetypairs_hf.")
        else {"content_hashes": {kind.__qualname__: source_hash(kind)}}
    )


@dataclass(frozen=True)
class FunctionGuard(OfFunction, Guard):
    """A function as a guard, or as a judge of a recipe: see `OwnFunction` for how it is called.

    Its description has the hash of the file that defines it. It is assumed to hold a model, so a build calls it in only
    one process. Set `function.holds_model = False` for a function that several processes may call.

    Args:
        function: The function.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        _ = self._asked  # raises at once for an invalid function

    @property
    def name(self) -> str:
        return f"function:{super().name}"

    @property
    def uses_regions(self) -> bool:
        return _by_region(self._asked)

    @property
    def takes_policy(self) -> bool:
        return _by_policy(self._asked)

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images. Abstains with "abstained" or "broken_output".

        Raises:
            UserCodeError: The function raises an error, or returns an invalid value.
        """
        return _ask(self._asked, images, categories, regions, self.taxonomy)

    @cached_property
    def _asked(self) -> UserFunction:
        return user_function(self.function, _OFFERS)


class _Loaded(NamedTuple):
    """A loaded function, and the hashes of the files that it was loaded from."""

    asked: UserFunction
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class OwnFunction(Guard):
    """P(unsafe) = `function(image)` or `function(image, category)`, of a PIL image and a slug; None abstains.

    Further parameters are filled by name: `policy` (the category's text), `region` (the edited region, in a build). If
    its first parameter is `images`, it gets lists of up to `batch_size`, and returns a list.

    Its identity has the hash of the named file, and of the file that defines the function if that is another one. It
    does not have the hashes of other files that these import: give a `revision`.

    Args:
        function: "mine.py:name", or "mine:name", where mine is a file in the current folder or a module.
        revision: A name for this version of the function.
        fidelity: How it is asked, for the signature: "common" if it asks a model by the policy text of the data,
            "trained" if by the prompt of the model's training; not stated by default.
        batched: Whether the function takes lists; None means that it does if its first parameter is `images`.
        batch_size: The most images in a list.
    """

    function: str
    revision: str = "own"
    fidelity: str | None = None
    batched: bool | None = None
    batch_size: int = 32
    holds_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_counts(batch_size=self.batch_size)

    @property
    def name(self) -> str:
        return f"function:{self.function.rsplit('/', 1)[-1]}"

    @property
    def uses_regions(self) -> bool:
        return _by_region(self._loaded.asked)

    @property
    def takes_policy(self) -> bool:
        return _by_policy(self._loaded.asked)

    @property
    def in_batches(self) -> bool:
        """Whether it gets lists of images, of `batch_size` images each."""
        return self._loaded.asked.batched

    @property
    def content_hashes(self) -> Mapping[str, str]:
        """The hashes of the files that it was loaded from, see `core.description.describe`."""
        return self._loaded.hashes

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images. Abstains with "abstained" or "broken_output".

        Raises:
            RecipeError: There is no such function, or it cannot be called.
            UserCodeError: Its file does not load, it raises an error, or it returns an invalid value.
        """
        asked, size = self._loaded.asked, self.batch_size
        found: list[Verdict] = []
        for start in range(0, len(images), size):
            part = slice(start, start + size)
            found += _ask(asked, images[part], categories[part], regions[part], self.taxonomy)
        return found

    def check_model(self) -> None:
        """Import the function. Raises the errors of `judge` if that fails."""
        _ = self._loaded

    def release(self) -> None:
        """Forget the function; the next call of `judge` imports it again."""
        self.__dict__.pop("_loaded", None)

    @cached_property
    def _loaded(self) -> _Loaded:
        where, _, attribute = self.function.rpartition(":")
        wrong = f"function = {self.function!r}: expected 'mine.py:name' or 'package.module:name'"
        if not where:
            raise RecipeError(wrong)
        try:
            module, digest = load_code(where)
        except UserCodeError as error:
            raise UserCodeError(f"function = {self.function!r}: {error}") from error
        found = getattr(module, attribute, None)
        if not callable(found):
            has = functions_of(module)
            listed = f"; it has {', '.join(has[:9])}" if has else ""
            raise RecipeError(f"{wrong}; {where} has no function {attribute!r}{hint(attribute, has) or listed}")
        asked = user_function(found, _OFFERS, self.batched)
        return _Loaded(asked, {where: digest} | _defining_file(found, module))


def _by_region(asked: UserFunction) -> bool:
    return bool({"region", "regions"} & {*asked.given.values()})


def _by_policy(asked: UserFunction) -> bool:
    return bool({"category", "categories", "policy", "policies"} & {*asked.given.values()})


def _ask(
    asked: UserFunction,
    images: Sequence[Picture],
    categories: Sequence[str],
    regions: Sequence[Box | None],
    taxonomy: Taxonomy,
) -> list[Verdict]:
    slugs = [taxonomy.find(category).slug for category in categories]
    offers: dict[str, Callable[[int], Any]] = {
        "image": lambda number: as_pil(images[number]),
        "category": slugs.__getitem__,
        "policy": lambda number: taxonomy.policy(slugs[number]),
        "region": regions.__getitem__,
    }
    names = [f"{image.name} under {slug}" for image, slug in zip(images, slugs, strict=True)]
    return asked.ask(offers, names, _as_verdict, _EXPECTED)


def _as_verdict(answer: Any) -> Verdict:
    """Return the answer of user code as a verdict. Raises TypeError if it is not a valid answer."""
    if not isinstance(answer, Verdict):
        return from_number(answer)
    if not isinstance(answer.note, str) or not isinstance(answer.raw, str):
        raise TypeError("a verdict without texts")
    found = from_number(answer.p_unsafe, answer.raw)
    return found._replace(note=answer.note if answer.p_unsafe is None else answer.note or found.note)


def _defining_file(function: Callable[..., Any], module: ModuleType) -> dict[str, str]:
    """Return the hash of the file that defines a function which `module` imported; {} if `module` defines it."""
    defined: Any = inspect.unwrap(function)
    while isinstance(defined, functools.partial):
        defined = inspect.unwrap(defined.func)
    if not (inspect.isroutine(defined) or inspect.isclass(defined)):
        defined = type(defined)  # a callable object
    if defined.__module__ in (module.__name__, None):
        return {}
    with contextlib.suppress(OSError, TypeError):  # compiled code has no source file
        return {defined.__module__: source_hash(defined)}
    return {}
