"""A hook of mkdocs, for what GitHub and the site show differently.

A link that leaves docs/ for a file of the repository shows as that file's name on the site. A directive such as
`::: safetypairs_hf.loading.load.load` stands in a comment, which GitHub does not show.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DIRECTIVE = re.compile(r"^<!--\s(::: .*?)\s-->$", re.MULTILINE | re.DOTALL)
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with its directives, and with its links to files outside of docs/ as text.

    Raises:
        FileNotFoundError: A link leads to a file that is not there.
    """

    def as_text(link: re.Match[str]) -> str:
        name = link[2]
        if not (Path(__file__).parents[1] / name).exists():
            raise FileNotFoundError(f"docs link to ../{name}, which is not in the repository")
        return f"{link[1]} (`{name}`)" if link[1].strip("`") != name else f"`{name}`"

    return DIRECTIVE.sub(r"\1", OUTSIDE.sub(as_text, markdown))
