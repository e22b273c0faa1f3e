"""A hook of mkdocs: a link that leaves docs/ for a file of the repository shows as that file's name on the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with its links to files outside of docs/ as text; a file that is not there ends the build."""

    def as_text(link: re.Match[str]) -> str:
        name = link[2]
        if not (Path(__file__).parents[1] / name).exists():
            raise FileNotFoundError(f"docs link to ../{name}, which is not in the repository")
        return f"{link[1]} (`{name}`)" if link[1].strip("`") != name else f"`{name}`"

    return OUTSIDE.sub(as_text, markdown)
