"""Find the answer in a model's output, after its reasoning and within its tags, and recognise refusals.

Instructors and guards use this module. Positions always refer to the whole text, so that the token that holds a
verdict can be found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from safetypairs_hf.core.foreign_text import objects_in

_NAMES: Final = r"(?:\w+:)?(?:think|thinking|thought|thoughts|reasoning)"
# The marks around reasoning: tags of DeepSeek, Qwen, Seed and MiniMax; Kimi, Mistral, Cohere, Sky-T1, MedGemma,
# Gemma 4; the channels of gpt-oss, with and without their special tokens.
_OPEN: Final = re.compile(
    rf"<{_NAMES}>|◁think▷|\[THINK\]|<\|START_THINKING\|>|<\|begin_of_thought\|>|<unused94>|<\|channel>thought"
    r"|<\|channel\|>(?:analysis|commentary)",
    re.IGNORECASE,
)
_CLOSE: Final = re.compile(
    rf"</{_NAMES}>|◁/think▷|\[/THINK\]|<\|END_THINKING\|>|<\|end_of_thought\|>|<unused95>|<channel\|>"
    r"|<\|channel\|>final(?:<\|message\|>)?|\A\s*analysis[^<]*?assistantfinal",
    re.IGNORECASE,
)
# The marks around an answer, with the tag that ends it.
_TAGGED: Final = re.compile(
    r"<(answer|result|response|output|conclusion|verdict)>|<\|(?:begin_of_box|begin_of_solution|START_RESPONSE)\|>"
    r"|\\boxed\{(?:\\text\{)?",
    re.IGNORECASE,
)
_TAG_END: Final = re.compile(
    r"</(?:answer|result|response|output|conclusion|verdict)>|<\|(?:end_of_box|end_of_solution|END_RESPONSE)\|>",
    re.IGNORECASE,
)
_REFUSES: Final = re.compile(
    r"\b(?:i(?:['’]m| am) (?:sorry|unable|not able|not comfortable)|i (?:can(?:not|['’]t| not)|won['’]t|will not|must "
    r"decline|apologi[sz]e)|(?:can(?:not|['’]t)|unable to) (?:help|assist|comply|do that|provide|fulfil)|as an ai\b)",
    re.IGNORECASE,
)


def answer_span(text: str, *, tags: bool = True) -> tuple[int, int] | None:
    """Return the start and end of the answer in a text: after the reasoning, within the last answer tag.

    With `tags` False, the tags are a part of the answer. Reasoning may have no opening tag, because some chat templates
    write it. A text that is all unfinished reasoning has no answer: None.
    """
    start = max((found.end() for found in _CLOSE.finditer(text)), default=0)
    end = len(text)
    if again := _OPEN.search(text, start):
        if not text[start : again.start()].strip():
            return None
        end = again.start()
    tagged = list(_TAGGED.finditer(text, start, end)) if tags else []
    if tagged:
        start = tagged[-1].end()
        closed = _TAG_END.search(text, start, end)
        end = closed.start() if closed else end
    return start, end


def answer_of(text: str) -> str:
    """Return the answer in a text, without the marks around it; "" if there is none."""
    span = answer_span(text)
    return text[slice(*span)].strip() if span else ""


def last_object(
    text: str, keys: Sequence[str], start: int = 0, end: int | None = None
) -> tuple[int, Mapping[str, Any]]:
    """Return the last complete JSON object of a text that has the most of `keys`, and its position.

    Args:
        text: Any text.
        keys: The keys to look for, in any case.
        start: The position to begin at.
        end: The position to end at.

    Returns:
        The position and the object; -1 and {} if no object has any of the keys.
    """
    best = 0
    found: tuple[int, Mapping[str, Any]] = (-1, {})
    for place, value in objects_in(text[start:end]).items():
        held = len({str(key).lower() for key in value} & {key.lower() for key in keys})
        if held and held >= best:
            best, found = held, (start + place, value)
    return found


def refuses(text: str, *, at_once: bool = False) -> bool:
    """Return whether a text says that its writer refuses the request; with `at_once`, whether it begins with that."""
    return bool(_REFUSES.match(text) if at_once else _REFUSES.search(text))


def in_latin(text: str) -> bool:
    """Return whether at least two thirds of a text's letters are Latin; True for a text without letters."""
    letters = [letter for letter in text if letter.isalpha()]
    return sum(not unicodedata.name(letter, "").startswith("LATIN") for letter in letters) * 3 <= len(letters)
