"""The hash of a published pair: its images, texts, judges and everything else in its row except the category.

A row holds its category as a number, which changes if a later version has other categories. The manifest holds the
category itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pyarrow as pa

from safetypairs_hf.dataset.policy_pair_rows import POLICY_PAIR_COLUMNS
from safetypairs_hf.dataset.schema import COLUMNS, IMAGE


def row_hash(row: Mapping[str, Any], unsafe_sha256: str, safe_sha256: str) -> bytes:
    """Hash a row, either before it is written or as it was read.

    Args:
        row: Every published column of a pair or a policy pair, by name; the columns of images and category are ignored.
        unsafe_sha256: The hex SHA-256 of the unsafe member's file.
        safe_sha256: The hex SHA-256 of the safe member's file.

    Returns:
        16 bytes: the first half of a SHA-256.
    """
    values = {name: plain(row[name]) for name, plain in _columns("image" in row).items()}
    text = json.dumps([unsafe_sha256, safe_sha256, values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()[:16]


@cache
def _columns(of_policies: bool) -> dict[str, Callable[[Any], Any]]:
    columns = POLICY_PAIR_COLUMNS if of_policies else COLUMNS
    return {name: _plain(kind) for name, kind in columns.items() if kind != IMAGE and name != "category"}


def _plain(kind: pa.DataType) -> Callable[[Any], Any]:
    """Return a function that gives a value the type that Parquet returns: a probability may be stated as an int."""
    if pa.types.is_struct(kind):
        fields = {field.name: _plain(field.type) for field in kind}
        return lambda value: value and {name: plain(value.get(name)) for name, plain in fields.items()}
    if pa.types.is_list(kind):
        inner = _plain(kind.value_type)
        return lambda value: None if value is None else [inner(each) for each in value]
    make = float if pa.types.is_floating(kind) else int if pa.types.is_integer(kind) else str
    return lambda value: None if value is None else make(value)
