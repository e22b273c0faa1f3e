"""Read a run folder: a finished run as a `FinishedRun`, the entrants of a draw, and the funnel at any time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.building import controls, stage_files
from safetypairs_hf.building.controls import JUDGED, MADE
from safetypairs_hf.building.engines.base import replay
from safetypairs_hf.building.rounds import Step, Unit, steps
from safetypairs_hf.building.selection import Draw, Entrant
from safetypairs_hf.building.selection import Selected as Selected  # part of a finished run
from safetypairs_hf.core.errors import RunError, SafetyPairsError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.funnel import Funnel
from safetypairs_hf.core.funnel import rows as table_rows
from safetypairs_hf.core.ids import failure_id
from safetypairs_hf.core.pictures import perceptual_hash, sha256
from safetypairs_hf.core.records import Candidate, Control, Identity, Judgement, Preservation, Reject
from safetypairs_hf.core.run_folder import FUNNEL, RECIPE, RunFolder
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import NAME as TAXONOMY
from safetypairs_hf.taxonomy.taxonomy_file import from_text

SELECT = "select/part-00000.parquet"
INPUTS = "source/rejected_inputs.json"

_TEXT = {name: pa.string() for name in ("source_id", "category", "group", "split")}
_SCHEMA = pa.schema({**_TEXT, "identity": stage_files.IDENTITY, "reject": stage_files.REJECT})
_STATED = "stated_split"  # a column that exists if the source states splits


class FailedAttempt(NamedTuple):
    """An attempt that was rejected after an edited image was made: its identity, and its place.

    `failure_id` is equal for the same attempt in every run. `size` is the size of its two images in bytes. `unit` and
    `number` locate it: the work unit, and its place among the failed attempts of that unit.
    """

    failure_id: str
    unit: int
    number: int
    category: str
    family: str
    size: int
    unsafe_sha256: str
    edited_sha256: str
    unsafe_phash: bytes
    edited_phash: bytes


class Attempt(NamedTuple):
    """The effect of one step on one candidate: the result, and the measurements.

    `unit` and `number` locate it: the work unit, and its place in the part of that step. `reject` is None if it passed;
    `judgements` are those of a judge step, and `preservation` is that of the edit that was judged.
    """

    step: Step
    unit: int
    number: int
    source_id: str
    category: str
    reject: Reject | None
    judgements: tuple[Judgement, ...] = ()
    preservation: Preservation | None = None


class RunState(NamedTuple):
    """The state of a run's sources so far.

    `funnel` has the key `stages` (see `core/funnel.py`). `rejected_inputs` are inputs that never became a source, with
    `input`, `stage`, `reason` and `detail`.
    """

    finished: bool
    funnel: dict[str, Any]
    rejected_inputs: list[dict[str, Any]]


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, read once, with everything that a release, a report or a review needs.

    Pictures are read while `pairs` and `failures` are iterated, with one work unit in memory at a time.

    Attributes:
        recipe: The content of `recipe.json`.
        drawn: The pairs that the draw took, in the order of the draw.
        failed: The rejected attempts; empty unless `open_finished` was asked for them.
        taxonomy: The taxonomy of the categories.
    """

    url: str
    recipe: Mapping[str, Any]
    drawn: tuple[Selected, ...]
    state: RunState
    failed: tuple[FailedAttempt, ...]
    taxonomy: Taxonomy
    _folder: RunFolder = field(repr=False, compare=False)

    @property
    def rounds(self) -> int:
        """The number of rounds of instruct, edit and judge in the run."""
        return _rounds(self.recipe)

    @property
    def made_by(self) -> list[str]:
        """Every editor that made an attempt, with its revision and active levers (see `stages`), sorted."""
        run = self._folder
        edits = [step for step in steps(self.rounds) if step.stage == "edit"]
        parts = [run.part(step.name, unit) for step in edits for unit in _finished(run, step)]
        made = (row["generator"] for part in parts for row in run.rows(part, ["generator"]))
        return sorted({f"{each['editor']} {each['revision']}" for each in made if each})

    def pairs(self, wanted: Collection[str]) -> Iterator[tuple[Candidate, list[Control]]]:
        """Yield the pairs with the wanted ids, in source order, each with its controls, including rejected ones.

        Pictures are only read in units with a wanted pair.
        """
        run, number = self._folder, self.rounds
        judged = [step for step in steps(number) if step.stage == "judge"]
        for unit in _finished(run, steps(number)[-1]) if wanted else ():
            if not any(pair_id in wanted for step in judged for pair_id in _judged_ids(run, run.part(step.name, unit))):
                continue
            made: dict[str, list[Control]] = {}
            for control in controls_of(run, unit):
                made.setdefault(control.pair_id, []).append(control)
            for pair in replay(run, unit, number).passed:
                if pair.identity and pair.identity.pair_id in wanted:
                    yield pair, made.get(pair.identity.pair_id, [])

    def judged(self) -> Iterator[tuple[int, str, list[Judgement]]]:
        """Yield the unit, the id and the judgements of each pair that passed the judges. No picture is read."""
        for step in steps(self.rounds):
            for unit in _finished(self._folder, step) if step.stage == "judge" else ():
                for row in self._folder.rows(self._folder.part(step.name, unit), ["identity", "judgements"]):
                    if row["identity"] is not None:
                        yield unit, row["identity"]["pair_id"], [Judgement(**said) for said in row["judgements"]]

    def unit(self, number: int) -> list[Candidate]:
        """Return the pairs of a work unit (from 0) that passed the judges, with their pictures."""
        return replay(self._folder, number, self.rounds).passed

    def failures(self, wanted: Collection[str]) -> Iterator[tuple[str, Candidate]]:
        """Yield the failed attempts with the wanted ids, each with its id, in the order of `failed`."""
        places = {(each.unit, each.number): each.failure_id for each in self.failed if each.failure_id in wanted}
        every = steps(self.rounds) if places else ()
        for unit in sorted({unit for unit, _ in places}):
            for number, candidate in enumerate(_failures_of(self._folder, unit, every)):
                if (unit, number) in places:
                    yield places[unit, number], candidate


