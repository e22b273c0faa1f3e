"""Which failures of a run a release adds, and which published ones it takes out.

None is published whose source, or edited image, was taken down or is a near-duplicate of a member of a test pair: they
lie in the split `train`, and who trains on them must not have seen what is tested on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from safetypairs_hf.building import run_reader
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.near_duplicates import NearIndex
from safetypairs_hf.core.pictures import perceptual_hash, sha256
from safetypairs_hf.core.records import Candidate, Identity
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.dataset import failure_rows
from safetypairs_hf.dataset.failure_rows import Failed, failure_id
from safetypairs_hf.dataset.manifest import DAMAGE, Manifest
from safetypairs_hf.dataset.takedowns import TakenDown
from safetypairs_hf.publishing.target import Target


@dataclass(frozen=True)
class FailurePlan:
    """`added` by failure id in the order of the run, without a file yet; `removed` and `kept` are published ones."""

    added: dict[str, Failed] = field(default_factory=dict)
    removed: list[Failed] = field(default_factory=list)
    kept: list[Failed] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.added and not self.removed


def published(target: Target, head: Manifest) -> list[Failed]:
    """The failures that the target's newest version holds. Raises PublishError where their manifest does not read."""
    if failure_rows.NAME not in head.files:
        return []
    try:
        return failure_rows.load(target.fetch(failure_rows.NAME).read_bytes())
    except DAMAGE as error:
        raise PublishError(
            f"{failure_rows.NAME} of {target.name} is damaged ({' '.join(str(error).split())}); restore the version "
            "that it was published with"
        ) from error


def plan_failures(
    run: RunFolder | None,
    held: Sequence[Failed],
    banned: TakenDown,
    tested: Iterable[Identity],
    bits: int,
    *,
    replace: bool = False,
) -> FailurePlan:
    """Compare the failures of a run (None: none are to be added) with the published ones, `held`.

    `tested`: the pairs of the split `test` as the release has it. `bits`: how near is a near-duplicate. `replace`: of
    what is published only the run's own stay.
    """
    if run is None and not held:
        return FailurePlan()
    barred = _Barred(banned, tested, bits)
    found = {each.failure_id: each for each in _of_run(run)} if run else {}
    here = {each.failure_id for each in held}
    kept = [each for each in held if (not replace or each.failure_id in found) and not barred.holds(each)]
    added = {name: each for name, each in found.items() if name not in here and not barred.holds(each)}
    stay = {each.failure_id for each in kept}
    return FailurePlan(added, [each for each in held if each.failure_id not in stay], kept)


def _of_run(run: RunFolder) -> Iterator[Failed]:
    hashed: dict[str, bytes] = {}  # attempts at one source follow each other: hash its image once
    for candidate in run_reader.failures(run):
        sha = sha256(candidate.unsafe.data)
        if sha not in hashed:
            hashed = {sha: perceptual_hash(candidate.unsafe)}
        yield _failed(candidate, sha, hashed[sha])


def _failed(candidate: Candidate, unsafe_sha256: str, unsafe_phash: bytes) -> Failed:
    assert candidate.safe
    return Failed(
        failure_id(candidate),
        "",
        candidate.category,
        "",
        unsafe_sha256,
        sha256(candidate.safe.data),
        unsafe_phash,
        perceptual_hash(candidate.safe),
        candidate.family,
        len(candidate.unsafe.data) + len(candidate.safe.data),
    )


class _Barred:
    def __init__(self, banned: TakenDown, tested: Iterable[Identity], bits: int) -> None:
        self._banned = banned
        self._near = NearIndex(bits)
        self._families = set[str]()
        for identity in tested:
            self._families.add(identity.family)
            for phash in (identity.unsafe_phash, identity.safe_phash):
                self._near.add(phash)
        self._families.discard("")

    def holds(self, each: Failed) -> bool:
        if each.family in self._families:
            return True
        images = (each.unsafe_sha256, each.unsafe_phash), (each.edited_sha256, each.edited_phash)
        return any(self._banned.holds_image(*image) or self._near.near(image[1]) for image in images)
