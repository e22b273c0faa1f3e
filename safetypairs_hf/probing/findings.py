"""The findings of a probe: detectors, the best of them and look-ups, as text, as a table and as plain values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import counted, verb
from safetypairs_hf.core.tables import WIDTH
from safetypairs_hf.probing.auc import Share
from safetypairs_hf.probing.detectors import Best, Detector
from safetypairs_hf.probing.lookups import NAMES, OVER, Lookup

CLEAN = 0.55  # pairs with a higher AUC are not called clean
ABOUT = {"image": "of the whole image and its file", "box": "in the box of what changed"}
QUESTION = {"edited": "which member was edited", "unsafe": "which member is unsafe"}


class ControlFindings(NamedTuple):
    """The best detectors on one kind of controls against the unsafe members that they were made from.

    `best` is empty if there are too few controls.
    """

    kind: str
    pairs: int
    best: Sequence[Best]


@dataclass(frozen=True)
class Findings:
    """The findings of a probe.

    Attributes:
        question: "edited", or "unsafe" if too few pairs state which of their members was edited.
        pairs: The number of pairs that were probed.
        left_out: The number of pairs left out because they do not state which member was edited.
        groups: The number of their groups.
        detectors: Every detector.
        best: The best detector of each place.
        lookups: The look-ups; empty if too few pairs have words.
        controls: The findings on each kind of controls.
        backbone: The network whose early layers were used, "" if none was.
        read: The source of the pairs, if known.
        of: The number of pairs from which the probed ones were chosen, 0 if all were probed.
    """

    question: str
    pairs: int
    left_out: int
    groups: int
    detectors: Sequence[Detector]
    best: Sequence[Best]
    lookups: Sequence[Lookup] = ()
    controls: Sequence[ControlFindings] = ()
    backbone: str = ""
    read: str = ""
    of: int = 0

    @property
    def highest(self) -> Best:
        """The best detector of the place with the higher AUC."""
        return max(self.best, key=lambda best: best.auc.value)

    @property
    def verdict(self) -> str:
        """The finding in a sentence or two."""
        top = self.highest
        told = f"The best detector {ABOUT[top.where]} tells {QUESTION[self.question]} in {top.pairs.value:.1%} of pairs"
        auc = f"AUC {top.auc.value:.3f}, 95% interval {top.auc.low:.3f} to {top.auc.high:.3f}"
        if top.auc.low > 0.5:
            end = f"{'a little ' if top.auc.value <= CLEAN else ''}better than a coin; what tells most is {top.named}."
        elif top.auc.value <= CLEAN:
            end = "no better than a coin, as far as these detectors can see."
        else:
            end = "perhaps better than a coin: more pairs would show it."
        return f"{told} ({auc}): {end}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; shares to four digits."""
        return {
            "question": self.question,
            "read": self.read,
            "pairs": self.pairs,
            "of": self.of or self.pairs,
            "left_out": self.left_out,
            "groups": self.groups,
            "verdict": self.verdict,
            "best": [_plain(best) for best in self.best],
            "detectors": [_plain(each) for each in self.detectors],
            "lookups": [_plain(each) for each in self.lookups],
            "controls": [
                {"kind": each.kind, "pairs": each.pairs, "best": [_plain(best) for best in each.best]}
                for each in self.controls
            ],
            "backbone": self.backbone,
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        of = f"{self.pairs:,} of " if self.of > self.pairs else ""
        named = f"{self.read}: " if self.read else ""
        yield from _wrapped(
            f"{named}can anything tell {QUESTION[self.question]} without looking at content? "
            f"{of}{counted(max(self.of, self.pairs), 'pair')} in {counted(self.groups, 'group')}"
        )
        yield ""
        yield f"{'traces':<18}{'seen':<8}{'logistic: AUC (95%)':<25}{'forest: AUC (95%)'}"
        for traces, where, found in rows(self.detectors):
            yield f"{traces:<18}{where:<8}" + "".join(f"{each.auc!s:<25}" for each in found).rstrip()
        yield ""
        yield f"{'best detector':<18}{'tried':>5}   {'AUC (95%)':<25}{'pairs right (95%)':<23}"
        for best in self.best:
            yield f"{_SEEN[best.where]:<18}{best.tried:>5}   {best.auc!s:<25}{best.pairs}"
            yield f"  mostly {best.named}"
        yield from self._of_controls()
        yield from self._of_lookups()
        yield ""
        yield from _wrapped(self.verdict)
        for note in self.notes():
            yield from _wrapped(note)

    def _of_controls(self) -> Iterator[str]:
        for each in self.controls:
            yield ""
            yield f"the same on {counted(each.pairs, 'control')}, {each.kind}" + ("" if each.best else ": too few")
            for best in each.best:
                yield f"{_SEEN[best.where]:<18}{best.tried:>5}   {best.auc!s:<25}{best.pairs}"

    def _of_lookups(self) -> Iterator[str]:
        if not self.lookups:
            return
        yield ""
        yield f"{'look-up':<26}{'over pairs (95%)':<25}{'over groups (95%)'}"
        for name, found in lookup_rows(self.lookups):
            yield f"{name:<26}" + "".join(f"{each.pairs!s:<25}" for each in found).rstrip()

    def notes(self) -> Iterator[str]:
        """Yield what a reader needs to know about the figures."""
        if self.question == "unsafe":
            yield (
                "The pairs do not say which member was edited, so the figures are of the unsafe member against the "
                "safe one: the content counts as well."
            )
        if self.left_out:
            n = self.left_out
            yield (
                f"{counted(n, 'pair')} {verb(n, 'does')} not say which member was edited, and {verb(n, 'was')} left "
                "out."
            )
        if not self.lookups:
            yield "No look-up was made: too few pairs have a critical feature or captions."
        elif self.groups == self.pairs:
            yield "Each pair is a group of its own, so look-ups over groups are look-ups over pairs."
        if not self.backbone:
            yield "No frozen network was asked; docs/probe.md says how to add one."


def rows(detectors: Sequence[Detector]) -> list[tuple[str, str, list[Detector]]]:
    """Return the detectors of each kind of traces together."""
    found: dict[tuple[str, str], list[Detector]] = {}
    for each in detectors:
        found.setdefault((each.traces, each.where), []).append(each)
    return [(*name, of) for name, of in found.items()]


def lookup_rows(lookups: Sequence[Lookup]) -> list[tuple[str, list[Lookup]]]:
    """Return for each look-up its results over pairs and over groups."""
    found = {(each.name, each.over): each for each in lookups}
    return [(name, [found[name, over] for over in OVER]) for name in NAMES]


_SEEN = {"image": "image and file", "box": "box"}


def _plain(record: Any) -> dict[str, Any]:
    fields: Mapping[str, Any] = record._asdict()
    return {name: value.to_dict() if isinstance(value, Share) else value for name, value in fields.items()}


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)
