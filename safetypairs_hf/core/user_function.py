"""Call a user's plain function with the arguments that its parameters name, and report its errors in one line."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias, TypeVar

from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.user_code import shown, telling

Read = TypeVar("Read")
# The values that a function may be given, by name, as functions of the item's number.
Offers: TypeAlias = Mapping[str, Callable[[int], Any]]

# The names of the parameters of a batched function.
_SEVERAL: Final = {
    "image": "images",
    "category": "categories",
    "policy": "policies",
    "region": "regions",
    "instruction": "instructions",
    "seed": "seeds",
    "hint": "hints",
    "feedback": "feedbacks",
}
# The kinds of parameters that collect all other arguments.
COLLECTS: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class UserFunction:
    """A function, and how to call it.

    Args:
        call: The function.
        given: The value that each parameter is given, by the parameter's name. The first is passed by position.
        batched: Whether the function takes lists of all items at once.
    """

    call: Callable[..., Any]
    given: Mapping[str, str]
    batched: bool

    def ask(
        self,
        offers: Offers,
        names: Sequence[str],
        read: Callable[[Any], Read],
        expected: str,
    ) -> list[Read]:
        """Call the function for every item, and return what `read` makes of each answer.

        Args:
            offers: The values that its parameters may be given.
            names: The name of each item, for messages.
            read: Converts an answer; raises TypeError for an answer of a wrong type.
            expected: A description of a valid answer, for messages.

        Raises:
            UserCodeError: The function raises, or returns an invalid answer. The message has file, line and item.
        """
        if not names:
            return []
        if self.batched:
            answers = self._call(offers, range(len(names)), names)
        else:
            answers = [self._call(offers, number, [name]) for number, name in enumerate(names)]
        return read_each(answers, names, place_of(self.call), read, expected)

    def _call(self, offers: Offers, which: int | range, names: Sequence[str]) -> Any:
        values = {
            parameter: offers[offer](which) if isinstance(which, int) else [offers[offer](number) for number in which]
            for parameter, offer in self.given.items()
        }
        first = values.pop(next(iter(self.given)))
        with telling(place_of(self.call), asked_about(names)):
            return self.call(first, **values)


class OfFunction:
    """A base for parts that call a function: it takes their name and revision from the function.

    Attributes:
        function: The function. It is assumed to hold a model unless `function.holds_model` is False.
    """

    function: Callable[..., Any]

    @property
    def name(self) -> str:
        return name_of(self.function)

    @cached_property
    def revision(self) -> str:
        return revision_of(self.function)

    @property
    def holds_model(self) -> bool:
        return bool(getattr(self.function, "holds_model", True))


def user_function(function: Callable[..., Any], offers: Sequence[str], batched: bool | None = None) -> UserFunction:
    """Find out from the parameters of a function how to call it.

    The first parameter gets the image. Other parameters get the value that they are named after, such as `category`. A
    second parameter without a default gets the second of `offers`, whatever its name. All others must have a default,
    which is used. A function whose first parameter is `images` is batched: it gets lists, and its parameters have names
    in the plural.

    Args:
        function: The function, or any callable object.
        offers: The names of the values that it can be given, "image" first.
        batched: Whether it takes lists; None decides by the name of its first parameter.

    Raises:
        RecipeError: It is a class or async, or its parameters do not say how to call it.
    """
    place = place_of(function)
    several = [_SEVERAL[offer] for offer in offers]
    wanted = f"expected (image), (image, {offers[1]}), or with more of {', '.join(offers[1:])}; in lists ({several[0]})"
    if isinstance(function, type):
        raise RecipeError(f"{function.__qualname__} is a class; expected a function, or an object that can be called")
    if inspect.iscoroutinefunction(function):
        raise RecipeError(f"{place}: it is async; expected a plain function (it may call asyncio.run)")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # functions written in C may have no signature
        return UserFunction(function, {"image": "image"}, bool(batched))
    taken = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if not taken:
        raise RecipeError(f"{place}: its parameters are ({_listed(parameters)}); {wanted}")
    first = taken[0]
    lists = first.name == several[0] if batched is None else batched
    known = dict(zip(several if lists else offers, offers, strict=True))
    others = set(offers if lists else several) - set(known)
    if known.get(first.name, offers[0]) != offers[0]:
        raise RecipeError(f"{place}: its first parameter is {first.name!r}; {wanted}")
    given = {first.name: offers[0]}
    asks_second = any(known.get(parameter.name) == offers[1] for parameter in parameters)
    bound = function.keywords if isinstance(function, functools.partial) else {}
    for parameter in parameters:
        if parameter is first or parameter.name in bound or parameter.kind in COLLECTS:
            continue
        if batched is None and parameter.name in others:
            raise RecipeError(
                f"{place}: its parameters ({_listed(parameters)}) do not say whether it takes one image or lists; "
                f"expected (image, {offers[1]}) or ({several[0]}, {several[1]})"
            )
        if parameter.name in known:
            given[parameter.name] = known[parameter.name]
        elif parameter.default is parameter.empty:
            if asks_second or len(taken) < 2 or parameter is not taken[1]:
                raise RecipeError(f"{place}: it needs {parameter.name!r}, which it is not given; {wanted}")
            given[parameter.name] = offers[1]
    if any(each.kind is each.POSITIONAL_ONLY and each.name in given for each in taken[1:]):
        raise RecipeError(f"{place}: leave out the / after its parameters, which are passed by name")
    return UserFunction(function, given, lists)


def read_each(answers: Any, names: Sequence[str], place: str, read: Callable[[Any], Read], expected: str) -> list[Read]:
    """Return what `read` makes of each answer that user code gave for some items.

    Args:
        answers: The value that it returned.
        names: The name of each item, for messages.
        place: Where the code is defined; messages begin with it.
        read: Converts an answer; raises TypeError for an answer of a wrong type.
        expected: A description of a valid answer, for messages.

    Raises:
        UserCodeError: `answers` is not a list with one answer for each item, or an answer cannot be converted.
    """
    if isinstance(answers, str | bytes | Mapping) or not isinstance(answers, Iterable):
        raise UserCodeError(
            f"{place}: it returned {kind_of(answers)}; {asked_about(names)}; expected a list of one answer an image"
        )
    with telling(place, asked_about(names)):
        given = list(answers)
    if len(given) != len(names):
        raise UserCodeError(
            f"{place}: it returned {len(given)} answer{'s' * (len(given) != 1)}; {asked_about(names)}; expected one an "
            "image, in order"
        )
    return [_read(answer, name, place, read, expected) for answer, name in zip(given, names, strict=True)]


def _read(answer: Any, name: str, place: str, read: Callable[[Any], Read], expected: str) -> Read:
    about = asked_about([name])
    with telling(place, about):
        try:
            return read(answer)
        except TypeError as error:
            raise UserCodeError(f"{place}: it returned {kind_of(answer)}; {about}; expected {expected}") from error


def asked_about(names: Sequence[str]) -> str:
    """Return a clause for messages about the items that user code was called with: the one, or their number."""
    several = f"{len(names)} images, the first of them " if len(names) > 1 else ""
    return f"it was asked about {several}{names[0] if names else 'no image'}"


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function for rows and tables: its attribute `name` if it has one."""
    named = getattr(function, "name", None) or getattr(_defined(function), "__name__", None)
    return str(named or type(function).__name__)


