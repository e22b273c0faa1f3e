"""What an import costs, beside decoding, encoding and writing the same pairs with datasets' own map.

    python benchmarks/importing.py [--pairs 10000] [--side 96] [--repeats 1] [--everywhere] [--memory]

Method: pairs of photograph-like images lie in Parquet files, as PNG; the safe member has a patch of other colours. Ours
is `safetypairs import` of the folder. The peer is `Dataset.map` over the same rows, whose function decodes both images
and returns them as RGB, which encodes them as PNG and writes Arrow files; that the Parquet files were made into Arrow
files for it before is not counted. `at our level` is a peer that encodes as we do (PNG at compression level 4 in place
of Pillow's 6). Each is a fresh process with two workers, measured from outside, in turn; the least of each is compared.
With --everywhere every pixel of the safe member differs a little, as after a generative editor. Memory: VmHWM of the
largest process of an import of 1,000 pairs and of one of 10,000 (--memory).
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from _timing import least, parsed, parser_of, peak, safetypairs, timed_command

WORKERS = 2
FILE_PAIRS = 500
GROUP_PAIRS = 50
BOUND = 0.7


def photograph(rng: Any, side: int) -> Any:
    """Pixels of soft blobs with the noise of a camera."""
    import numpy as np
    from PIL import Image

    blobs = Image.fromarray(rng.integers(0, 256, (side // 16, side // 16, 3), np.uint8))
    soft = np.asarray(blobs.resize((side, side), Image.Resampling.BICUBIC), np.int16)
    return np.clip(soft + rng.integers(-3, 4, soft.shape), 0, 255).astype(np.uint8)


def members(number: int, side: int, everywhere: bool) -> list[bytes]:
    """The two members of a pair, as PNG."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng([11, number])
    unsafe = photograph(rng, side)
    safe = unsafe.copy()
    x, y = (int(each) for each in rng.integers(0, side // 2, 2))
    patch = safe[y : y + side // 4, x : x + side // 4]
    patch[...] = 255 - patch
    if everywhere:
        safe = np.clip(safe.astype(np.int16) + rng.integers(-2, 3, safe.shape), 0, 255).astype(np.uint8)
    found = []
    for pixels in (unsafe, safe):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        found.append(buffer.getvalue())
    return found


def write_file(folder: str, side: int, everywhere: bool, last: int, first: int) -> None:
    """Write the pairs from `first` on as a Parquet file, as `datasets` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    kind = {"_type": "Image"}
    features = {"info": {"features": {"id": {"dtype": "string", "_type": "Value"}, "unsafe": kind, "safe": kind}}}
    schema = pa.schema({"id": pa.string(), "unsafe": image, "safe": image}, {"huggingface": json.dumps(features)})
    with pq.ParquetWriter(Path(folder) / f"pairs-{first:06}.parquet", schema) as writer:
        for start in range(first, min(first + FILE_PAIRS, last), GROUP_PAIRS):
            rows = []
            for number in range(start, min(start + GROUP_PAIRS, last)):
                unsafe, safe = members(number, side, everywhere)
                cells = ({"bytes": each, "path": None} for each in (unsafe, safe))
                rows.append(dict(zip(("id", "unsafe", "safe"), (str(number), *cells), strict=True)))
            writer.write_table(pa.Table.from_pylist(rows, schema))


def write_source(folder: Path, pairs: int, side: int, everywhere: bool) -> str:
    folder.mkdir()
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(partial(write_file, str(folder), side, everywhere, pairs), range(0, pairs, FILE_PAIRS)))
    return str(folder)


def decoded(row: dict[str, Any]) -> dict[str, Any]:
    """Both images of a row, which datasets encodes."""
    return {name: row[name].convert("RGB") for name in ("unsafe", "safe")}


def encoded(row: dict[str, Any]) -> dict[str, Any]:
    """Both images of a row, encoded as an import does."""
    found = {}
    for name, image in decoded(row).items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=4)
        found[name] = {"bytes": buffer.getvalue(), "path": None}
    return found


def peer(folder: str, how: str) -> None:
    """Read the pairs from Arrow files, and but for `prepare` map them."""
    import datasets

    datasets.disable_progress_bars()
    cache = f"{folder}-cache"
    data = datasets.load_dataset("parquet", data_files=f"{folder}/*.parquet", split="train", cache_dir=cache)
    if how != "prepare":
        work = decoded if how == "map" else encoded
        data.map(work, num_proc=WORKERS, load_from_cache_file=False, features=data.features)


def importing(folder: str, out: str) -> list[str]:
    return safetypairs("import", folder, "--category", "violence", "--out", out, "--workers", str(WORKERS))


def compare(scratch: Path, chosen: argparse.Namespace) -> None:
    """Print the rates of an import and of its peers."""
    source = write_source(scratch / "source", chosen.pairs, chosen.side, chosen.everywhere)
    mapping = [sys.executable, __file__, "--peer", source, "--how"]
    timed_command([*mapping, "prepare"])
    ours, theirs, same = [], [], []
    for repeat in range(chosen.repeats):
        run = scratch / f"run{repeat}"
        ours.append(timed_command(importing(source, str(run))))
        made = json.loads((run / "funnel.json").read_text())["stages"][-1]["out"]
        assert made == chosen.pairs, made
        theirs.append(timed_command([*mapping, "map"]))
        same.append(timed_command([*mapping, "level"]))
    what = "all pixels differ" if chosen.everywhere else "a patch differs"
    size = f"{chosen.pairs:,} pairs of {chosen.side} x {chosen.side}"
    print(f"{size}, {what}; {WORKERS} processes, least of {chosen.repeats}")
    one = least(ours)
    print(f"  safetypairs import   {one}   {chosen.pairs / one.cpu:.1f} pairs a CPU second")
    for name, times in (("datasets' map", theirs), ("  at our level", same)):
        two = least(times)
        share = two.cpu / one.cpu
        print(
            f"  {name:<20} {two}   {chosen.pairs / two.cpu:.1f}: import at {share:.0%} of its rate (bound {BOUND:.0%})"
        )


def memory(scratch: Path, chosen: argparse.Namespace) -> None:
    """Print the memory of a small import and of a large one."""
    found = []
    for pairs in (chosen.pairs // 10, chosen.pairs):
        source = write_source(scratch / f"memory{pairs}", pairs, chosen.side, chosen.everywhere)
        found.append(peak(importing(source, str(scratch / f"memory-run{pairs}"))))
    for name, small, large in zip(("main process", "largest worker"), *found, strict=True):
        grown = f"{small:.0f} MB at {chosen.pairs // 10:,} pairs, {large:.0f} MB at {chosen.pairs:,}"
        print(f"  peak of the {name:<15} {grown}: {large / small:.2f}x")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--everywhere", action="store_true", help="every pixel differs, as after a generative editor")
    parser.add_argument("--memory", action="store_true", help="the peak memory at a tenth of the pairs and at all")
    parser.add_argument("--only", choices=("rate", "memory"))
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--how", help=argparse.SUPPRESS)
    chosen = parsed(parser, pairs=40, side=64)
    if chosen.peer:
        peer(chosen.peer, chosen.how)
        return
    with tempfile.TemporaryDirectory() as folder:
        if chosen.only != "memory":
            compare(Path(folder), chosen)
        if chosen.memory or chosen.only == "memory":
            memory(Path(folder), chosen)


if __name__ == "__main__":
    main()
