"""Rows in every form give the same figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import read_predictions, score
from safetypairs_hf.metric.rows import abstentions_written

from .examples import SCORES, rows_of

ROWS = [
    {**row, "prediction": None if row["score"] is None else int(row["score"] >= 0.5), "image": object()}
    for row in rows_of(SCORES, category={"a": "hate", "b": "hate"}, group={"c": "gd"})
]
EXPECTED = score(ROWS).to_dict()
COLUMNS: dict[str, list[Any]] = {name: [row[name] for row in ROWS] for name in ROWS[0] if name != "image"}
TABLE = pa.table(COLUMNS)


def dictionaries() -> pa.Table:
    """Dictionary columns, in chunks whose dictionaries differ."""
    parts = []
    for start in (0, 4, 8):
        part = TABLE.slice(start, 4)
        for name in ("pair_id", "category", "group"):
            at = part.column_names.index(name)
            part = part.set_column(at, name, part.column(name).combine_chunks().dictionary_encode())
        parts.append(part)
    return pa.concat_tables(parts)


def generator() -> Iterator[Any]:
    yield from ROWS


FORMS: dict[str, Callable[[], Any]] = {
    "list": lambda: ROWS,
    "generator": generator,
    "columns": lambda: {**COLUMNS, "other": [1]},
    "numpy objects": lambda: {name: np.array(column, dtype=object) for name, column in COLUMNS.items()},
    "numpy": lambda: {
        name: np.array(COLUMNS[name]) if name not in ("prediction", "score") else COLUMNS[name] for name in COLUMNS
    },
    "pandas": lambda: pd.DataFrame(ROWS),
    "pandas, other index": lambda: pd.DataFrame(ROWS).set_index(np.arange(12)[::-1]),
    "pandas, nullable": lambda: pd.DataFrame(COLUMNS).convert_dtypes(),
    "pandas, objects": lambda: pd.DataFrame(COLUMNS).astype(object),
    "pandas, categorical": lambda: pd.DataFrame(COLUMNS).astype({"category": "category", "pair_id": "category"}),
    "dict of series": lambda: dict(pd.DataFrame(COLUMNS).items()),
    "arrow": lambda: TABLE,
    "arrow, sliced": lambda: pa.concat_tables([TABLE.slice(0, 1), TABLE]).slice(1),
    "arrow, chunks": lambda: pa.concat_tables([TABLE.slice(0, 5), TABLE.slice(5, 0), TABLE.slice(5)]),
    "arrow, dictionaries": dictionaries,
    "arrow, large strings": lambda: TABLE.cast(
        pa.schema([pa.field(f.name, pa.large_string() if f.type == pa.string() else f.type) for f in TABLE.schema])
    ),
    "record batch": lambda: TABLE.to_batches()[0],
    "floats": lambda: {**COLUMNS, "reference": [float(value) for value in COLUMNS["reference"]]},
    "booleans": lambda: {**COLUMNS, "reference": np.array(COLUMNS["reference"], dtype=bool)},
    "small integers": lambda: {**COLUMNS, "reference": np.array(COLUMNS["reference"], dtype=np.uint8)},
    "integer ids": lambda: {**COLUMNS, "pair_id": [ord(value) - 200 for value in COLUMNS["pair_id"]]},
    "huge integer ids": lambda: {**COLUMNS, "pair_id": np.array([2**64 - ord(value) for value in COLUMNS["pair_id"]])},
    "long ids": lambda: {**COLUMNS, "pair_id": [value * 100 for value in COLUMNS["pair_id"]]},
    "an empty id": lambda: {**COLUMNS, "pair_id": [value.replace("a", "") for value in COLUMNS["pair_id"]]},
    "ids with zero bytes": lambda: {**COLUMNS, "pair_id": ["\0" * (ord(value) - 96) for value in COLUMNS["pair_id"]]},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_figures(form: str) -> None:
    found = score(FORMS[form]()).to_dict()
    if "id" in form:  # other pairs
        assert found["signature"] != EXPECTED["signature"]
        found["signature"] = EXPECTED["signature"]
    assert found == EXPECTED


def test_datasets_with_an_index_and_class_labels() -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict(COLUMNS)
    assert score(data).to_dict() == EXPECTED
    assert score(data.shuffle(seed=1)).to_dict() == EXPECTED
    labelled = data.cast_column("category", datasets.ClassLabel(names=["other", "hate"]))
    assert score(labelled).to_dict() == EXPECTED
    assert score({name: data[name] for name in data.column_names}).to_dict() == EXPECTED
    assert score(data.to_iterable_dataset()).to_dict() == EXPECTED
    assert score(datasets.DatasetDict({"test": data})).to_dict() == EXPECTED


def write_csv(path: Path) -> None:
    pyarrow.csv.write_csv(TABLE, path)


def write_json_lines(path: Path) -> None:
    pd.DataFrame(COLUMNS).to_json(path, orient="records", lines=True)


FILES: dict[str, Callable[[Path], None]] = {
    "a.parquet": lambda path: pyarrow.parquet.write_table(TABLE, path),
    "pandas.parquet": lambda path: pd.DataFrame(COLUMNS).to_parquet(path),
    "a.csv": write_csv,
    "pandas.CSV": lambda path: pd.DataFrame(COLUMNS).to_csv(path, index=False),
    "excel.csv": lambda path: pd.DataFrame(COLUMNS).to_csv(path, encoding="utf-8-sig", lineterminator="\r\n"),
    "a.jsonl": write_json_lines,
    "a.ndjson": write_json_lines,
}


@pytest.mark.parametrize("name", FILES)
def test_files_give_the_same_figures(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    assert score(tmp_path / name).to_dict() == EXPECTED
    assert score(str(tmp_path / name)).to_dict() == EXPECTED


def test_csv_ids_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("pair_id,reference,prediction\n007,1,1\n7,0,0\n007,0,\n7,1,1\n")
    assert sorted(set(read_predictions(path)["pair_id"].to_pylist())) == ["007", "7"]
    assert score(path).abstained_rate == 0.5


BAD_FILES = [
    ("p.xlsx", b"x", "predictions are a Parquet, Arrow, CSV, TSV, JSON or JSON Lines file"),
    ("p.parquet", b"not parquet", "cannot be read as parquet"),
    ("p.csv", b"", "the file is empty"),
    ("p.csv", b"pair_id,reference,label\n1,1,1\n", "the columns given are: pair_id, reference, label"),
    ("p.csv", b"pair_id,pair_id,reference,score\n1,1,1,1\n", "the column pair_id occurs more than once"),
    ("p.csv", b"pair_id,reference,score\n1,1\n", "cannot be read as csv"),
    ("p.csv", b"pair_id,reference,score\nx,1,nan\nx,0,0.5\n", "a score outside [0, 1] or NaN: 1 pair ('x')"),
    ("p.csv", b"pair_id,reference,score\n", "no rows at all"),
    ("p.jsonl", b'{"pair_id": 1}\nnot json\n', "line 2 is not JSON"),
    ("p.jsonl", b"[1, 2]\n", "row 0 is of type int"),
    ("p.jsonl", b"\xff\xfe\n", "line 1 is not utf-16"),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD_FILES)
def test_bad_files_get_one_line(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PairError) as raised:
        score(tmp_path / name)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PairError, match="no such file"):
        score(tmp_path / "p.csv")


def test_pandas_columns_given_twice() -> None:
    frame = pd.DataFrame(COLUMNS)
    with pytest.raises(PairError, match="the column score occurs more than once"):
        score(pd.concat([frame, frame[["score"]]], axis=1))


def test_a_guard_that_answered_nothing_is_said_by_who_knows() -> None:
    """Two columns of None count as absent; a file of `evaluate`, torchmetrics and the module know that they are not."""
    rows = {"pair_id": [1, 1], "reference": [1, 0], "score": [None, None], "group": ["a", "a"]}
    with pytest.raises(PairError, match="prediction or score"):
        score(rows)
    result = score(abstentions_written(rows))
    assert (result.pair_accuracy, result.abstention_rate, result.pair_accuracy_upper) == (0.0, 1.0, 1.0)
    answered = {**rows, "score": [0.9, None]}
    assert abstentions_written(answered) == answered
    without = {"pair_id": [1, 1], "reference": [1, 0]}
    assert abstentions_written(without) == without
