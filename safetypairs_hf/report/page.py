"""A page: blocks of text, tables, plots and failures, rendered as one HTML file. Text from outside is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError

if TYPE_CHECKING:
    from safetypairs_hf.report.failure_gallery import Failure, Shown
    from safetypairs_hf.report.outcomes import Outcome


class Table(NamedTuple):
    """Columns, and rows of as many cells. Numbers are aligned to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class FailureList(NamedTuple):
    """The worst failures of one guard, out of `total`."""

    guard: str
    failures: Sequence[Failure]
    total: int


@dataclass(frozen=True)
class Block:
    """A section of the page. `plot` is our own SVG and is not escaped; `says` is what it shows, in words."""

    title: str
    text: str = ""
    plot: str | None = None
    says: str = ""
    legend: Sequence[Outcome] = ()
    table: Table | None = None
    failures: Sequence[FailureList] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """A whole page. `images` holds what is known about the pairs in its failures, by pair id."""

    title: str
    lead: str
    blocks: Sequence[Block]
    images: Mapping[str, Shown] = field(default_factory=dict)


def render(page: Page) -> str:
    """Render the page as HTML that stands alone: it has no script and fetches nothing."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("page.html").render(page=page, code=_code())


def write(text: str, path: Path) -> None:
    """Write a file of the report by a temporary name and a rename; what is no file, as /dev/stdout, is written into.

    Raises:
        SafetyPairsError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise SafetyPairsError(f"cannot write {path}: {error.strerror or error}; name another file") from error


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _code() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("safetypairs-hf")
    except PackageNotFoundError:  # a checkout on the path that was never installed
        return ""
