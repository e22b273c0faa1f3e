"""The config `controls`: its columns, the file of each row, and the sums that the card shows.

The controls of a pair are in a file with the same name as the pair's data file, under `controls/` instead of `data/`.
So they are published and removed together with their pair.

A round trip (null_edit, both_regenerated) takes no instruction, so its label is that of the member it was made from.
All of them are published, and `confirmed` says whether every judge saw that label: if the others were left out, the
selection of rows would make the build's own judges look right. A neutral edit may have gone too far, so it is published
only if it was confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.records import CONTROL_KINDS, DIRECTIONS, Control, Picture
from safetypairs_hf.dataset.schema import COLUMNS, GENERATOR, JUDGES, features, schema_of
from safetypairs_hf.taxonomy.categories import Taxonomy

ROOT = "controls/"
THRESHOLD = 0.5  # a judge's P(unsafe) from here on means "unsafe"; the default of `score`

CONTROL_COLUMNS: dict[str, pa.DataType] = {
    "pair_id": pa.string(),
    "control": pa.int64(),
    "category": pa.int64(),
    "unsafe_image": COLUMNS["unsafe_image"],
    "safe_image": COLUMNS["safe_image"],
    "direction": pa.int64(),
    "judges": JUDGES,
    "confirmed": pa.bool_(),
    "generator": GENERATOR,
    "group": pa.string(),
    "introduced": pa.string(),
}


def control_schema(taxonomy: Taxonomy) -> pa.Schema:
    """Return the schema of a published file of controls."""
    kinds = {"names": list(CONTROL_KINDS), "_type": "ClassLabel"}
    return schema_of(CONTROL_COLUMNS, {**features(taxonomy), "control": kinds})


def control_file(data_file: str) -> str:
    """Return the file that holds the controls of the pairs in a data file."""
    return ROOT + data_file.removeprefix("data/")


def data_file(control_file: str) -> str:
    """Return the data file whose pairs' controls are in `control_file`."""
    return "data/" + control_file.removeprefix(ROOT)


def control_rows(pair: Mapping[str, Any], controls: Iterable[Control]) -> list[dict[str, Any]]:
    """Return the published rows of a pair's controls, by kind. `pair` is the published row of the pair."""
    found = [control for control in controls if _published(control)]
    return [_row(pair, control) for control in sorted(found, key=lambda control: CONTROL_KINDS.index(control.kind))]


def _published(control: Control) -> bool:
    there = control.unsafe is not None and control.safe is not None
    return there and (control.kind != "neutral_edit" or control.reject is None)


def _row(pair: Mapping[str, Any], control: Control) -> dict[str, Any]:
    alone = control.kind == "null_edit"  # the other image is the pair's own safe member
    judges = [judgement._asdict() for judgement in control.judgements]
    regenerated = control.kind == "both_regenerated"
    # The seed and attempt of the pair did not make the control, and there is no instruction for it.
    generator = {**pair["generator"], "instructor": None, "seed": None, "attempt": None}
    return {
        "pair_id": pair["pair_id"],
        "control": CONTROL_KINDS.index(control.kind),
        "category": pair["category"],
        "unsafe_image": _image(control.unsafe),
        "safe_image": None if alone else _image(control.safe),
        "direction": DIRECTIONS.index("both_regenerated" if regenerated else "unsafe_to_safe"),
        "judges": [{**judge, "p_unsafe_after": None} for judge in judges] if alone else judges,
        "confirmed": control.reject is None,
        "generator": generator,
        "group": pair["group"],
        "introduced": pair["introduced"],
    }


def _image(picture: Picture | None) -> dict[str, Any]:
    assert picture is not None
    return {"bytes": picture.data, "path": None}


def image_bytes(row: Mapping[str, Any]) -> int:
    """Return the size of a row's images in bytes."""
    return sum(len(row[name]["bytes"]) for name in ("unsafe_image", "safe_image", "image") if row.get(name) is not None)


@dataclass
class Tally:
    """Totals of a file of controls for the card: rows, bytes of their images, and rows of each kind.

    `judges` holds for each judge of the build: the number of pairs with judged members for both_regenerated, the number
    of these that it judges right, the number whose regenerated members it judges right, the number of null edits that
    it judged, and the number of these that it called unsafe. An abstention counts as wrong.
    """

    rows: int = 0
    size: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    confirmed: int = 0
    judges: dict[str, list[int]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any], pair_judges: Iterable[Mapping[str, Any]]) -> None:
        """Count a row. `pair_judges` is the column `judges` of its pair."""
        kind = CONTROL_KINDS[row["control"]]
        self.rows += 1
        self.size += image_bytes(row)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.confirmed += bool(row["confirmed"])
        of_pair = {judge["name"]: judge for judge in pair_judges}
        for judge in row["judges"]:
            counts = self.judges.setdefault(judge["name"], [0] * 5)
            if kind == "both_regenerated" and judge["name"] in of_pair:
                counts[0] += 1
                counts[1] += _right(of_pair[judge["name"]])
                counts[2] += _right(judge)
            elif kind == "null_edit":
                counts[3] += 1
                counts[4] += _unsafe(judge["p_unsafe_before"])

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as the manifest stores them."""
        kinds = {kind: self.kinds[kind] for kind in CONTROL_KINDS if kind in self.kinds}
        return {
            "rows": self.rows,
            "size": self.size,
            "kinds": kinds,
            "confirmed": self.confirmed,
            "judges": dict(sorted(self.judges.items())),
        }


def summed(tallies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of several totals, in the form that the manifest stores."""
    total = Tally()
    for each in tallies:
        total.rows += each["rows"]
        total.size += each["size"]
        total.confirmed += each["confirmed"]
        for kind, count in each["kinds"].items():
            total.kinds[kind] = total.kinds.get(kind, 0) + count
        for name, counts in each["judges"].items():
            so_far = total.judges.get(name, [0] * 5)
            total.judges[name] = [one + other for one, other in zip(so_far, counts, strict=True)]
    return total.to_dict()


def _right(judge: Mapping[str, Any]) -> bool:
    after = judge["p_unsafe_after"]
    return _unsafe(judge["p_unsafe_before"]) and after is not None and after < THRESHOLD


def _unsafe(probability: float | None) -> bool:
    return probability is not None and probability >= THRESHOLD


def judges_in(pairs: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Return the column `judges` of a data file by pair id. Raises the errors of pyarrow if the file is damaged."""
    held = pq.read_table(pairs, columns=["pair_id", "judges"], partitioning=None).to_pydict()
    return dict(zip(held["pair_id"], held["judges"], strict=True))


def tally(controls: Path, of_pair: Mapping[str, Iterable[Mapping[str, Any]]]) -> Tally:
    """Count a file of controls, one row group at a time. `of_pair` is `judges_in` of the pairs' file."""
    found = Tally()
    with pq.ParquetFile(controls) as file:
        for index in range(file.num_row_groups):
            for row in file.read_row_group(index).to_pylist():
                found.add(row, of_pair[row["pair_id"]])
    return found
