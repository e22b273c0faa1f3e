"""Settings of a run as a release publishes them: a path on the publisher's machine is reduced to its last part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# The folders of a path that begins a word, or the value of an option: "/home/me/" of "--model=/home/me/guard".
_FOLDERS = re.compile(r"(?<!\S)(--?[\w-]+=)?(?:[A-Za-z]:(?=[\\/])|~\w*|\.{1,2})?[\\/](?:[^\s\\/]+[\\/])*(?=[^\s\\/])")


def public(value: Any) -> Any:
    """Return JSON values in which paths that begin with `/`, `./`, `../`, `~` or a drive have lost their folders.

    What a path names is still identified where it matters: a description has the hash of each file and model folder
    beside it.
    """
    if isinstance(value, str):
        return _FOLDERS.sub(lambda found: found[1] or "", value)
    if isinstance(value, Mapping):
        names = [public(key) for key in value]
        if len(set(names)) < len(names):  # two files of one name, in different folders
            names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
        return {name: public(each) for name, each in zip(names, value.values(), strict=True)}
    if isinstance(value, (list, tuple)):
        return [public(each) for each in value]
    return value