def revision_of(function: Callable[..., Any]) -> str:
    """Return 16 hex digits that identify what a function does: a hash of its description, which hashes its file.

    Raises:
        RecipeError: It has no description that is the same in every process. A function that was typed at a prompt or
            in a notebook needs a revision.
    """
    text = json.dumps(describe(function), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kind_of(value: Any) -> str:
    """Describe an unexpected value in a few words: its type, and the value if it is short."""
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{_article(kind)} of {getattr(value, 'dtype', '?')} and shape {tuple(shape)}"
    if value is None:
        return "None"
    plain = isinstance(value, str | bytes | int | float | bool | list | tuple | dict)
    return f"{_article(kind)}, {reprlib.repr(value)}" if plain else _article(kind)


def _article(kind: str) -> str:
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def place_of(function: Callable[..., Any]) -> str:
    """Return where a function or a method is defined, for the start of messages: "mine.py, line 3, guard"."""
    defined = _defined(function)
    called = defined if inspect.isroutine(defined) else vars(type(defined)).get("__call__")
    code = getattr(called, "__code__", None)
    name = getattr(defined, "__qualname__", type(defined).__qualname__)
    return f"{shown(code.co_filename)}, line {code.co_firstlineno}, {name}" if code is not None else str(name)


def _defined(function: Any) -> Any:
    """Return the function inside wrappers and partials."""
    defined = inspect.unwrap(function)
    while isinstance(defined, functools.partial):
        defined = inspect.unwrap(defined.func)
    return defined


def _listed(parameters: Sequence[inspect.Parameter]) -> str:
    return ", ".join(str(each.replace(annotation=each.empty)) for each in parameters)
