"""What publishing costs in time and memory: many bytes beside `HfApi.upload_folder`, and many pairs.

    python benchmarks/scale.py [--gb 1] [--pairs 1000 10000] [--repeats 2] [--no-xet] [--plot cost.png]

Many bytes: a run of random-noise pairs of 960 kB is published to the local Hub; the peer
is `HfApi.upload_folder` of the very files that the release consists of. Each is a process of its own with a fresh Hub
folder and a fresh HF_HOME, the two alternate, and the best of the repeats is taken. Our time is from `publish(...)` to
its return: reading the run, writing the files, hashing and uploading them, commit and tag; "after the last pair" is
the part of it that follows the writing, which is what the peer does. Neither includes imports. Peak memory is VmHWM.

Many pairs: runs of pairs of 24 kB (64 x 64 pixels) published into a local folder, one process each: the first release,
then a second one of the same run and 100 pairs more, which is what most releases are. `--plot` draws both (matplotlib,
in the extra `train`).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from _timing import Seconds, last_json, parsed, parser_of, ratio

TESTS = str(Path(__file__).parents[1] / "tests")
sys.path.insert(0, TESTS)

SIDE, SMALL_SIDE = 400, 64
REPO = "lab/pairs"

# A process that is measured: what it does, as code; it prints what a `Measure` holds.
MEASURED = """
import json, re, sys, time
from pathlib import Path
{imports}
start = written = time.perf_counter()
used = time.process_time()
def progress(name, done, total):
    global written
    written = time.perf_counter()
{work}
end = time.perf_counter()
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e3
print(json.dumps([time.process_time() - used, end - start, end - written, peak]))
"""
PUBLISH = MEASURED.format(
    imports="""
from safetypairs_hf.core.run_folder import open_run
import safetypairs_hf.dataset.shards, safetypairs_hf.publishing.hub_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.core.version import parse""",
    work="publish(open_run(sys.argv[1]), parse_target(sys.argv[2]), parse(sys.argv[3]), progress=progress)",
)
UPLOAD = MEASURED.format(
    imports="from huggingface_hub import HfApi",
    work="""
