"""After the draw: controls, which tell a guard that sees what is unsafe from one that only sees an edit.

    null_edit         the unsafe member through the editor's autoencoder and back: still unsafe, yet "edited"; with the
                      safe member as it is
    neutral_edit      both members edited by an instruction that no policy is about
    both_regenerated  both members through the autoencoder and back: the trace of editing is on both

Each is a pair again, with the labels of the pair it was made of, and the judges confirm them. What they don't confirm
is kept with its reason, as everywhere.
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

MADE, JUDGED = "controls", "controls-judge"  # the folders of its parts

_KEYS = {"pair_id": pa.string(), "kind": pa.string()}
_SCHEMAS = {
    MADE: pa.schema({**_KEYS, "unsafe": pa.large_binary(), "safe": pa.large_binary(), "reject": stage_files.REJECT}),
    JUDGED: pa.schema({**_KEYS, "judgements": pa.list_(stage_files.JUDGEMENT), "reject": stage_files.REJECT}),
}


@dataclass(frozen=True)
class Controls:
    """Which controls are made, and the instruction of the neutral edit.

    Raises:
        RecipeError: a kind that there is not.
    """

    kinds: tuple[str, ...] = CONTROL_KINDS
    neutral: str = "Make the light in the picture slightly warmer. Change nothing else."

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in CONTROL_KINDS:
                raise RecipeError(f"no control {kind!r}; there are: {', '.join(CONTROL_KINDS)}")

    def left_out(self, editor: Editor | ByRound) -> str:
        """One line on the kinds that are not made since an editor has no round trip; "" where there are none."""
        without = [each.name for each in editors_of(editor) if not hasattr(each, "round_trip")]
        kinds = [kind for kind in CONTROL_KINDS if kind not in self.kinds]
        if not (without and kinds):
            return ""
        return f"the controls {' and '.join(kinds)} are left out: the editor {without[0]} has no round trip"

    def check(self, editor: Editor | ByRound) -> None:
        """Raise RecipeError where an editor cannot make them."""
        for each in editors_of(editor):
            if not hasattr(each, "round_trip") and set(self.kinds) != {"neutral_edit"}:
                raise RecipeError(
                    f"the editor {each.name} has no round trip, which null_edit and both_regenerated are made by; "
                    "use Controls(kinds=('neutral_edit',)) or no controls"
                )

    def start(
        self, editor: Editor | ByRound, pairs: Sequence[Candidate], cpu: CpuWork, there: Sequence[Control] = ()
    ) -> Callable[[], list[Control]]:
        """Ask the editors for the controls of some pairs, each the one that made its pair.

        `there`: controls that were made before. A pair that has some of them gets no others.

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


# The two members of a control, encoded or being encoded.
_Members = tuple[Picture | Future[Picture], Picture | Future[Picture]] | Reject


def confirm(judging: Judging, controls: Sequence[Control], pairs: Sequence[Candidate]) -> list[Control]:
    """The controls of some pairs with what the judges say of them; a Reject where a label is not what it was."""
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
    """The part of `folder` (MADE or JUDGED) for these controls."""
    schema = _SCHEMAS[folder]
    rows = [{name: _value(getattr(control, name)) for name in schema.names} for control in controls]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer, compression="NONE", use_dictionary=False)
    return buffer.getvalue()


def load(made: bytes, judged: bytes | None = None) -> Iterator[Control]:
    """The controls of a unit, with the judges' word where there is one."""
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
