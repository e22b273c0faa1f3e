"""The code blocks of the README and of the pages under docs/, and the marks that say what is done with each.

A mark is an HTML comment on a line of its own directly above a block; the site and GitHub show none of them.

- none: `bash`, `console` and `python` blocks run as written. A command of a `console` block follows `$ `; the
  other lines are compared with what it printed.
- `<!-- file: NAME -->`: it is written to that file, in the folder in which the page's later blocks run.
- `<!-- printed -->`: its lines are compared with what the block before it printed.
- `<!-- goes on -->`: the page's Python blocks before it run first, in the same process, as in one session.
- `<!-- output: WHY -->`: it runs, and its output is not compared.
- `<!-- stays: WHY -->`: its last command goes on until the page ends; the page shows what it says first.
- `<!-- fails: N -->`: it ends with this exit status.
- `<!-- thorough: WHY -->`: it runs in `make test-all` alone.
- `<!-- run by: FILE -->`: that test file runs it.
- `<!-- not run: WHY -->`: it does not run.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LANGUAGES = ("bash", "console", "python")
KINDS = ("file", "printed", "goes on", "output", "stays", "fails", "thorough", "run by", "not run")
# Marks after which nothing of a block is left to run here.
ELSEWHERE = ("file", "printed", "run by", "not run")

_BLOCK = re.compile(r"^((?: *<!-- [^\n]* -->\n)*)( *)```(\w*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (.*?) -->")


class Command(NamedTuple):
    """A command of a `console` block, and the lines of output that the page shows below it."""

    text: str
    output: list[str]


@dataclass(frozen=True)
class Block:
    """A code block of a page; `line` is that of its fence, `marks` is kind -> what the mark says."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether a run of its page has anything to do with it."""
        return "file" in self.marks or "printed" in self.marks or not any(kind in self.marks for kind in ELSEWHERE)

    def with_text(self, text: str) -> Block:
        """The block with another text."""
        return replace(self, text=text)

    def commands(self) -> list[Command]:
        """The commands of a `console` block, each with the output shown; of `bash`, all of it as one command."""
        if self.language == "bash":
            return [Command(self.text, [])]
        found: list[Command] = []
        lines = iter(self.text.splitlines())
        for line in lines:
            if line.startswith("$ "):
                text = line[2:]
                while text.endswith("\\"):
                    text += "\n" + next(lines)
                found.append(Command(text, []))
            else:
                found[-1].output.append(line)
        return found


def pages() -> list[str]:
    """Every page: the README, and what lies under docs/."""
    return ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in its order."""
    return list(blocks_in((ROOT / page).read_text(encoding="utf-8"), page))


def blocks_in(text: str, page: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(text):
        marks: dict[str, str] = {}
        for mark in _MARK.findall(found[1]):
            kind, _, says = mark.partition(":")
            marks[kind.strip()] = says.strip()
        line = text[: found.start(2)].count("\n") + 1
        yield Block(page, line, found[3], textwrap.dedent(found[4]), marks)


def faults(block: Block) -> Iterator[str]:
    """What is wrong with a block's marks."""
    for kind, says in block.marks.items():
        if kind not in KINDS:
            yield f"an unknown mark {kind!r}; the marks are {', '.join(KINDS)}"
        elif kind not in ("printed", "goes on") and not says:
            yield f"the mark {kind!r} says nothing; write <!-- {kind}: ... -->"
        elif kind == "run by" and not (ROOT / says).is_file():
            yield f"it is run by {says}, and there is no such file"
        elif kind == "run by" and block.page not in (ROOT / says).read_text(encoding="utf-8"):
            yield f"it is run by {says}, which does not name {block.page}"
    if block.language not in LANGUAGES and not any(kind in block.marks for kind in ELSEWHERE):
        kind = block.language or "no language"
        yield f"a block of {kind} that nothing reads; mark it 'file', 'printed', 'run by' or 'not run'"
    if _MARK.search(block.text):
        yield "a mark stands inside the block, and belongs above its fence"
    if block.language == "console" and not block.text.startswith("$ "):
        yield "a console block begins with a command, '$ ...'"


def matches(shown: list[str], came: str) -> list[str]:
    """The lines shown that did not come, in this order; `...` and `…` stand for any text, runs of spaces are one."""
    lines = [" ".join(line.split()) for line in came.splitlines()]
    missing, place = [], 0
    for line in shown:
        parts = re.split(r"\.\.\.|…", " ".join(line.split()))
        wanted = re.compile(".*".join(map(re.escape, parts)))
        if (found := next((n for n in range(place, len(lines)) if wanted.fullmatch(lines[n])), None)) is None:
            missing.append(line)
        else:
            place = found + 1
    return missing
