"""The stable description of a part: what `recipe.json` and the identity of a guard record of it, as JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def describe(value: Any) -> Any:
    """A value as JSON: a dataclass becomes its class and its compared fields, anything else itself or its text.

    What has a `revision` (of a model's weights) is described with it: other weights are another recipe.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
        part: Any = value
        if hasattr(type(part), "revision") and part.revision:
            fields["revision"] = str(part.revision)
        return {"class": type(part).__qualname__, **fields}
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
