"""Read, check and score the guards of a report, which are prediction files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from safetypairs_hf.core.errors import PairError, counted

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.evaluating.coverage import Covered
    from safetypairs_hf.metric.pairs import Pairs, Reading
    from safetypairs_hf.metric.score import PairScore


@dataclass(frozen=True)
class Guard:
    """One prediction file: the guard's name, its pairs as the scorer matched them, and its figures.

    Attributes:
        name: The guard's name in the report.
        path: The file.
        pairs: Its matched pairs.
        score: Its figures.
        fidelity: How it was asked; None if that is not known.
        covered: Its figures on the categories that it covers; None if it covers all.
        of_policies: Whether it is on policy pairs. Such guards come after those on pairs of images.
        columns: Its rows, as `score` takes them, for figures that are computed from rows.
    """

    name: str
    path: Path
    pairs: Pairs
    score: PairScore
    fidelity: str | None = None
    covered: Covered | None = None
    of_policies: bool = False
    columns: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_guards(
    paths: Sequence[str | Path],
    *,
    names: Sequence[str] = (),
    data: Edition | None = None,
    **reading: Unpack[Reading],
) -> list[Guard]:
    """Read prediction files.

    Args:
        paths: The files.
        names: The guards' names, one for each file. By default the name in the file's metadata, else the file's stem.
            If several files have the same name, the parts of their paths that differ are added. If some files are on
            policy pairs and others are not, the names of the former say so.
        data: The version that the guards were run on. Category and group are taken from it if a file has none.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The guards, best pair accuracy first, then by name. Guards on policy pairs come last.

    Raises:
        PairError: As for `score`, `check_edition` and `told_together`, with the file's name; or there are too few
            names, or a name or a file is given twice.
    """
    from safetypairs_hf.evaluating.checking import told_together

    files = [Path(path) for path in paths]
    told_together(files, mixed=True)
    guards = [_read(path, name, data, reading) for path, name in zip(files, _names(files, names), strict=True)]
    if len({guard.of_policies for guard in guards}) == 2:
        guards = [replace(each, name=f"{each.name} (policy pairs)") if each.of_policies else each for each in guards]
    return sorted(guards, key=lambda guard: (guard.of_policies, -guard.score.pair_accuracy, guard.name))


def same_pairs(guards: Sequence[Guard]) -> bool:
    """Return whether all guards judged the same pairs, so that their figures are comparable."""
    first, *others = ({str(each) for each in guard.pairs.texts("pair_id").to_pylist()} for guard in guards)
    return all(other == first for other in others)


def _read(path: Path, name: str, data: Edition | None, reading: Reading) -> Guard:
    from safetypairs_hf.evaluating.checking import Checked, check_edition
    from safetypairs_hf.evaluating.coverage import covered_by
    from safetypairs_hf.evaluating.prediction_file import is_of_policies, predictions_of, told_by
    from safetypairs_hf.metric.pairs import pairs_of
    from safetypairs_hf.metric.score import score

    checked = Checked(predictions_of(path), told_by(path)) if data is None else check_edition(path, data)
    try:
        scored = score(checked.columns, **reading, **checked.told)
        pairs = pairs_of(checked.columns, **reading)
    except PairError as error:
        raise PairError(f"{path}: {error}") from None
    return Guard(
        name,
        path,
        pairs,
        scored,
        checked.told.get("fidelity"),
        covered_by(path, **reading),
        is_of_policies(path),
        checked.columns,
    )


def _names(files: Sequence[Path], given: Sequence[str]) -> list[str]:
    """Return the guards' names, which are unique among the guards on the same kind of pairs."""
    from safetypairs_hf.evaluating.prediction_file import is_of_policies

    if given and len(given) != len(files):
        raise PairError(
            f"{counted(len(given), 'name')} for {counted(len(files), 'file')} of predictions; give each file one, in "
            "their order"
        )
    if given:
        doubled = [name for number, name in enumerate(given) if name in given[:number]]
        if doubled:
            raise PairError(f"two files of predictions are both called {doubled[0]!r}; name them: --name A --name B")
        return list(given)
    stored = [_stored_name(path) for path in files]
    same_name: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for number, (name, path) in enumerate(zip(stored, files, strict=True)):
        same_name[name or path.stem, is_of_policies(path)].append(number)
    found = {}
    for (name, _), numbers in same_name.items():
        tails = _tails([files[number] for number in numbers])
        # Files with the same name are in different folders: the names of the folders are enough.
        kept = -1 if len({tail[-1] for tail in tails}) == 1 else None
        for number, tail in zip(numbers, tails, strict=True):
            if len(numbers) == 1:
                found[number] = name
            else:
                found[number] = f"{name} ({'/'.join(tail[:kept])})" if stored[number] else "/".join(tail)
    return [found[number] for number in range(len(files))]


def _tails(files: Sequence[Path]) -> list[tuple[str, ...]]:
    """Return the shortest path endings that differ between all files, as parts without the suffix."""
    whole = [path.absolute().with_suffix("").parts for path in files]
    if len(set(whole)) < len(files):  # a.csv and a.parquet, or the same file twice
        whole = [path.absolute().parts for path in files]
    if len(set(whole)) < len(files):
        doubled = next(path for number, path in enumerate(files) if whole[number] in whole[:number])
        raise PairError(f"{doubled} was named twice; name each file once, or call them apart: --name A --name B")
    most = max(map(len, whole))
    return next(
        ends for length in range(1, most + 1) if len(set(ends := [parts[-length:] for parts in whole])) == len(files)
    )


def _stored_name(path: Path) -> str | None:
    """Return the guard's name in a Parquet file's metadata, under `guard` or in the JSON under `safetypairs`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() != ".parquet":
        return None
    try:
        metadata = pq.read_metadata(path).metadata or {}
        info = json.loads(metadata.get(b"safetypairs", b"{}"))
        name = metadata[b"guard"].decode() if b"guard" in metadata else info.get("guard")
    except (pa.ArrowException, OSError, ValueError, AttributeError):
        return None  # the reader of the rows reports what is wrong with the file
    if isinstance(name, dict):
        name = name.get("name")
    return name if isinstance(name, str) and name.strip() else None
