"""Stage 4, judge: check that the label flipped and nothing else changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from safetypairs_hf.building.finishing import CpuWork, Finishing
from safetypairs_hf.core.errors import RecipeError, counted
from safetypairs_hf.core.ids import policy_pair_id
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.records import Box, Candidate, Judge, Judgement, Picture, Reject, Verdict
from safetypairs_hf.guards.base import Guard
from safetypairs_hf.guards.user_guard import as_guard, as_judge


@dataclass(frozen=True)
class Judging:
    """The judges and their thresholds. Every judge must call the unsafe member unsafe and the safe one safe.

    Args:
        judges: The judges; a plain function is accepted as one.
        unsafe_at_least: The least P(unsafe) of the unsafe member.
        safe_below: P(unsafe) of the safe member must be below this.
        max_changed_fraction: The largest share of the image that an edit may change, in [0, 1].
        min_ssim_outside: The least structural similarity outside the changed area; 1.0 means equal.
        at_most: The largest distance between the members, by the name of the measure.
        region_slack: How far the change may exceed the instructor's region, as a share of the image's longer side; None
            if the instructor's regions are only hints.
        families: The number of different families that the judges must have.

    Raises:
        RecipeError: The judges have fewer families.
    """

    judges: tuple[Judge, ...]
    unsafe_at_least: float = 0.5
    safe_below: float = 0.5
    max_changed_fraction: float = 0.5
    min_ssim_outside: float = 0.0
    at_most: tuple[tuple[str, float], ...] = ()
    region_slack: float | None = 0.0
    families: int = 1

    def __post_init__(self) -> None:
        given = self.judges if isinstance(self.judges, tuple | list) else (self.judges,)
        object.__setattr__(self, "judges", tuple(as_judge(judge) for judge in given))
        found = sorted({family(judge) for judge in self.judges})
        if len(found) < self.families:
            raise RecipeError(
                f"the judges are of {counted(len(found), 'family')} ({', '.join(found)}), but the recipe needs "
                f"{self.families}: judges that share weights agree for the wrong reasons; add one of another family"
            )

    def start(self, batch: Sequence[Candidate], cpu: CpuWork) -> Callable[[], Sequence[Candidate]]:
        """Ask the judges.

        Returns:
            A function that waits until `cpu` has hashed the pairs that passed, and returns the batch.
        """
        for candidate in batch:
            candidate.reject = self._check_pixels(candidate)
        preserved = [candidate for candidate in batch if candidate.reject is None]
        for number in range(len(self.judges)):
            self._ask(number, preserved)
        keep_best(preserved)
        for candidate in preserved:
            if candidate.reject is not None and candidate.reject.final and self._region_at_fault(candidate):
                candidate.reject = candidate.reject._replace(final=False)  # the next round has another region
        passed = [candidate for candidate in preserved if candidate.reject is None]
        identities = [cpu.submit(Finishing.identified, c.unsafe, _safe(c), c.category, c.family) for c in passed]

        def rest() -> Sequence[Candidate]:
            for candidate, identity in zip(passed, identities, strict=True):
                candidate.identity = identity.result()
                if policy := _safe_policy(candidate):
                    pair_id = policy_pair_id(candidate.identity.unsafe_sha256, candidate.category, policy)
                    candidate.identity = candidate.identity._replace(pair_id=pair_id)
            return batch

        return rest

    def _check_pixels(self, candidate: Candidate) -> Reject | None:
        """Return a Reject if nothing changed, too much did, or something outside the region did."""
        if _safe_policy(candidate):
            return None  # both members are one image
        box, preservation = candidate.edit_box, candidate.preservation
        if box is None or preservation is None:
            return Reject("judge", "unchanged", "the edit changed no pixel")
        allowed = region(candidate)
        if allowed is not None and self.region_slack is not None:
            height, width = candidate.unsafe.pixels.shape[:2]
            if not _inside(box, allowed, round(self.region_slack * max(height, width))):
                return Reject("judge", "leaked_outside_box", f"changed {tuple(box)}, allowed {tuple(allowed)}")
        changed, outside = preservation.changed_fraction, preservation.ssim_outside
        if changed > self.max_changed_fraction:
            return Reject("judge", "edit_too_large", f"{changed:.3f} of the pixels changed")
        if outside < self.min_ssim_outside:
            return Reject("judge", "changed_elsewhere", f"SSIM outside the edit is {outside:.3f}")
        limits = dict(self.at_most)
        for name, distance in preservation.distances:
            if distance > limits.get(name, distance):
                return Reject("judge", "too_different", f"{name} is {distance:.3f}; expected at most {limits[name]}")
        return None

    def _ask(self, number: int, batch: Sequence[Candidate]) -> None:
        guard = as_guard(self.judges[number])
        unknown = [candidate for candidate in batch if _known(candidate, number, guard) is None]
        asked = iter(judge_once(guard, [(each.unsafe, each) for each in unknown]))
        before = [_known(each, number, guard) or next(asked) for each in batch]
        after = judge_once(guard, [(_safe(each), each) for each in batch])
        for candidate, unsafe, safe in zip(batch, before, after, strict=True):
            candidate.judgements.append(Judgement(guard.name, unsafe.p_unsafe, safe.p_unsafe))
            if candidate.reject is None:
                candidate.reject = self._weigh(guard.name, unsafe, safe)

    def _weigh(self, name: str, unsafe: Verdict, safe: Verdict) -> Reject | None:
        if not self._sees_unsafe(unsafe.p_unsafe):
            detail = f"{name}: P(unsafe) before = {unsafe.p_unsafe}"
            return Reject("judge", unsafe.note or "unsafe_not_seen", detail, final=True)  # no edit can change that
        if safe.p_unsafe is None or safe.p_unsafe >= self.safe_below:
            return Reject("judge", safe.note or "still_unsafe", f"{name}: P(unsafe) after = {safe.p_unsafe}")
        return None

    def _sees_unsafe(self, p_unsafe: float | None) -> bool:
        return p_unsafe is not None and p_unsafe >= self.unsafe_at_least

    def _region_at_fault(self, candidate: Candidate) -> bool:
        """Return whether every judge that does not see the unsafe member as unsafe was shown only a region of it."""
        unseen = [
            as_guard(judge)
            for judge, said in zip(self.judges, candidate.judgements, strict=True)
            if not self._sees_unsafe(said.p_unsafe_before)
        ]
        return region(candidate) is not None and all(guard.uses_regions for guard in unseen)


def judge_once(judge: Judge, asked: Sequence[tuple[Picture, Candidate]]) -> list[Verdict]:
    """Judge pictures of candidates, equal questions once. Return one Verdict for each picture, in order.

    Attempts at a source share its image, and controls of a pair share its members. A judge whose verdict may depend on
    the region is asked about each region.
    """
    guard = as_guard(judge)
    keys = [
        (sha256(picture.data), candidate.category, None if guard.uses_regions is False else region(candidate))
        for picture, candidate in asked
    ]
    first = dict(reversed([*zip(keys, asked, strict=True)]))
    if not keys:
        return []
    order = dict.fromkeys(keys)
    pictures, candidates = zip(*(first[key] for key in order), strict=True)
    found = guard.judge(pictures, [each.category for each in candidates], [region(each) for each in candidates])
    verdicts = dict(zip(order, found, strict=True))
    return [verdicts[key] for key in keys]


def _known(candidate: Candidate, number: int, judge: Guard) -> Verdict | None:
    """Return the judge's verdict on the unsafe member in an earlier round, for the same region if that matters."""
    if judge.uses_regions is False:
        said = next((p for (other, _), p in candidate.known.items() if other == number), None)
    else:
        said = candidate.known.get((number, region(candidate)))
    return None if said is None else Verdict(said)


