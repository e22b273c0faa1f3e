"""`export`: write the pairs of a version in the format of another trainer or loader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.training.export_forms import FORMS
from safetypairs_hf.training.new_folder import new_folder, refuse_existing
from safetypairs_hf.training.samples import ROWS, Sample, count, samples
from safetypairs_hf.training.training_pairs import TrainingPairs, training_pairs


@dataclass(frozen=True)
class Export:
    """The result: `folder` in format `to`, and the number of samples of each split of `data` ("TARGET@X.Y.Z")."""

    folder: str
    to: str
    rows: str
    data: str
    samples: dict[str, int]

    def __str__(self) -> str:
        told = ", ".join(f"{number:,} {self.rows} of {split}" for split, number in self.samples.items())
        reading = FORMS[self.to].reading.format(folder=self.folder, split=next(iter(self.samples)))
        return f"{told} of {self.data} in {self.folder}, as {self.to}\nRead it by:  {reading}"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


def export(
    data: str,
    out: str | Path,
    to: str,
    *,
    splits: Sequence[str] = ("train",),
    rows: str = "images",
    check: str = "error",
    progress: Any = None,
) -> Export:
    """Write the pairs of a published version as a folder in the format of another trainer.

    The folder appears only once it is complete. Images are the published files, byte for byte, and equal pairs give
    equal files.

    Args:
        data: `TARGET@X.Y.Z`, or `TARGET` for its newest version.
        out: The folder, which must not exist.
        to: One of FORMS: imagefolder, webdataset, trl-dpo, trl-sft, llava.
        splits: The splits to write. A model that was trained on the test split cannot be measured on it.
        rows: "images" writes one sample per image; "pairs" writes one sample per pair, with both images.
        check: As in `load`.
        progress: Called with (split, done, total).

    Returns:
        What was written.

    Raises:
        SafetyPairsError: There is no such format; `out` exists or cannot be written; `data` or `splits` cannot be
            read; `rows` is neither; or a row has no bytes for one of its images.
    """
    if to not in FORMS:
        raise SafetyPairsError(f"no form {to!r}{hint(to, FORMS)}; there are {', '.join(FORMS)}")
    if rows not in ROWS:
        raise SafetyPairsError(f"rows is {rows!r}; expected {' or '.join(ROWS)}")
    refuse_existing(out)
    pairs = training_pairs(data, splits, check)
    counts = {split: count(pairs, split, rows) for split in pairs.splits}
    with new_folder(out) as new:
        for split in pairs.splits:
            FORMS[to].write(_watched(pairs, split, rows, progress), new, split, pairs.taxonomy)
        done = Export(str(out), to, rows, pairs.name, counts)
        (new / "README.md").write_text(_readme(done, pairs), encoding="utf-8")
    return done


def _watched(pairs: TrainingPairs, split: str, rows: str, progress: Any) -> Iterator[Sample]:
    total = count(pairs, split, rows)
    for done, sample in enumerate(samples(pairs, split, rows), 1):
        yield sample
        if progress:
            progress(split, done, total)


def _readme(done: Export, pairs: TrainingPairs) -> str:
    told = "\n".join(f"- {split}: {number:,} {done.rows}" for split, number in done.samples.items())
    sources = "\n".join(
        f"- {license}{f': {attribution}' if attribution else ''}" for license, attribution in pairs.sources
    )
    reading = FORMS[done.to].reading.format(folder="FOLDER", split=next(iter(done.samples)))
    return f"""---
pretty_name: {done.to} of {pairs.name}
---

# {pairs.name}, as {done.to}

Counterfactual pairs of images: two images that differ only in what a safety policy is about. Half of the images are
unsafe by the policy of their category; look at them with care.

{told}

Written by `safetypairs export {pairs.name} --to {done.to} --rows {done.rows}`. Read it by `{reading}`.

## Licence and source

{sources}
"""
