"""Files of a run that are written bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.run_folder import RunFolder

VALUES = [{"name": "a\nb\u2028\u00e9", "digest": "0", "more": {"x": [1, {}]}}, None, [], {}, "text", 1.5]


@pytest.mark.parametrize("values", [[], VALUES[:1], VALUES])
def test_a_list_that_is_written_value_by_value_has_the_same_bytes(tmp_path: Path, values: list[Any]) -> None:
    run = RunFolder(str(tmp_path))
    run.write_json("whole.json", values)
    run.write_json_list("bit.json", iter(values))
    assert run.read("bit.json") == run.read("whole.json")
    assert run.read_json("bit.json") == values


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path))
    with pytest.raises(RunError, match="no space left to write"), run.writing("part") as file:
        file.write(b"begun")
        raise OSError(28, "No space left on device")
    assert run.files() == []
