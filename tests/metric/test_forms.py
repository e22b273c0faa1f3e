"""The forms that people give predictions in: each is read right, or refused in a line that says what to write.

FORMS is the table; docs/forms.md shows it, and is written anew by `python -m tests.metric.test_forms`.
"""

from __future__ import annotations

import array
import bz2
import collections
import dataclasses
import enum
import functools
import gzip
import http.server
import io
import json
import lzma
import re
import sys
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import read_predictions, score
from safetypairs_hf.metric.column_values import parse_labels
from safetypairs_hf.metric.rows import images_of

from .examples import SCORES, rows_of

pl = pytest.importorskip("polars")
torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")

PAGE = Path(__file__).parents[2] / "docs" / "forms.md"
Columns = dict[str, list[Any]]
Make = Callable[[Path], Any]


def columns_of_pairs(pairs: str) -> Columns:
    rows = rows_of(
        {pair: SCORES[pair] for pair in pairs}, category={"a": "hate", "b": "hate"}, group={"b": "ga", "c": "ga"}
    )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["prediction"] = [None if value is None else int(value >= 0.5) for value in columns["score"]]
    return columns


FULL = columns_of_pairs("abcdef")  # an abstention in f
WHOLE = columns_of_pairs("abcde")  # none
TEXT = ("pair_id", "category", "group")
WIDE: Columns = {
    "pair_id": FULL["pair_id"][::2],
    **{f"unsafe_{name}": FULL[name][::2] for name in ("score", "prediction")},
    **{f"safe_{name}": FULL[name][1::2] for name in ("score", "prediction")},
    **{name: FULL[name][::2] for name in ("category", "group")},
}


class Form(NamedTuple):
    """A form of predictions.

    `said`: what the line holds that refuses it; empty where it is read. `like`: the columns that it has to be read as.
    """

    make: Make
    said: tuple[str, ...] = ()
    like: Columns = FULL
    labels: Mapping[Any, Any] | None = None


FORMS: dict[str, Form] = {}


def read(name: str, make: Make, like: Columns = FULL, labels: Mapping[Any, Any] | None = None) -> None:
    assert name not in FORMS, name
    FORMS[name] = Form(make, like=like, labels=labels)


def refused(name: str, make: Make, *said: str, labels: Mapping[Any, Any] | None = None) -> None:
    assert name not in FORMS, name
    FORMS[name] = Form(make, said, labels=labels)


def less(columns: Columns, *names: str) -> Columns:
    return {name: values for name, values in columns.items() if name not in names}


# Containers of one column, the others being lists.

CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "generator": lambda values: (value for value in values),
    "deque": collections.deque,
    "numpy array of objects": lambda values: np.array(values, dtype=object),
    "list of numpy scalars": lambda values: [None if v is None else np.array([v])[0] for v in values],
    "pandas Series": pd.Series,
    "pandas Series of objects": lambda values: pd.Series(values, dtype=object),
    "pandas Series, categorical": lambda values: pd.Series(values).astype("category"),
    "pandas Series, Arrow-backed": lambda values: pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values))),
    "pandas Index": pd.Index,
    "polars Series": lambda values: pl.Series(values),
    "polars Series of objects": lambda values: pl.Series(values, dtype=pl.Object),
    "Arrow array": pa.array,
    "Arrow chunked array": lambda values: pa.chunked_array([values[:3], values[3:]]),
    "Arrow dictionary": lambda values: pa.array(values).dictionary_encode(),
    "Arrow run-end encoded": lambda values: pc.run_end_encode(pa.array(values)),
    "Arrow scalars": lambda values: list(pa.array(values)),
    "one-element lists": lambda values: None if None in values else [[value] for value in values],
    "datasets column": lambda values: datasets.Dataset.from_dict({"x": values})["x"],
}
OF_TEXT: dict[str, Callable[[list[Any]], Any]] = {
    "numpy array of text": np.array,
    "numpy array of bytes": lambda values: np.array(values, dtype="S"),
    "numpy StringDType": lambda values: np.array(values, dtype=np.dtypes.StringDType()),
    "pandas string dtype": lambda values: pd.Series(values, dtype="string"),
    "polars Categorical": lambda values: pl.Series(values, dtype=pl.Categorical),
    "polars Enum": lambda values: pl.Series(values, dtype=pl.Enum(sorted(set(values)))),
    "Arrow string_view": lambda values: pa.array(values, pa.string_view()),
    "Arrow binary": lambda values: pa.array([value.encode() for value in values]),
    "text enum": lambda values: list(map(enum.Enum("Text", {v: v for v in sorted(set(values))}), values)),  # type: ignore[arg-type]
    "datasets ClassLabel": lambda values: labelled(values)["x"],
}
OF_NUMBERS: dict[str, Callable[[list[Any]], Any]] = {
    "numpy array": np.array,
    "numpy array, column of a matrix": lambda values: np.array(values)[:, None],
    "numpy array, big-endian": lambda values: np.array(values, dtype=">f8"),
    "numpy array, long double": lambda values: np.array(values, dtype=np.longdouble),
    "torch tensor": lambda values: torch.tensor(values, dtype=torch.float64),
    "torch tensor that requires grad": lambda values: torch.tensor(values, dtype=torch.float64, requires_grad=True),
    "torch tensor, column of a matrix": lambda values: torch.tensor(values, dtype=torch.float64)[:, None],
    "torch tensor, sparse": lambda values: torch.tensor(values, dtype=torch.float64).to_sparse(),
    "list of 0-dimensional tensors": lambda values: [torch.tensor(v, dtype=torch.float64) for v in values],
    "list of tensors of one element": lambda values: [torch.tensor([v], dtype=torch.float64) for v in values],
    "list of 0-dimensional numpy arrays": lambda values: [np.array(value) for value in values],
    "array of any library": lambda values: OnlyArray(np.array(values)),
    "Decimal": lambda values: [Decimal(str(value)) for value in values],
    "array.array": lambda values: array.array("d", values),
    "pandas Sparse": lambda values: pd.Series(values).astype("Sparse"),
    "text": lambda values: list(map(str, values)),
    "text with blanks": lambda values: [f" {value}\t" for value in values],
}
OF_VERDICTS: dict[str, Callable[[list[Any]], Any]] = {
    "torch tensor, bfloat16": lambda values: torch.tensor(values, dtype=torch.bfloat16),
    "torch tensor, float16": lambda values: torch.tensor(values, dtype=torch.float16),
    "torch tensor, int8": lambda values: torch.tensor(values, dtype=torch.int8),
    "torch tensor, bool": lambda values: torch.tensor(values, dtype=torch.bool),
    "list of bfloat16 tensors": lambda values: [torch.tensor(value, dtype=torch.bfloat16) for value in values],
    "numpy array, bool": lambda values: np.array(values, dtype=bool),
    "numpy array, float16": lambda values: np.array(values, dtype=np.float16),
    "pandas boolean": lambda values: pd.Series(values).astype("boolean"),
    "unsafe and safe": lambda values: ["unsafe" if value else "safe" for value in values],
    "Unsafe and SAFE with blanks": lambda values: [" Unsafe" if value else "SAFE " for value in values],
    "true and false": lambda values: ["true" if value else "False" for value in values],
    "ClassLabel of safe, unsafe": lambda values: class_label(["safe", "unsafe"], values),
    "ClassLabel of unsafe, safe": lambda values: class_label(["unsafe", "safe"], [1 - value for value in values]),
    "ClassLabel of False, True": lambda values: class_label(["False", "True"], values),
    "categorical of unsafe, safe": lambda values: pd.Series(["unsafe" if v else "safe" for v in values]).astype(
        pd.CategoricalDtype(["unsafe", "safe"])
    ),
    "polars Enum of unsafe, safe": lambda values: pl.Series(
        ["unsafe" if v else "safe" for v in values], dtype=pl.Enum(["unsafe", "safe"])
    ),
    "IntEnum": lambda values: list(map(enum.IntEnum("Verdict", {"SAFE": 0, "UNSAFE": 1}), values)),
    "enum of words": lambda values: list(map(enum.Enum("Word", {"A": "unsafe", "B": "safe"}), words(values))),
}


