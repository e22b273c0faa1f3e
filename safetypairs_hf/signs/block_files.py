"""Read the vocabulary, one YAML file of blocks per category, and name every broken rule."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.foreign_text import ForeignTextError, read_yaml
from safetypairs_hf.icons.glyphs import icon_names, two_lines
from safetypairs_hf.signs.blocks import FORMS, RELATIONS, TWO_ICONS, Block, is_icon
from safetypairs_hf.signs.policies import FOLDER, signs_taxonomy
from safetypairs_hf.taxonomy.categories import Category, Taxonomy

VOCABULARY: Final = FOLDER / "vocabulary"
MOST_LETTERS, MOST_LINE = 28, 16  # characters of a composed text, and of the longer of its two lines
_NEEDED: Final = ("name", "form", "relation", "items", "contexts", "breaks", "permits", "heads")
_OPTIONAL: Final = ("text", "reads")
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_WORDS: Final = re.compile(r"[A-Z0-9][A-Z0-9 '\"!?.,&:+%$/-]*|\"[A-Z0-9 '\"!?.,&:+%$/-]*")
_HEAD: Final = re.compile(r"[a-z0-9][a-z0-9 '-]*")
_LINE: Final = re.compile(r"(never|should_not|default_only|can)\.([1-9]\d*)")
_BREAKS, _PERMITS = ("never", "should_not"), ("can", "default_only")
_LETTERS_APART = 2  # largest difference in length of the two items, and of the two contexts, if they are words


class Vocabulary(NamedTuple):
    """The blocks without a fault, in the order of the taxonomy and the files, and the faults, one line each."""

    blocks: tuple[Block, ...]
    faults: tuple[str, ...]


def read_vocabulary(folder: Path, taxonomy: Taxonomy) -> Vocabulary:
    """Read every `<slug>.yaml` of a folder. Blocks with a fault are left out."""
    blocks: list[Block] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.yaml"), key=lambda path: _place(path.stem, taxonomy)):
        found = _read_file(path, taxonomy)
        blocks += found.blocks
        faults += found.faults
    faults += _shared(blocks)
    return Vocabulary(tuple(blocks), tuple(faults))


@cache
def blocks() -> tuple[Block, ...]:
    """Return the blocks of the package's own vocabulary.

    Raises:
        RecipeError: The vocabulary breaks a rule. The message names the first fault.
    """
    found = read_vocabulary(VOCABULARY, signs_taxonomy())
    if found.faults:
        more = f" (and {len(found.faults) - 1} more)" if len(found.faults) > 1 else ""
        raise RecipeError(f"the vocabulary of signs: {found.faults[0]}{more}")
    return found.blocks


def _place(slug: str, taxonomy: Taxonomy) -> tuple[int, str]:
    return (taxonomy.slugs.index(slug) if slug in taxonomy.slugs else len(taxonomy.slugs)), slug


def _read_file(path: Path, taxonomy: Taxonomy) -> Vocabulary:
    where = path.name
    try:
        value = read_yaml(path)
    except ForeignTextError as error:
        return Vocabulary((), (f"{where}: it {error}; in brackets an icon stands in quotes: [':fire', ':water']",))
    if not isinstance(value, Mapping) or set(value) != {"category", "blocks"} or not isinstance(value["blocks"], list):
        return Vocabulary((), (f"{where}: expected two keys, category and blocks, with a list of blocks",))
    slug = value["category"]
    if slug not in taxonomy.slugs or slug != path.stem:
        slugs = ", ".join(taxonomy.slugs)
        return Vocabulary((), (f"{where}: its category is {slug!r}; expected {path.stem!r}, one of {slugs}",))
    found: list[Block] = []
    faults: list[str] = []
    for number, row in enumerate(value["blocks"], 1):
        name = row.get("name", "") if isinstance(row, Mapping) else ""
        said = [f"{where}: block {name or number}: {fault}" for fault in _row_faults(row, taxonomy.find(slug))]
        faults += said
        if not said:
            found.append(Block(slug, **{key: _frozen(each) for key, each in row.items()}))
    return Vocabulary(tuple(found), tuple(faults))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _row_faults(row: Any, category: Category) -> Iterator[str]:
    if not isinstance(row, Mapping):
        yield f"expected a mapping with {', '.join(_NEEDED)}"
        return
    shape = list(_shape_faults(row))
    yield from shape
    if not shape:
        block = Block(category.slug, **{key: _frozen(each) for key, each in row.items()})
        yield from _element_faults(block)
        yield from _text_faults(block)
        yield from _line_faults(block, category)


def _shape_faults(row: Mapping[str, Any]) -> Iterator[str]:
    known = (*_NEEDED, *_OPTIONAL)
    for key in row:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            yield f"unknown key {key!r}{f'; the nearest is {near[0]!r}' if near else ''}"
    for key in _NEEDED:
        if key not in row:
            yield f"it has no {key!r}"
    for key, count in (("items", 2), ("contexts", 2), ("breaks", 2), ("permits", 2), ("heads", 2), ("reads", 4)):
        value = row.get(key)
        is_list = isinstance(value, list) and len(value) == count and all(isinstance(e, str) and e for e in value)
        if key in row and not is_list:
            yield f"{key} is {value!r}; expected a list of {count} texts"
    for key, choices in (("form", FORMS), ("relation", RELATIONS)):
        if key in row and row[key] not in choices:
            yield f"{key} is {row[key]!r}; there are {', '.join(choices)}"
    name = row.get("name")
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        yield f"name is {name!r}; expected lower-case words joined by hyphens"
    if not isinstance(row.get("text", ""), str):
        yield f"text is {row['text']!r}; expected a template such as '{{context}} {{item}}'"


def _element_faults(block: Block) -> Iterator[str]:
    kinds = []
    for key, pair in (("items", block.items), ("contexts", block.contexts)):
        if pair[0] == pair[1]:
            yield f"{key} are twice {pair[0]!r}; expected two different ones"
        if is_icon(pair[0]) != is_icon(pair[1]):
            yield f"{key} are an icon and words; expected two of a kind"
        kinds.append("icons" if is_icon(pair[0]) else "words")
        for each in pair:
            if is_icon(each) and each[1:] not in icon_names():
                near = difflib.get_close_matches(each[1:], icon_names(), n=1)
                hint = f"; the nearest is ':{near[0]}'" if near else ""
                yield f"there is no solid icon {each!r} in Font Awesome Free{hint}"
            if not is_icon(each) and not _WORDS.fullmatch(each):
                yield f"{each!r} has characters other than capital letters, digits, spaces and simple punctuation"
        if kinds[-1] == "words" and abs(len(pair[0]) - len(pair[1])) > _LETTERS_APART:
            yield f"{key} {pair[0]!r} and {pair[1]!r} differ by more than {_LETTERS_APART} letters"
    expected = "icons" if block.form in TWO_ICONS else "words"
    if block.form != "captioned" and kinds != [expected, expected]:
        yield f"{block.form} takes {expected} as items and as contexts"
    if block.form == "captioned" and kinds[0] == kinds[1]:
        yield "captioned takes icons as items and words as contexts, or the reverse"
    for head in block.heads:
        if not _HEAD.fullmatch(head):
            yield f"the head {head!r} has characters other than lower-case letters, digits, spaces and hyphens"


def _text_faults(block: Block) -> Iterator[str]:
    if block.form in TWO_ICONS:
        return
    worded = {f"{{{key}}}": not is_icon(pair[0]) for key, pair in (("item", block.items), ("context", block.contexts))}
    missing = [key for key, is_words in worded.items() if is_words and key not in block.text]
    if missing:
        yield f"text {block.text!r} has no {missing[0]}"
        return
    rest = block.text.replace("{item}", "A").replace("{context}", "A")
    if not _WORDS.fullmatch(" ".join(rest.split())):
        yield f"text {block.text!r} has characters other than capital letters, digits, spaces and simple punctuation"
    for each in block.compositions:
        if len(each.words) > MOST_LETTERS:
            yield f"{each.words!r} has {len(each.words)} characters; at most {MOST_LETTERS} fit"
        elif max(map(len, two_lines(each.words).split("\n"))) > MOST_LINE:
            yield f"{each.words!r} has a line of more than {MOST_LINE} characters, on two lines"


def _line_faults(block: Block, category: Category) -> Iterator[str]:
    for key, lists in (("breaks", _BREAKS), ("permits", _PERMITS)):
        for cited in getattr(block, key):
            match = _LINE.fullmatch(cited)
            if not match or match[1] not in lists:
                yield f"{key} cites {cited!r}; expected a line of {' or '.join(lists)}, such as '{lists[0]}.1'"
            elif int(match[2]) > (count := len(getattr(category, match[1]))):
                yield f"{key} cites {cited!r}, and {category.slug} has {count} lines in {match[1]}"


def _shared(found: list[Block]) -> Iterator[str]:
    """Report names and compositions that occur twice."""
    for name, count in Counter(block.name for block in found).items():
        if count > 1:
            yield f"{count} blocks have the name {name!r}; each needs its own"
    shown: dict[Any, str] = {}
    for block in found:
        for each in block.compositions:
            other = shown.setdefault(each.shows, block.name)
            if other != block.name:
                yield f"blocks {other} and {block.name} both show {each.words or each.elements}"
