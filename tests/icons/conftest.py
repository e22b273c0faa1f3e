"""The road from scenes to judged pairs, gone once for all tests of it: small images, so that it takes seconds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box, Candidate, Instruction, Picture, Reject, Verdict
from safetypairs_hf.icons import IconEditor, IconInstructor, IconMatcher, IconScenes

COUNT, SIZE = 306, 256


class Tried(NamedTuple):
    """One candidate, its edit, what the matcher says of both, and whether a pixel outside the region changed."""

    candidate: Candidate
    instruction: Instruction
    safe: Picture
    before: Verdict
    after: Verdict
    leaked: bool

    @property
    def region(self) -> Box:
        assert self.instruction.region is not None
        return self.instruction.region

    @property
    def confirmed(self) -> bool:
        p, q = self.before.p_unsafe, self.after.p_unsafe
        return p is not None and q is not None and p >= 0.5 > q and not self.leaked


def leaked(unsafe: Picture, safe: Picture, region: Box) -> bool:
    changed = (unsafe.pixels != safe.pixels).any(axis=2)
    changed[region.y0 : region.y1, region.x0 : region.x1] = False
    return bool(changed.any())


@pytest.fixture(scope="session")
def tried() -> list[Tried]:
    candidates = IconScenes(17, SIZE).take(0, COUNT)
    matcher, done = IconMatcher(), []
    for seed, (candidate, written) in enumerate(zip(candidates, IconInstructor().write(candidates), strict=True)):
        instruction = written.outcome
        assert isinstance(instruction, Instruction) and instruction.region is not None
        [answer] = IconEditor().edit([candidate.unsafe], [instruction], [seed])
        if isinstance(answer, Reject):
            continue
        edited = answer.pixels
        assert edited.dtype == np.uint8 and edited.shape == (SIZE, SIZE, 3)
        safe, region = encode(edited), instruction.region
        before, after = matcher.judge([candidate.unsafe, safe], [candidate.category] * 2, [region] * 2)
        done.append(Tried(candidate, instruction, safe, before, after, leaked(candidate.unsafe, safe, region)))
    return done
