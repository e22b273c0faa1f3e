"""Licence ids of the Hub and of SPDX. A licence is free text in a recipe; one unknown to the Hub is `other`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import yaml

from safetypairs_hf.core.resources import folder
from safetypairs_hf.core.target_name import is_hub_id


def metadata(licenses: Iterable[str], name: str) -> dict[str, Any]:
    """Return the card's `license`, and also `license_name` and `license_link` for one that the Hub does not know."""
    licenses = sorted(set(licenses))
    ids = sorted({identifier(text) for text in licenses})
    found: dict[str, Any] = {"license": ids}
    if "other" in ids:
        own = [text for text in licenses if identifier(text) == "other"]
        words = re.findall(r"[a-z0-9.]+", " and ".join(own).lower())
        found["license_name"] = "-".join(words)[:80] or "other"
        link = next((text for text in own if re.fullmatch(r"https?://[\w./%~:?&=+-]+", text)), None)
        link = link or (f"https://huggingface.co/datasets/{name}#licence-and-source" if is_hub_id(name) else None)
        found |= {"license_link": link} if link else {}
    return found


def identifier(text: str) -> str:
    """Return the Hub's id of a licence, or "other"."""
    plain = re.sub(r"[\s_]+", "-", text.strip().lower())
    return plain if plain in _known() else "other"


def url(text: str) -> str:
    """Return the SPDX page of a licence, or its own text if SPDX does not list it."""
    spdx = _known().get(identifier(text))
    return f"https://spdx.org/licenses/{spdx}" if spdx else text


@cache
def _known() -> dict[str, str | None]:
    known: dict[str, str | None] = yaml.safe_load((folder("dataset_card") / "licenses.yaml").read_text("utf-8"))
    return known