def open_finished(run: RunFolder, *, failures: bool = False) -> FinishedRun:
    """Read a finished run.

    Args:
        run: The run folder.
        failures: Whether to identify the failed attempts too, which decodes and hashes each of their images once.

    Raises:
        RunError: The run is not finished, or a part of it is damaged.
    """
    drawn = selected(run)
    failed = tuple(_failed(run)) if failures else ()
    recipe = run.read_json(RECIPE, "parts")
    return FinishedRun(run.url, recipe, tuple(drawn), read_state(run), failed, read_taxonomy(run, recipe), run)


def read_taxonomy(run: RunFolder, recipe: Mapping[str, Any]) -> Taxonomy:
    """Return the taxonomy of a run; the nine if it names none, as old runs do.

    Raises:
        RunError: Its file is missing or damaged, or is not the one that the recipe names.
    """
    named = recipe.get("taxonomy")
    if not run.has(TAXONOMY) and named is None:
        return NINE
    try:
        found = from_text(run.read(TAXONOMY).decode(), f"{run.url}/{TAXONOMY}")
    except (OSError, UnicodeDecodeError, SafetyPairsError) as error:
        raise RunError(f"the taxonomy of the run in {run.url} cannot be read: {error}; restore {TAXONOMY}") from error
    expected = NINE.digest if named is None else named["digest"]
    if found.digest != expected:
        said = NINE.name if named is None else named["name"]
        raise RunError(f"{run.url}/{TAXONOMY} is not the {said} that the run was made with; restore that file")
    return found


def read_state(run: RunFolder) -> RunState:
    """Return the state of the run's sources, whether the run is finished or not."""
    found = funnel(run)
    return RunState(found["finished"], found, rejected_inputs(run))


def entrants(run: RunFolder, units: int) -> Iterator[Entrant]:
    """Yield the pairs of the first `units` units that passed the judges, in source order."""
    for unit in range(units):
        yield from entrants_of(run, unit)


