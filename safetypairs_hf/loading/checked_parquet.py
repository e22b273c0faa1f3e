"""A Parquet builder for `datasets` that checks the files it reads, their bytes, and streamed rows by a manifest."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import config
from datasets.fingerprint import get_temporary_cache_files_directory
from datasets.packaged_modules.parquet.parquet import Parquet
from datasets.table import CastError
from datasets.utils.file_utils import is_remote_url

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import ForeignTextError, reading
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.dataset import policy_pair_rows, reviews
from safetypairs_hf.dataset.data_file import open_rows_file
from safetypairs_hf.dataset.row_hash import row_hash
from safetypairs_hf.dataset.schema import COLUMNS
from safetypairs_hf.loading.content import Content

_LOGGER = logging.getLogger(Parquet.__module__)
_IMAGE = {"bytes", "path"}
_CHECKED = {"pair_id", "unsafe_image", "safe_image"}  # the columns that identify a row
_REVIEWED = {"pair_id", "review"}
_OTHER_CONFIGS = (policy_pair_rows.CONFIG, "controls", "failures", reviews.CONFIG)  # without pairs of two images
_NAMED = ("row_hash", "category", "unsafe_sha256", "safe_sha256")


def _cache_dir() -> str | None:
    """Return None if `datasets` can write its cache; otherwise a temporary folder of this process."""
    if is_remote_url(str(config.HF_DATASETS_CACHE)):
        return None
    try:
        place = Path(config.HF_DATASETS_CACHE).expanduser()
        place.mkdir(parents=True, exist_ok=True)
        if os.access(place, os.W_OK):
            return None
    except OSError:
        pass
    return str(get_temporary_cache_files_directory())


class CheckedParquet(Parquet):  # type: ignore[misc]  # datasets has no types
    """Read what `content` names, or raise VersionMismatch.

    A folder is checked when the builder is made, because its files may change after rows were prepared from them. A
    commit cannot change: the Hub's list of its files was checked before. Each file is checked here when it was
    downloaded, or each row when it is streamed.
    """

    def __init__(self, cache_dir: str | None = None, *args: Any, content: Content, **options: Any) -> None:
        super().__init__(cache_dir or _cache_dir(), *args, **options)
        self._content = content
        self._rows_come_unchecked = False
        data_files = self.config.data_files or {}
        comes = {str(split): [content.local_name(file) for file in files] for split, files in data_files.items()}
        content.refuse(content.other_files(self.config.name, comes))
        if content.folder:
            self._check_bytes({file: file for files in data_files.values() for file in files})

    def _check_bytes(self, files: Mapping[str, str]) -> None:
        """Check the bytes of data files. `files` maps their address to their local path."""
        paths = {self._content.local_name(address): Path(path) for address, path in files.items()}
        self._content.refuse(self._content.other_bytes(paths))

    def _split_generators(self, dl_manager: Any) -> Any:
        self._rows_come_unchecked = dl_manager.is_streaming and not self._content.folder
        data_files = self.config.data_files or {}
        here = {file: file for files in data_files.values() for file in files}
        if not (self._content.folder or dl_manager.is_streaming):
            downloaded = dl_manager.download(self.config.data_files)
            here = {}
            for split, files in data_files.items():
                here |= dict(zip(files, downloaded[split], strict=True))
            self._check_bytes(here)
        if not self._rows_come_unchecked:
            for address, path in here.items():
                with self._reading(self._content.local_name(address)):
                    open_rows_file(Path(path)).close()
        return super()._split_generators(dl_manager)

    def _generate_tables(self, *args: Any, **options: Any) -> Iterator[tuple[Any, pa.Table]]:
        read = super()._generate_tables(*args, **options)
        while True:
            with self._reading("one of its data files"):
                try:
                    _LOGGER.disabled = True  # it would print the same error in forty lines
                    found = next(read, None)
                except CastError as error:
                    raise ForeignTextError("has other columns than the others, or than the card says") from error
                finally:
                    _LOGGER.disabled = False
            if found is None:
                return
            key, table = found
            self._refuse_paths(table)
            if self._rows_come_unchecked and self._named is not None and set(table.column_names) >= _CHECKED:
                self._content.refuse(list(self._other_rows(table)))
            yield key, self._with_reviews(table)

    def _with_reviews(self, table: pa.Table) -> pa.Table:
        """Return pairs with the reviews that were made after they were published."""
        if not set(table.column_names) >= _REVIEWED or self.config.name in _OTHER_CONFIGS:
            return table
        said = self._content.reviewed
        if said.keys().isdisjoint(ids := table["pair_id"].to_pylist()):
            return table
        rows = zip(ids, table["review"].to_pylist(), strict=True)
        cells = [said[pair_id].cell() if pair_id in said else cell for pair_id, cell in rows]
        place, kind = table.column_names.index("review"), table.schema.field("review")
        return table.set_column(place, kind, pa.array(cells, kind.type))

    def _reading(self, what: str) -> AbstractContextManager[None]:
        return reading(f"{self._content.name}: {what}", f"see: safetypairs verify {self._content.name}")

    def _refuse_paths(self, table: pa.Table) -> None:
        """Refuse a path in place of an image: it could make the reader's machine open any file."""
        for field in table.schema:
            kind = field.type
            if not (pa.types.is_struct(kind) and {inner.name for inner in kind} == _IMAGE):
                continue
            column = table[field.name].combine_chunks()
            if pc.any(pc.and_(pc.is_valid(column), pc.is_null(pc.struct_field(column, "bytes")))).as_py():
                raise SafetyPairsError(
                    f"{self._content.name}: a row of {field.name} holds no image, but the path of a file on the "
                    "reader's machine; it was not read: do not use this dataset, and tell its publisher"
                )

    @cached_property
    def _named(self) -> dict[str, tuple[Any, ...]] | None:
        """Return the manifest's columns in _NAMED by pair id; None if the rows are not pairs.

        The row hash is None in format 1.
        """
        if self.config.name in _OTHER_CONFIGS or self.config.features is not None:
            return None
        with pq.ParquetFile(self._content.file) as file:
            held = file.read(["pair_id", *(name for name in _NAMED if name in file.schema_arrow.names)]).to_pydict()
        columns = [held.get(name) or [None] * len(held["pair_id"]) for name in _NAMED]
        return dict(zip(held["pair_id"], zip(*columns, strict=True), strict=True))

    def _other_rows(self, table: pa.Table) -> Iterator[str]:
        assert self._named is not None
        whole = set(table.column_names) == set(COLUMNS)
        names = getattr(self.info.features.get("category"), "names", None) if self.info.features else None
        for row in table.to_pylist():
            expected = self._named.get(row["pair_id"])
            if expected is None:
                yield f"pair {row['pair_id']}: is in no row of the manifest"
                continue
            digest, category, *files = expected
            images = [sha256(row[f"{member}_image"]["bytes"]) for member in ("unsafe", "safe")]
            other = images != files or (whole and digest not in (None, row_hash(row, *images)))
            if other or (names and "category" in row and names[row["category"]] != category):
                yield f"pair {row['pair_id']}: is not the one that the manifest names"
