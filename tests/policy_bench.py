"""A twin of PolicyShiftBench at toy size, versions that are made of it, and a guard that follows policies."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from importing import twins

import safetypairs_hf as sp
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.version import parse
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

POLICIES = {"Open": "Everything can be shown.", "Red": "No red square is shown.", "Square": "No square is shown."}

SLUGS = {name: f"policy_{hashlib.sha256(text.encode()).hexdigest()[:8]}" for name, text in POLICIES.items()}


def png(scene: object, label: str) -> bytes:
    buffer = io.BytesIO()
    twins.picture(scene, label).save(buffer, "PNG")
    return buffer.getvalue()


def rows(labels: Mapping[int, Mapping[str, str]] | None = None) -> list[dict[str, Any]]:
    """Four images in two sections: a red square is unsafe by two of three policies, a green one by one of three.

    Args:
        labels: Other labels, by the number of the image and the policy.
    """
    found = []
    for number in range(4):
        colour = "unsafe" if number % 2 else "safe"  # red, green
        image = {"bytes": png(("policy", number), colour), "path": None}
        for name, policy in POLICIES.items():
            unsafe = name == "Square" or (name == "Red" and colour == "unsafe")
            label = (labels or {}).get(number, {}).get(name, "true" if unsafe else "false")
            found.append({"image": image, "policy": policy, "label": label, "section": f"s{number // 2}"})
    return found


def write_rows(path: Path, labels: Mapping[int, Mapping[str, str]] | None = None) -> Path:
    pq.write_table(pa.Table.from_pylist(rows(labels)), path)
    return path


def import_rows(folder: Path, labels: Mapping[int, Mapping[str, str]] | None = None) -> RunFolder:
    """The run of the rows below `folder`. The name of the source is in the taxonomy's, so it is always the same."""
    folder.mkdir()
    sp.import_pairs(
        str(write_rows(folder / "bench.parquet", labels)),
        folder / "run",
        layout="policyshiftbench",
        said={"license": "CC0-1.0"},
    )
    return RunFolder(str(folder / "run"))


def import_images(folder: Path, taxonomy: Path) -> RunFolder:
    """A run of six pairs of two images, in the categories of the policies."""
    slugs = [SLUGS["Red"], SLUGS["Square"]]
    pairs = [
        {"unsafe": png(("pair", n), "unsafe"), "safe": png(("pair", n), "safe"), "category": slugs[n % 2]}
        for n in range(6)
    ]
    said = {"columns": {"category": "category"}, "license": "CC0-1.0"}
    sp.import_pairs(pairs, folder, unsafe="unsafe", safe="safe", said=said, taxonomy=taxonomy)
    return RunFolder(str(folder))


def release(run: RunFolder, folder: Path, version: str) -> Any:
    return publish(run, parse_target(str(folder)), parse(version), probe=False)


def by_policy(image: Any, category: str, policy: str) -> float:
    """A guard that follows the policy it is given."""
    colours = {colour for _, colour in image.convert("RGB").getcolors(image.width * image.height)}
    red, green = (255, 0, 0) in colours, (0, 160, 0) in colours
    return float(red if "red" in policy else (red or green) if "No square" in policy else 0.0)


def by_image(image: Any) -> float:
    """A guard that takes no policy."""
    return 1.0
