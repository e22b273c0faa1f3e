"""A published dataset, small: folders in the layout of the real ones, drawn by Pillow."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from safetypairs_hf.core.records import Identity
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Entry, FileHash, Manifest
from safetypairs_hf.taxonomy.nine import SLUGS

_VALUE = {"dtype": "string", "_type": "Value"}
_FEATURES = {
    "pair_id": _VALUE,
    "category": {"names": list(SLUGS), "_type": "ClassLabel"},
    "unsafe_image": {"_type": "Image"},
    "safe_image": {"_type": "Image"},
    "judges": [{"name": _VALUE, "p_unsafe_before": {"dtype": "float64", "_type": "Value"}}],
    "group": _VALUE,
    "introduced": _VALUE,
}
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_SCHEMA = pa.schema(
    [
        ("pair_id", pa.string()),
        ("category", pa.int64()),
        ("unsafe_image", _IMAGE),
        ("safe_image", _IMAGE),
        ("judges", pa.list_(pa.struct([("name", pa.string()), ("p_unsafe_before", pa.float64())]))),
        ("group", pa.string()),
        ("introduced", pa.string()),
    ],
    {"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)

# Pairs of each file; a later version adds files.
FILES = {
    "1.0.0": {"data/train/hate/1.0.0-0.parquet": 1, "data/test/hate/1.0.0-0.parquet": 3},
    "1.1.0": {"data/test/violence/1.1.0-0.parquet": 4},
}
TEST_ROWS = {"1.0.0": 3, "1.1.0": 7}


def square(red: int, green: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (red, green, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def pair(number: int, category: str, introduced: str) -> dict[str, Any]:
    """Pair `number`: its unsafe square is (number, 255, 0), its safe one (number, 0, 0)."""
    pair_id = hashlib.sha256(f"{category} {number} {introduced}".encode()).hexdigest()[:16]
    return {
        "pair_id": pair_id,
        "category": SLUGS.index(category),
        "unsafe_image": {"bytes": square(number, 255), "path": None},
        "safe_image": {"bytes": square(number, 0), "path": None},
        "judges": [{"name": "eye", "p_unsafe_before": 0.9}],
        "group": pair_id,
        "introduced": introduced,
    }


def publish(folder: Path, version: str, says: str | None = None) -> Path:
    """Write the files of `version` into the folder; its card says that it is `says`."""
    for release in [each for each in FILES if each <= version]:
        for name, count in FILES[release].items():
            file = folder / name
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                rows = [pair(number, file.parent.name, release) for number in range(count)]
                pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), file)
    releases = [{"version": each} for each in FILES if each < version] + [{"version": says or version}]
    (folder / "manifest.parquet").write_bytes(manifest.dump(held(folder, releases)))
    (folder / "README.md").write_text(card(folder, says or version))
    return folder


def held(folder: Path, releases: list[dict[str, Any]]) -> Manifest:
    """The manifest of the data files that lie in the folder."""
    entries, files = [], {}
    for path in sorted(folder.glob("data/*/*/*.parquet")):
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        files[name] = FileHash(_sha256(data), len(data))
        for row in pq.read_table(path).to_pylist():
            images = [row[f"{member}_image"]["bytes"] for member in ("unsafe", "safe")]
            identity = Identity(row["pair_id"], *map(_sha256, images), bytes(32), bytes(32), "")
            where = SLUGS[row["category"]], path.parts[-3], row["group"], row["introduced"]
            entries.append(Entry.of(identity, name, *where, sum(map(len, images))))
    return Manifest(entries, releases, files=files)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def card(folder: Path, version: str) -> str:
    digest = hashlib.sha256((folder / "manifest.parquet").read_bytes()).hexdigest()
    there = sorted({path.parent.relative_to(folder).as_posix() for path in folder.glob("data/*/*/*.parquet")})
    configs: dict[str, dict[str, list[str]]] = {"default": {}, "by_category": {}}
    for place in there:
        _, split, category = place.split("/")
        configs["default"].setdefault(split, [f"data/{split}/*/*.parquet"])
        configs.setdefault(category, {})[split] = [f"{place}/*.parquet"]
        if split == "test":
            configs["by_category"][category] = [f"{place}/*.parquet"]
    lines = ["---", "configs:"]
    for name, splits in configs.items():
        lines += [f"- config_name: {name}", f'  version: "{version}"', f'  description: "{digest}"']
        lines += ["  default: true"] if name == "default" else []
        lines += ["  data_files:"]
        for split, paths in splits.items():
            lines += [f"  - split: {split}", f"    path: {json.dumps(paths)}"]
    return "\n".join([*lines, "---", "Squares.", ""])