def entrants_of(run: RunFolder, unit: int) -> Iterator[Entrant]:
    """Yield the pairs of a unit that passed the judges, in source order. No picture is read."""
    passed = {
        row["source_id"]: Identity(**row["identity"])
        for step in steps(rounds(run))
        if step.stage == "judge"
        for row in run.rows(run.part(step.name, unit), ["source_id", "identity", "reject"])
        if row["reject"] is None
    }
    columns = ["source_id", "category", *(["finished"] if passed and rounds(run) == 0 else [])]
    for row in run.rows(run.part("source", unit), columns):
        if row["source_id"] in passed:
            finished = row.get("finished") or {"split": ""}
            yield Entrant(row["source_id"], row["category"], passed[row["source_id"]], finished["split"])


def rounds(run: RunFolder) -> int:
    """Return the number of rounds of instruct, edit and judge in the run's recipe."""
    return _rounds(run.read_json(RECIPE, "parts"))


def _rounds(recipe: Mapping[str, Any]) -> int:
    return int(recipe["parts"]["rounds"])


def write_draw(run: RunFolder, draw: Draw) -> None:
    stated = any(item.entrant.split for item in draw.decided)
    schema = _SCHEMA.append(pa.field(_STATED, pa.string())) if stated else _SCHEMA
    # One chunk for each column, because the bytes of a long file depend on where its chunks end.
    columns = [pa.array(_Cells(draw.decided, _CELLS[field.name]), field.type) for field in schema]
    with run.writing(SELECT) as file:
        pq.write_table(pa.table(columns, schema), file)


_CELLS: dict[str, Callable[[Selected], Any]] = {
    "source_id": lambda item: item.entrant.source_id,
    "category": lambda item: item.entrant.category,
    "identity": lambda item: item.entrant.identity._asdict(),
    "group": lambda item: item.group,
    "split": lambda item: item.split,
    "reject": lambda item: item.reject and item.reject._asdict(),
    _STATED: lambda item: item.entrant.split,
}


class _Cells(Sequence[Any]):
    """A column of a draw whose cells are made when needed: a list of them would take more memory than the draw."""

    def __init__(self, decided: Sequence[Selected], cell: Callable[[Selected], Any]) -> None:
        self._decided, self._cell = decided, cell

    def __len__(self) -> int:
        return len(self._decided)

    def __getitem__(self, place: Any) -> Any:
        return self._cell(self._decided[place])


def selected(run: RunFolder) -> list[Selected]:
    """Return the pairs that the run's draw took, in the order of the draw.

    Raises:
        RunError: The run is not finished.
    """
    if not run.has(FUNNEL):
        raise RunError(f"the run in {run.url} is not finished; run the command that started it again")
    rows = (row for row in run.each_row(SELECT) if row["reject"] is None)
    return [Selected(_entrant(row), row["group"], row["split"]) for row in rows]


def drawn_splits(run: RunFolder) -> Iterator[tuple[str, str]]:
    """Yield for each drawn pair of a finished run its split, and the split that its source states, or ""."""
    for row in run.each_row(SELECT, ["split", _STATED, "reject"]):
        if row["reject"] is None:
            yield row["split"], row.get(_STATED) or ""


def _entrant(row: Mapping[str, Any]) -> Entrant:
    return Entrant(row["source_id"], row["category"], Identity(**row["identity"]), row.get(_STATED) or "")


def pairs(run: RunFolder) -> Iterator[Candidate]:
    """Yield every candidate that passed the judges, in source order, with one unit in memory at a time."""
    number = rounds(run)
    for unit in _finished(run, steps(number)[-1]):
        yield from replay(run, unit, number).passed


def rejected_pairs(run: RunFolder) -> Iterator[tuple[str, Reject]]:
    """Yield for each rejected pair of a finished run of finished pairs its original id and the reason.

    They are in source order. No picture is read.
    """
    drawn = run.each_row(SELECT, ["source_id", "reject"])
    why = {row["source_id"]: row["reject"] for row in drawn if row["reject"]}
    for unit in _finished(run, Step("judge")):
        judged = run.rows(run.part("judge", unit), ["source_id", "reject"])
        why |= {row["source_id"]: row["reject"] for row in judged if row["reject"]}
        for row in run.rows(run.part("source", unit), ["source_id", "origin", "reject"]):
            if reject := row["reject"] or why.get(row["source_id"]):
                yield row["origin"]["id"], Reject(**reject)


