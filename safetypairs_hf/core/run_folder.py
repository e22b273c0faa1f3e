"""The run folder, at any fsspec URL. A file in it is whole or absent, and is never written twice."""

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
from safetypairs_hf.core.target_name import is_hub_address

RECIPE, FUNNEL = "recipe.json", "funnel.json"

_ROWS = 1024  # rows that are Python objects at once


def next_commands(url: str, pairs: int) -> list[str]:
    """Return the lines that name what to type after a run: its funnel and, if it has pairs, a release of them."""
    lines = [f"See the funnel:      safetypairs status {url}"]
    # Not ./safetypairs: a folder of that name would take the bare name from the set that the package carries.
    return lines + ([f"Publish it:          safetypairs publish {url} ./my-pairs --version 1.0.0"] if pairs else [])


class RunFolder:
    """Reads and writes the files of a run.

    Args:
        url: a local path or any fsspec URL.

    Raises:
        RunError: the URL names no file system that is installed, or a file that is not a folder.
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
        """Whether other processes see the same files; fsspec's memory file system is each process's own."""
        return "memory" not in self.fs.protocol

    @property
    def scripts(self) -> Path:
        """Where the scripts of its jobs lie: beside it; of a run elsewhere than on a disk, in the current folder."""
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
        """The rows of a Parquet file, reading no more than `columns` of it."""
        # Not by `read_table`, whose scanner and threads cost more memory and time than a small part holds.
        with self.checked(name), self.fs.open(f"{self.root}/{name}", "rb") as file:
            rows: list[dict[str, Any]] = pq.ParquetFile(file).read(columns, use_threads=False).to_pylist()
            return rows

    def each_row(self, name: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """`rows`, one by one: for a file that has a row for each pair of a run."""
        with self.checked(name), self.fs.open(f"{self.root}/{name}", "rb") as file:
            for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=columns, use_threads=False):
                yield from batch.to_pylist()

    @contextlib.contextmanager
    def checked(self, name: str) -> Iterator[None]:
        """Reading a part: what is damaged is a RunError that says which file, as it was whole when it was written."""
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
        """Remove a folder with all that is in it. Safe beside another process that does so too."""
        if self.fs.isdir(f"{self.root}/{name}"):
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm(f"{self.root}/{name}", recursive=True)

    def write(self, name: str, data: bytes) -> None:
        """Write a file by a temporary name and a rename, so that a kill leaves either all of it or none."""
        with self.writing(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """`write`, bit by bit: what is written to the file has its name when the block ends."""
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
        """The content of a JSON file; with `keys` it has to be an object that has them. Raises RunError."""
        with reading(f"{self.url}/{name}", "was it edited by hand?", RunError):
            value = parse_json(self.read(name).decode(), strict=False)
            if keys and not (isinstance(value, dict) and value.keys() >= set(keys)):
                raise ForeignTextError(f"is no object with {' and '.join(map(repr, keys))}")
            return value

    def write_json(self, name: str, value: Any) -> None:
        self.write(name, f"{_json(value)}\n".encode())

    def write_json_list(self, name: str, values: Iterable[Any]) -> None:
        """`write_json` of a list: each value is made into text by itself, as all at once take ten times the memory."""
        with self.writing(name) as file:
            before = "["
            for value in values:
                item = _json(value).replace("\n", "\n  ")
                file.write(f"{before}\n  {item}".encode())
                before = ","
            file.write(b"[]\n" if before == "[" else b"\n]\n")

    def files(self, folder: str = "") -> list[str]:
        """Every file in the run, or in a folder of it, relative to the run, sorted; [] where there is no folder."""
        below = f"{self.root}/{folder}" if folder else self.root
        found = self.fs.find(below) if self.fs.isdir(below) else []
        return sorted(path.removeprefix(self.root).lstrip("/") for path in found)

    def standing(self) -> str:
        """What is kept of a run that was stopped, and how to go on, for the user."""
        parts = sum(name.endswith(".parquet") for name in self.files())
        if not parts:
            return "no part is made yet; the same command begins again"
        kept = f"{counted(parts, 'part')} {verb(parts, 'is')} whole and kept in {self.url}"
        return f"{kept}; run the same command again to continue"

    def sweep(self) -> None:
        """Remove what killed writes left behind. Safe beside a second builder: it finds its own file whole or gone."""
        for name in self.files():
            if ".tmp-" in name:
                with contextlib.suppress(OSError):
                    self.fs.rm_file(f"{self.root}/{name}")


def is_run(word: str) -> bool:
    """Whether what a user typed is a run: a URL that is no Hub's address, or a folder that holds a recipe."""
    return ("://" in word and not is_hub_address(word)) or (Path(word) / RECIPE).is_file()


def refuse_run(place: str, path: Path) -> None:
    """Raise the error for a folder that was to be read as a dataset and is a run; do nothing for any other folder."""
    if (path / RECIPE).is_file():
        raise SafetyPairsError(
            f"{place} is a run, which has no version yet; publish it, and name what was published: "
            f"safetypairs publish {place} ./my-pairs --version 1.0.0"
        )


def open_run(url: str) -> RunFolder:
    """A run folder that exists.

    Raises:
        RunError: there is no run at `url`.
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
