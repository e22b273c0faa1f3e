"""Controls of the drawn pairs, which separate a guard that sees unsafe content from one that only sees an edit.

    null_edit         the unsafe member after a round trip through the editor's autoencoder: still unsafe, yet "edited";
                      paired with the unchanged safe member
    neutral_edit      both members edited by an instruction that no policy is about
    both_regenerated  both members after the round trip: both have the traces of editing

Each control is a pair with the labels of the pair it was made from, and the judges confirm them. Controls that they do
not confirm are kept with the reason, as everywhere.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.building import stage_files
from safetypairs_hf.building.finishing import CpuWork, Finishing
from safetypairs_hf.building.judge import Judging, judge_once
from safetypairs_hf.building.stages import ByRound, editors_of, with_editor
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.ids import derived_seed
from safetypairs_hf.core.records import (
    CONTROL_KINDS,
    Candidate,
    Control,
    Edited,
    Editor,
    Instruction,
    Judgement,
    Picture,
    Pixels,
    Reject,
)

MADE, JUDGED = "controls", "controls-judge"  # folders of the parts

_KEYS = {"pair_id": pa.string(), "kind": pa.string()}
_SCHEMAS = {
    MADE: pa.schema({**_KEYS, "unsafe": pa.large_binary(), "safe": pa.large_binary(), "reject": stage_files.REJECT}),
    JUDGED: pa.schema({**_KEYS, "judgements": pa.list_(stage_files.JUDGEMENT), "reject": stage_files.REJECT}),
}


@dataclass(frozen=True)
class Controls:
    """The kinds of controls to make, and the instruction of the neutral edit.

    Raises:
        RecipeError: There is no such kind.
    """

    kinds: tuple[str, ...] = CONTROL_KINDS
    neutral: str = "Make the light in the picture slightly warmer. Change nothing else."

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in CONTROL_KINDS:
                raise RecipeError(f"no control {kind!r}; expected {', '.join(CONTROL_KINDS)}")

    def left_out(self, editor: Editor | ByRound) -> str:
        """Return a line about the kinds that an editor without a round trip cannot make; "" if there are none."""
        without = [each.name for each in editors_of(editor) if not hasattr(each, "round_trip")]
        kinds = [kind for kind in CONTROL_KINDS if kind not in self.kinds]
        if not (without and kinds):
            return ""
        return f"the controls {' and '.join(kinds)} are left out, because the editor {without[0]} has no round trip"

    def check(self, editor: Editor | ByRound) -> None:
        """Raise RecipeError if an editor cannot make these controls."""
        for each in editors_of(editor):
            if not hasattr(each, "round_trip") and set(self.kinds) != {"neutral_edit"}:
                raise RecipeError(
                    f"the editor {each.name} has no round trip, which null_edit and both_regenerated need; "
                    "use Controls(kinds=('neutral_edit',)) or no controls"
                )

    def start(
        self, editor: Editor | ByRound, pairs: Sequence[Candidate], cpu: CpuWork, there: Sequence[Control] = ()
    ) -> Callable[[], list[Control]]:
        """Ask the editors for the controls of some pairs; the editor of each pair makes its controls.

        `there` holds controls that were made before. A pair that has some of them gets no others.

        Returns:
            A function that waits until `cpu` has encoded them, and returns the controls by pair and then by kind.
        """
        known = {control.pair_id for control in there}
        left = [pair for pair in pairs if pair.identity and pair.identity.pair_id not in known]
        by_editor = [self._by(each, found, cpu) for each, found in with_editor(editor, left)]

        def rest() -> list[Control]:
            made: dict[str, list[Control]] = {}
            for control in there:
                made.setdefault(control.pair_id, []).append(control)
            for asked in by_editor:
                for pair, kind, members in asked:
                    control = _control(pair, kind, members)
                    made.setdefault(control.pair_id, []).append(control)
            return [control for pair in pairs if pair.identity for control in made[pair.identity.pair_id]]

        return rest

    def _by(self, editor: Editor, pairs: Sequence[Candidate], cpu: CpuWork) -> list[tuple[Candidate, str, _Members]]:
        made: dict[str, list[_Members]] = {}
        unsafe, safe = [pair.unsafe for pair in pairs], [_safe(pair) for pair in pairs]
        if {"null_edit", "both_regenerated"} & set(self.kinds):
            returned = [cpu.submit(Finishing.encoded, pixels) for pixels in _round_trip(editor, [*unsafe, *safe])]
            again, safe_again = returned[: len(pairs)], returned[len(pairs) :]
            made["null_edit"] = list(zip(again, safe, strict=True))
            made["both_regenerated"] = list(zip(again, safe_again, strict=True))
        if "neutral_edit" in self.kinds:
            made["neutral_edit"] = self._neutral(editor, pairs, [*unsafe, *safe], cpu)
        return [(pair, kind, made[kind][number]) for number, pair in enumerate(pairs) for kind in self.kinds]

    def _neutral(
        self, editor: Editor, pairs: Sequence[Candidate], images: Sequence[Picture], cpu: CpuWork
    ) -> list[_Members]:
        instruction = Instruction("", self.neutral, None)
        seeds = [derived_seed(pair.source_id, f"neutral_{member}", 0) for member in ("a", "b") for pair in pairs]
        answers = editor.edit(images, [instruction] * len(seeds), seeds)
        halves = zip(answers[: len(pairs)], answers[len(pairs) :], strict=True)
        return [_both(*answered, cpu) for answered in halves]


# The two members of a control, encoded or still being encoded.
_Members = tuple[Picture | Future[Picture], Picture | Future[Picture]] | Reject


def confirm(judging: Judging, controls: Sequence[Control], pairs: Sequence[Candidate]) -> list[Control]:
    """Return controls with the judges' answers; with a Reject if a judge does not see the expected label."""
    pair_of = {pair.identity.pair_id: pair for pair in pairs if pair.identity}
    there = [control for control in controls if control.reject is None]
    pairs_of = [pair_of[control.pair_id] for control in there]
    found: dict[tuple[str, str], list[Judgement]] = {(c.pair_id, c.kind): [] for c in there}
    for judge in judging.judges:
        members = [_there(control.unsafe) for control in there], [_there(control.safe) for control in there]
        before, after = (judge_once(judge, [*zip(images, pairs_of, strict=True)]) for images in members)
        for control, unsafe, safe in zip(there, before, after, strict=True):
            found[control.pair_id, control.kind].append(Judgement(judge.name, unsafe.p_unsafe, safe.p_unsafe))
    return [
        control if control.reject else _judged(judging, control, found[control.pair_id, control.kind])
        for control in controls
    ]


