"""A run on disk: `OUT.parts/run.json`, and for each work unit either a complete part, a journal, or nothing."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetypairs_hf.core.errors import RunError, counted, verb
from safetypairs_hf.core.file_digests import file_sha256
from safetypairs_hf.core.records import CountedVerdict, Verdict, tokens_of
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.evaluating.abstentions import FAILED
from safetypairs_hf.evaluating.data import Data, Image
from safetypairs_hf.evaluating.journal import Journal
from safetypairs_hf.evaluating.prediction_file import metadata_of, read_run
from safetypairs_hf.evaluating.run_identity import check_same

_RUN = "run.json"
_PART, _JOURNAL = ".parquet", ".jsonl"
TOKENS = ("prompt_tokens", "answer_tokens")  # columns with the tokens that a service counted for an answer


class Parts:
    """The saved parts of a run whose predictions go to `out`, a path that ends in .parquet.

    `joined` says whether `out` exists and nothing is left to do.

    Args:
        out: The file of predictions.
        units: The images of each work unit.
        fresh: Whether to discard what is there.
        read_only: Whether to write nothing, for a caller that only asks what is done.
        retry: Whether to repeat images that failed, in `out` or in the parts. `failed` holds these images. All other
            answers stay, and so does `out` until the new file replaces it. `mended` counts the images that did not fail
            again, after all is joined.

    Raises:
        RunError: `out` or its parts belong to another run, another file is there, or there is nothing to retry.
    """

    def __init__(
        self,
        out: Path,
        identity: Mapping[str, Any],
        units: Sequence[Sequence[Image]],
        *,
        fresh: bool = False,
        retry: bool = False,
        read_only: bool = False,
    ) -> None:
        self.out, self.identity, self.units = out, identity, units
        self.failed: set[Image] = set()
        self.mended = 0
        self._kept: dict[Image, Verdict] = {}  # the answers of `out` that a retry keeps
        self._journals: dict[int, Journal] = {}
        parts, again = (out.with_name(f"{out.name}.{each}") for each in ("parts", "retry"))
        if out.suffix != ".parquet":
            raise RunError(
                f"--out {out}: predictions are written to a .parquet file, such as {out.with_suffix('.parquet')}"
            )
        if fresh:
            out.unlink(missing_ok=True)
            for folder in (parts, again):
                shutil.rmtree(folder, ignore_errors=True)
        finished = self._is_finished()
        self._replaces = finished and retry
        self.path = again if self._replaces else parts
        self._folder = RunFolder(str(self.path))
        if retry and not finished and not self._folder.has(_RUN):
            raise RunError(f"--retry failed: there is no {out}, and no unfinished run for it; leave --retry out")
        self._whose = json.loads(json.dumps(self.identity))  # as it is read back: JSON has no tuples
        if self._replaces:
            self._find_failed()
        self.joined = finished and not self.failed
        if not self.joined and not (read_only and not self.path.exists()):
            self._begin(read_only)
            if retry:
                self._reopen()

    def has(self, unit: int) -> bool:
        """Return whether a unit is done."""
        return self._folder.has(self._name(unit)) or (self._replaces and self.failed.isdisjoint(self.units[unit]))

    def begun(self, unit: int) -> dict[Image, Verdict]:
        """Return the saved answers of an unfinished unit."""
        return self._journal(unit).read()

    def keep(self, unit: int, image: Image, verdict: Verdict) -> None:
        """Save an answer of an unfinished unit. A failed one is not saved, so the next try asks again."""
        if verdict.note not in FAILED:
            self._in_folder(lambda: self._journal(unit).add(image, verdict))

    def discard(self, unit: int) -> None:
        """Discard the answers of an unfinished unit."""
        self._journal(unit).remove()

    def write(self, unit: int, verdicts: Sequence[Verdict]) -> None:
        """Save a unit, which is then done."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        images = self.units[unit]
        table = pa.table(
            {
                "sha256": pa.array([image.sha256 for image in images], pa.string()),
                "category": pa.array([image.category for image in images], pa.string()),
                "score": pa.array([verdict.p_unsafe for verdict in verdicts], pa.float64()),
                "note": pa.array([verdict.note for verdict in verdicts], pa.string()),
                "raw": pa.array([verdict.raw for verdict in verdicts], pa.string()),
                **token_columns(verdicts),
            }
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self._in_folder(lambda: self._folder.write(self._name(unit), buffer.getvalue()))
        self._journal(unit).remove()

    def _in_folder(self, write: Callable[[], object]) -> None:
        """Write into the folder, which another process of the same run may remove at any moment."""
        try:
            if not self._folder.has(_RUN):  # the other process may have given up with nothing done
                self._begin()
            write()
        except RunError:
            if not self.is_there():  # otherwise the other process was faster
                raise

    def read(self, unit: int) -> dict[Image, Verdict]:
        """Return the verdicts of a unit. Raises RunError if its file is damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        name = self._name(unit)
        if self._replaces and not self._folder.has(name):
            return {image: self._kept[image] for image in self.units[unit]}
        try:
            return _verdicts(pq.read_table(io.BytesIO(self._folder.read(name))))
        except (pa.ArrowException, KeyError) as error:
            raise RunError(f"{self.path / name} is damaged; delete it and run the same command again") from error

    def count(self) -> int:
        """Return the number of images that are judged and saved; in a retry, only those that had failed."""
        return len(self.judged() & self.failed if self._replaces else self.judged())

    def judged(self) -> set[Image]:
        """Return the images that are judged and saved; all images if `out` exists."""
        if self.joined:
            return {image for images in self.units for image in images}
        return {
            image
            for unit, images in enumerate(self.units)
            for image in (images if self._folder.has(self._name(unit)) else self.begun(unit).keys() & set(images))
        }

    def standing(self) -> str:
        """Tell the user who interrupted the run what is saved, and how to continue."""
        kept = self.count()
        if self._replaces:
            return (
                f"{kept:,} of {counted(len(self.failed), 'failed image')} {verb(kept, 'is')} judged again and kept, "
                f"and {self.out} is unchanged; run the same command again to continue"
            )
        if not kept:
            return "no image was judged yet, and nothing is kept"
        total = sum(map(len, self.units))
        return (
            f"{kept:,} of {counted(total, 'image')} {verb(kept, 'is')} judged and kept in {self.path}; run the same "
            "command again to continue"
        )

    def finish(self, data: bytes) -> None:
        """Write the complete predictions to `out`, and remove the parts."""
        RunFolder(str(self.out.parent)).write(self.out.name, data)
        self.clear()

    def clear(self) -> None:
        """Remove the parts if the predictions are written."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Close the journals."""
        for journal in self._journals.values():
            journal.close()

    def give_up(self) -> None:
        """Remove the identity of the run if no part exists, so that a corrected command can start a new run."""
        if self.path.is_dir() and not self._replaces and not self._holds_answers():
            self.clear()

    def is_there(self) -> bool:
        """Return whether the predictions are written, and are not about to be replaced."""
        return not self._replaces and self.out.exists()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold a lock while one of several processes joins the parts."""
        from filelock import FileLock

        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "lock")
            with suppress(FileNotFoundError):  # the previous holder may be removing the folder
                lock.acquire()
                break
        try:
            yield
        finally:
            lock.release()

    def _is_finished(self) -> bool:
        if not self.out.exists():
            return False
        run = read_run(self.out)
        if run is None:
            raise RunError(f"{self.out} was not written by evaluate; name another --out")
        check_same(run, self.identity, str(self.out))
        return True

    def _begin(self, read_only: bool = False) -> None:
        if self._folder.has(_RUN):
            check_same(self._folder.read_json(_RUN), self._whose, str(self.path))
        elif self._holds_answers():
            raise RunError(f"{self.path} has parts but no {_RUN}; name another --out, or start over with --fresh")
        elif not read_only:
            self._folder.write_json(_RUN, self._whose)

    def _find_failed(self) -> None:
        """Read the failed images of `out`, and discard the parts of an earlier retry."""
        import pyarrow.parquet as pq

        self._kept = _verdicts(pq.read_table(self.out))
        self.failed = {image for image, verdict in self._kept.items() if verdict.note in FAILED}
        self._whose["retry_of"] = file_sha256(self.out)
        if self._folder.has(_RUN) and self._folder.read_json(_RUN).get("retry_of") != self._whose["retry_of"]:
            self.clear()

    def _reopen(self) -> None:
        """Reopen the units with failed images. Their journals keep the other answers."""
        for unit, images in enumerate(self.units):
            if self._replaces:
                if not self.has(unit) and not self._journal(unit).path.exists():
                    self._journal(unit).replace(_without_failed(self._kept, images))
            elif self.has(unit):
                found = self.read(unit)
                failed = {image for image in images if found[image].note in FAILED}
                if failed:
                    self._journal(unit).replace(_without_failed(found, images))
                    self._folder.remove(self._name(unit))
                    self.failed |= failed

    def _holds_answers(self) -> bool:
        return any(name.endswith((_PART, _JOURNAL)) for name in self._folder.files())

    def _journal(self, unit: int) -> Journal:
        if unit not in self._journals:
            self._journals[unit] = Journal(self.path / f"part-{unit:05d}{_JOURNAL}")
        return self._journals[unit]

    def _name(self, unit: int) -> str:
        return f"part-{unit:05d}{_PART}"


def join(parts: Parts, data: Data) -> bool:
    """Write the file and remove the parts if all units are done. Return whether the file exists now.

    Several processes may call this at once; one of them joins.
    """
    if parts.is_there():
        parts.clear()
        return True
    if not all(map(parts.has, range(len(parts.units)))):
        return parts.is_there()  # another process may just have joined and removed the parts
    with parts.lock():
        if parts.is_there():
            parts.clear()
            return True
        found: dict[Image, Verdict] = {}
        for unit in range(len(parts.units)):
            found |= parts.read(unit)
        parts.mended = sum(found[image].note not in FAILED for image in parts.failed)
        parts.finish(_bytes(_table(data, found, parts.identity)))
    return True


def _without_failed(found: Mapping[Image, Verdict], images: Sequence[Image]) -> dict[Image, Verdict]:
    return {image: found[image] for image in images if found[image].note not in FAILED}


def _verdicts(table: Any) -> dict[Image, Verdict]:
    return {
        Image(row["sha256"], row.get("policy") or row["category"]): CountedVerdict.of(
            Verdict(row["score"], row["note"], row["raw"]), *(row.get(name, 0) for name in TOKENS)
        )
        for row in table.to_pylist()
    }


def token_columns(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the columns of TOKENS; none if no answer has a count, as for guards that do not count."""
    import pyarrow as pa

    counts = dict(zip(TOKENS, zip(*map(tokens_of, verdicts), strict=True), strict=True)) if verdicts else {}
    return (
        {name: pa.array(found, pa.int64()) for name, found in counts.items()} if any(map(any, counts.values())) else {}
    )


def _table(data: Data, found: dict[Image, Verdict], identity: Any) -> Any:
    import pyarrow as pa

    verdicts = [found[image] for image in data.images]
    columns = {
        "pair_id": pa.array(data.pair_ids, pa.string()),
        "reference": pa.array(data.references, pa.int8()),
        "score": pa.array([verdict.p_unsafe for verdict in verdicts], pa.float64()),
        "category": pa.array(data.pair_categories or [image.category for image in data.images], pa.string()),
        "group": pa.array(data.groups, pa.string()),
        "note": pa.array([verdict.note for verdict in verdicts], pa.string()),
        "raw": pa.array([verdict.raw for verdict in verdicts], pa.string()),
        "sha256": pa.array([image.sha256 for image in data.images], pa.string()),
        **token_columns(verdicts),
    }
    if data.pair_categories is not None:
        columns["policy"] = pa.array([image.category for image in data.images], pa.string())
    if data.controls is not None:
        columns["control"] = pa.array(data.controls, pa.string())
    return pa.table(columns).replace_schema_metadata(metadata_of(identity))


def _bytes(table: Any) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
