"""The parts of a run on disk: `OUT.parts/run.json` and a part for each work unit, whole or not there."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.evaluating.data import Data, Image
from safetypairs_hf.evaluating.prediction_file import metadata_of, read_run
from safetypairs_hf.evaluating.run_identity import check_same

_RUN = "run.json"


class Parts:
    """What is done of a run into `out`; a path that ends in .parquet.

    Raises RunError where `out`, or its parts, are of another run, or something else lies there.
    """

    def __init__(self, out: Path, identity: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.out, self.identity = out, identity
        self.path = out.with_name(f"{out.name}.parts")
        if out.suffix != ".parquet":
            raise RunError(f"--out {out}: predictions are a .parquet file, such as {out.with_suffix('.parquet')}")
        if fresh:
            out.unlink(missing_ok=True)
            self.clear()
        self._folder = RunFolder(str(self.path))
        self.joined = self._is_joined()
        if not self.joined:
            self._begin()

    def has(self, unit: int) -> bool:
        return self._folder.has(self._name(unit))

    def write(self, unit: int, images: Sequence[Image], verdicts: Sequence[Verdict]) -> None:
        """Keep a unit; from then on it is done."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(
            {
                "sha256": pa.array([image.sha256 for image in images], pa.string()),
                "category": pa.array([image.category for image in images], pa.string()),
                "score": pa.array([verdict.p_unsafe for verdict in verdicts], pa.float64()),
                "note": pa.array([verdict.note for verdict in verdicts], pa.string()),
                "raw": pa.array([verdict.raw for verdict in verdicts], pa.string()),
            }
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        try:
            if not self._folder.has(_RUN):  # the same run at the same time may have given up with nothing done
                self._begin()
            self._folder.write(self._name(unit), buffer.getvalue())
        except RunError:
            if not self.out.exists():  # else the same run at the same time was faster, and removed the folder
                raise

    def read(self, unit: int) -> dict[Image, Verdict]:
        """What a unit came to. Raises RunError where its file is damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        name = self._name(unit)
        try:
            rows = pq.read_table(io.BytesIO(self._folder.read(name))).to_pylist()
            return {
                Image(row["sha256"], row["category"]): Verdict(row["score"], row["note"], row["raw"]) for row in rows
            }
        except (pa.ArrowException, KeyError) as error:
            raise RunError(f"{self.path / name} is damaged; delete it and run the same command again") from error

    def finish(self, data: bytes) -> None:
        """Put the predictions in their place, whole, and remove the parts."""
        RunFolder(str(self.out.parent)).write(self.out.name, data)
        self.clear()

    def clear(self) -> None:
        """Remove the parts, where the predictions are in their place."""
        shutil.rmtree(self.path, ignore_errors=True)

    def give_up(self) -> None:
        """Remove what says whose the parts are, where there are none: a mistake that was mended is another run."""
        if self.path.is_dir() and not any(name.endswith(".parquet") for name in self._folder.files()):
            self.clear()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while the parts are joined, by one process of several."""
        from filelock import FileLock

        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "lock")
            with suppress(FileNotFoundError):  # who had it before may remove the folder just now
                lock.acquire()
                break
        try:
            yield
        finally:
            lock.release()

    def _is_joined(self) -> bool:
        if not self.out.exists():
            return False
        run = read_run(self.out)
        if run is None:
            raise RunError(f"{self.out} is no file that evaluate wrote; name another --out")
        check_same(run, self.identity, str(self.out))
        return True

    def _begin(self) -> None:
        if self._folder.has(_RUN):
            check_same(self._folder.read_json(_RUN), self.identity, str(self.path))
        elif any(name.endswith(".parquet") for name in self._folder.files()):
            raise RunError(f"{self.path} has parts and no {_RUN}; name another --out, or start over with --fresh")
        else:
            # As it is read back: JSON knows no tuples.
            self._folder.write_json(_RUN, json.loads(json.dumps(self.identity)))

    def _name(self, unit: int) -> str:
        return f"part-{unit:05d}.parquet"


def join(parts: Parts, data: Data, units: int) -> bool:
    """Write the file where all units are done, and remove the parts; whether the file is there now.

    Several processes may call it at once: one of them joins.
    """
    if parts.out.exists():
        parts.clear()
        return True
    if not all(parts.has(unit) for unit in range(units)):
        return parts.out.exists()  # another process may have joined, and removed the parts, just now
    with parts.lock():
        if parts.out.exists():
            parts.clear()
            return True
        found: dict[Image, Verdict] = {}
        for unit in range(units):
            found |= parts.read(unit)
        parts.finish(_bytes(_table(data, found, parts.identity)))
    return True


def _table(data: Data, found: dict[Image, Verdict], identity: Any) -> Any:
    import pyarrow as pa

    verdicts = [found[image] for image in data.images]
    columns = {
        "pair_id": pa.array(data.pair_ids, pa.string()),
        "reference": pa.array(data.references, pa.int8()),
        "score": pa.array([verdict.p_unsafe for verdict in verdicts], pa.float64()),
        "category": pa.array([image.category for image in data.images], pa.string()),
        "group": pa.array(data.groups, pa.string()),
        "note": pa.array([verdict.note for verdict in verdicts], pa.string()),
        "raw": pa.array([verdict.raw for verdict in verdicts], pa.string()),
        "sha256": pa.array([image.sha256 for image in data.images], pa.string()),
    }
    if data.controls is not None:
        columns["control"] = pa.array(data.controls, pa.string())
    return pa.table(columns).replace_schema_metadata(metadata_of(identity))


def _bytes(table: Any) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
