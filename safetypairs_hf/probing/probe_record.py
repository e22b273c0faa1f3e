"""Record the probe of a release's new pairs, for the card of this version and of every later one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from safetypairs_hf.probing.probe import Probe, ProbeError, missing, refuse_few
from safetypairs_hf.probing.published_pairs import probed_pair

SAMPLE = 200  # pairs of a release that are probed: enough to detect a leak, within some seconds


class ReleaseProbe:
    """Probes a sample of the pairs that a release adds, while they are written into its files.

    The sample has the first ids, and the learners have fixed seeds, so the same run gives the same card.
    """

    def __init__(self, added: Iterable[str], *, wanted: bool = True) -> None:
        """`added`: the ids of the new pairs. `wanted`: whether the publisher wants a probe."""
        ids = sorted(added)
        self._count = len(ids)
        self._why_not = _why_not(len(ids), wanted)
        self._sample = frozenset(() if self._why_not else ids[:SAMPLE])
        self._probe = Probe()

    def add(self, row: Mapping[str, Any], controls: Iterable[Mapping[str, Any]]) -> None:
        """Measure a pair if it is in the sample, from its published row and those of its controls."""
        if row["pair_id"] in self._sample and not self._why_not:
            try:
                self._probe.add(probed_pair(row, controls))
            except ProbeError as error:
                self._why_not = str(error)

    def record(self) -> dict[str, Any]:
        """Return {"probe": findings}, or {"probe": {"not_made": reason}}; {} if no pair was added."""
        if not self._count:
            return {}
        if not self._why_not:
            try:
                return {"probe": {**self._probe.result().to_dict(), "of": self._count}}
            except ProbeError as error:
                self._why_not = str(error)
        return {"probe": {"not_made": self._why_not}}


def _why_not(pairs: int, wanted: bool) -> str:
    """Return why this number of new pairs is not probed; "" if it is."""
    if not wanted:
        return "the publisher left it out"
    try:
        refuse_few(pairs, pairs)
    except ProbeError as error:
        return str(error)
    return missing()
