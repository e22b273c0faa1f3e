"""Keep the replies of a server for a work unit that is not finished, in files of the run folder.

A run writes the results of a unit when the unit is finished. Until then each paid reply is kept in its own file, and a
build that was killed within a unit does not request it again. The files are removed once the results are written.
"""

from __future__ import annotations

from safetypairs_hf.core.run_folder import RunFolder

REPLIES = "replies"  # the folder


class KeptReplies:
    """The kept replies of one step of a work unit.

    Args:
        run: The run folder.
        step: The name of the step's folder, such as "edit-2".
        unit: The number of the work unit.
    """

    def __init__(self, run: RunFolder, step: str, unit: int) -> None:
        self._run = run
        self._folder = f"{REPLIES}/{step}/{unit:05d}"
        _clear_finished(run, step)
        self._there = {name.rsplit("/", 1)[-1] for name in run.files(self._folder)}

    def get(self, key: str) -> bytes | None:
        """Return what is kept under a key; None if nothing is."""
        return self._run.read(f"{self._folder}/{key}") if key in self._there else None

    def put(self, key: str, data: bytes) -> None:
        """Keep data under a key. It survives a kill from then on. Raises RunError if it cannot be written."""
        self._run.write(f"{self._folder}/{key}", data)
        self._there.add(key)


def clear(run: RunFolder) -> None:
    """Remove all kept replies of a run that is finished."""
    run.remove_folder(REPLIES)


def _clear_finished(run: RunFolder, step: str) -> None:
    """Remove the kept replies of the units whose results for the step are written."""
    for unit in {int(name.split("/")[2]) for name in run.files(f"{REPLIES}/{step}")}:
        if run.has(run.part(step, unit)):
            run.remove_folder(f"{REPLIES}/{step}/{unit:05d}")
