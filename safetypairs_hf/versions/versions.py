"""List the versions of a dataset, from its releases and its tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import HubUnavailable, SafetyPairsError
from safetypairs_hf.core.tables import frame, table, text_html
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset.store.base import Published, no_version, version_of
from safetypairs_hf.dataset.store.open_store import open_published

if TYPE_CHECKING:
    from pandas import DataFrame


class Line(NamedTuple):
    """One version in the list of `versions`.

    Attributes:
        version: The version, as X.Y.Z.
        pairs: The number of its pairs; None if no release names the version.
        added: The number of pairs that it added; None as above.
        removed: The number of pairs that it removed; None as above.
        recipe: The hash of the recipe that made it, if its release recorded one.
        code: The version of this package that published it, if recorded.
        released: Whether the manifest on main knows it.
        commit: The commit of its tag; None if it has no tag.
        note: What is wrong with the tag, or "".
    """

    version: str
    pairs: int | None
    added: int | None
    removed: int | None
    recipe: str | None
    code: str | None
    released: bool
    commit: str | None
    note: str = ""


@dataclass(frozen=True)
class Versions(Sequence[Line]):
    """The versions of a dataset, newest first: a sequence that prints as a table.

    Attributes:
        target: The dataset.
        lines: One line for each version.
        tagged: Whether versions have tags: they do on the Hub, and they do not in a local folder.
    """

    target: str
    lines: tuple[Line, ...]
    tagged: bool

    def __getitem__(self, place: Any) -> Any:
        return self.lines[place]

    def __len__(self) -> int:
        return len(self.lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the target, and a dict for each version with its full commit id, as JSON values."""
        return {"target": self.target, "versions": [line._asdict() for line in self.lines]}

    def to_pandas(self) -> DataFrame:
        """Return a pandas table with a row for each version."""
        return frame(self.to_dict()["versions"], Line._fields)

    def __str__(self) -> str:
        return "\n".join(self._told()) if self.lines else str(no_version(self.target))

    def _repr_html_(self) -> str:
        return text_html(str(self))

    def _told(self) -> Iterator[str]:
        names = ["version", "pairs", "added", "removed", "recipe"]
        rows: list[list[Any]] = []
        for line in self.lines:
            tag = line.commit[:12] if line.commit else "no tag"
            note = " (no release)" if line.note or not line.released else ""
            figures = [getattr(line, name) for name in names]
            rows.append(["-" if value is None else value for value in figures] + ([tag + note] if self.tagged else []))
        yield table(self.target, [*names, *(["tag"] if self.tagged else [])], rows)
        yield from (f"v{line.version} is {line.note}" for line in self.lines if line.note)
        if not self.tagged and len(self.lines) > 1:
            yield f"The folder holds {self.lines[0].version}; the versions before it are only listed."
        last = next((line for line in self.lines if line.released), None)
        if last and self.tagged and not last.commit:
            yield (
                f"v{last.version} has no tag: publishing was interrupted; run the same publish command again to set it"
            )


def versions(target: str | Published) -> Versions:
    """List every version that a release or a tag names, newest first.

    Args:
        target: `org/name` on the Hub, a local folder, or an open dataset.

    Returns:
        The versions: a sequence of lines that prints as a table.

    Raises:
        SafetyPairsError: `target` does not name a dataset, the dataset was not published by safetypairs, or its
            manifest cannot be read.
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    dataset = open_published(target) if isinstance(target, str) else target
    newest, found = dataset.newest(), dataset.tags()
    tags = found or {}
    known = {parse(release["version"]): release for release in (newest.releases if newest else [])}
    lines = []
    for version in sorted({*known, *tags}, reverse=True):
        of = known.get(version, {})
        pairs, added, removed, recipe, code = map(of.get, ("pairs", "added", "removed", "recipe", "code"))
        note = _note(dataset, version) if version in tags else ""
        lines.append(Line(str(version), pairs, added, removed, recipe, code, version in known, tags.get(version), note))
    return Versions(dataset.name, tuple(lines), found is not None)


def _note(dataset: Published, version: Version) -> str:
    """Return what is wrong with a tag, by the manifest on its commit; "" if nothing is."""
    try:
        held = version_of(dataset.open(version).head)
    except HubUnavailable:
        raise
    except SafetyPairsError:
        return "no release: its commit has no manifest of ours"
    return "" if held == version else f"no release: it is on the commit of {held}"
