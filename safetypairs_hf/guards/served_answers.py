"""Chat guards at a server: the request for an image, and P(unsafe) from the response.

P(unsafe) is read from the log probabilities at the token that holds the verdict, wherever it is in the answer. If the
alternatives of that token lack one of the verdicts, or the server returns no log probabilities, P(unsafe) is 1 or 0.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from safetypairs_hf.core.records import CountedVerdict, Picture, Verdict
from safetypairs_hf.guards.verdicts import Reading, read, weigh
from safetypairs_hf.models.answer_text import answer_span
from safetypairs_hf.models.chat_server import ChatServer, Reply, Token

# The ways to force a verdict: allow only the two words, or begin the answer up to the verdict.
FORCED: Final = ("", "choice", "prefill")
# Servers round log probabilities, so a value slightly above 0 is valid; one above this is not.
_ZERO: Final = 0.01
# The characters that may precede a word in its token; SentencePiece and byte-level BPE mark a space.
_LEAD: Final = re.compile(r"^[\W_\u2581\u0120\u010a]*")


def messages(turns: Sequence[Mapping[str, Any]], picture: Picture, server: ChatServer) -> list[dict[str, Any]]:
    """Return a conversation for the API. A turn of text only is a string, as some templates require."""
    made = []
    for turn in turns:
        parts = [server.image_part(picture) if part["type"] == "image" else dict(part) for part in turn["content"]]
        alone = all(part["type"] == "text" for part in parts)
        content = "".join(part["text"] for part in parts) if alone else parts
        made.append({"role": turn["role"], "content": content})
    return made


def forcing(forced: str, reading: Reading, before: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the turn and the fields that force a verdict in vLLM and SGLang; both are empty for "".

    Args:
        forced: One of FORCED.
        reading: Has the two words.
        before: The text that the guard writes before its verdict.
    """
    if forced == "choice":
        return [], {"structured_outputs": {"choice": [before + word for word in (reading.unsafe, reading.safe)]}}
    if forced == "prefill":
        fields = {"continue_final_message": True, "add_generation_prompt": False}
        return [{"role": "assistant", "content": before}], fields
    return [], {}


def counted(verdict: Verdict, reply: Reply) -> Verdict:
    """Return a verdict with the numbers of tokens that the service reports for it."""
    return CountedVerdict.of(verdict, reply.prompt_tokens, reply.answer_tokens)


def verdict_of(reply: Reply, reading: Reading, least_mass: float, before: str = "") -> Verdict:
    """Return the verdict of an answer; `raw` is its whole text.

    Args:
        reply: The server's reply.
        reading: How to read the verdict.
        least_mass: See `verdicts.weigh`; used only if no verdict was written and the first token is weighed.
        before: The text that the answer was forced to begin with.
    """
    if reply.problem:
        return Verdict(None, reply.problem, reply.raw)
    if reply.text.startswith(before):
        before = ""
    found, place = read(reading, before + reply.text, reply.ended)
    if not reply.text:  # the model wrote only reasoning
        return Verdict(found.p_unsafe, found.note, reply.raw)
    if place is None:
        return _by_the_first_token(reply, reading, least_mass, found)
    word = reading.unsafe if found.p_unsafe else reading.safe
    tokens = _from(reply.tokens, reply.text, place - len(before))
    if not tokens:
        return found
    weighed = weigh(*_shares(tokens, reading, bool(found.p_unsafe), len(word.encode())), 0.0, found.raw)
    return found if weighed.p_unsafe in (0.0, 1.0) else weighed


def _by_the_first_token(reply: Reply, reading: Reading, least_mass: float, found: Verdict) -> Verdict:
    """Weigh the first token if no verdict was written, as a guard in this process does."""
    span = answer_span(reply.text)
    first = next((token for token in reply.tokens if token.data.strip()), None)
    if reading.label or reading.key or first is None or span is None or span[0] > 0:
        return found
    unsafe, safe = _on_words(((text, _share(value)) for text, value in first.top), reading)
    weighed = weigh(unsafe, safe, least_mass, found.raw)
    return found if weighed.note == "no_verdict" else weighed


