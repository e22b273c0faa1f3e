"""A dataset on the Hub as rows, at a pinned commit: Parquet files are read there, all other forms are streamed once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from safetypairs_hf.core.errors import HubUnavailable, RecipeError, SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import dataset_info, explained, is_unknown_revision, retried
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.importing.parquet_rows import ParquetFile, ParquetRows
from safetypairs_hf.importing.source_rows import Rows
from safetypairs_hf.importing.spooled_rows import stream_rows


def hub_rows(dataset: str, revision: str, subset: str, splits: Sequence[str], name: str = "") -> Rows:
    """The rows of a dataset on the Hub.

    Args:
        dataset: `org/name`; HF_ENDPOINT and the usual token are used.
        revision: a branch, a tag or a commit; "" is main. What is read is of the commit that it stands for now.
        subset: its configuration; "" where it has one alone.
        splits: the splits that are read, in order; none are all.
        name: what the origin of the rows is called; "" = the id with the commit.

    Raises:
        RecipeError: no such revision, subset or split, or no data that `datasets` can read.
        HubUnavailable: no network, no such dataset, no access.
    """
    commit, license = look_up(dataset, revision)
    builder = _builder(dataset, subset, commit)
    files = builder.config.data_files or {}
    known = [str(split) for split in files]
    for split in splits:
        if split not in known:
            raise RecipeError(f"{dataset} has no split {split!r}; it has {', '.join(known)}")
    origin, place = name or f"{dataset}@{commit}", f"hf://datasets/{dataset}@{commit}"
    chosen = list(splits or known)
    if type(builder).__module__.endswith(".parquet.parquet"):
        parts = []
        for split in chosen:
            for path in map(str, files[split]):
                name = path.removeprefix(f"{place}/")
                base = f"{place}/{PurePosixPath(name).parent}".removesuffix("/.")
                parts.append(ParquetFile(path, name, split, Files(place, base)))
        return ParquetRows(origin, tuple(parts), commit, license)
    if hasattr(builder.config, "decode_num_threads"):
        builder.config.decode_num_threads = 0  # it would decode ahead, and the file as it came be lost
    streams = ((split, _stream(builder, dataset, split, place)) for split in chosen)
    return stream_rows(streams, origin, Files(place, place), commit, license)


def look_up(dataset: str, revision: str) -> tuple[str, str]:
    """The commit that a revision stands for ("": main), and the licence that the dataset's card says, or "".

    Raises:
        RecipeError: there is no such revision.
        HubUnavailable: no network, no such dataset, no access.
    """
    try:
        info = dataset_info(dataset, revision=revision or "main")
    except HubUnavailable as error:
        if not is_unknown_revision(error):
            raise
        raise RecipeError(f"{dataset} has no revision {revision!r}; give a branch, a tag or a commit") from None
    if info.sha is None:
        raise HubUnavailable(f"the Hub names no commit of {dataset} at {revision or 'main'}; try again later")
    card: Any = info.card_data
    said = card.get("license") if card is not None else None
    said = said[0] if isinstance(said, list) and len(said) == 1 else said
    return info.sha, said if isinstance(said, str) and said not in ("other", "unknown") else ""


def _builder(dataset: str, subset: str, commit: str) -> Any:
    from datasets import load_dataset_builder

    try:
        with explained(dataset):
            builder = retried(lambda: load_dataset_builder(dataset, subset or None, revision=commit))
    except SafetyPairsError:
        raise
    except Exception as error:  # what its card and files hold may make `datasets` raise anything
        raise RecipeError(_explain(dataset, subset, printable(error))) from error
    # Where the Hub goes out of reach meanwhile, datasets falls back on what it prepared last, of any version.
    if builder.hash != commit:
        raise HubUnavailable(f"{dataset} can't be had at commit {commit} now; check the network, try again")
    return builder


def _explain(dataset: str, subset: str, text: str) -> str:
    """What to type, where `datasets` cannot open a dataset."""
    known = re.search(r"available configs: \[(.*?)\]|Available: \[(.*?)\]", text)
    if known:
        asked = f"has no subset {subset!r}; it has" if subset else "has several subsets:"
        names = (known[1] or known[2]).replace("'", "")
        return f"{dataset} {asked} {names}; name one: --subset {names.partition(',')[0]}"
    if "gated" in text:
        return f"{dataset} is gated, and this token has no access; ask for it on its page, and log in: hf auth login"
    return f"{dataset} can't be read: {text[:300].rstrip('.')}"


def _stream(builder: Any, dataset: str, split: str, place: str) -> Any:
    """The rows of a split, its images not decoded; their paths are those in the dataset, which is at `place`."""
    from datasets import Image

    with reading(f"{dataset}, split {split!r},", "", RecipeError), explained(dataset):
        data = builder.as_streaming_dataset(split)
        data = data if data.features else data._resolve_features()
        for name, feature in data.features.items():
            if isinstance(feature, Image):
                data = data.cast_column(name, Image(decode=False))
        labels = {name: feature for name, feature in data.features.items() if hasattr(feature, "int2str")}
        for row in data:
            for name, value in row.items():
                if isinstance(value, dict) and str(value.get("path")).startswith(f"{place}/"):
                    row[name] = {**value, "path": value["path"].removeprefix(f"{place}/")}
            for name, feature in labels.items():
                row[name] = feature.int2str(row[name]) if row[name] is not None and row[name] >= 0 else None
            yield row
