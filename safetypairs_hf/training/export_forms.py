"""The formats of an export: each writes the samples of one split to a folder."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.training.conversations import as_completion, as_llava, as_preference
from safetypairs_hf.training.samples import Sample, suffix

Item = TypeVar("Item")
_IN_FILE = 1000  # samples in a Parquet file or a tar
_IN_GROUP = 32  # in a row group, so that few images are in memory at once
_ABOUT = ("pair_id", "category", "group", "critical_feature", "instruction", "edit_box")


class Form(NamedTuple):
    """A format: the function that writes a split to a folder, and the code that reads it."""

    write: Callable[[Iterable[Sample], Path, str, Taxonomy], None]
    reading: str


def image_folder(samples: Iterable[Sample], folder: Path, split: str, taxonomy: Taxonomy) -> None:
    """Write `<split>/<unsafe or safe>/<key>.png` and `<split>/metadata.jsonl`, for `load_dataset("imagefolder")`.

    For pairs, each line of the metadata names both files, in the columns `unsafe_image` and `safe_image`.
    """
    (folder / split).mkdir(parents=True)
    with (folder / split / "metadata.jsonl").open("x", encoding="utf-8") as lines:
        for sample in samples:
            line: dict[str, Any] = {}
            for number, (image, unsafe) in enumerate(zip(sample.images, sample.unsafe, strict=True)):
                label = "unsafe" if unsafe else "safe"
                key = sample.key if len(sample.images) == 1 else f"{sample.key}-{number}"
                name = f"{label}/{key}.{suffix(image)}"
                (folder / split / label).mkdir(exist_ok=True)
                (folder / split / name).write_bytes(image)
                line |= (
                    {"file_name": name, "label": label}
                    if len(sample.images) == 1
                    else {f"{label}_image_file_name": name}
                )
            lines.write(_json(line | _about(sample)))


def web_dataset(samples: Iterable[Sample], folder: Path, split: str, taxonomy: Taxonomy) -> None:
    """Write `<split>-<n>.tar` with `<key>.png`, `<key>.cls` (1 unsafe, 0 safe) and `<key>.json` for each image.

    For pairs: `<key>.unsafe.png`, `<key>.safe.png` and `<key>.json`. A pair is in one file, and the files of a sample
    are adjacent.
    """
    for number, part in enumerate(_parts(samples)):
        with tarfile.open(folder / f"{split}-{number:06}.tar", "x") as tar:
            for sample in part:
                for image, unsafe in zip(sample.images, sample.unsafe, strict=True):
                    member = f"{'unsafe' if unsafe else 'safe'}." if len(sample.images) > 1 else ""
                    _add(tar, f"{sample.key}.{member}{suffix(image)}", image)
                if len(sample.images) == 1:
                    _add(tar, f"{sample.key}.cls", str(int(sample.unsafe[0])).encode())
                _add(tar, f"{sample.key}.json", _json(_about(sample)).encode())


def preferences(samples: Iterable[Sample], folder: Path, split: str, taxonomy: Taxonomy) -> None:
    """Write `data/<split>-<n>.parquet` with the columns `images`, `prompt`, `chosen` and `rejected`."""
    _parquet((as_preference(sample, taxonomy) for sample in samples), folder, split, ("prompt", "chosen", "rejected"))


def completions(samples: Iterable[Sample], folder: Path, split: str, taxonomy: Taxonomy) -> None:
    """Write `data/<split>-<n>.parquet` with the columns `images`, `prompt` and `completion`."""
    _parquet((as_completion(sample, taxonomy) for sample in samples), folder, split, ("prompt", "completion"))


def llava(samples: Iterable[Sample], folder: Path, split: str, taxonomy: Taxonomy) -> None:
    """Write `<split>.json`, a list of conversations, and their images in `images/`."""
    (folder / "images").mkdir(exist_ok=True)
    with (folder / f"{split}.json").open("x", encoding="utf-8") as file:
        for number, sample in enumerate(samples):
            files = []
            for place, image in enumerate(sample.images):
                key = sample.key if len(sample.images) == 1 else f"{sample.key}-{place}"
                files.append(f"images/{key}.{suffix(image)}")
                (folder / files[-1]).write_bytes(image)
            file.write(("[\n" if number == 0 else ",\n") + _json(as_llava(sample, taxonomy, files)).rstrip())
        file.write("\n]\n")


FORMS = {
    "imagefolder": Form(image_folder, 'load_dataset("imagefolder", data_dir={folder!r})'),
    "webdataset": Form(web_dataset, 'webdataset.WebDataset({folder!r} + "/{split}-000000.tar").decode("pil")'),
    "trl-dpo": Form(preferences, "DPOTrainer(..., train_dataset=load_dataset({folder!r}, split={split!r}))"),
    "trl-sft": Form(completions, "SFTTrainer(..., train_dataset=load_dataset({folder!r}, split={split!r}))"),
    "llava": Form(llava, "--data_path {folder}/{split}.json --image_folder {folder}"),
}


def _about(sample: Sample) -> dict[str, Any]:
    return {key: sample.row[key] for key in _ABOUT if sample.row.get(key) is not None}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _parts(items: Iterable[Item], size: int = _IN_FILE) -> Iterator[list[Item]]:
    left = iter(items)
    while part := list(islice(left, size)):
        yield part


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # owner and time are zero, so that equal pairs give equal files
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _parquet(rows: Iterable[dict[str, Any]], folder: Path, split: str, turns: tuple[str, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features, Image, List, Value

    turn = List({"role": Value("string"), "content": Value("string")})
    schema = Features({"images": List(Image()), **dict.fromkeys(turns, turn)}).arrow_schema
    (folder / "data").mkdir(exist_ok=True)
    left = iter(rows)
    number = 0
    while first := next(left, None):
        with pq.ParquetWriter(folder / "data" / f"{split}-{number:05}.parquet", schema) as writer:
            for group in _parts(islice((each for part in ([first], left) for each in part), _IN_FILE), _IN_GROUP):
                writer.write_table(pa.Table.from_pylist(group, schema))
        number += 1