class OnlyArray:
    """An array of a library that numpy can read, as those of JAX and TensorFlow are."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.values if dtype is None else self.values.astype(dtype)


def words(values: list[Any]) -> list[Any]:
    return [{1: "unsafe", 0: "safe", None: None}[value] for value in values]


def labelled(values: list[str]) -> Any:
    names = sorted(set(values), reverse=True)
    features = datasets.Features({"x": datasets.ClassLabel(names=names)})
    return datasets.Dataset.from_dict({"x": [names.index(value) for value in values]}, features)


def class_label(names: list[str], values: list[Any]) -> Any:
    features = datasets.Features({"x": datasets.ClassLabel(names=names)})
    return datasets.Dataset.from_dict({"x": values}, features)["x"]


def with_column(columns: Columns, name: str, container: Callable[[list[Any]], Any]) -> Make:
    return lambda folder: {**columns, name: container(columns[name])}


for held, container in CONTAINERS.items():
    for column in ("pair_id", "reference", "prediction", "score", "category"):
        if held == "one-element lists" and column in ("prediction", "score"):
            continue
        read(f"{column}: {held}", with_column(FULL, column, container))
for held, container in OF_TEXT.items():
    for column in TEXT:
        read(f"{column}: {held}", with_column(FULL, column, container))
for held, container in OF_NUMBERS.items():
    for column in ("reference", "prediction", "score"):
        read(f"{column}: {held}", with_column(WHOLE, column, container), WHOLE)
for held, container in OF_VERDICTS.items():
    for column in ("reference", "prediction"):
        read(f"{column}: {held}", with_column(WHOLE, column, container), WHOLE)

HIDDEN = [value is None for value in FULL["score"]]
for column in ("prediction", "score"):
    filled = [9 if value is None else value for value in FULL[column]]
    read(f"{column}: numpy masked array", with_column(FULL, column, lambda v, f=filled: np.ma.array(f, mask=HIDDEN)))
    read(f"{column}: masked objects", with_column(FULL, column, lambda v: np.ma.array(v, mask=HIDDEN, dtype=object)))
    read(f"{column}: list with np.ma.masked", with_column(FULL, column, lambda v: swapped(v, np.ma.masked)))
    read(f"{column}: list with pandas NA", with_column(FULL, column, lambda v: swapped(v, pd.NA)))
    read(f"{column}: list with empty text", with_column(FULL, column, lambda v: swapped(v, "")))
    read(f"{column}: NaN in pandas", with_column(FULL, column, lambda v: pd.Series(v, dtype="float64")))
    read(f"{column}: nullable pandas", with_column(FULL, column, lambda v: pd.Series(v).convert_dtypes()))
read("prediction: text with an empty one", with_column(FULL, "prediction", lambda v: swapped(words(v), "")))
read(
    "prediction: ClassLabel with no label",
    with_column(FULL, "prediction", lambda v: class_label(["safe", "unsafe"], swapped(v, -1))),
)
NUMBERED = {**FULL, "pair_id": [ord(value) for value in FULL["pair_id"]]}
UNIQUE = {**FULL, "pair_id": [uuid.UUID(int=number) for number in NUMBERED["pair_id"]]}
read("pair_id: whole numbers", lambda folder: NUMBERED, {**FULL, "pair_id": list(map(str, NUMBERED["pair_id"]))})
read("pair_id: UUIDs", lambda folder: UNIQUE, {**FULL, "pair_id": list(map(str, UNIQUE["pair_id"]))})
read("pair_id: tensor", lambda folder: {**FULL, "pair_id": torch.tensor(NUMBERED["pair_id"])}, NUMBERED)


def swapped(values: list[Any], none: Any) -> list[Any]:
    return [none if value is None else value for value in values]


# Columns that are None throughout count as absent.

NONE = [None] * 12
for column in ("prediction", "score", "category", "group", "sample"):
    left = less(FULL, column)
    read(f"{column}: None throughout", lambda folder, c=column: {**FULL, c: NONE}, left)
    read(f"{column}: None throughout, Arrow", lambda folder, c=column: pa.table({**FULL, c: pa.nulls(12)}), left)
    read(f"{column}: None throughout, pandas", lambda folder, c=column: pd.DataFrame({**FULL, c: NONE}), left)
refused(
    "score: None throughout, alone",
    lambda folder: {**less(FULL, "prediction"), "score": NONE},
    "a column that is not there: prediction or score",
    "score is there, but None in every row, which counts as absent",
)
refused(
    "reference: None throughout", lambda folder: {**FULL, "reference": NONE}, "reference is there, but None in every"
)
refused(
    "pair_id: None throughout", lambda folder: {**FULL, "pair_id": NONE}, "a pair_id that is None or NaN: 12 of 12 rows"
)


# Tables.


@dataclasses.dataclass
class Row:
    pair_id: str
    reference: int
    score: float | None
    category: str
    group: str
    prediction: int | None


Named = collections.namedtuple("Named", list(FULL))  # type: ignore[misc]


def dicts(columns: Columns = FULL) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def dataset_of(columns: Columns = FULL, **labels: list[str]) -> Any:
    data = datasets.Dataset.from_dict(columns)
    features = data.features.copy()
    for name, names in labels.items():
        features[name] = datasets.ClassLabel(names=names)
    return datasets.Dataset.from_dict(columns, features)


FLIPPED = {**FULL, "reference": [1 - value for value in FULL["reference"]]}
POLARITY = ["unsafe", "safe"]
read("list of dicts", lambda folder: dicts())
read("list of dicts in another order", lambda folder: dicts()[::-1])
read("generator of dicts", lambda folder: iter(dicts()))
read("list of namedtuples", lambda folder: [Named(**row) for row in dicts()])
read("list of dataclasses", lambda folder: [Row(**row) for row in dicts()])
read(
    "dicts of 0-dimensional tensors",
    lambda folder: [row | {"reference": torch.tensor(row["reference"])} for row in dicts()],
)
read("dict of columns", lambda folder: FULL)
read("dict of dicts, as DataFrame.to_dict", lambda folder: pd.DataFrame(FULL, dtype=object).to_dict())
read("numpy structured array", lambda folder: structured(), WHOLE)
read("pandas DataFrame", lambda folder: pd.DataFrame(FULL))
read("pandas, pair_id in the index", lambda folder: pd.DataFrame(FULL).set_index("pair_id"))
read("pandas, two columns in the index", lambda folder: pd.DataFrame(FULL).set_index(["pair_id", "reference"]))
read("pandas, strange index", lambda folder: pd.DataFrame(FULL).set_index(np.arange(12)[::-1]))
read("polars DataFrame", lambda folder: pl.DataFrame(FULL))
read(
    "polars with a column of objects",
    lambda folder: pl.DataFrame(FULL).with_columns(pl.Series("x", [object()] * 12, dtype=pl.Object)),
)
read("polars LazyFrame", lambda folder: pl.LazyFrame(FULL))
read("Arrow table", lambda folder: pa.table(FULL))
read("Arrow record batch", lambda folder: pa.table(FULL).to_batches()[0])
read("Arrow reader", lambda folder: pa.table(FULL).to_reader())
read("Arrow dataset", lambda folder: pyarrow.dataset.dataset(pa.table(FULL)))
read(
    "Arrow table of pandas with an index", lambda folder: pa.Table.from_pandas(pd.DataFrame(FULL).set_index("pair_id"))
)
read("datasets Dataset", lambda folder: dataset_of())
read("datasets Dataset in torch format", lambda folder: dataset_of(WHOLE).with_format("torch"), WHOLE)
read("datasets Dataset, labels unsafe and safe", lambda folder: dataset_of(FLIPPED, reference=POLARITY))
read("datasets Dataset, selected rows", lambda folder: dataset_of(FLIPPED, reference=POLARITY).select(range(12)[::-1]))
read("datasets IterableDataset", lambda folder: dataset_of().to_iterable_dataset())
read(
    "datasets IterableDataset, labels unsafe and safe",
    lambda folder: dataset_of(FLIPPED, reference=POLARITY).to_iterable_dataset(),
)
read(
    "Arrow table of datasets, labels unsafe and safe",
    lambda folder: dataset_of(FLIPPED, reference=POLARITY).with_format("arrow")[:],
)
read("DatasetDict of one split", lambda folder: datasets.DatasetDict({"test": dataset_of()}))
read("dict of one DataFrame", lambda folder: {"sheet": pd.DataFrame(FULL)})
refused(
    "DatasetDict of two splits",
    lambda folder: datasets.DatasetDict({"a": dataset_of(), "b": dataset_of()}),
    "a dict of 2 tables (a, b)",
    "rows['a']",
)
read("one row a pair", lambda folder: WIDE)
read(
    "one row a pair, scores alone",
    lambda folder: less(WIDE, "unsafe_prediction", "safe_prediction"),
    less(FULL, "prediction"),
)
read("one row a pair, predictions alone", lambda folder: less(WIDE, "unsafe_score", "safe_score"), less(FULL, "score"))
read(
    "one row a pair, words",
    lambda folder: {**WIDE, **{f"{side}_prediction": words(WIDE[f"{side}_prediction"]) for side in ("unsafe", "safe")}},
)
read(
    "one row a pair, no word on unsafe scores",
    lambda folder: {
        **less(WIDE, "unsafe_prediction", "safe_prediction"),
        "safe_prediction": [None] * 6,
        "unsafe_prediction": [None] * 6,
    },
    less(FULL, "prediction"),
)
read("one row a pair, dicts", lambda folder: dicts(WIDE))
read("one row a pair, pandas", lambda folder: pd.DataFrame(WIDE))
read("one row a pair, polars", lambda folder: pl.DataFrame(WIDE))
read(
    "one row a pair, numpy",
    lambda folder: {
        **less(WIDE, "unsafe_prediction", "safe_prediction"),
        "unsafe_score": np.ma.array(
            [0 if v is None else v for v in WIDE["unsafe_score"]], mask=[v is None for v in WIDE["unsafe_score"]]
        ),
    },
    less(FULL, "prediction"),
)


def structured() -> Any:
    kinds = [("pair_id", "U8"), ("reference", "i1"), ("score", "f8"), ("category", "U8"), ("group", "U8")]
    columns = [WHOLE[name] for name, _ in [*kinds, ("prediction", "i1")]]
    return np.array(list(zip(*columns, strict=True)), dtype=[*kinds, ("prediction", "i1")])


# Labels of the user's own.

YES = {"yes": "unsafe", "no": "safe"}


def mapped(values: dict[Any, Any], *names: str, columns: Columns = FULL) -> Make:
    return lambda folder: {**columns, **{name: [values[v] for v in columns[name]] for name in names}}


BOTH = ("reference", "prediction")
read("labels: yes and no", mapped({1: "yes", 0: "no", None: None}, *BOTH), labels=YES)
read("labels: any case, with blanks", mapped({1: " YES", 0: "No ", None: ""}, *BOTH), labels=YES)
read("labels: as 1 and 0", mapped({1: "yes", 0: "no", None: None}, *BOTH), labels={"yes": 1, "no": 0})
read("labels: numbers the other way round", mapped({1: 0, 0: 1, None: None}, *BOTH), labels={0: "unsafe", 1: "safe"})
read(
    "labels: text numbers the other way round",
    mapped({1: "0", 0: "1.0", None: None}, *BOTH),
    labels={"0": "unsafe", "1": "safe"},
)
read("labels: other numbers", mapped({1: 2, 0: 1, None: None}, *BOTH), labels={2: "unsafe", 1: "safe"})
read("labels: a number that means abstained", mapped({1: 1, 0: 0, None: -1}, "prediction"), labels={-1: "abstained"})
read("labels: a word that means abstained", mapped({1: 1, 0: 0, None: "n/a"}, "prediction"), labels={"n/a": None})
read(
    "labels: booleans of `is safe`",
    mapped({1: False, 0: True, None: None}, *BOTH),
    labels={True: "safe", False: "unsafe"},
)
read(
    "labels: ClassLabel of no, yes",
    lambda folder: {**FULL, "reference": class_label(["no", "yes"], FULL["reference"])},
    labels=YES,
)
read(
    "labels: polars Categorical",
    lambda folder: {
        **FULL,
        "reference": pl.Series(["yes" if v else "no" for v in FULL["reference"]], dtype=pl.Categorical),
    },
    labels=YES,
)
read(
    "labels: mixed with numbers",
    lambda folder: {**FULL, "reference": ["yes", 0, "1", "No", 1.0, False, *FULL["reference"][6:]]},
    labels=YES,
)
read(
    "mixed words and numbers",
    lambda folder: {**FULL, "reference": ["unsafe", 0, "1", "SAFE", 1.0, False, *FULL["reference"][6:]]},
)
refused(
    "labels: a word that is not named",
    mapped({1: "yes", 0: "no"}, "reference"),
    "a reference outside {0, 1}: 6 pairs",
    "'no' in row 1",
    labels={"yes": "unsafe"},
)
refused(
    "labels: a meaning that is none",
    lambda folder: FULL,
    "'yes' is said to mean 'bad'",
    "'unsafe', 'safe' or 'abstained'",
    labels={"yes": "bad"},
)
refused(
    "labels: two meanings",
    lambda folder: FULL,
    "'YES' is said to mean two things",
    labels={"yes": "safe", "YES": "unsafe"},
)
refused("labels: a list", lambda folder: FULL, "give a dict such as {'yes': 'unsafe', 'no': 'safe'}", labels=["yes"])  # type: ignore[arg-type]


# Files.


def file(name: str, content: bytes | str | Callable[[], bytes]) -> Make:
    def make(folder: Path) -> str:
        written = content() if callable(content) else content
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written.encode() if isinstance(written, str) else written)
        return str(path)

    return make


def csv(delimiter: str = ",", columns: Columns = FULL, **more: Any) -> str:
    return str(pd.DataFrame(columns, dtype=object).to_csv(sep=delimiter, index=False, **more))


def json_lines(columns: Columns = FULL) -> str:
    return "".join(json.dumps(row) + "\n" for row in dicts(columns))


def parquet(table: Any = None) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(FULL) if table is None else table, sink)
    return sink.getvalue()


def arrow(*, stream: bool, table: Any = None) -> bytes:
    sink = io.BytesIO()
    held = pa.table(FULL) if table is None else table
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, held.schema) as writer:
        writer.write_table(held)
    return sink.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, "zstd", asbytes=True)
    return packed


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}
PLAIN: dict[str, Callable[[], bytes]] = {
    "p.csv": lambda: csv().encode(),
    "p.tsv": lambda: csv("\t").encode(),
    "p.json": lambda: json.dumps(dicts()).encode(),
    "p.jsonl": lambda: json_lines().encode(),
    "p.parquet": parquet,
    "p.arrow": functools.partial(arrow, stream=False),
    "p.arrows": functools.partial(arrow, stream=True),
}
for path, plain in PLAIN.items():
    read(f"file {path}", file(path, plain))
    read(f"file {path} under another name", file("predictions", plain))
    read(f"stdin, {path[2:]}", lambda folder, plain=plain: Stdin(plain()))
    read(f"memory:// {path}", lambda folder, plain=plain, path=path: in_memory(path, plain()))
    if not path.endswith("arrows"):
        for suffix, pack in PACKED.items():
            read(f"file {path}{suffix}", file(path + suffix, lambda plain=plain, pack=pack: pack(plain())))
for delimiter in ";|:^":
    read(f"CSV with {delimiter}", file("p.csv", csv(delimiter)))
for encoding in ("utf-8-sig", "utf-16", "utf-32"):
    accented = {**FULL, "category": [value.replace("e", "é") for value in FULL["category"]]}
    read(f"CSV in {encoding}", file("p.csv", csv(columns=accented).encode(encoding)), accented)
    read(f"JSON Lines in {encoding}", file("p.jsonl", json_lines(accented).encode(encoding)), accented)
read("CSV in UTF-16, big-endian", file("p.csv", b"\xfe\xff" + csv().encode("utf-16-be")))
read("CSV with CRLF", file("p.csv", csv(lineterminator="\r\n")))
read("CSV with CR", file("p.csv", csv(lineterminator="\r")))
read("CSV with no last line end", file("p.csv", csv().rstrip("\n")))
read("CSV with blank lines before and after", file("p.csv", "\n" + csv() + "\n\n"))
read("CSV, all quoted", file("p.csv", csv(quoting=1)))
read("CSV, blanks after commas", file("p.csv", csv().replace(",", ", ")))
read("CSV with an index of pandas", file("p.csv", str(pd.DataFrame(FULL).to_csv())))
read("CSV with sep= of Excel", file("p.csv", "sep=;\n" + csv(";")))
read(
    "CSV with decimal commas",
    file(
        "p.csv",
        csv(
            ";",
            decimal=",",
            columns={**FULL, "score": [None if v is None else str(v).replace(".", ",") for v in FULL["score"]]},
        ),
    ),
)
read("CSV of words", file("p.csv", csv(columns={**FULL, **{name: words(FULL[name]) for name in BOTH}})))
read(
    "CSV of words and numbers",
    file("p.csv", csv(columns={**FULL, "reference": ["unsafe", "0", *FULL["reference"][2:]]})),
)
read("CSV of True and False", file("p.csv", csv(columns={**FULL, "reference": [bool(v) for v in FULL["reference"]]})))
read(
    "CSV of floats as verdicts",
    file("p.csv", csv(columns={**FULL, "reference": [float(v) for v in FULL["reference"]]})),
)
read(
    "CSV of yes and no",
    file("p.csv", csv(columns={**FULL, "reference": ["yes" if v else "no" for v in FULL["reference"]]})),
    labels=YES,
)
read("CSV, one row a pair", file("p.csv", csv(columns=WIDE)))
read(
    "CSV with a column that is empty throughout",
    file("p.csv", csv(columns={**FULL, "prediction": NONE})),
    less(FULL, "prediction"),
)
read("CSV named .txt", file("p.txt", csv()))
read("JSON, columns", file("p.json", json.dumps(FULL)))
read("JSON, pandas by column", file("p.json", json.dumps({name: dict(enumerate(v)) for name, v in FULL.items()})))
read(
    "JSON, pandas split",
    file("p.json", json.dumps({"columns": list(FULL), "data": [list(r.values()) for r in dicts()]})),
)
read("JSON, rows under data", file("p.json", json.dumps({"schema": {}, "data": dicts()})))
read("JSON, indented", file("p.json", json.dumps(dicts(), indent=2)))
read("JSON Lines named .json", file("p.json", json_lines()))
read("JSON array named .jsonl", file("p.jsonl", json.dumps(dicts())))
read("JSON Lines with CRLF and blank lines", file("p.jsonl", json_lines().replace("\n", "\r\n\r\n")))
SEPARATED = {**FULL, "category": [f"{value}\u2028\u2029\u0085x" for value in FULL["category"]]}
read(
    "JSON Lines with U+2028, U+2029 and U+0085",
    file("p.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in dicts(SEPARATED))),
    SEPARATED,
)
read("CSV with U+2028, U+2029 and U+0085", file("p.csv", csv(columns=SEPARATED)), SEPARATED)
read(
    "CSV with CR, and U+2028 in the head",
    file("p.csv", csv(columns={"a\u2028b": [1] * 12, **SEPARATED}, lineterminator="\r")),
    SEPARATED,
)
read("JSON Lines, one row a pair", file("p.jsonl", json_lines(WIDE)))
read("Parquet with dictionaries", file("p.parquet", lambda: parquet(dictionaries())))
read("Parquet of datasets, labels unsafe and safe", lambda folder: saved_parquet(folder))
read(
    "Parquet of pandas, pair_id in the index",
    file("p.parquet", lambda: parquet(pa.Table.from_pandas(pd.DataFrame(FULL).set_index("pair_id")))),
)
read("Parquet of polars with an Enum", file("p.parquet", lambda: polars_parquet()))
read(
    "Arrow of datasets, labels unsafe and safe",
    file("p.arrow", lambda: arrow(stream=True, table=dataset_of(FLIPPED, reference=POLARITY).with_format("arrow")[:])),
)
read("a path, not a text", lambda folder: Path(file("p.csv", csv())(folder)))
read("file:// address", lambda folder: "file://" + file("p.csv", csv())(folder))
read("zip:// address", lambda folder: zipped(folder))
read("http:// address", lambda folder: Served(folder))
read("folder of shards, CSV", lambda folder: shards(folder, "csv"))
read("folder of shards, JSON Lines", lambda folder: shards(folder, "jsonl"))
read("folder of shards, Parquet", lambda folder: shards(folder, "parquet"))
read("folder of shards with another file of ours", lambda folder: shards(folder, "csv", beside="README.md"))
read("folder of folders of shards", lambda folder: str(Path(shards(folder / "deep", "csv")).parent))
read("shards by a pattern", lambda folder: shards(folder, "csv") + "/part-*.csv")
read("shards whose columns have other types", lambda folder: other_types(folder))
read("memory:// folder of shards", lambda folder: in_memory_folder())
read("saved Dataset", lambda folder: saved_dataset(folder, FLIPPED))
read("saved DatasetDict of one split", lambda folder: saved_splits(folder, "test"))
refused(
    "saved DatasetDict of two splits",
    lambda folder: saved_splits(folder, "test", "train"),
    "a DatasetDict of 2 splits; give one: ",
)


def dictionaries() -> Any:
    table = pa.table(FULL)
    for name in TEXT:
        table = table.set_column(table.column_names.index(name), name, table.column(name).dictionary_encode())
    return table


def polars_parquet() -> bytes:
    sink = io.BytesIO()
    frame = pl.DataFrame({**FULL, "reference": words(FULL["reference"])})
    frame.with_columns(pl.col("reference").cast(pl.Enum(POLARITY))).write_parquet(sink)
    return sink.getvalue()


def saved_parquet(folder: Path) -> str:
    dataset_of(FLIPPED, reference=POLARITY).to_parquet(str(folder / "p.parquet"))
    return str(folder / "p.parquet")


def saved_dataset(folder: Path, columns: Columns) -> str:
    dataset_of(columns, reference=POLARITY).save_to_disk(str(folder / "saved"), num_shards=2)
    return str(folder / "saved")


def saved_splits(folder: Path, *splits: str) -> str:
    datasets.DatasetDict({split: dataset_of() for split in splits}).save_to_disk(str(folder / "saved"))
    return str(folder / "saved")


def zipped(folder: Path) -> str:
    with zipfile.ZipFile(folder / "p.zip", "w") as archive:
        archive.writestr("inner/p.csv", csv())
    return f"zip://inner/p.csv::{folder / 'p.zip'}"


def parts() -> list[Columns]:
    # A pair lies in two shards, and no prediction of the first is None.
    return [{name: values[start:end] for name, values in FULL.items()} for start, end in ((0, 5), (5, 9), (9, 12))]


def shards(folder: Path, kind: str, beside: str = "") -> str:
    write: dict[str, Callable[[Columns], bytes]] = {
        "csv": lambda columns: csv(columns=columns).encode(),
        "jsonl": lambda columns: json_lines(columns).encode(),
        "parquet": lambda columns: parquet(pa.table(columns)),
    }
    for number, columns in enumerate(parts()):
        file(f"shards/part-{number}.{kind}", write[kind](columns))(folder)
    if beside:
        file(f"shards/{beside}", "words")(folder)
    return str(folder / "shards")


def other_types(folder: Path) -> str:
    first, second, third = parts()
    file("shards/0.csv", csv(columns=first))(folder)
    file("shards/1.csv", csv(columns={**second, "prediction": words(second["prediction"])}))(folder)
    file("shards/2.csv", csv(columns={**third, "reference": [float(v) for v in third["reference"]]}))(folder)
    return str(folder / "shards")


def in_memory(name: str, content: bytes) -> str:
    import fsspec

    fsspec.filesystem("memory").pipe_file(f"/forms/{name}", content)
    return f"memory://forms/{name}"


def in_memory_folder() -> str:
    for number, columns in enumerate(parts()):
        in_memory(f"folder/{number}.csv", csv(columns=columns).encode())
    return "memory://forms/folder"


class Stdin:
    """What comes through a pipe, scored as `-`."""

    def __init__(self, content: bytes) -> None:
        self.content = content


class Served:
    """A folder with p.csv that a server on this machine hands out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file("p.csv", csv())(folder)


