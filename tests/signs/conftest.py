"""The road from scenes of signs to judged pairs, gone once for all tests of it."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box, Candidate, Edited, Instruction, Picture, Verdict
from safetypairs_hf.signs import SignEditor, SignInstructor, SignReader, SignScenes, signs_taxonomy
from safetypairs_hf.signs.blocks import Edge

COUNT, SIZE = 126, 256


class Tried(NamedTuple):
    """One candidate, its edit, and what the reader says of both."""

    candidate: Candidate
    edge: Edge
    instruction: Instruction
    safe: Picture
    before: Verdict
    after: Verdict

    @property
    def region(self) -> Box:
        assert self.instruction.region is not None
        return self.instruction.region

    @property
    def confirmed(self) -> bool:
        p, q = self.before.p_unsafe, self.after.p_unsafe
        return p is not None and q is not None and p >= 0.8 and q < 0.2


@pytest.fixture(scope="session")
def tried() -> list[Tried]:
    source, reader, done = SignScenes(17, SIZE), SignReader().under(signs_taxonomy()), []
    for number, candidate in enumerate(source.take(0, COUNT)):
        [written] = SignInstructor().write([candidate])
        instruction = written.outcome
        assert isinstance(instruction, Instruction)
        [edited] = SignEditor().edit([candidate.unsafe], [instruction], [number])
        assert isinstance(edited, Edited)
        safe = encode(edited.pixels)
        regions = [instruction.region] * 2
        before, after = reader.judge([candidate.unsafe, safe], [candidate.category] * 2, regions)
        done.append(Tried(candidate, source.edge(number), instruction, safe, before, after))
    return done


@pytest.fixture(scope="session")
def confirmed(tried: list[Tried]) -> list[Tried]:
    return [each for each in tried if each.confirmed]
