"""Render a report as HTML: templates/, one for each kind of report. Text from outside is escaped."""

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
_LABEL = 34  # letters of a name beside a chart


@dataclass(frozen=True)
class Report:
    """A report before it is rendered.

    Attributes:
        kind: "guards", "run" or "dataset": which template it is rendered by.
        data: All its figures and texts, as values that JSON takes.
        pictures: Thumbnails by the keys that `data` names them by: pair ids, or ids of attempts.
        edition: The version that it is of, or that its guards were run on; None where there is none.
        run: The run that it is of; None where it is of none.
        guards: The guards that it is of.
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
        links: The page of each pair, by pair id, where there are such pages.
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
    """A share or a score to three digits, a count with commas, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _bytes(count: int) -> str:
    """A size in MB, or in KB where it is less than one."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"


def _breaks(name: str) -> Markup:
    """A name that a narrow column breaks after its punctuation, and not in a word."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([:/_@])", r"\1<wbr>", str(escape(name))))  # no entity has one of these


def _ends(interval: Sequence[float] | None) -> str:
    """An interval in words."""
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _at(share: float) -> str:
    """A share as a place in a chart, in percent, with no more digits than are seen."""
    return f"{100 * min(max(share, 0.0), 1.0):.2f}".rstrip("0").rstrip(".") + "%"


def label_of(name: str, most: int = _LABEL) -> str:
    """Shorten a name to one line. It keeps its end, which tells sizes and versions of a model apart."""
    name = visible(" ".join(name.split()), lines=False)
    if len(name) > most:
        name = f"{name[: most // 3]}…{name[1 - most + most // 3 :]}"
    return name


def _clip(text: str, most: int = 400) -> str:
    """Cut a long text: a page shows what it begins with."""
    text = visible(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _anchors(html: str) -> list[tuple[str, str]]:
    """The id and the title of each section; the templates write both, so neither holds text from outside."""
    return re.findall(r'<h2 id="([a-z-]+)">([^<]+)</h2>', html)


def _code() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("safetypairs-hf")
    except PackageNotFoundError:  # a checkout on the path that was never installed
        return ""
