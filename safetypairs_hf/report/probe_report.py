"""Probe a run folder, or a version of a published dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.run_folder import is_run, open_run
from safetypairs_hf.probing.backbone import installed_backbone
from safetypairs_hf.probing.findings import Findings
from safetypairs_hf.probing.probe import Probe, Progress, refuse_few, refuse_without_learners

if TYPE_CHECKING:
    from safetypairs_hf.building.run_reader import FinishedRun
    from safetypairs_hf.probing.probe import ProbedPair

SAMPLE = 2000


def probe(
    what: str, *, sample: int = SAMPLE, backbone: bool = True, progress: Progress = lambda name, done, total: None
) -> Findings:
    """Probe a run or a dataset: test whether traces reveal the edited member of a pair without its content.

    Args:
        what: A run folder (a path or URL), or a dataset as TARGET[@VERSION].
        sample: The most pairs to probe, chosen by their ids alone, so the same data give the same pairs.
        backbone: Also train a detector on the early layers of a frozen network, if one is installed.
        progress: Called with ("pairs", number read, total), then with ("detectors", number done, total).

    Returns:
        The accuracy of every detector and look-up, and the findings on each kind of control.

    Raises:
        ProbeError: There are too few pairs, a pair is incomplete, or scikit-learn is not installed.
        SafetyPairsError: `what` is neither a run nor a dataset, or cannot be read.
    """
    refuse_without_learners()
    if sample < 1:
        raise SafetyPairsError(f"sample={sample}: it is a number of pairs, 1 or more")
    made = Probe(installed_backbone() if backbone else None)
    if is_run(what):
        from safetypairs_hf.building.run_reader import open_finished

        run = open_finished(open_run(what))
        of, read = len(run.drawn), run.url
        refuse_few(min(sample, of), len({item.group for item in run.drawn}))
        pairs = _of_run(run, sample, progress)
    else:
        from safetypairs_hf.dataset.store.open_store import open_named
        from safetypairs_hf.probing.published_pairs import published_pairs

        edition = open_named(what)
        of, read = edition.columns.rows, edition.name
        refuse_few(min(sample, of), len(set(edition.table["group"].to_pylist())))
        pairs = published_pairs(edition, sample, progress)
    for pair in pairs:
        made.add(pair)
    return dataclasses.replace(made.result(progress), read=read, of=of)


def _of_run(run: FinishedRun, sample: int, progress: Progress) -> Iterator[ProbedPair]:
    """Yield the pairs of a run with the first ids, as they would be published."""
    from safetypairs_hf.dataset.control_rows import control_rows
    from safetypairs_hf.dataset.schema import row
    from safetypairs_hf.probing.published_pairs import probed_pair

    groups = {item.entrant.identity.pair_id: item.group for item in run.drawn}
    wanted = set(sorted(groups)[:sample])
    for done, (candidate, controls) in enumerate(run.pairs(wanted), 1):
        assert candidate.identity
        published = row(candidate, groups[candidate.identity.pair_id], run.taxonomy, "")
        yield probed_pair(published, control_rows(published, controls))
        progress("pairs", done, len(wanted))
