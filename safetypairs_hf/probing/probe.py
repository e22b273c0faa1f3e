"""Probe pairs: can anything tell the edited member without looking at content?

found = Probe()
for pair in pairs:
    found.add(pair)
print(found.result())
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError, counted, in_a_line, verb
from safetypairs_hf.core.records import Box, Picture
from safetypairs_hf.probing.findings import ControlFindings, Findings
from safetypairs_hf.probing.lookups import Clue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safetypairs_hf.probing.backbone import Backbone
    from safetypairs_hf.probing.detectors import Traces

    Measured = list[tuple[str, str, NDArray[np.float64]]]

LEAST_PAIRS, LEAST_GROUPS = 80, 10
EDITED = {"unsafe_to_safe": "safe", "safe_to_unsafe": "unsafe"}  # the edited member, by the direction of a pair
Progress = Callable[[str, int, int], None]


class ProbeError(SafetyPairsError):
    """Pairs cannot be probed: there are too few of them, or one is incomplete."""


class ProbedPair(NamedTuple):
    """A pair as it is published.

    Attributes:
        pair_id: Its id.
        group: Its group.
        unsafe: The file of its unsafe member.
        safe: The file of its safe member.
        box: The smallest box around the pixels that changed; None if none did.
        direction: One of `DIRECTIONS`.
        clue: Its items and words; None if it has no texts.
        controls: (kind, file) of each control of its unsafe member.
    """

    pair_id: str
    group: str
    unsafe: bytes
    safe: bytes
    box: Box | None
    direction: str
    clue: Clue | None = None
    controls: tuple[tuple[str, bytes], ...] = ()


def missing() -> str:
    """Return what a probe needs that is not installed, in words; "" if nothing is missing."""
    return "" if importlib.util.find_spec("sklearn") else "scikit-learn is not installed"


def refuse_without_learners() -> None:
    """Raise ProbeError if scikit-learn is not installed."""
    if missing():
        raise ProbeError("the probe needs scikit-learn, which is not installed; pip install 'safetypairs-hf[probe]'")


class _Member(NamedTuple):
    """The measurements of a pair: its id, its group, the edited member ("" if unknown), and both members."""

    pair_id: str
    group: str
    edited: str
    unsafe: Measured
    safe: Measured


class Probe:
    """Measures pairs one at a time, and keeps only the measurements in memory."""

    def __init__(self, backbone: Backbone | None = None) -> None:
        """`backbone`: see `backbone.Backbone`; None leaves out the detector on a frozen network."""
        self._backbone = backbone
        self._pairs: list[_Member] = []
        self._clues: dict[str, Clue] = {}
        self._controls: dict[str, list[_Member]] = defaultdict(list)

    def add(self, pair: ProbedPair) -> None:
        """Measure a pair and its controls.

        Raises:
            ProbeError: A member is empty or not an image, or the members differ in size.
        """
        unsafe, safe = _picture(pair, "unsafe", pair.unsafe), _picture(pair, "safe", pair.safe)
        _refuse_other_size(pair, "its members differ in size", {"unsafe": unsafe, "safe": safe})
        box = _box(pair, unsafe)
        of_unsafe = self._measure(unsafe, box)
        edited = EDITED.get(pair.direction, "")
        self._pairs.append(_Member(pair.pair_id, pair.group, edited, of_unsafe, self._measure(safe, box)))
        if pair.clue is not None:
            self._clues[pair.pair_id] = pair.clue
        for kind, data in pair.controls:
            control = _picture(pair, kind, data)
            _refuse_other_size(pair, f"its {kind} differs in size", {"unsafe": unsafe, kind: control})
            # The control replaces the safe member, as the edited one.
            measured = self._measure(control, box)
            self._controls[kind].append(_Member(pair.pair_id, pair.group, "safe", of_unsafe, measured))

    def _measure(self, picture: Picture, box: Box) -> Measured:
        from safetypairs_hf.probing import pixel_traces
        from safetypairs_hf.probing.file_traces import file_traces
        from safetypairs_hf.probing.placement import placement

        view = pixel_traces.view_of(picture.pixels, box)
        found = [("file", "image", file_traces(picture.data, picture.pixels.shape[0] * picture.pixels.shape[1]))]
        for name in ("noise", "spectrum", "edges", "grid"):
            of_image, of_box = getattr(pixel_traces, name)(view)
            found += [(_CALLED[name], "image", of_image), (_CALLED[name], "box", of_box)]
        found.append(("placement", "box", placement(view)))
        if self._backbone is not None:
            of_image, of_box = self._backbone.texture(view)
            found += [("frozen network", "image", of_image), ("frozen network", "box", of_box)]
        return found

    def result(self, progress: Progress = lambda name, done, total: None) -> Findings:
        """Train the detectors and look-ups on all pairs that were added.

        Args:
            progress: Called with ("detectors", number done, total).

        Returns:
            The accuracy of every detector and look-up, and the findings on each kind of control.

        Raises:
            ProbeError: There are too few pairs or groups, or scikit-learn is not installed.
        """
        refuse_without_learners()
        refuse_few(len(self._pairs), len({pair.group for pair in self._pairs}))
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # more threads change the order of summation, and are slower on such small tables
            return self._found(progress)

    def _found(self, progress: Progress) -> Findings:
        known = [pair for pair in self._pairs if pair.edited]
        is_known = _enough(known)
        probed = _sorted(known if is_known else self._pairs)
        verdicts = _detect(probed, "edited" if is_known else "unsafe", progress)
        return Findings(
            question="edited" if is_known else "unsafe",
            pairs=len(probed),
            left_out=len(self._pairs) - len(probed),
            groups=len({pair.group for pair in probed}),
            detectors=verdicts.detectors,
            best=verdicts.best,
            lookups=self._lookups(),
            controls=tuple(
                ControlFindings(
                    kind, len(made), _detect(_sorted(made), "edited", progress).best if _enough(made) else ()
                )
                for kind, made in sorted(self._controls.items())
            ),
            backbone=self._backbone.name if self._backbone is not None else "",
        )

    def _lookups(self) -> Any:
        from safetypairs_hf.probing.lookups import lookups

        clues = [self._clues[pair_id] for pair_id in sorted(self._clues)]
        there = [clue for clue in clues if clue.unsafe]
        enough = len(there) >= LEAST_PAIRS and len({clue.group for clue in there}) >= LEAST_GROUPS
        return lookups(there) if enough else ()


_CALLED = {"noise": "noise residual", "spectrum": "spectrum", "edges": "edges, luminance", "grid": "JPEG grid"}


def refuse_few(pairs: int, groups: int) -> None:
    """Raise ProbeError if there are too few pairs or groups for meaningful figures."""
    if pairs < LEAST_PAIRS:
        raise ProbeError(f"{counted(pairs, 'pair')} {verb(pairs, 'is')} too few for a probe, which needs {LEAST_PAIRS}")
    if groups < LEAST_GROUPS:
        raise ProbeError(
            f"the {pairs:,} pairs are of {counted(groups, 'group')}, too few for a probe, which trains on some groups "
            f"and tests on others: it needs {LEAST_GROUPS}"
        )


def _enough(pairs: Sequence[_Member]) -> bool:
    return len(pairs) >= LEAST_PAIRS and len({pair.group for pair in pairs}) >= LEAST_GROUPS


def _sorted(pairs: Sequence[_Member]) -> list[_Member]:
    """Return the pairs by id, so that the order in which they arrive changes no figure."""
    return sorted(pairs, key=lambda pair: pair.pair_id)


def _detect(pairs: Sequence[_Member], question: str, progress: Progress) -> Any:
    import numpy as np

    from safetypairs_hf.probing.auc import numbered
    from safetypairs_hf.probing.detectors import Traces, detect

    sides = [
        (pair.safe, pair.unsafe) if question == "edited" and pair.edited == "safe" else (pair.unsafe, pair.safe)
        for pair in pairs
    ]
    traces: list[Traces] = [
        Traces(name, where, *(np.stack([side[which][at][2] for side in sides]) for which in (0, 1)))
        for at, (name, where, _) in enumerate(sides[0][0])
    ]
    groups = numbered([pair.group for pair in pairs])
    return detect(traces, groups, lambda done, of: progress("detectors", done, of))


def _picture(pair: ProbedPair, member: str, data: bytes) -> Picture:
    if not data:
        raise ProbeError(f"pair {pair.pair_id}: its {member} image has no bytes; a probe reads both files of a pair")
    picture = Picture(data)
    try:
        _ = picture.pixels
    except Exception as error:  # Pillow may raise anything on invalid bytes
        raise ProbeError(f"pair {pair.pair_id}: its {member} image does not decode ({in_a_line(error)})") from error
    return picture


def _refuse_other_size(pair: ProbedPair, what: str, pictures: dict[str, Picture]) -> None:
    sizes = {name: picture.pixels.shape[1::-1] for name, picture in pictures.items()}
    if len(set(sizes.values())) > 1:
        named = ", ".join(f"{name} {wide} x {high}" for name, (wide, high) in sizes.items())
        raise ProbeError(
            f"pair {pair.pair_id}: {what}, which tells them apart at once: {named}; bring both to one size"
        )


def _box(pair: ProbedPair, unsafe: Picture) -> Box:
    """Return the box of the change; the whole image if nothing changed."""
    height, width = unsafe.pixels.shape[:2]
    if pair.box is None:
        return Box(0, 0, width, height)
    if not (0 <= pair.box.x0 < pair.box.x1 <= width and 0 <= pair.box.y0 < pair.box.y1 <= height):
        raise ProbeError(
            f"pair {pair.pair_id}: its edit_box {list(pair.box)} does not lie in its image of {width} x {height} pixels"
        )
    return pair.box
