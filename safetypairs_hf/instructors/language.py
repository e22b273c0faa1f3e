"""Decide whether a short text is English, by its letters and function words: without a model, so always the same."""

from __future__ import annotations

import re

from safetypairs_hf.models.answer_text import in_latin


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words_of(
    "the a an of with and to from by for is are his her its their this that which so it at into "
    "replace remove change turn make paint cover swap put erase blur add hide draw crop person man woman image"
)
# Function words of other languages in Latin script, except those that are also English words.
_OTHER = _words_of(
    "der das ein eine einen einem und mit durch auf den dem ersetze entferne le la les un une des avec et du dans "
    "remplacez remplacer supprimez el los las una con por y en del reemplaza quita elimina il lo gli di della e "
    "sostituisci rimuovi os um uma com substitua remova het een van op vervang verwijder och med det som ersatt "
    "ta ve ile bir w na ze usun zamien"
)


def is_english(text: str) -> bool:
    """Return False if most letters are not Latin, or if function words of other languages outnumber the English ones.

    A text of fewer than four words with neither counts as English, because it has no evidence against that.
    """
    if not in_latin(text):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(word in _ENGLISH for word in words)
    other = sum(word in _OTHER for word in words)
    return english >= other and (english > 0 or len(words) < 4)