def judgements(run: RunFolder) -> Iterator[list[Judgement]]:
    """Yield the judgements of each candidate that the judges were asked about. No picture is read."""
    for step in steps(rounds(run)):
        for unit in _finished(run, step) if step.stage == "judge" else ():
            for row in run.rows(run.part(step.name, unit), ["judgements"]):
                if row["judgements"]:
                    yield [Judgement(**said) for said in row["judgements"]]


def attempts(run: RunFolder) -> Iterator[Attempt]:
    """Yield every candidate in every step that a run has made so far, unit by unit. No picture is read."""
    every = steps(rounds(run))
    for unit in _finished(run, every[0]):
        category_of: dict[str, str] = {}
        measured: list[dict[str, Any] | None] = []
        for step in every:
            if not run.has(run.part(step.name, unit)):
                break
            found = run.rows(run.part(step.name, unit), _measured_in(step, len(every)))
            for number, row in enumerate(found):
                category = category_of.setdefault(row["source_id"], row.get("category", ""))
                kept = (step.stage == "judge" and measured[number]) or None
                yield Attempt(
                    step,
                    unit,
                    number,
                    row["source_id"],
                    category,
                    row["reject"] and Reject(**row["reject"]),
                    tuple(Judgement(**said) for said in row.get("judgements") or ()),
                    None if kept is None else stage_files.read_preservation(kept),
                )
            measured = [row.get("preservation") for row in found if row["reject"] is None]


def _measured_in(step: Step, every: int) -> list[str]:
    """Return the columns of a step that `attempts` reads, without pictures. With two steps, pairs come finished."""
    finished = ["preservation"] if every == 2 and step.stage == "source" else []
    more = {"source": ["category", *finished], "edit": ["preservation"], "judge": ["judgements"]}
    return ["source_id", "reject", *more.get(step.stage, ())]


def candidates_of(run: RunFolder, unit: int, step: Step) -> list[Candidate]:
    """Return the candidates of a unit after a step, in the order of its part, including rejected ones."""
    found = Unit()
    for each in steps(rounds(run)):
        candidates = _loaded(run, each, unit, found)
        if each == step:
            return candidates
        found.after(each, candidates)
    raise RunError(f"the run in {run.url} has no step {step.name}")


def _loaded(run: RunFolder, step: Step, unit: int, before: Unit) -> list[Candidate]:
    name = run.part(step.name, unit)
    with run.checked(name):
        return stage_files.load(step.stage, run.read(name), before.entering)


def _judged_ids(run: RunFolder, part: str) -> Iterator[str]:
    for row in run.rows(part, ["identity"]):
        if row["identity"] is not None:
            yield row["identity"]["pair_id"]


def controls_of(run: RunFolder, unit: int) -> Iterator[Control]:
    """Yield the controls of a unit, including rejected ones; none if no controls were made."""
    name = run.part(JUDGED, unit)
    if run.has(name):
        with run.checked(name):
            yield from controls.load(run.read(run.part(MADE, unit)), run.read(name))


def _failures_of(run: RunFolder, unit: int, every: Sequence[Step]) -> Iterator[Candidate]:
    found = Unit()
    for step in every:
        candidates = _loaded(run, step, unit, found)
        yield from (each for each in candidates if each.reject and each.safe and not each.finished)
        found.after(step, candidates)


def _failed(run: RunFolder) -> Iterator[FailedAttempt]:
    """Identify the failed attempts of a run, each once."""
    seen = set[str]()
    hashed: dict[str, bytes] = {}  # attempts at one source are adjacent, so its image is hashed once
    every = steps(rounds(run))
    for unit in _finished(run, every[-1]):
        for number, candidate in enumerate(_failures_of(run, unit, every)):
            assert candidate.safe and candidate.generator and candidate.generator.attempt is not None
            files = sha256(candidate.unsafe.data), sha256(candidate.safe.data)
            name = failure_id(*files, candidate.category, candidate.generator.attempt)
            if name in seen:
                continue
            seen.add(name)
            if files[0] not in hashed:
                hashed = {files[0]: perceptual_hash(candidate.unsafe)}
            hashes = hashed[files[0]], perceptual_hash(candidate.safe)
            size = len(candidate.unsafe.data) + len(candidate.safe.data)
            yield FailedAttempt(name, unit, number, candidate.category, candidate.family, size, *files, *hashes)