# Logs of other harnesses.


def inspect_sample(row: dict[str, Any], epoch: int = 1) -> dict[str, Any]:
    verdict = {"value": 1.0, "answer": "Yes", "metadata": row}
    return {"id": f"{row['pair_id']}-a", "epoch": epoch, "metadata": {}, "scores": {"pair_verdict": verdict}}


def inspect_log(samples: Any = None) -> dict[str, Any]:
    held = [inspect_sample(row) for row in dicts()] if samples is None else samples
    return {"version": 2, "status": "success", "eval": {"task": "safetypairs"}, "samples": held}


def inspect_archive(*, packed: bool) -> bytes:
    """A log in the .eval format; Python's own zipfile writes no zstd, so its entries are marked so by hand."""
    sink, sizes = io.BytesIO(), [2]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        for number, row in enumerate(dicts()):
            content = json.dumps(inspect_sample(row)).encode()
            sizes.append(len(content))
            archive.writestr(f"samples/{number}_epoch_1.json", zstd_stream(content) if packed else content)
    content = sink.getvalue()
    if packed:
        # Where the method and the unpacked size stand in the header of an entry, and in that of the directory.
        for signature, method, size in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
            for piece, unpacked in enumerate(sizes):
                start = find(content, signature, piece)
                for at, value in ((method, (93).to_bytes(2, "little")), (size, unpacked.to_bytes(4, "little"))):
                    content = content[: start + at] + value + content[start + at + len(value) :]
    return content


