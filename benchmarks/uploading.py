"""What a new version costs to upload, beside what `Dataset.push_to_hub` writes, by hf-xet's own storage engine.

    python benchmarks/uploading.py [--pairs 1200] [--side 188]

Method: pairs of random noise (nothing in an image is found again in another) are published by `safetypairs_hf` into a
folder, then 24 more; and 24 more with 12 left out, spread evenly. Each version's Parquet files are stored by hf-xet in
a folder, without a server, and it counts the new bytes: what no earlier chunk holds ("stored"), and what would go over
the wire for them, packed, with the engine's own records ("sent"). All files of a release count: the card and the other
small text files as they are, whole. The peer writes the same rows by `Dataset.to_parquet`, which is what push_to_hub
uploads (content-defined chunking, one file here), its rows sorted by id or in the order of their addition; it has no
card. All figures are over the bytes of the images of the 24 new pairs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from _timing import parsed, parser_of

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

NEW, GONE = 24, 12


class Cost(NamedTuple):
    stored: int
    sent: int


class Store:
    """Xet's storage in an empty folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.endpoint = f"local://{folder}"

    def add(self, files: Iterable[Path]) -> Cost:
        from hf_xet import XetSession

        commit = XetSession().new_upload_commit(endpoint=self.endpoint)
        small = 0
        for file in files:
            if file.suffix == ".parquet":
                commit.start_upload_file(str(file))
            else:
                small += file.stat().st_size
        found = commit.wait_to_finish().dedup_metrics
        return Cost(found.new_bytes + small, found.total_bytes_uploaded + small)


def ours(old: Path, new: Path, store: Store) -> Cost:
    """The cost of the files of `new` that `old` has not, or has otherwise."""
    store.add(path for path in old.rglob("*") if path.is_file())
    files = [path for path in new.rglob("*") if path.is_file()]
    return store.add(path for path in files if not _same(path, old / path.relative_to(new)))


def peer(old: Any, new: Any, scratch: Path, store: Store) -> Cost:
    """The cost of the Dataset `new` after `old`."""
    for name, data in (("old", old), ("new", new)):
        path = scratch / f"{name}.parquet"
        data.to_parquet(path)
        cost = store.add([path])
    return cost


def rows(folder: Path) -> Any:
    """A published folder as a Dataset, its rows in the order of their addition."""
    from datasets import load_dataset

    files = sorted(folder.glob("data/*/*/*.parquet"), key=lambda path: path.name.split("-")[0])
    return load_dataset("parquet", data_files=[str(file) for file in files], split="train")


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


def _publish(run: Any, folder: Path, version: str, replace: bool = False) -> None:
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.publish import publish

    publish(run, parse_target(str(folder)), parse(version), replace=replace)


def measure(scratch: Path, pairs: int, side: int) -> None:
    from noise import noise_run

    old, added, removed = (scratch / name for name in ("old", "added", "removed"))
    less = set(range(pairs // GONE // 2, pairs, pairs // GONE))
    _publish(noise_run(scratch / "run", pairs, side), old, "1.0.0")
    for folder, drop, version in ((added, set(), "1.1.0"), (removed, less, "2.0.0")):
        shutil.copytree(old, folder)
        run = noise_run(scratch / "larger", pairs + NEW, side, drop)
        _publish(run, folder, version, replace=bool(drop))
        shutil.rmtree(scratch / "larger")
    data = {folder: rows(folder) for folder in (old, added, removed)}
    images = _new_images(added)
    print(f"{pairs:,} pairs of {images / NEW / 1e3:.0f} kB; bytes over the {images / 1e6:.2f} MB of {NEW} new pairs")
    print(f"{'':<42} {'+24':^15} {'+24 -12':^15}")
    print(f"{'':<42} {'stored':>7} {'sent':>7} {'stored':>7} {'sent':>7}")
    table = {
        "ours: a release adds files": [ours(old, new, Store(scratch / f"x-{new.name}")) for new in (added, removed)],
        "to_parquet, new rows at the end": [
            peer(data[old], data[new], scratch, Store(scratch / f"e-{new.name}")) for new in (added, removed)
        ],
        "to_parquet, rows sorted by id": [
            peer(data[old].sort("pair_id"), data[new].sort("pair_id"), scratch, Store(scratch / f"s-{new.name}"))
            for new in (added, removed)
        ],
    }
    for name, costs in table.items():
        print(f"{name:<42} " + " ".join(f"{value / images:6.3f}x" for cost in costs for value in cost))
    print("bounds: 1.02 sent for +24, 2.2 for +24 -12")


def _new_images(folder: Path) -> int:
    """Bytes of the images of the pairs that the newest version in `folder` added."""
    from safetypairs_hf.dataset import manifest

    found = manifest.load((folder / manifest.NAME).read_bytes())
    assert found
    return sum(entry.size for entry in found.entries if entry.introduced == str(found.version))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=1200)
    parser.add_argument("--side", type=int, default=188, help="of an image, in pixels; it takes 3 * side^2 bytes")
    chosen = parsed(parser, pairs=24, side=16)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = f"{folder}/home"  # read when the clients are imported; hf-xet caches there
        measure(Path(folder), chosen.pairs, chosen.side)


if __name__ == "__main__":
    main()