def taken(run: RunFolder, units: int) -> int:
    """Return the number of sources in the first `units` units; a unit may have fewer than the recipe's `unit_size`."""
    return sum(len(run.rows(run.part("source", unit), ["source_id"])) for unit in range(units))


def write_rejected_inputs(run: RunFolder, rejected: Sequence[tuple[str, Reject]]) -> None:
    """Record the inputs that can never become a source, unless they are recorded already."""
    rows = [{"input": name, **reject._asdict()} for name, reject in rejected]
    if rows == rejected_inputs(run):
        return
    if rows:
        run.write_json(INPUTS, rows)
    else:
        run.remove(INPUTS)


def rejected_inputs(run: RunFolder) -> list[dict[str, Any]]:
    """Return the inputs that never became a source: `input`, `stage`, `reason`, `detail`."""
    if not run.has(INPUTS):
        return []
    with reading(f"{run.url}/{INPUTS}", "delete it and build again: finished work is kept", RunError):
        return [{key: str(row[key]) for key in ("input", "stage", "reason", "detail")} for row in run.read_json(INPUTS)]


def funnel(run: RunFolder) -> dict[str, Any]:
    """Return the funnel of a run, finished or not: `stages`, and `finished`."""
    if run.has(FUNNEL):
        found: dict[str, Any] = run.read_json(FUNNEL, "stages")
        with reading(f"{run.url}/{FUNNEL}", "delete it and build again: finished work is kept", RunError):
            list(table_rows(found))  # later readers rely on its form
        return {**found, "finished": True}
    return {**count(run, None, None), "finished": False}


def count(run: RunFolder, units: int | None, draw: Draw | None) -> dict[str, Any]:
    """Count the first `units` units (None: all that exist), and the draw if there was one."""
    every = steps(rounds(run))
    counts = Funnel([*(step.name for step in every), "select"])
    for row in rejected_inputs(run):
        counts.count("source", "-", Reject("source", row["reason"]))
    made = {step: sum(1 for _ in _finished(run, step)) if units is None else units for step in every}
    for unit in range(max(made.values())):
        _count_unit(run, unit, [step for step in every if unit < made[step]], counts)
        if units is not None:
            _count_controls(run, unit, counts)
    for item in draw.decided if draw else ():
        counts.count("select", item.entrant.category, item.reject)
    return counts.to_dict()


def _count_unit(run: RunFolder, unit: int, done: Sequence[Step], counts: Funnel) -> None:
    """Count what happened to the sources of a unit in the finished steps."""
    category_of: dict[str, str] = {}
    for step in done:
        columns = ["source_id", "reject", *_EXTRA.get(step.stage, ())]
        for row in run.rows(run.part(step.name, unit), columns):
            category = category_of.setdefault(row["source_id"], row.get("category", ""))
            counts.count(step.name, category, row["reject"] and Reject(**row["reject"]))
            if row.get("answer"):
                counts.spend(step.name, row["answer"]["prompt_tokens"], row["answer"]["answer_tokens"])


def _count_controls(run: RunFolder, unit: int, counts: Funnel) -> None:
    """Count the controls of a unit after the judges. No picture is read."""
    name = run.part(JUDGED, unit)
    if run.has(name):
        category_of = {entrant.identity.pair_id: entrant.category for entrant in entrants_of(run, unit)}
        for row in run.rows(name, ["pair_id", "reject"]):
            counts.count("controls", category_of[row["pair_id"]], row["reject"] and Reject(**row["reject"]))


# The columns that the funnel reads in addition to the reject. Pictures are never read.
_EXTRA = {"source": ("category",), "instruct": ("answer",)}


def _finished(run: RunFolder, step: Step) -> Iterator[int]:
    """Yield the units, from 0, whose part of `step` exists."""
    return itertools.takewhile(lambda unit: run.has(run.part(step.name, unit)), itertools.count())