api = HfApi()
api.create_repo(sys.argv[2], repo_type="dataset")
api.upload_folder(repo_id=sys.argv[2], folder_path=sys.argv[1], repo_type="dataset")""",
)


class Measure(NamedTuple):
    """Of a process: CPU and wall seconds, the wall seconds after the last pair was written, and peak memory in MB."""

    cpu: float
    wall: float
    after: float
    peak: float

    @property
    def seconds(self) -> Seconds:
        return Seconds(self.cpu, self.wall)


def measured(
    code: str, source: Path, target: str, env: dict[str, str] | None = None, version: str = "1.0.0"
) -> Measure:
    return Measure(*last_json([sys.executable, "-c", code, str(source), target, version], env=env))


def on_hub(code: str, source: Path, scratch: Path, xet: bool) -> Measure:
    """The same, to a Hub that has seen nothing yet."""
    from hub_fixtures import ORGS, USERS, Hub

    from safetypairs_hf.testing.localhub.server import serve

    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        home = Path(folder) / "home"
        home.mkdir()
        with serve(Path(folder) / "hub", USERS, ORGS) as server:
            return measured(code, source, REPO, Hub(server, home).env(xet=xet))


def many_bytes(scratch: Path, gigabytes: float, repeats: int, xet: bool) -> None:
    from noise import noise_run

    pairs = max(9, round(gigabytes * 1e9 / (2 * 3 * SIDE * SIDE)))
    run, files = scratch / "run", scratch / "files"
    noise_run(run, pairs, SIDE)
    measured(PUBLISH, run, str(files))
    size = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(on_hub(PUBLISH, run, scratch, xet))
        theirs.append(on_hub(UPLOAD, files, scratch, xet))
    mine, peer = min(ours, key=_wall), min(theirs, key=_wall)
    print(f"{size / 1e9:.2f} GB, {pairs:,} pairs, {'Xet' if xet else 'LFS'}, best of {repeats}")
    for name, each, bound in (("publish", mine, "   (bound 1,500)"), ("upload_folder", peer, "")):
        print(f"  {name:<14}{each.seconds} {size / 1e6 / each.wall:7.0f} MB/s   peak {each.peak:5.0f} MB{bound}")
    print(f"  publish after the last pair {mine.after:.1f} s")
    print(f"  our rate {100 * peer.wall / mine.wall:.0f} % of upload_folder's   (bound 80)")
    print(f"  upload_folder to publish, {ratio(peer.seconds, mine.seconds, models=False)}")


def _wall(measure: Measure) -> float:
    return measure.wall


class Cost(NamedTuple):
    """Of a release: seconds and peak memory in MB. `pairs`: how many the version holds."""

    pairs: int
    seconds: float
    peak: float


FIRST, SECOND = "first release", "100 pairs more"
MORE = 100


def many_pairs(scratch: Path, counts: list[int]) -> dict[str, list[Cost]]:
    from noise import noise_run

    costs: dict[str, list[Cost]] = {FIRST: [], SECOND: []}
    print(f"{'pairs':>9} {'':<15} {'CPU s':>9} {'wall s':>9} {'peak MB':>8} {'CPU ms a pair':>14}")
    for count in counts:
        out = str(scratch / f"out-{count}")
        for name, pairs, version in ((FIRST, count, "1.0.0"), (SECOND, count + MORE, "1.1.0")):
            run = scratch / "run"
            noise_run(run, pairs, SMALL_SIDE)
            found = measured(PUBLISH, run, out, version=version)
            shutil.rmtree(run)
            costs[name].append(Cost(count, found.wall, found.peak))
            print(f"{count:9,} {name:<15} {found.cpu:9.1f} {found.wall:9.1f} {found.peak:8.0f}", end="")
            print(f" {1e3 * found.cpu / count:14.2f}", flush=True)
        shutil.rmtree(out)
    return costs


def plot(costs: dict[str, list[Cost]], path: Path) -> None:
    """Seconds against pairs, both axes logarithmic, dotted: ten times for ten times the pairs; and peak memory."""
    from matplotlib.figure import Figure

    figure = Figure((7.2, 3.2), dpi=120, layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), ("seconds", "peak"), strict=True):
        for (name, of), style in zip(costs.items(), ("o-", "s--"), strict=True):
            values = [getattr(cost, what) for cost in of]
            axes.plot([cost.pairs for cost in of], values, style, label=name)
            axes.annotate(f"{values[-1]:,.0f}", (of[-1].pairs, values[-1]), (6, -3), textcoords="offset points", size=8)
        if what == "seconds":
            low, high = costs[FIRST][0], costs[FIRST][-1]
            ends = [low.pairs, high.pairs], [low.seconds, low.seconds * high.pairs / low.pairs]
            axes.plot(*ends, ":", color="#888888", label="in proportion")
        axes.set(xscale="log", yscale="log" if what == "seconds" else "linear", xlabel="pairs in the version")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,g}")
        axes.margins(0.16)
        axes.minorticks_off()
        if what == "peak":
            axes.set_ylim(bottom=0)
        axes.set_title({"seconds": "seconds", "peak": "peak memory, MB"}[what], size=11)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle("Publishing pairs of 24 kB into a folder", size=12)
    figure.savefig(path)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--gb", type=float, default=1.0, help="0: leave this part out")
    parser.add_argument("--pairs", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="draw the cost against the number of pairs as this PNG")
    parser.add_argument("--no-xet", action="store_true", help="upload by LFS")
    chosen = parsed(parser, gb=1e-6, pairs=[9], repeats=1, no_xet=True)
    os.environ.pop("HF_ENDPOINT", None)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.gb:
            many_bytes(Path(folder), chosen.gb, chosen.repeats, not chosen.no_xet)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.pairs:
            costs = many_pairs(Path(folder), chosen.pairs)
            if chosen.plot:
                plot(costs, chosen.plot)


if __name__ == "__main__":
    main()
