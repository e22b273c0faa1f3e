"""Read and write the run folder, at any fsspec URL. A file in it is complete or absent, and is never written twice."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import RunError, SafetyPairsError, counted, verb
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_json, reading
from safetypairs_hf.core.target_name import RUN_MARK, is_hub_address

RECIPE, FUNNEL = RUN_MARK, "funnel.json"

_ROWS = 1024  # rows that are held as Python objects at the same time


def next_commands(url: str, pairs: int, version: str = "1.0.0") -> list[str]:
    """Return the commands to suggest after a run: show its funnel and, if it has pairs, publish them as a version."""
    lines = [f"See the funnel:      safetypairs status {url}"]
    # Not ./safetypairs: that folder would shadow the set that the package carries.
    return lines + ([f"Publish it:          safetypairs publish {url} ./my-pairs --version {version}"] if pairs else [])


class RunFolder:
    """Reads and writes the files of a run.

    Args:
        url: A local path or any fsspec URL.

    Raises:
        RunError: The file system of the URL is not installed, or the URL is a file.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.fs, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise RunError(
                f"cannot use {url!r} as a run folder: {error}; give a local path or an fsspec URL"
            ) from error
        if self.fs.isfile(self.root):
            raise RunError(f"{url!r} is a file; a run needs a folder: name another --out")

    @property
    def shared(self) -> bool:
        """Whether other processes see the same files. False for fsspec's memory file system."""
        return "memory" not in self.fs.protocol

    @property
    def scripts(self) -> Path:
        """The folder for job scripts: next to a run on a local disk, else in the current folder."""
        if "file" in self.fs.protocol:
            return Path(f"{self.root}.slurm")
        return Path.cwd() / f"{self.root.rstrip('/').rsplit('/', 1)[-1]}.slurm"

    def part(self, stage: str, unit: int) -> str:
        return f"{stage}/part-{unit:05d}.parquet"

    def has(self, name: str) -> bool:
        return bool(self.fs.isfile(f"{self.root}/{name}"))

    def read(self, name: str) -> bytes:
        data: bytes = self.fs.cat_file(f"{self.root}/{name}")
        return data

    def rows(self, name: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a Parquet file. Only `columns` are read."""
        # `read_table` would start a scanner and threads, which cost more time and memory than a small part needs.
        with self.checked(name), self.fs.open(f"{self.root}/{name}", "rb") as file:
            rows: list[dict[str, Any]] = pq.ParquetFile(file).read(columns, use_threads=False).to_pylist()
            return rows

    def each_row(self, name: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a Parquet file, for a file with a row for each pair of a run. Args as for `rows`."""
        with self.checked(name), self.fs.open(f"{self.root}/{name}", "rb") as file:
            for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=columns, use_threads=False):
                yield from batch.to_pylist()

    @contextlib.contextmanager
    def checked(self, name: str) -> Iterator[None]:
        """Turn an error while a file is read into a RunError: files are complete, so the file is damaged."""
        try:
            yield
        except SafetyPairsError:
            raise
        except Exception as error:
            raise RunError(
                f"{self.url}/{name} is damaged ({type(error).__name__}); delete it, and funnel.json, and build again"
            ) from error

    def remove(self, name: str) -> None:
        if self.has(name):
            self.fs.rm_file(f"{self.root}/{name}")

    def remove_folder(self, name: str) -> None:
        """Remove a folder and its files. Another process may remove it at the same time."""
        if self.fs.isdir(f"{self.root}/{name}"):
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm(f"{self.root}/{name}", recursive=True)

    def write(self, name: str, data: bytes) -> None:
        """Write a file under a temporary name and rename it, so that a kill leaves all of it or nothing."""
        with self.writing(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for writing, as `write` does. It gets its name at the end of the block."""
        final = f"{self.root}/{name}"
        temporary = f"{final}.tmp-{uuid.uuid4().hex[:8]}"
        try:
            self.fs.makedirs(final.rsplit("/", 1)[0], exist_ok=True)
            with self.fs.open(temporary, "wb") as file:
                yield file
                file.flush()
                if "file" in self.fs.protocol:
                    os.fsync(file.fileno())
            self.fs.mv(temporary, final)
        except OSError as error:
            with contextlib.suppress(OSError):
                self.fs.rm_file(temporary)
            raise RunError(_explain(self.url, error)) from error

    def read_json(self, name: str, *keys: str) -> Any:
        """Return the value in a JSON file. With `keys`, it must be an object that has them. Raises RunError."""
        with reading(f"{self.url}/{name}", "was it edited by hand?", RunError):
            value = parse_json(self.read(name).decode(), strict=False)
            if keys and not (isinstance(value, dict) and value.keys() >= set(keys)):
                raise ForeignTextError(f"is no object with {' and '.join(map(repr, keys))}")
            return value

    def write_json(self, name: str, value: Any) -> None:
        self.write(name, f"{_json(value)}\n".encode())

    def write_json_list(self, name: str, values: Iterable[Any]) -> None:
        """Write a JSON list. Values are converted one at a time; all at once would take ten times the memory."""
        with self.writing(name) as file:
            before = "["
            for value in values:
                item = _json(value).replace("\n", "\n  ")
                file.write(f"{before}\n  {item}".encode())
                before = ","
            file.write(b"[]\n" if before == "[" else b"\n]\n")

    def files(self, folder: str = "") -> list[str]:
        """Return the files of the run, or of a folder in it, relative to the run and sorted; [] if it has none."""
        below = f"{self.root}/{folder}" if folder else self.root
        found = self.fs.find(below) if self.fs.isdir(below) else []
        return sorted(path.removeprefix(self.root).lstrip("/") for path in found)

    def standing(self) -> str:
        """Describe for the user what is kept of a stopped run, and how to continue it."""
        parts = sum(name.endswith(".parquet") for name in self.files())
        if not parts:
            return "no part is made yet; the same command begins again"
        kept = f"{counted(parts, 'part')} {verb(parts, 'is')} whole and kept in {self.url}"
        return f"{kept}; run the same command again to continue"

    def sweep(self) -> None:
        """Remove temporary files of killed writes. A second builder may run: it notices a missing file of its own."""
        for name in self.files():
            if ".tmp-" in name:
                with contextlib.suppress(OSError):
                    self.fs.rm_file(f"{self.root}/{name}")


def is_run(word: str) -> bool:
    """Return whether a user's text names a run: a URL other than a Hub's address, or a folder that holds a recipe."""
    return ("://" in word and not is_hub_address(word)) or (Path(word) / RECIPE).is_file()


def open_run(url: str) -> RunFolder:
    """Open a run folder that exists.

    Raises:
        RunError: There is no run at `url`.
    """
    run = RunFolder(url)
    if not run.has(RECIPE):
        raise RunError(
            f"{url!r} holds no run (no {RECIPE}); name the --out of a `safetypairs build`, or of a "
            "`safetypairs import`, which makes a run of pairs that you have"
        )
    return run


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _explain(url: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left to write {url}; free some and run the same command again: what is done is kept"
    return f"cannot write {url}: {error.strerror or error}; choose a folder that you may write to"
