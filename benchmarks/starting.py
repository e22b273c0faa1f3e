"""How long a user waits for the import and for --help.

    python benchmarks/starting.py [--runs 15]

Method: fresh processes, median of the runs. The import is measured inside the process (the start of a bare interpreter
is not ours); --help is the whole command. Beside them, the import of `datasets` and a bare interpreter. Ratios are of
CPU time, bounds of wall time. Bounds that we hold ourselves to: import under 50 ms, --help under 300 ms.
"""

from __future__ import annotations

import statistics
import sys

from _timing import Seconds, last_json, parsed, parser_of, ratio, safetypairs, timed_command

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
    commands = ([sys.executable, "-c", "pass"], safetypairs("--help"))
    bare, help_ = (median([timed_command(command) for _ in range(runs)]) for command in commands)
    print(f"import safetypairs_hf {ours}   (bound 0.050)")
    print(f"import datasets       {theirs}   to ours, {ratio(theirs, ours, models=False)}")
    print(f"safetypairs --help    {help_}   (bound 0.300)")
    print(f"a bare interpreter    {bare}   --help to that, {ratio(help_, bare, models=False)}")


if __name__ == "__main__":
    main()
