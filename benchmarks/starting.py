"""How long a user waits for the import, for --help, and for the figures of a file of 3,020 images.

    python benchmarks/starting.py [--runs 15]

Method: fresh processes, median of the runs. The import is measured inside the process (the start of a bare interpreter
is not ours); --help and `safetypairs score` are whole commands. Beside them, the import of `datasets`, a bare
interpreter, and `import numpy, pyarrow.parquet`, without which no Parquet file is read. Ratios are of CPU time. Bounds
that we hold ourselves to: import under 50 ms and --help under 300 ms of wall time, a score at most 2.5 times the CPU
time of those imports.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from _timing import Seconds, last_json, parsed, parser_of, ratio, safetypairs, timed_command
from scoring import table_of

INSIDE = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
import {}
print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]))
"""


def inside(module: str, runs: int) -> Seconds:
    """How long `import module` takes in a fresh process."""
    command = [sys.executable, "-c", INSIDE.format(module)]
    return median([Seconds(*last_json(command)) for _ in range(runs)])


def median(times: list[Seconds]) -> Seconds:
    return Seconds(*(statistics.median(each) for each in zip(*times, strict=True)))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parsed(parser, runs=1).runs
    ours, theirs = inside("safetypairs_hf", runs), inside("datasets", runs)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.parquet"
        pq.write_table(table_of(3020, scores=True), file)
        commands = (
            [sys.executable, "-c", "pass"],
            safetypairs("--help"),
            [sys.executable, "-c", "import numpy, pyarrow.parquet"],
            safetypairs("score", str(file)),
        )
        times = zip(*([timed_command(command) for command in commands] for _ in range(runs)), strict=True)
        bare, help_, imports, score = (median(list(each)) for each in times)
    print(f"import safetypairs_hf {ours}   (bound 0.050)")
    print(f"import datasets       {theirs}   to ours, {ratio(theirs, ours, models=False)}")
    print(f"safetypairs --help    {help_}   (bound 0.300)")
    print(f"a bare interpreter    {bare}   --help to that, {ratio(help_, bare, models=False)}")
    print(f"numpy and pyarrow     {imports}")
    print(f"safetypairs score     {score}   to that, {ratio(score, imports, models=False)}   (bound 2.5)")


if __name__ == "__main__":
    main()
