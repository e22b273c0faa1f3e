"""What a stream of one category fetches before its first pair, counted by the local Hub.

    python benchmarks/streaming.py [--pairs 60] [--side 188]

Method: pairs of random noise, all of one category, are published by `safetypairs_hf` to a local Hub; and the same rows
as `Dataset.push_to_hub` lays them out: one file a split, by `Dataset.to_parquet`. A process of its own, with a fresh
cache, streams the test split and stops at its first pair. The Hub's log gives the requests and the bytes of their
answers; of each, those for the content of data files, and all others (the tree, the card, the manifest). The last
column is what a stream of the whole split fetches of data files, over the bytes of its images. Xet is off, so that a
read is a range of a file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from _timing import parsed, parser_of

if TYPE_CHECKING:
    from hub_fixtures import Hub

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

OURS, PEER = "lab/safetypairs", "lab/one-file"
PLAIN = "from datasets import load_dataset; data = load_dataset({}, split='test', streaming=True)"
CLIENTS = {
    "ours, load_dataset(repo, category)": PLAIN.format(f"{OURS!r}, 'hate'"),
    'ours, load_dataset("safetypairs", category)': "import safetypairs_hf; " + PLAIN.format("'safetypairs', 'hate'"),
    "ours, sp.load(repo, config=category)": (
        f"import safetypairs_hf as sp; data = sp.load({OURS!r}, config='hate', split='test', streaming=True)"
    ),
    "one file by to_parquet, load_dataset(repo)": PLAIN.format(repr(PEER)),
}


class Read(NamedTuple):
    """Requests and bytes, of data files and of all else."""

    requests: int
    size: int
    other_requests: int
    other_size: int


def measure(scratch: Path, pairs: int, side: int, clients: list[str]) -> None:
    from hub_fixtures import ORGS, USERS, Hub
    from noise import noise_run

    from safetypairs_hf.testing.localhub.server import serve

    others = {number for number in range(9 * pairs) if number % 9}
    noise_run(scratch / "run", 9 * pairs, side, others)
    with serve(scratch / "hub", USERS, ORGS) as server:
        hub = Hub(server, scratch / "publisher")
        command = [sys.executable, "-m", "safetypairs_hf", "publish", "run", OURS, "--version", "1.0.0"]
        subprocess.run(command, cwd=scratch, env=hub.env(), check=True, capture_output=True)
        images = _upload_peer(hub, scratch)
        files = hub.api().list_repo_tree(OURS, "data/test/hate", repo_type="dataset")
        print(f"{len(list(files))} files of ours, 1 of the peer; {images / 1e6:.1f} MB of images in the test split")
        print(f"{'before the first pair':<44} {'data files':^15}   {'all else':^15} {'whole split':>12}")
        for number, name in enumerate(clients):
            code = CLIENTS[name]
            first = _read(hub, scratch / f"first-{number}", f"{code}; next(iter(data))")
            whole = _read(hub, scratch / f"whole-{number}", f"{code}; print(sum(1 for _ in data))")
            print(
                f"{name:<44} {first.requests:>3} {first.size / 1e3:>8,.0f} kB   {first.other_requests:>3} "
                f"{first.other_size / 1e3:>8,.0f} kB {whole.size / images:>11.3f}x"
            )


def _upload_peer(hub: Hub, scratch: Path) -> int:
    """Upload the rows of each split as one file; the bytes of the images of the test split."""
    import datasets

    api = hub.api()
    api.create_repo(PEER, repo_type="dataset")
    for split in ("train", "test"):
        files = [
            api.hf_hub_download(OURS, file, repo_type="dataset", local_dir=scratch / "copy")
            for file in api.list_repo_files(OURS, repo_type="dataset")
            if file.startswith(f"data/{split}/")
        ]
        rows = datasets.load_dataset("parquet", data_files=sorted(files), split="train")
        rows.to_parquet(scratch / f"{split}.parquet")
        api.upload_file(
            path_or_fileobj=scratch / f"{split}.parquet",
            path_in_repo=f"data/{split}-00000-of-00001.parquet",
            repo_id=PEER,
            repo_type="dataset",
        )
    plain = rows.cast_column("unsafe_image", datasets.Image(decode=False))
    plain = plain.cast_column("safe_image", datasets.Image(decode=False))
    return sum(len(row[f"{member}_image"]["bytes"]) for row in plain for member in ("unsafe", "safe"))


def _read(hub: Hub, home: Path, code: str) -> Read:
    """What a process that runs `code` with an empty cache has the Hub send."""
    home.mkdir()
    start = len(hub.server.log)
    env = {**hub.env(), "HF_HOME": str(home), "SAFETYPAIRS_REPO": OURS}
    subprocess.run([sys.executable, "-c", code], cwd=home, env=env, check=True, capture_output=True)
    log = hub.server.log[start:]
    data = [entry for entry in log if entry.method == "GET" and "/data/" in entry.path and "/resolve/" in entry.path]
    rest = [entry for entry in log if entry not in data]
    if os.environ.get("SHOW_LOG"):
        for entry in log:
            print(f"    {entry.method} {entry.path} {entry.status} {entry.bytes_sent}")
    sizes = (sum(entry.bytes_sent for entry in entries) for entries in (data, rest))
    size, other = sizes
    return Read(len(data), size, len(rest), other)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--side", type=int, default=188, help="of an image, in pixels; it takes 3 * side^2 bytes")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=[*CLIENTS])
    chosen = parsed(parser, pairs=6, side=32, clients=[*CLIENTS][::3])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = f"{folder}/home"  # read when the clients are imported
        measure(Path(folder), chosen.pairs, chosen.side, chosen.clients)


if __name__ == "__main__":
    main()
