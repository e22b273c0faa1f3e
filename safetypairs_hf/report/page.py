"""Render a report as HTML. `templates/` has a template for each kind of report. Text from outside is escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import SafetyPairsError, counted, visible
from safetypairs_hf.report.outcomes import OUTCOMES

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

    from safetypairs_hf.core.run_folder import RunFolder
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.report.guard_files import Guard
    from safetypairs_hf.report.pair_pictures import Pictured

TEMPLATES = Path(__file__).parent / "templates"
_LABEL = 34  # characters of a name next to a chart


@dataclass(frozen=True)
class Report:
    """A report before it is rendered.

    Attributes:
        kind: "guards", "run" or "dataset": the template that renders it.
        data: All its figures and texts, as JSON values.
        pictures: Thumbnails by the keys in `data`: pair ids, or ids of attempts.
        edition: The version that it shows, or that its guards were run on; None if there is none.
        run: The run that it shows; None for any other report.
        guards: The guards that it shows.
    """

    kind: str
    data: Mapping[str, Any]
    pictures: Mapping[str, Pictured] = field(default_factory=dict)
    edition: Edition | None = None
    run: RunFolder | None = None
    guards: Sequence[Guard] = ()


def render(report: Report, links: Mapping[str, str] | None = None) -> str:
    """Render a report as a page that fetches nothing.

    Args:
        report: The report.
        links: The page of each pair, by pair id, if there are such pages.
    """
    return render_template(f"{report.kind}.html", data=report.data, pictures=report.pictures, links=links or {})


def render_template(name: str, **values: Any) -> str:
    """Render a template. The page allows its one script by its hash, so that no other can run."""
    environment = _environment()
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(name).render(
        **values, code=_code(), outcomes=OUTCOMES, script=script, script_digest=digest
    )


def write(text: str, path: Path) -> None:
    """Write a file of the report under a temporary name and rename it. Special files such as /dev/stdout stay in place.

    Raises:
        SafetyPairsError: The file cannot be written.
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


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "number": _number,
        "counted": counted,
        "bytes": _bytes,
        "breaks": _breaks,
        "at": _at,
        "label": label_of,
        "clip": _clip,
        "anchors": _anchors,
        "ends": _ends,
    }
    environment.filters |= filters
    return environment


def _number(value: Any) -> str:
    """Format a share or a score with three digits, a count with commas, and None as a dash."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _bytes(count: int) -> str:
    """Format a size in MB, or in KB if it is below one MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"


def _breaks(name: str) -> Markup:
    """Return a name that a narrow column breaks after punctuation instead of within a word."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([:/_@])", r"\1<wbr>", str(escape(name))))  # HTML entities contain none of these characters


def _ends(interval: Sequence[float] | None) -> str:
    """Format an interval in words."""
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _at(share: float) -> str:
    """Format a share as a position in a chart, in percent with at most two digits."""
    return f"{100 * min(max(share, 0.0), 1.0):.2f}".rstrip("0").rstrip(".") + "%"


def label_of(name: str, most: int = _LABEL) -> str:
    """Shorten a name to one line. The end is kept, because it has the size and the version of a model."""
    name = visible(" ".join(name.split()), lines=False)
    if len(name) > most:
        name = f"{name[: most // 3]}…{name[1 - most + most // 3 :]}"
    return name


def _clip(text: str, most: int = 400) -> str:
    """Cut a long text to its first `most` characters."""
    text = visible(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _anchors(html: str) -> list[tuple[str, str]]:
    """Return the id and the title of each section. The templates write both, so neither is text from outside."""
    return re.findall(r'<h2 id="([a-z-]+)">([^<]+)</h2>', html)


def _code() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("safetypairs-hf")
    except PackageNotFoundError:  # a checkout on the path that was never installed
        return ""
