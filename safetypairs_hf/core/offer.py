"""Descriptions of the guards, editors, recipes and layouts that a user can choose from: settings, licence, example."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from safetypairs_hf.core.settings import TEXT, as_text, parameters_of, value_text
from safetypairs_hf.core.tables import text_html

WIDTH = 80
# Match "steps: how many" in the "Args:" section of a docstring, and "`steps`: how many" in its text.
_ARGUMENT = re.compile(r"    (\w+(?:, \w+)*): (.*)")
_IN_TEXT = re.compile(r"`(\w+)`: (.*?)(?=\s`\w+`: |\n\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Setting:
    """A setting that users type as `--set NAME=VALUE`.

    Attributes:
        name: the name of the setting.
        value: the values that it accepts, such as "a number" or "trained or common".
        default: the default as a user would type it; "" if it has none or it cannot be typed.
        needed: whether the setting is required.
        about: what it means, from the docstring; "" if the docstring does not describe it.
    """

    name: str
    value: str
    default: str
    needed: bool
    about: str


@dataclass(frozen=True)
class Offer:
    """One guard, editor, recipe or layout that a user can choose.

    Attributes:
        name: the name that a user types.
        about: a description of one line.
        facts: further facts by name, such as "license".
        settings: the settings that it accepts, in order.
        example: a command that uses it; several commands have a line each.
    """

    name: str
    about: str
    facts: Mapping[str, str]
    settings: tuple[Setting, ...]
    example: str

    def to_dict(self) -> dict[str, Any]:
        """Return the offer as plain values, for JSON."""
        settings = [dataclasses.asdict(setting) for setting in self.settings]
        return {"name": self.name, "about": self.about, **self.facts, "settings": settings, "example": self.example}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _wrapped(f"{self.name}: {self.about}", "")
        width = max(map(len, self.facts), default=0)
        for name, text in self.facts.items():
            yield from _wrapped(f"{name:<{width}}  {text}", " " * (width + 2))
        if self.settings:
            yield "settings (--set NAME=VALUE):"
        for setting, after in itertools.zip_longest(self.settings, self.settings[1:]):
            known = f" = {setting.default}" if setting.default else ""
            kind = ["needed"] * setting.needed + [setting.value] * (setting.value != TEXT)
            note = f"  ({', '.join(kind)})" if kind else ""
            yield from _wrapped(f"  {setting.name}{known}{note}", " " * 6)
            if setting.about and (after is None or after.about != setting.about):  # several may share a text
                yield from _wrapped(" " * 6 + setting.about, " " * 6)
        yield "example:"
        yield from (f"  {line}" for line in folded(self.example).splitlines())


def settings_of(*takers: Callable[..., Any], only: Sequence[str] | None = None, **fixed: Any) -> tuple[Setting, ...]:
    """Return the settings that several functions or dataclasses accept, each name once.

    Args:
        takers: the functions or dataclasses. A name that several accept is described by the first of them.
        only: the names to return, in this order; all by default.
        fixed: defaults that replace those of the takers.

    Returns:
        The settings, in the order of the signatures or of `only`.

    Raises:
        RecipeError: an annotation names something that is not imported when the code runs.
    """
    found: dict[str, Setting] = {}
    for taker in takers:
        descriptions = _descriptions_of(taker)
        shown = inspect.signature(taker).parameters
        for name, annotation in parameters_of(taker).items():
            default = fixed.get(name, _default(taker, name, shown[name]))
            needed = default is inspect.Parameter.empty
            text = "" if needed else _as_given(default)
            found.setdefault(name, Setting(name, value_text(annotation), text, needed, descriptions.get(name, "")))
    return tuple(found[name] for name in (found if only is None else only) if name in found)


class Listed(Protocol):
    """An entry of a list: its name, a description of one line, its whole description by `str`, and values for JSON."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


Entry = TypeVar("Entry", bound=Listed)


@dataclass(frozen=True, repr=False)
class OfferList(Sequence[Entry]):
    """What a user can choose from, in order: a sequence that prints the name and the description of each entry.

    Attributes:
        entries: the entries.
    """

    entries: tuple[Entry, ...]

    def __getitem__(self, place: Any) -> Any:
        return self.entries[place]

    def __len__(self) -> int:
        return len(self.entries)

    def __str__(self) -> str:
        """Return a table of the names and the descriptions, wrapped at 80 columns."""
        width = max((len(entry.name) for entry in self.entries), default=0)
        lines = [_wrapped(f"{entry.name:<{width}}  {entry.about}", " " * (width + 2)) for entry in self.entries]
        return "\n".join(line for wrapped in lines for line in wrapped)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return text_html(str(self))


def folded(commands: str) -> str:
    """Return commands, one a line, with long ones continued on a new line before an option, in shell syntax."""
    return "\n".join(line if len(line) <= WIDTH - 2 else _folded(line) for line in commands.splitlines())


def _folded(command: str) -> str:
    first, *options = command.split(" --")
    lines = [first]
    for option in options:
        if len(lines[-1]) + len(option) + 5 <= WIDTH - 2:
            lines[-1] += f" --{option}"
        else:
            lines.append(f"    --{option}")
    return " \\\n".join(lines)


def _default(taker: Any, name: str, parameter: inspect.Parameter) -> Any:
    for field in dataclasses.fields(taker) if dataclasses.is_dataclass(taker) else ():
        if field.name == name and field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
    return parameter.default


def _as_given(default: Any) -> str:
    """Return a default as a user would type it; "" for None and for a value that cannot be typed, such as an object."""
    return as_text(default) if isinstance(default, (bool, str, int, float, tuple)) else ""


def _descriptions_of(taker: Any) -> dict[str, str]:
    """Return the description of each parameter in the docstrings of a function, or of a class and its bases."""
    owners = [each for each in reversed(taker.__mro__) if each is not object] if isinstance(taker, type) else [taker]
    descriptions: dict[str, str] = {}
    for owner in owners:
        text = (
            inspect.cleandoc(owner.__dict__.get("__doc__") or "") if isinstance(owner, type) else inspect.getdoc(owner)
        )
        descriptions |= {name: _joined(about) for name, about in _IN_TEXT.findall((text or "").partition("Args")[0])}
        descriptions |= _arguments(text or "")
    return descriptions


def _arguments(text: str) -> dict[str, str]:
    """Return the descriptions in the section "Args" of a docstring by name; "a, b: text" describes a and b."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = line.startswith("Args")
        elif inside and (entry := _ARGUMENT.fullmatch(line)):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif inside and line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return {name: _joined(about) for name, about in found.items()}


def _joined(text: str) -> str:
    return " ".join(text.split()).rstrip()


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
