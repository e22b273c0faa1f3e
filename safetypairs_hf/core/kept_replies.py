"""The replies of a server to the requests of a work unit that is not done, in files of the run folder.

A part of a run is written when its unit is done. What a server was paid for until then is kept here, a file a reply, so
that a build which is killed in the middle of a unit does not ask for it again. When the part is there the files go.
"""

from __future__ import annotations

from safetypairs_hf.core.run_folder import RunFolder

REPLIES = "replies"  # the folder


class KeptReplies:
    """The kept replies of one step of a unit.

    Args:
        run: the run folder.
        step: the name of the step's folder, such as "edit-2".
        unit: the number of the work unit.
    """

    def __init__(self, run: RunFolder, step: str, unit: int) -> None:
        self._run = run
        self._folder = f"{REPLIES}/{step}/{unit:05d}"
        _clear_finished(run, step)
        self._there = {name.rsplit("/", 1)[-1] for name in run.files(self._folder)}

    def get(self, key: str) -> bytes | None:
        """What was kept under a key; None where nothing was."""
        return self._run.read(f"{self._folder}/{key}") if key in self._there else None

    def put(self, key: str, data: bytes) -> None:
        """Keep something; from then on a kill cannot lose it. Raises RunError where it cannot be written."""
        self._run.write(f"{self._folder}/{key}", data)
        self._there.add(key)


def clear(run: RunFolder) -> None:
    """Remove all kept replies of a run that is finished."""
    run.remove_folder(REPLIES)


def _clear_finished(run: RunFolder, step: str) -> None:
    """Remove the kept replies of the units whose part of the step is there."""
    for unit in {int(name.split("/")[2]) for name in run.files(f"{REPLIES}/{step}")}:
        if run.has(run.part(step, unit)):
            run.remove_folder(f"{REPLIES}/{step}/{unit:05d}")
