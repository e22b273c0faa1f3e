"""What there is of a kind, such as guards or editors: what each is, its settings, its licence and an example."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from safetypairs_hf.core.settings import TEXT, as_text, parameters_of, value_text

WIDTH = 80
# "steps: how many" at the foot of a docstring's "Args:", or "`steps`: how many" in its text.
_ARGUMENT = re.compile(r"    (\w+(?:, \w+)*): (.*)")
_IN_TEXT = re.compile(r"`(\w+)`: (.*?)(?=\s`\w+`: |\n\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Setting:
    """A setting that is given as text.

    Attributes:
        name: as in `--set NAME=VALUE`.
        value: what it takes, in words, such as "a number" or "trained or common".
        default: the value that it has if it is left out, as it would be given; "" if there is none to type.
        needed: whether it must be given.
        about: what it means, from the docstring; "" where that says nothing.
    """

    name: str
    value: str
    default: str
    needed: bool
    about: str


@dataclass(frozen=True)
class Offer:
    """One of what there is.

    Attributes:
        name: as one types it.
        about: what it is, in a line.
        facts: further facts by name, such as "license".
        settings: what it takes, in order.
        example: a command that uses it; several lines where there are several ways.
    """

    name: str
    about: str
    facts: Mapping[str, str]
    settings: tuple[Setting, ...]
    example: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
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
            told = f"  ({', '.join(kind)})" if kind else ""
            yield from _wrapped(f"  {setting.name}{known}{told}", " " * 6)
            if setting.about and (after is None or after.about != setting.about):  # several may share a text
                yield from _wrapped(" " * 6 + setting.about, " " * 6)
        yield "example:"
        yield from (f"  {line}" for line in folded(self.example).splitlines())


def settings_of(*takers: Callable[..., Any], only: Sequence[str] | None = None, **fixed: Any) -> tuple[Setting, ...]:
    """Return the settings that functions or dataclasses take together, a name of several from the first.

    Args:
        takers: what takes them.
        only: their names, in this order; all by default.
        fixed: defaults that differ from those of the takers.

    Raises:
        RecipeError: an annotation names something that is not imported when the code runs.
    """
    found: dict[str, Setting] = {}
    for taker in takers:
        said = _said_by(taker)
        shown = inspect.signature(taker).parameters
        for name, annotation in parameters_of(taker).items():
            default = fixed.get(name, _default(taker, name, shown[name]))
            needed = default is inspect.Parameter.empty
            text = "" if needed else _as_given(default)
            found.setdefault(name, Setting(name, value_text(annotation), text, needed, said.get(name, "")))
    return tuple(found[name] for name in (found if only is None else only) if name in found)


class Listed(Protocol):
    """What can be listed: it has a name, is told in a line, prints whole as text, and gives plain values for JSON."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


def listed(offers: Sequence[Listed]) -> str:
    """Return a line for each offer: its name and what it is."""
    width = max(len(offer.name) for offer in offers)
    lines = [_wrapped(f"{offer.name:<{width}}  {offer.about}", " " * (width + 2)) for offer in offers]
    return "\n".join(line for wrapped in lines for line in wrapped)


def folded(commands: str) -> str:
    """Return commands, a line each, with those that are long broken before an option, as a shell takes them."""
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
    """Return a default as one would type it; "" for None, for no text, and for what is no text, such as an object."""
    return as_text(default) if isinstance(default, (bool, str, int, float, tuple)) else ""


def _said_by(taker: Any) -> dict[str, str]:
    """Return what the docstrings of a function, or of a class and its bases, say of each parameter."""
    owners = [each for each in reversed(taker.__mro__) if each is not object] if isinstance(taker, type) else [taker]
    said: dict[str, str] = {}
    for owner in owners:
        text = (
            inspect.cleandoc(owner.__dict__.get("__doc__") or "") if isinstance(owner, type) else inspect.getdoc(owner)
        )
        said |= {name: _joined(about) for name, about in _IN_TEXT.findall((text or "").partition("Args")[0])}
        said |= _arguments(text or "")
    return said


def _arguments(text: str) -> dict[str, str]:
    """Return what the section "Args" of a docstring says, by name; names that share a text each have it."""
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
