"""How long a user waits for the import and for --help.

Method: fresh processes, median of 15. The import is timed inside the process (a bare interpreter's start is not ours);
--help is the wall time of the whole command. Beside them, the import of `datasets` and a bare interpreter.
Bounds that we hold ourselves to: import under 50 ms, --help under 300 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
INSIDE = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def inside(module: str) -> float:
    """Median seconds that `import module` takes in a fresh process."""
    command = [sys.executable, "-c", INSIDE.format(module)]
    return statistics.median(float(subprocess.check_output(command)) for _ in range(RUNS))


def wall(*command: str) -> float:
    """Median seconds that a command takes."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    ours, theirs = inside("safetypairs_hf"), inside("datasets")
    bare, help_ = wall(sys.executable, "-c", "pass"), wall(sys.executable, "-m", "safetypairs_hf", "--help")
    print(f"import safetypairs_hf    {ours * 1e3:8.1f} ms   (bound 50)")
    print(f"import datasets          {theirs * 1e3:8.1f} ms   {theirs / ours:.0f}x ours")
    print(f"safetypairs --help       {help_ * 1e3:8.1f} ms   (bound 300)")
    print(f"a bare interpreter       {bare * 1e3:8.1f} ms   --help is {help_ / bare:.1f}x that")


if __name__ == "__main__":
    main()