def dump(folder: str, controls: Sequence[Control]) -> bytes:
    """Return the bytes of the part of `folder` (MADE or JUDGED) for these controls."""
    schema = _SCHEMAS[folder]
    rows = [{name: _value(getattr(control, name)) for name in schema.names} for control in controls]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer, compression="NONE", use_dictionary=False)
    return buffer.getvalue()


def load(made: bytes, judged: bytes | None = None) -> Iterator[Control]:
    """Read the controls of a unit, with the judges' answers if they exist."""
    words = {(row["pair_id"], row["kind"]): row for row in _rows(judged)} if judged else {}
    for row in _rows(made):
        word = words.get((row["pair_id"], row["kind"]), {})
        reject = word.get("reject") or row["reject"]
        unsafe, safe = (None if row[member] is None else Picture(row[member]) for member in ("unsafe", "safe"))
        yield Control(
            row["pair_id"],
            row["kind"],
            unsafe,
            safe,
            tuple(Judgement(**judgement) for judgement in word.get("judgements") or ()),
            Reject(**reject) if reject else None,
        )


def _rows(data: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def _value(value: Any) -> Any:
    if isinstance(value, Picture):
        return value.data
    if isinstance(value, Reject):
        return value._asdict()
    return [item._asdict() for item in value] if isinstance(value, tuple) else value


def _control(pair: Candidate, kind: str, made: _Members) -> Control:
    assert pair.identity
    if isinstance(made, Reject):
        return Control(pair.identity.pair_id, kind, reject=made)
    unsafe, safe = (member.result() if isinstance(member, Future) else member for member in made)
    return Control(pair.identity.pair_id, kind, unsafe, safe)


def _judged(judging: Judging, control: Control, judgements: list[Judgement]) -> Control:
    reject = None
    for name, before, after in judgements:
        if reject is None and (before is None or before < judging.unsafe_at_least):
            reject = Reject("controls", "unsafe_not_seen", f"{name}: P(unsafe) before = {before}")
        if reject is None and (after is None or after >= judging.safe_below):
            reject = Reject("controls", "safe_not_seen", f"{name}: P(unsafe) after = {after}")
    return control._replace(judgements=tuple(judgements), reject=reject)


def _both(unsafe: Edited | Reject, safe: Edited | Reject, cpu: CpuWork) -> _Members:
    for answer in (unsafe, safe):
        if isinstance(answer, Reject):
            return answer._replace(stage="controls")
    assert isinstance(unsafe, Edited) and isinstance(safe, Edited)
    return cpu.submit(Finishing.encoded, unsafe.pixels), cpu.submit(Finishing.encoded, safe.pixels)


def _round_trip(editor: Editor, images: Sequence[Picture]) -> list[Pixels]:
    returned: list[Pixels] = editor.round_trip(images)  # type: ignore[attr-defined]  # `check` has seen that it is there
    return returned


def _safe(pair: Candidate) -> Picture:
    return _there(pair.safe)


def _there(picture: Picture | None) -> Picture:
    assert picture is not None
    return picture
