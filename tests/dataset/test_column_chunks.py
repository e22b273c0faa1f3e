"""Damaged metadata of a column chunk: an error, where pyarrow would end the process or wait for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from safetypairs_hf.core import embedded_set
from safetypairs_hf.dataset import shards
from safetypairs_hf.dataset.column_chunks import column_chunks
from safetypairs_hf.dataset.data_file import open_rows_file, read_rows
from safetypairs_hf.taxonomy.nine import NINE

# Flips each bit of what the footer says of `pair_id` in the last row group, and reads the file.
CHILD = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from safetypairs_hf.dataset.data_file import open_rows_file, read_rows
from safetypairs_hf.dataset.manifest_rows import open_rows

def bare(path):
    held = pq.read_metadata(path)
    held.row_group(held.num_row_groups - 1).column(0)

ways = {
    "pyarrow": [bare],
    "ours": [
        lambda path: open_rows_file(path).close(),
        lambda path: open_rows(path.read_bytes()),
        lambda path: read_rows(path, [("pair_id", "==", "b")], ["pair_id"]),
    ],
}
path = Path(sys.argv[1])
whole, raised = path.read_bytes(), 0
first = whole.rindex(b"pair_id") + len(b"pair_id")
for place in range(first, first + 60):
    for bit in range(8):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        for read in ways[sys.argv[2]]:
            try:
                read(path)
            except Exception:
                raised += 1
print(raised)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data file of three pairs, each in a row group of its own."""
    monkeypatch.setattr(shards, "GROUP_BYTES", 1)
    seed = next((embedded_set.folder(embedded_set.versions()[0]) / "data").rglob("*.parquet"))
    row = pq.ParquetFile(seed).read_row_group(0).slice(0, 1).to_pylist()[0]
    with shards.Shards(tmp_path, "1.0.0", NINE) as made:
        for pair_id in "abc":
            images = {f"{member}_image": {"bytes": pair_id.encode(), "path": None} for member in ("unsafe", "safe")}
            name = made.add({**row, **images, "pair_id": pair_id}, "test", "hate")
    return tmp_path / name


def flipped(file: Path, way: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CHILD, str(file), way], capture_output=True, text=True)


def test_damaged_metadata_raise(file: Path) -> None:
    done = flipped(file, "ours")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 300


def test_pyarrow_alone_ends_the_process(file: Path) -> None:
    """If this fails, pyarrow was mended: read column chunks without `column_chunks`."""
    assert flipped(file, "pyarrow").returncode == -signal.SIGABRT


def test_a_whole_file_reads(file: Path) -> None:
    held = pq.read_metadata(file)
    assert held.num_row_groups == 3
    found = column_chunks(file, held)
    assert [part.path_in_schema for part in found[: held.num_columns]] == [
        held.schema.column(place).path for place in range(held.num_columns)
    ]
    assert [part.num_values for part in found[:: held.num_columns]] == [1, 1, 1]
    with open_rows_file(file) as opened:
        assert opened.read(["pair_id"])["pair_id"].to_pylist() == ["a", "b", "c"]
    assert read_rows(file, [("pair_id", "in", ["b", "c"])], ["pair_id"]).to_pydict() == {"pair_id": ["b", "c"]}


def test_a_file_has_what_the_viewer_calls_optimized(file: Path) -> None:
    """A page index, and a key that names the chunking, whose least chunk is a file: it cuts no column chunk in two."""
    held = pq.read_metadata(file)
    assert all(part.has_offset_index and not part.has_column_index for part in column_chunks(file, held))
    assert {b"content_defined_chunking", b"use_content_defined_chunking", b"huggingface"} == set(held.metadata)
    assert shards.FILE_BYTES == 8_388_608
    chunking = b'{"min_chunk_size": 8388608, "max_chunk_size": 16777216, "norm_level": 0}'
    assert held.metadata[b"content_defined_chunking"] == chunking


def test_the_same_rows_are_the_same_bytes_after_a_rewrite(file: Path) -> None:
    shards.rewrite_without(file, file.with_name("again.parquet"), [])
    assert file.with_name("again.parquet").read_bytes() == file.read_bytes()