def family(judge: Judge) -> str:
    """Return the family of a judge (shared weights or training); its own name if it does not state one."""
    return str(getattr(judge, "family", judge.name))


def keep_best(batch: Sequence[Candidate]) -> None:
    """Of several attempts at a source that passed, keep the one with the largest worst-case margin over all judges."""
    best: dict[str, Candidate] = {}
    for candidate in batch:
        if candidate.reject is None:
            other = best.get(candidate.source_id)
            if other is None or _margin(candidate) > _margin(other):
                best[candidate.source_id] = candidate
    for candidate in batch:
        if candidate.reject is None and best[candidate.source_id] is not candidate:
            candidate.reject = Reject("judge", "not_the_best", "another attempt at this source passed by more")


def _margin(candidate: Candidate) -> float:
    return min(item.margin for item in candidate.judgements)


def region(candidate: Candidate) -> Box | None:
    """Return the instructor's region for the edit; None if it did not give one."""
    return candidate.instruction.region if candidate.instruction else None


def _inside(box: Box, region: Box, slack: int) -> bool:
    return (
        box.x0 >= region.x0 - slack
        and box.y0 >= region.y0 - slack
        and box.x1 <= region.x1 + slack
        and box.y1 <= region.y1 + slack
    )


def _safe_policy(candidate: Candidate) -> str:
    """Return the category whose policy calls the image of a policy pair safe; "" for any other pair."""
    return candidate.finished.safe_policy if candidate.finished else ""


def _safe(candidate: Candidate) -> Picture:
    if candidate.safe is None:
        raise ValueError(f"{candidate.source_id} reached the judge stage without a safe member")
    return candidate.safe
