"""Named layouts: YAML files in `layouts/` that say how to read a known set of pairs. Users can write their own.

about: one line                       (optional, as all of these)
datasets: [org/name, org/name@COMMIT] its ids on the Hub; the commit is the one that the layout was written for
paper, access, note: texts
needs: [category]                     what the set does not state and the user has to give
kind, columns, pair_pattern, ...      how it is read: the fields of `reading_plan.Said`
"""

from __future__ import annotations

import dataclasses
import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.foreign_text import MOST_SETTING_BYTES, parse_yaml, read_text, reading
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.core.offer import OfferList, folded
from safetypairs_hf.importing.reading_plan import Said, check_word
from safetypairs_hf.importing.source_rows import SPLIT, Rows, top

SUFFIXES: Final = (".yaml", ".yml")
_TEXTS: Final = ("about", "paper", "access", "note")
_LISTS: Final = ("datasets", "needs")
_EXPECTED: Final = "expected YAML such as 'columns: {unsafe: before, safe: after}'"
# What a layout may require of its user -> the option that gives it.
_OPTIONS: Final = {"category": "--category SLUG", "license": "--license ID", "taxonomy": "--taxonomy FILE"}


@dataclass(frozen=True)
class Layout:
    """How to read a set of pairs.

    Args:
        name: What `--layout` takes: a name, or the path of a file.
        said: How to read the set. Its `license` counts only if the source itself states none.
        about: What the set is, in one line.
        datasets: Its ids on the Hub: `org/name`, or `org/name@COMMIT` with the commit that the layout was written for.
        paper: The address of its paper.
        access: Who can get access to it.
        note: What users should know about pairs that are read in this way.
        needs: What the set does not state and the user has to give: keys of `_OPTIONS`.
    """

    name: str
    said: Said
    about: str = ""
    datasets: tuple[str, ...] = ()
    paper: str = ""
    access: str = ""
    note: str = ""
    needs: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The ids of its datasets on the Hub, without commits."""
        return [each.partition("@")[0] for each in self.datasets]

    @property
    def example(self) -> str:
        """The command that imports the set."""
        needed = [_OPTIONS[each] for each in self.needs]
        return " ".join(
            ["safetypairs import", *(self.names or ["SOURCE"])[:1], "--layout", self.name, *needed, "--out runs/mine"]
        )

    def for_source(self, license: str) -> Said:
        """Return how to read a source; `license` is what the source states and takes precedence, or ""."""
        return Said(license=license).over(self.said) if license else self.said

    def check(self, rows: Rows, given: Said) -> None:
        """Raise RecipeError if rows lack columns of this layout. Columns in `given` replace those of the layout."""
        wanted = (column for role, column in self.said.columns.items() if role not in given.columns)
        missing = dict.fromkeys(name for each in wanted if (name := top(each, rows.columns)) not in rows.columns)
        if missing:
            there = ", ".join(name for name in rows.columns if name != SPLIT)
            raise RecipeError(
                f"{rows.origin} is not laid out as {self.name}: it has no column {', '.join(map(repr, missing))} (the "
                f"columns are {there})"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the whole layout as JSON values."""
        told = {"name": self.name, "about": self.about, "datasets": list(self.datasets)}
        told |= {"paper": self.paper, "access": self.access, "note": self.note, "needs": list(self.needs)}
        return {**told, "reading": self.said.to_dict(), "example": self.example}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        """Yield the layout in lines of at most 80 characters, unless a single word is longer."""
        yield f"{self.name}: {self.about}" if self.about else self.name
        yield from (f"dataset: {each}" for each in self.datasets)
        for name, value in {"paper": self.paper, "access": self.access, "note": self.note}.items():
            if value:
                yield from textwrap.wrap(f"{name}: {value}", 80, subsequent_indent="  ", break_long_words=False)
        for name, value in self.said.to_dict().items():
            if isinstance(value, Mapping):
                yield f"{name.replace('_', ' ')}:"
                yield from (f"  {key:<15} {each}" for key, each in value.items())
            else:
                yield f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}"
        yield "example:"
        yield textwrap.indent(folded(self.example), "  ")


def layouts() -> OfferList[Layout]:
    """Return the named layouts, in the order of their names: a sequence that prints as a table."""
    folder = resources.files(__package__) / "layouts"
    names = sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))
    return OfferList(tuple(_parsed((folder / f"{name}.yaml").read_text("utf-8"), name) for name in names))


def layout(name: str | os.PathLike[str] | Layout) -> Layout:
    """Return a layout by name, or read one from a file.

    Args:
        name: The name of a layout, or the path of a YAML file. A Layout is returned unchanged.

    Returns:
        The layout.

    Raises:
        RecipeError: There is no such layout or file, or the file is invalid. The message suggests the nearest name.
    """
    if isinstance(name, Layout):
        return name
    known = {each.name: each for each in layouts()}
    text = os.fspath(name)
    if text.lower() in known and isinstance(name, str):
        return known[text.lower()]
    if Path(text).suffix in SUFFIXES or Path(text).is_file():
        with reading(f"the layout {text}", _EXPECTED, RecipeError):
            held = read_text(Path(text).expanduser(), MOST_SETTING_BYTES)
        return _parsed(held, text)
    there = f"there are {', '.join(known)}; or give a YAML file of your own"
    raise RecipeError(f"no layout {text!r}{hint(text, known)}; {there}")


def layout_of(source: Any) -> Layout | None:
    """Return the layout that names a dataset on the Hub, or None."""
    if not isinstance(source, str) or Path(source).exists():
        return None
    dataset = source.removeprefix("hf://datasets/").partition("@")[0].lower()
    return next((each for each in layouts() if dataset in (name.lower() for name in each.names)), None)


def _parsed(text: str, name: str) -> Layout:
    where = f"the layout {name}"
    with reading(where, _EXPECTED, RecipeError):
        value = parse_yaml(text)
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where} is no mapping; {_EXPECTED}")
    names = (*_TEXTS, *_LISTS, *(each.name for each in dataclasses.fields(Said)))
    for key in value:
        check_word(where, key, names)
    texts, lists = ({key: value[key] for key in keys if key in value} for keys in (_TEXTS, _LISTS))
    for key, each in texts.items():
        if not isinstance(each, str):
            raise RecipeError(f"{where}: {key} is {each!r}; expected a text")
    for key, each in lists.items():
        if not isinstance(each, list) or not all(isinstance(one, str) for one in each):
            raise RecipeError(f"{where}: {key} is {each!r}; expected a list, such as [{key[:-1]}]")
    for each in lists.get("needs", ()):
        check_word(f"{where}: needs", each, tuple(_OPTIONS))
    said = Said.from_dict({key: each for key, each in value.items() if key not in (*_TEXTS, *_LISTS)}, where)
    datasets, needs = (tuple(lists.get(key, ())) for key in _LISTS)
    return Layout(name, said, datasets=datasets, needs=needs, **texts)