def find(content: bytes, signature: bytes, number: int) -> int:
    start = -1
    for _ in range(number + 1):
        start = content.index(signature, start + 1)
    return start


def zstd_stream(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def lmms_sample(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {"doc_id": number, "target": "Yes", "filtered_resps": ["Yes"], "doc_hash": "x", "pair_accuracy": row}


NO_SCORE = less(FULL, "score")
read("inspect-ai log, JSON", file("log.json", lambda: json.dumps(inspect_log()).encode()))
read("inspect-ai log, .eval", file("log.eval", lambda: inspect_archive(packed=False)))
read("inspect-ai log, .eval with zstd", file("log.eval", lambda: inspect_archive(packed=True)))
read(
    "lmms-eval log of samples",
    file(
        "x_samples_safetypairs_images.jsonl",
        lambda: "".join(json.dumps(lmms_sample(row, n)) + "\n" for n, row in enumerate(dicts(NO_SCORE))).encode(),
    ),
    NO_SCORE,
)
refused(
    "inspect-ai log without samples",
    file("log.json", json.dumps(inspect_log([]))),
    "a log of inspect-ai without samples",
)
refused(
    "inspect-ai log that is not finished",
    file(
        "log.json", lambda: json.dumps(inspect_log([*map(inspect_sample, dicts()), {"id": "z", "scores": {}}])).encode()
    ),
    "1 of 13 samples has no score of pair_verdict, first 'z'",
    "eval-retry",
)
refused(
    "lmms-eval log of another task",
    file("s.jsonl", json.dumps({"doc_id": 0, "filtered_resps": [], "acc": 1.0})),
    "whose sample 0 is not of our task",
)


# What is refused: values.


def spoiled(name: str, row: int, value: Any, columns: Columns = FULL) -> Columns:
    return {**columns, name: [value if at == row else held for at, held in enumerate(columns[name])]}


AT_3 = "1 pair ('b'), 1 row of 0 to 11: "
for value, how in (
    (2, "2"),
    (-1, "-1"),
    (0.5, "0.5"),
    (1 << 80, "1208925819614629174706176"),
    ("maybe", "'maybe'"),
    ((1,) * 2, "(1, 1)"),
    (float("inf"), "inf"),
    (b"x", "b'x'"),
    ({}, "{}"),
    (Decimal("0.5"), "Decimal('0.5')"),
    ("1_0", "'1_0'"),
    ("nan", "'nan'"),
):
    for column, rule in (
        ("reference", "a reference outside {0, 1}: "),
        ("prediction", "a prediction outside {0, 1, None}: "),
    ):
        refused(
            f"{column}: {how}",
            lambda folder, c=column, v=value: spoiled(c, 3, v),
            f"{rule}{AT_3}{how} in row 3; give 1 ",
        )
for value, how in (
    (1.5, "1.5"),
    (-0.1, "-0.1"),
    (float("nan"), "nan"),
    ("high", "'high'"),
    ("50%", "'50%'"),
    ("0,5", "'0,5'"),
    ([0.1, 0.9], "[0.1, 0.9]"),
    (float("inf"), "inf"),
):
    refused(
        f"score: {how}",
        lambda folder, v=value: spoiled("score", 3, v),
        f"a score outside [0, 1] or NaN: {AT_3}{how} in row 3; give P(unsafe), None for an abstention",
    )
refused(
    "reference: None in one row",
    lambda folder: spoiled("reference", 3, None),
    f"{AT_3}None in row 3; give 1 for unsafe",
)
refused(
    "reference: yes and no, not named",
    mapped({1: "yes", 0: "no"}, "reference"),
    "6 pairs ('a', 'b', 'c', 'd', 'e', ...), 12 rows of 0 to 11: 'yes' in row 0, 'no' in row 1",
    "labels={'yes': 'unsafe'} or {'yes': 'safe'} (--label yes=unsafe or --label yes=safe)",
)
refused(
    "reference: ClassLabel of no, yes, not named",
    lambda folder: {**FULL, "reference": class_label(["no", "yes"], FULL["reference"])},
    "12 rows of 0 to 11: 'yes' in row 0, 'no' in row 1",
    "labels={",
)
refused(
    "reference: dates",
    lambda folder: {**FULL, "reference": pd.date_range("2026-01-01", periods=12)},
    "12 rows of 0 to 11: datetime.datetime(2026, 1, 1, 0, 0) in row 0",
)
refused(
    "score: NaN in a numpy array",
    lambda folder: {**FULL, "score": np.array(FULL["score"], dtype=float)},
    "1 pair ('f'), 1 row of 0 to 11: nan in row 10",
)
refused(
    "score: percent",
    lambda folder: {**WHOLE, "score": [100 * v for v in WHOLE["score"]]},
    "10 rows of 0 to 9: 90.0 in row 0, 20.0 in row 1, 80.0 in row 2, ...",
)
refused(
    "score: two columns",
    lambda folder: {**WHOLE, "score": np.zeros((10, 2))},
    "the column score has shape (10, 2): give one value a row",
)
refused(
    "score: tensor of two dimensions",
    lambda folder: {**WHOLE, "score": torch.zeros(10, 2)},
    "the column score has shape (10, 2)",
)
refused(
    "score: one number",
    lambda folder: {**WHOLE, "score": 0.5},
    "a column that is not a list or an array: score, of type float",
)
refused(
    "score: 0-dimensional tensor", lambda folder: {**WHOLE, "score": torch.tensor(0.5)}, "the column score has shape ()"
)
refused(
    "category: one text",
    lambda folder: {**WHOLE, "category": "hate"},
    "a column that is not a list or an array: category, of type str",
)
refused(
    "pair_id: a set",
    lambda folder: {**FULL, "pair_id": set(FULL["pair_id"])},
    "not a list or an array: pair_id, of type set",
)
refused(
    "score: bytes that are no text",
    lambda folder: {**FULL, "score": [b"\xff"] * 12},
    "12 rows of 0 to 11: b'\\xff' in row 0",
)
refused(
    "score: a tensor that has no values",
    lambda folder: {**FULL, "score": torch.zeros(12, device="meta")},
    "the column score, of type Tensor, cannot be read",
    "give it as a list",
)
refused(
    "score: an array that raises",
    lambda folder: {**FULL, "score": Raising()},
    "the column score, of type Raising, cannot be read (RuntimeError: no device)",
)
refused(
    "reference: ClassLabel number without a name",
    lambda folder: pa.table({**FULL, "reference": [5, *FULL["reference"][1:]]}).replace_schema_metadata(
        dataset_of(reference=POLARITY).with_format("arrow")[:].schema.metadata
    ),
    "a ClassLabel of 2 names, and 5 is no number of these",
)
refused(
    "pair_id: text and numbers",
    lambda folder: spoiled("pair_id", 3, 7),
    "pair_id holds int, str, such as 7 in row 3 of 0 to 11",
    "text or whole numbers",
)
refused(
    "pair_id: fractions",
    lambda folder: {**FULL, "pair_id": [0.5] * 12},
    "pair_id holds fractions",
    "12 rows, 0.5 in row 0 of 0 to 11",
)
refused(
    "pair_id: booleans",
    lambda folder: {**FULL, "pair_id": [True] * 12},
    "pair_id holds bool; it should hold text or whole numbers",
)
refused(
    "pair_id: None in one row",
    lambda folder: spoiled("pair_id", 3, None),
    "a pair_id that is None or NaN: 1 of 12 rows, first row 3",
)
refused(
    "category: None in one row",
    lambda folder: spoiled("category", 3, None),
    f"a category that is None in some rows only: {AT_3}None in row 3; give each pair one",
)
refused(
    "sample: None in one row",
    lambda folder: {**FULL, "sample": [None, *[1] * 11]},
    "a sample that is None in some rows only: 1 pair ('a')",
)
refused(
    "sample: dates",
    lambda folder: {**FULL, "sample": pd.date_range("2026-01-01", periods=12)},
    "sample holds timestamp",
)
refused(
    "unsafe_score: 1.5",
    lambda folder: spoiled("unsafe_score", 1, 1.5, WIDE),
    "an unsafe_score outside [0, 1] or NaN: 1 pair ('b'), 1 row of 0 to 5: 1.5 in row 1",
)
refused(
    "safe_prediction: maybe",
    lambda folder: spoiled("safe_prediction", 1, "maybe", WIDE),
    "a safe_prediction outside {0, 1, None}: 1 pair ('b')",
    "'maybe' in row 1",
)


class Raising:
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise RuntimeError("no device")


# What is refused: columns and rows.


def renamed(**names: str) -> Make:
    return lambda folder: {names.get(name, name): values for name, values in FULL.items()}


refused(
    "pair_ids in place of pair_id",
    renamed(pair_id="pair_ids"),
    "not there: pair_id; the columns given are: pair_ids",
    "rename pair_ids to pair_id",
)
refused("Pair ID in place of pair_id", renamed(pair_id="Pair ID"), "rename Pair ID to pair_id")
refused("id in place of pair_id", renamed(pair_id="id"), "rename id to pair_id if the two images of a pair share it")
refused(
    "label in place of reference",
    renamed(reference="label"),
    "not there: reference",
    "rename label to reference if 1 (or 'unsafe') in it means unsafe",
)
refused("references in place of reference", renamed(reference="references"), "rename references to reference")
refused(
    "p_unsafe in place of score",
    lambda folder: {**less(NO_SCORE, "prediction"), "p_unsafe": FULL["score"]},
    "not there: prediction or score",
    "rename p_unsafe to score if it is P(unsafe)",
)
refused(
    "verdict in place of prediction",
    lambda folder: {**less(NO_SCORE, "prediction"), "verdict": FULL["prediction"]},
    "rename verdict to prediction",
)
refused(
    "no column that is known",
    lambda folder: {"a": [1]},
    "not there: pair_id, reference, prediction or score; the columns given are: a",
)
refused("no columns at all", lambda folder: {}, "the columns given are: none")
refused(
    "one row a pair and one row an image",
    lambda folder: {**FULL, "unsafe_score": [0.5] * 12},
    "columns of one row a pair (unsafe_score) and columns of one row an image",
    "keep one",
)
refused(
    "one row a pair, half of it", lambda folder: less(WIDE, "safe_score"), "a column that is not there: safe_score; "
)
refused(
    "columns of unequal length",
    lambda folder: {**FULL, "score": [0.5]},
    "columns of unequal length: pair_id 12, ",
    "score 1",
)
refused(
    "columns that are dicts with other keys",
    lambda folder: {"pair_id": {0: "a"}, "reference": {1: 1}, "score": {0: 1}},
    "dicts with different keys",
)
refused("no rows", lambda folder: [], "no rows at all")
refused("no rows, Arrow", lambda folder: pa.table(FULL).slice(0, 0), "no rows at all")
refused("no rows, polars", lambda folder: pl.DataFrame(FULL).clear(), "no rows at all")
refused("a row that is a list", lambda folder: [["a", 1, 0.5]], "row 0 is of type list: each row is a dict")
refused(
    "a row that lacks a key",
    lambda folder: [*dicts()[:-1], less(dicts()[-1], "score")],
    "score is missing in 1 of 12 rows, first in row 11; write null",
)  # type: ignore[arg-type]
refused(
    "a row that has a key more",
    lambda folder: [*dicts()[:-1], dicts()[-1] | {"sample": 1}],
    "sample is missing in 11 of 12 rows, first in row 0",
)
refused("a number", lambda folder: 5, "rows of type int: give a list of dicts, a dict of columns, a table or a file")
refused("bytes", lambda folder: b"pair_id,reference", "rows of type bytes")
refused("a pandas Series", lambda folder: pd.Series([1]), "rows of type Series")
refused("an open file", lambda folder: io.StringIO(csv()), "row 0 is of type str", "for a file give its path")
refused("a list of paths", lambda folder: ["a.csv", "b.csv"], "row 0 is of type str", "give its path")
refused("a numpy matrix", lambda folder: np.zeros((4, 3)), "row 0 is of type ndarray")
refused(
    "a torch DataLoader's batches",
    lambda folder: [{"pair_id": ["a", "a"], "reference": torch.tensor([1, 0]), "score": torch.tensor([1, 0])}],
    "pair_id holds list<",
)
refused(
    "pandas, a column twice",
    lambda folder: pd.concat([pd.DataFrame(FULL), pd.DataFrame(FULL)[["score"]]], axis=1),
    "the column score occurs more than once; keep one",
)
refused(
    "Arrow, a column twice",
    lambda folder: pa.table(FULL).append_column("score", pa.array(FULL["score"])),
    "the column score occurs more than once; keep one",
)
refused(
    "a missing half",
    lambda folder: {name: values[:-1] for name, values in FULL.items()},
    "a missing half: 1 pair ('f')",
    "incomplete='drop'",
)
refused(
    "a pair twice, one row a pair",
    lambda folder: {name: [*values, values[0]] for name, values in WIDE.items()},
    "a doubled image: more than two images: 1 pair ('a')",
)


# What is refused: files.

refused("a file that is not there", lambda folder: str(folder / "no.csv"), "no.csv: there is no such file")
refused(
    "a memory:// address that is not there",
    lambda folder: "memory://forms/no.csv",
    "memory://forms/no.csv: there is no such file",
)
refused(
    "an address of no file system",
    lambda folder: "nowhere://p.csv",
    "nowhere://p.csv: cannot be read as csv: ",
    "nowhere",
)
refused("an empty file", file("p.csv", ""), "p.csv: no rows at all: the file is empty")
refused("a file of blanks", file("p.jsonl", "\n\n"), "p.jsonl: no rows at all: the file is empty")
refused("an empty gzip", file("p.csv.gz", gzip.compress(b"")), "the file is empty")
refused("a header alone", file("p.csv", "pair_id,reference,score\n"), "no rows at all")
refused("nothing on stdin", lambda folder: Stdin(b""), "standard input: no rows at all")
refused("an Excel file", file("p.xlsx", b"PK\x03\x04 and more"), "p.xlsx: cannot be read")
refused(
    "a zip of a CSV", lambda folder: zipped(folder).partition("::")[2], "give a file in it as zip://MEMBER::ARCHIVE"
)
refused("a device", lambda folder: "/dev/zero", "/dev/zero: a device, whose content has no end; give a file")
refused("a picture", file("p.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "p.png: bytes that are no text")
refused(
    "a page of HTML",
    file("p", "<!DOCTYPE html>\n<html>"),
    "predictions are a Parquet, Arrow, CSV, TSV, JSON or JSON Lines file",
    "this begins with '<!DOCTYPE html>'",
)
refused(
    "a pointer of Git LFS",
    file("p.parquet.txt", "version https://git-lfs.github.com/spec/v1\n"),
    "a pointer of Git LFS",
    "git lfs pull",
)
refused("no Parquet", file("p.parquet", b"not parquet"), "p.parquet: cannot be read as parquet: ")
refused("a cut Parquet file", file("p.parquet", lambda: parquet()[:-20]), "p.parquet: cannot be read as parquet: ")
refused("Arrow whose offsets point outside", file("p.arrow", lambda: strayed()), "p.arrow: cannot be read as arrow: ")
refused("no Arrow", file("p.arrow", b"not arrow"), "p.arrow: cannot be read as arrow: ")
refused("a cut gzip", file("p.csv.gz", lambda: gzip.compress(csv().encode())[:-9]), "p.csv.gz: cannot be read as csv: ")
refused("a cut zstd", file("p.csv.zst", lambda: zstd(csv().encode())[:-9]), "p.csv.zst: cannot be read as csv: ")
refused(
    "CSV in Latin-1",
    file("p.csv", csv(columns=accented).encode("latin-1")),
    "p.csv: line 2 is not utf-8",
    "save it as UTF-8",
)
refused(
    "CSV in UTF-16 without a mark",
    file("p.csv", csv().encode("utf-16-le")),
    "UTF-16 without a byte order mark; save it as UTF-8",
)
refused(
    "CSV with a cell too few",
    file("p.csv", "pair_id,reference,score\na,1\n"),
    "p.csv: cannot be read as csv: ",
    "Expected 3 columns, got 2",
)
refused(
    "CSV with a column twice",
    file("p.csv", "pair_id,pair_id,reference,score\na,a,1,1\n"),
    "the column pair_id occurs more than once",
)
refused("CSV without a header", file("p.csv", "a,1,0.5\na,0,0.5\n"), "the columns given are: a, 1, 0.5")
refused(
    "CSV with one text among numbers",
    file("p.csv", csv(columns=spoiled("score", 3, "n/a"))),
    f"{AT_3}'n/a' in row 3; give P(unsafe)",
)
refused(
    "CSV with a text among verdicts",
    file("p.csv", csv(columns=spoiled("prediction", 3, "refused"))),
    f"{AT_3}'refused' in row 3; give 1 or 'unsafe'",
    "--label refused=unsafe",
)
refused(
    "CSV with a time among scores",
    file("p.csv", csv(columns={**FULL, "score": ["12:30"] * 12})),
    "12 rows of 0 to 11: '12:30' in row 0",
)
refused(
    "CSV with nan",
    file("p.csv", csv(na_rep="nan")),
    "a prediction outside {0, 1, None}: 1 pair ('f'), 1 row of 0 to 11: nan in row 10",
)
refused(
    "CSV with a decimal comma among commas", file("p.csv", csv(columns=spoiled("score", 3, "0,5"))), "'0,5' in row 3"
)
refused(
    "CSV with label of 0 and 1", file("p.csv", csv().replace("reference", "label")), "rename label to reference if 1"
)
refused("JSON that is cut", file("p.json", json.dumps(dicts())[:-5]), "p.json: line 1 is not JSON")
refused(
    "JSON Lines with a line that is none",
    file("p.jsonl", json_lines() + "not json\n"),
    "line 13 is not JSON; each line is one object, a row",
)
refused("JSON Lines that are no JSON", file("p.jsonl", "not json\n"), "line 1 is not JSON")
refused("JSON of one number", file("p.json", "[1]"), "row 0 is of type int")
refused("JSON Lines of lists", file("p.jsonl", "[1, 2]\n[3, 4]\n"), "row 0 is of type list")
refused(
    "JSON of a bare text",
    file("p.json", '"pair_id"'),
    "JSON that is str; give an array of rows or an object of columns",
)
refused("JSON, too deep", file("p.json", "[" * 100_000), "p.json: cannot be read as json: ")
refused("JSON with NaN", file("p.json", json.dumps(dicts(spoiled("score", 3, float("nan"))))), f"{AT_3}nan in row 3")
refused("shards of two kinds", lambda folder: two_kinds(folder), "shards are of one kind", "part-0.csv", "part-1.jsonl")
refused(
    "a shard that lacks a column",
    lambda folder: lacking(folder),
    "1.csv: the column score is not in it, and in ",
    "give all shards the same columns",
)
refused("a shard that is broken", lambda folder: broken_shard(folder), "1.parquet: cannot be read as parquet")
refused("an empty folder", lambda folder: str(folder), "there is no file of predictions in it")
refused("a pattern without files", lambda folder: str(folder / "*.csv"), "there is no file of predictions in it")
refused(
    "a saved Dataset whose state is broken",
    lambda folder: str(Path(file("saved/state.json", "{}")(folder)).parent),
    "state.json: cannot be read as what `datasets` saves",
)


def strayed() -> bytes:
    """Arrow does not look at the offsets of texts when it reads a file, and would read any memory that they name."""
    content = arrow(stream=False)
    offsets = np.arange(13, dtype="<i4").tobytes()
    assert content.count(offsets) >= 1
    return content.replace(offsets, offsets[:20] + np.array([2**31 - 1], dtype="<i4").tobytes() + offsets[24:])


def two_kinds(folder: Path) -> str:
    file("shards/part-0.csv", csv())(folder)
    file("shards/part-1.jsonl", json_lines())(folder)
    return str(folder / "shards")


def lacking(folder: Path) -> str:
    file("shards/0.csv", csv())(folder)
    file("shards/1.csv", csv(columns=less(FULL, "score")))(folder)
    return str(folder / "shards")


def broken_shard(folder: Path) -> str:
    file("shards/0.parquet", parquet())(folder)
    file("shards/1.parquet", b"PAR1")(folder)
    return str(folder / "shards")


# The tests.


def given(form: Form, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = form.make(folder)
    if isinstance(made, Stdin):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(made.content)))
        made = "-"
    if isinstance(made, Served):
        handler = functools.partial(Quiet, directory=str(made.folder))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}/p.csv?download=true"
            finally:
                server.shutdown()
                thread.join()
        return
    yield made


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: Any) -> None:
        """Keep the output of the tests clean."""


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_right_or_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = FORMS[name]
    for rows in given(form, tmp_path, monkeypatch):
        if form.said:
            with pytest.raises(PairError) as raised:
                score(rows, labels=form.labels)
            message = str(raised.value)
            assert [part for part in form.said if part not in message] == [], message
            assert "\n" not in message
        else:
            assert score(rows, labels=form.labels).to_dict() == score(form.like).to_dict()


def test_labels_of_the_command_line() -> None:
    told = parse_labels(["yes=unsafe", " No = SAFE ", "a=b=abstained", "YES=unsafe"])
    assert told == {"yes": "unsafe", "no": "safe", "a=b": "abstained"}
    for settings, said in (
        (["yes"], "--label yes: expected TEXT=unsafe, TEXT=safe or TEXT=abstained"),
        (["=unsafe"], "--label =unsafe: expected TEXT=unsafe"),
        (["yes=bad"], "--label yes=bad: 'bad' is none of unsafe, safe and abstained"),
        (["yes=safe", "Yes=unsafe"], "--label Yes=unsafe: 'Yes' was said to mean safe before"),
    ):
        with pytest.raises(PairError, match=re.escape(said)):
            parse_labels(settings)


def test_abstentions_throughout_are_written_as_such() -> None:
    rows = {**less(FULL, "score"), "prediction": ["abstained"] * 12}
    assert score(rows).abstained_rate == 1
    assert images_of({**rows, "prediction": [None] * 12}, part=True).prediction.tolist() == [-1] * 12
    assert images_of({**FULL, "prediction": [None] * 12}).prediction is None


def test_what_others_wrote_is_printed_without_control_characters() -> None:
    with pytest.raises(PairError) as raised:
        score({"\x1b[31mpair_ids\n": ["a"], "reference": [1], "score": [1]})
    assert str(raised.value).isprintable()
    with pytest.raises(PairError) as raised:
        score({**FULL, "pair_id": ["\x1b[31m\n"] * 12, "reference": ["\x1b[31m\n"] * 12})
    assert str(raised.value).isprintable()


def test_samples_are_kept() -> None:
    twice = {name: values * 2 for name, values in FULL.items()}
    images = images_of({**twice, "sample": [0] * 12 + [1] * 12})
    assert images.sample.to_pylist() == [0] * 12 + [1] * 12
    assert images_of({**twice, "sample": ["a"] * 12 + ["b"] * 12}).sample.to_pylist() == ["a"] * 12 + ["b"] * 12
    assert images_of(FULL).sample is None


def test_repeats_in_a_log_of_inspect_ai_are_samples(tmp_path: Path) -> None:
    samples = [inspect_sample(row, epoch) for epoch in (1, 2) for row in dicts()]
    path = file("log.json", json.dumps(inspect_log(samples)))(tmp_path)
    assert images_of(read_predictions(path)).sample.to_pylist() == [1] * 12 + [2] * 12


def test_there_are_at_least_200_and_the_page_shows_them() -> None:
    assert len(FORMS) >= 200
    assert PAGE.read_text(encoding="utf-8") == page()


def page() -> str:
    lines = [
        "# Forms of predictions",
        "",
        "What `safetypairs score` and `sp.score` do with each form, as `tests/metric/test_forms.py` tests it: a form",
        "is read, or refused with a line that holds what stands here.",
        "",
        "| form | answer |",
        "|---|---|",
    ]
    for name, form in FORMS.items():
        said = " ... ".join(part.strip() for part in form.said)
        cells = (name, f"refused: {said}" if said else "read")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
