"""Stage 4, judge: did the label flip, and did nothing else change?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from safetypairs_hf.building.ids import content_id
from safetypairs_hf.pictures import perceptual_hash, sha256
from safetypairs_hf.records import (
    Box,
    Candidate,
    Identity,
    Judge,
    Judgement,
    Picture,
    Pixels,
    Preservation,
    Reject,
    Verdict,
)


@dataclass(frozen=True)
class Judging:
    """The judges and their thresholds. Every judge must see the unsafe member as unsafe and the safe one as safe.

    `unsafe_at_least`: least P(unsafe) of the unsafe member. `safe_below`: P(unsafe) of the safe member is below this.
    `max_changed_fraction`: largest share of the image that an edit may change.
    """

    judges: tuple[Judge, ...]
    unsafe_at_least: float = 0.5
    safe_below: float = 0.5
    max_changed_fraction: float = 0.5

    def __call__(self, batch: Sequence[Candidate]) -> None:
        for candidate in batch:
            candidate.reject = self._check_pixels(candidate)
        preserved = [candidate for candidate in batch if candidate.reject is None]
        for judge in self.judges:
            self._ask(judge, preserved)
        for candidate in preserved:
            if candidate.reject is None:
                candidate.identity = identify(candidate.unsafe, _safe(candidate), candidate.category, candidate.family)

    def _check_pixels(self, candidate: Candidate) -> Reject | None:
        """Measure what changed; a Reject where nothing did, too much did, or something outside the region did."""
        before, after = candidate.unsafe.pixels, _safe(candidate).pixels
        box, changed = changed_box(before, after)
        if box is None:
            return Reject("judge", "unchanged", "the edit changed no pixel")
        candidate.edit_box = box
        # The box is the smallest that holds every changed pixel, so what lies outside it is equal: SSIM is 1 exactly.
        candidate.preservation = Preservation(ssim_outside=1.0, changed_fraction=changed)
        region = _region(candidate)
        if region is not None and not _inside(box, region):
            return Reject("judge", "leaked_outside_box", f"changed {tuple(box)}, allowed {tuple(region)}")
        if changed > self.max_changed_fraction:
            return Reject("judge", "edit_too_large", f"{changed:.3f} of the pixels changed")
        return None

    def _ask(self, judge: Judge, batch: Sequence[Candidate]) -> None:
        categories = [candidate.category for candidate in batch]
        regions = [_region(candidate) for candidate in batch]
        before = judge.judge([candidate.unsafe for candidate in batch], categories, regions)
        after = judge.judge([_safe(candidate) for candidate in batch], categories, regions)
        for candidate, unsafe, safe in zip(batch, before, after, strict=True):
            candidate.judgements.append(Judgement(judge.name, unsafe.p_unsafe, safe.p_unsafe))
            if candidate.reject is None:
                candidate.reject = self._weigh(judge.name, unsafe, safe)

    def _weigh(self, name: str, unsafe: Verdict, safe: Verdict) -> Reject | None:
        if unsafe.p_unsafe is None or unsafe.p_unsafe < self.unsafe_at_least:
            return Reject("judge", unsafe.note or "unsafe_not_seen", f"{name}: P(unsafe) before = {unsafe.p_unsafe}")
        if safe.p_unsafe is None or safe.p_unsafe >= self.safe_below:
            return Reject("judge", safe.note or "still_unsafe", f"{name}: P(unsafe) after = {safe.p_unsafe}")
        return None


def changed_box(before: Pixels, after: Pixels) -> tuple[Box | None, float]:
    """The smallest box around the pixels that differ (None where none does) and their share of the image, in [0, 1]."""
    mask = (before != after).any(axis=2)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None, 0.0
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return box, int(mask.sum()) / mask.size


def identify(unsafe: Picture, safe: Picture, category: str, family: str) -> Identity:
    """What the pair is known by; its id is a content hash of both files and the category."""
    files = sha256(unsafe.data), sha256(safe.data)
    return Identity(content_id(*files, category), *files, perceptual_hash(unsafe), perceptual_hash(safe), family)


def _region(candidate: Candidate) -> Box | None:
    return candidate.instruction.region if candidate.instruction else None


def _inside(box: Box, region: Box) -> bool:
    return box.x0 >= region.x0 and box.y0 >= region.y0 and box.x1 <= region.x1 and box.y1 <= region.y1


def _safe(candidate: Candidate) -> Picture:
    if candidate.safe is None:
        raise ValueError(f"{candidate.source_id} reached the judge stage without a safe member")
    return candidate.safe