def _from(tokens: Sequence[Token], text: str, place: int) -> list[tuple[Token, int]]:
    """Return the tokens starting with the one that holds the character at `place`, each with its offset from there.

    The tokens may start before the text, with reasoning that the server removed from it.
    """
    if place < 0 or not tokens:
        return []
    data, content = b"".join(token.data for token in tokens), text.encode()
    start = data.rfind(content)
    if start < 0:
        return []
    offset = start + len(text[:place].encode())
    begins = itertools.accumulate((len(token.data) for token in tokens), initial=0)
    placed = [(token, begin - offset) for token, begin in zip(tokens, begins, strict=False)]
    return [(token, begin) for token, begin in placed if begin + len(token.data) > 0]


def _shares(tokens: Sequence[tuple[Token, int]], reading: Reading, unsafe: bool, length: int) -> tuple[float, float]:
    """Return the probabilities of both words after one of them, of `length` bytes, was written.

    The probability of the written word is the product over its tokens. That of the other word is the sum over the
    tokens that it can begin with.
    """
    written = math.prod(_share(token.chosen) for token, begin in tokens if begin < length)
    first, _ = tokens[0]
    text = first.data.decode("utf-8", "replace")
    shares = [(each, _share(value)) for each, value in first.top]
    if not all(math.isfinite(share) for _, share in shares):
        return math.inf, math.inf
    others = _on_words(((each, share) for each, share in shares if each != text), reading)
    mine = [*others]
    mine[0 if unsafe else 1] += written
    return mine[0], mine[1]


def shares(reply: Reply, place: int, words: Sequence[str]) -> list[float]:
    """Return the probabilities of several words after one of them was written.

    The probability of the written word is the product over its tokens. For another word, it is the product up to the
    token where the two diverge, times the sum over the alternatives there that only this word can begin with; 0 if
    there are none.

    Args:
        reply: The server's reply.
        place: The index of the written word in its text.
        words: The words.
    """
    plain = [word.lower() for word in words]
    rest = reply.text[max(place, 0) :].lower()
    mine = max((word for word in plain if rest.startswith(word)), key=len, default="")
    found = [0.0] * len(plain)
    so_far = 1.0
    for token, begin in _from(reply.tokens, reply.text, place):
        if begin >= len(mine.encode()):
            break
        done = max(begin, 0)
        left = [word.encode()[done:].decode("utf-8", "replace") if word[:done] == mine[:done] else "" for word in plain]
        for text, value in token.top:
            said = (_LEAD.sub("", text) if begin <= 0 else text).lower()
            able = [number for number, word in enumerate(left) if word and _begins(said, word)]
            if len(able) == 1 and plain[able[0]] != mine:
                found[able[0]] += so_far * _share(value)
        so_far *= _share(token.chosen)
    if mine in plain:
        found[plain.index(mine)] = so_far
    return found


def _begins(said: str, word: str) -> bool:
    """Return whether a token begins a word, or holds all of it."""
    return len(said) > 1 and (word.startswith(said) or (said.startswith(word) and not said[len(word) :][:1].isalnum()))


def _on_words(shares: Iterable[tuple[str, float]], reading: Reading) -> tuple[float, float]:
    """Return the summed probability of the tokens that begin the unsafe word, and that of the safe one."""
    sums = {True: 0.0, False: 0.0}
    for text, share in shares:
        if (side := _side(text, reading)) is not None:
            sums[side] += share
    return sums[True], sums[False]


def _side(token: str, reading: Reading) -> bool | None:
    """Return True if a token begins the unsafe word, False for the safe one, in any spelling; None for neither."""
    said = _LEAD.sub("", token).lower()
    words = (reading.unsafe.lower(), reading.safe.lower())
    for word, other in (words, words[::-1]):
        whole = said.startswith(word) and not said[len(word) :][:1].isalnum()
        if whole or (len(said) > 1 and word.startswith(said) and not other.startswith(said)):
            return word == words[0]
    return None


def _share(value: float) -> float:
    return math.exp(value) if value <= _ZERO else math.inf
