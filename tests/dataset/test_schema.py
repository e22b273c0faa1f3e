"""The public schema: declared in `dataset/` alone, and every column of it explained on the card."""

from __future__ import annotations

from typing import Any

import pytest

from safetypairs_hf.dataset import card
from safetypairs_hf.dataset.control_rows import CONTROL_COLUMNS
from safetypairs_hf.dataset.failure_rows import FAILURE_COLUMNS
from safetypairs_hf.dataset.schema import COLUMNS, digest
from safetypairs_hf.taxonomy.nine import NINE


def test_the_columns_are_those_that_earlier_releases_remember() -> None:
    """Other columns are a major version of every dataset: whoever changes them changes this number too."""
    assert digest(NINE) == "6ab9c36aadfc8761"


@pytest.mark.parametrize(
    ("columns", "texts"),
    [
        (COLUMNS, card.resource("columns.yaml")),
        (CONTROL_COLUMNS, card.resource("extras.yaml")["controls"]),
        (FAILURE_COLUMNS, card.resource("extras.yaml")["failures"]),
    ],
    ids=["pairs", "controls", "failures"],
)
def test_every_column_has_its_text_on_the_card(columns: dict[str, Any], texts: dict[str, str]) -> None:
    assert set(columns) - set(texts) == set(), "columns without a text in dataset_card/"
    assert set(texts) - set(columns) == set(), "texts in dataset_card/ of columns that there are not"
    assert all(text.strip() for text in texts.values())
