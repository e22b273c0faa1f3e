"""Show a pair in a notebook: both members side by side, the unsafe one blurred until the reader unblurs it."""

from __future__ import annotations

import html
import io
import uuid
from collections.abc import Mapping
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import data_uri
from safetypairs_hf.dataset.policy_pair_rows import are_policy_pairs, as_pair

_SIDE: Final = 360  # pixels of the longer side of a displayed member
_MEMBERS: Final = ("unsafe_image", "safe_image")


class ShownPair:
    """The result of `show`: HTML in a notebook; printed, the texts of the pair."""

    def __init__(self, words: str, html_text: str) -> None:
        self._words, self._html = words, html_text

    def __repr__(self) -> str:
        return self._words

    def _repr_html_(self) -> str:
        return self._html


def show(pair: Mapping[str, Any]) -> ShownPair:
    """Show a pair in a notebook: both members side by side, and its texts.

    The unsafe member is blurred until the box "show" is ticked. Of a policy pair both are, since they are one image.

    Args:
        pair: A row of a version, such as `sp.load("safetypairs", split="test")[0]`, with images decoded or as bytes.

    Returns:
        An object that a notebook shows as HTML, and that prints the texts of the pair.

    Raises:
        SafetyPairsError: `pair` is not such a row, or one of its images cannot be read.
    """
    if isinstance(pair, Mapping) and are_policy_pairs(pair):
        pair = as_pair(pair)
    missing = [name for name in _MEMBERS if not isinstance(pair, Mapping) or name not in pair]
    if missing:
        given = f"has no {missing[0]}" if isinstance(pair, Mapping) else f"is a {type(pair).__name__}"
        raise SafetyPairsError(
            f"show takes one row of a version, such as sp.load('safetypairs', split='test')[0]; what was given {given}"
        )
    of_policies = pair["unsafe_image"] is pair["safe_image"]
    unsafe, safe = (_thumbnail(pair[name], name) for name in _MEMBERS)
    words = {name: str(pair[name]) for name in ("pair_id", "critical_feature", "instruction") if pair.get(name)}
    tick = f"show-{uuid.uuid4().hex[:8]}"  # so that each pair on a page has a box of its own
    told = "".join(
        f'<div><span style="opacity:.65">{name}</span> {html.escape(text)}</div>' for name, text in words.items()
    )
    return ShownPair(
        "\n".join(f"{name}: {text}" for name, text in words.items()),
        f"<style>#{tick}:not(:checked) ~ div .{tick} {{filter: blur(24px)}}</style>"
        f'<div style="max-width:{2 * _SIDE + 16}px"><input type="checkbox" id="{tick}"> '
        f'<label for="{tick}">show the {"image" if of_policies else "unsafe member"}</label>'
        f'<div style="display:flex;flex-wrap:wrap;gap:16px;margin:.5em 0">{_figure(unsafe, "unsafe", tick)}'
        f"{_figure(safe, 'safe', tick if of_policies else '')}</div>{told}</div>",
    )


def _figure(source: str, label: str, blurred: str) -> str:
    return (
        f'<figure style="margin:0"><div style="overflow:hidden"><img class="{blurred}" src="{source}" '
        f'alt="the {label} member of the pair" style="display:block;max-width:{_SIDE}px"></div>'
        f"<figcaption>{label}</figcaption></figure>"
    )


def _thumbnail(image: Any, name: str) -> str:
    from PIL import Image

    try:
        if isinstance(image, Mapping):
            image = Image.open(io.BytesIO(image["bytes"]))
        small = image.convert("RGB")
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise SafetyPairsError(f"the {name} of the pair does not read: {error or type(error).__name__}") from error
    small.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return data_uri(buffer.getvalue())
