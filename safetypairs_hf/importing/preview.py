"""Draw some pairs of a source before anything is imported: `safetypairs import SOURCE --dry-run`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from safetypairs_hf.core.contact_sheet import Shown, blurred, contact_sheet
from safetypairs_hf.core.records import Box, Candidate
from safetypairs_hf.importing.pair_source import PairSource

SHOWN = 10
_TRIED = 5 * SHOWN  # pairs that are tried at most, if some are rejected


def draw(source: PairSource, path: Path, show_unsafe: bool = False) -> tuple[int, list[Candidate]]:
    """Draw up to ten pairs, spread over the source, as a PNG; unsafe members are blurred unless `show_unsafe`.

    Returns:
        The number of drawn pairs (with none, no file is written), and the pairs that were tried and rejected.
    """
    size = source.size
    spread = [number * size // SHOWN for number in range(SHOWN)]
    shown: list[Shown] = []
    rejected: list[Candidate] = []
    for number in dict.fromkeys([*spread, *range(min(size, _TRIED))]):
        if len(shown) == SHOWN or len(shown) + len(rejected) == _TRIED:
            break
        for candidate in source.take(number, number + 1):
            if candidate.reject is None:
                shown.append(_shown(candidate, show_unsafe))
            else:
                rejected.append(candidate)
    if shown:
        contact_sheet(shown, path)
    return len(shown), rejected


def _shown(candidate: Candidate, show_unsafe: bool) -> Shown:
    assert candidate.safe and candidate.instruction and candidate.finished
    unsafe, safe = (Image.fromarray(each.pixels) for each in (candidate.unsafe, candidate.safe))
    if not show_unsafe:
        unsafe = blurred(unsafe)
    said = candidate.instruction.critical_feature or candidate.instruction.text
    box = candidate.edit_box or Box(0, 0, *unsafe.size)
    if policy := candidate.finished.safe_policy:
        said, safe = f"safe by {policy}", unsafe  # the image is unsafe by one of them
    return Shown(unsafe, safe, box, candidate.category, f"{candidate.origin.id}  {said}".strip())
