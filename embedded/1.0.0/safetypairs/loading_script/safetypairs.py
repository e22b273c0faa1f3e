"""SafetyPairs as one builder class, for those who need a script or a class rather than a repo name.

Almost everybody should write `load_dataset("org/name", "hate", revision="v1.2.0")` and leave this file alone; README.md
beside it says when it helps. It runs with datasets 2.21 to 5.2, and needs nothing but `datasets` and what that brings
along.

As a script (datasets 2 and 3):

    load_dataset("loading_script/safetypairs.py", "hate", version="1.2.0", trust_remote_code=True)

As a class (every version):

    builder = SafetyPairs("hate", version="1.2.0")
    builder.download_and_prepare()
    builder.as_dataset("test")                  # or, with nothing prepared: builder.as_streaming_dataset("test")

Which pairs a version holds, and so which splits a config has, is read from that version's manifest.parquet.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import zlib
from typing import TYPE_CHECKING

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import hf_hub_download
from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError, RevisionNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

DEFAULT_REPO = "safetypairs/safetypairs"
# Those of a release that names no taxonomy of its own.
CATEGORIES = (
    "hate",
    "violence",
    "sexual",
    "nudity",
    "criminal_planning",
    "weapons_substances",
    "self_harm",
    "animal_cruelty",
    "disasters",
)
SPLITS = ("train", "test")
BESIDE = ("controls", "failures")


class Release(datasets.BuilderConfig):
    """A config of one commit: `datasets` names what it prepares after it, so no version is answered with another."""

    commit: str | None = None


def _configs(categories: Sequence[str]) -> dict[str, Release]:
    names = ("default", "by_category", *categories, *BESIDE)
    return {name: Release(name=name) for name in names}


class _ConfigsOfRelease:
    """`builder_configs` of a builder are those of its release, and of the class those of the nine categories."""

    def __get__(self, builder: SafetyPairs | None, owner: type) -> dict[str, Release]:
        return _configs(CATEGORIES if builder is None else builder._categories)


class SafetyPairs(datasets.ArrowBasedBuilder):
    """The published configs: `default` and one a category (splits train, test), `by_category` (its splits over test).

    Where a release has them, also `controls` (splits train, test) and `failures` (train). A config has only the splits
    that hold rows; a split that comes with another number of them than the manifest says is an error of
    `download_and_prepare`.
    """

    BUILDER_CONFIG_CLASS = Release
    BUILDER_CONFIGS = list(_configs(CATEGORIES).values())
    builder_configs = _ConfigsOfRelease()
    DEFAULT_CONFIG_NAME = "default"

    def __init__(
        self, config_name: str | None = None, version: str | None = None, repo: str | None = None, **options: Any
    ) -> None:
        """Find the release; nothing but its manifest is downloaded.

        Args:
            config_name: "default", "by_category", a category, "controls" or "failures".
            version: "1.2.0" or "v1.2.0". None: the one that this file came with; where it came alone, the newest.
            repo: "org/name" on the Hub (HF_ENDPOINT), or a folder that holds a release. None: where this file came
                from, if that is the Hub's cache or such a folder; else DEFAULT_REPO.
            options: those of `datasets.DatasetBuilder` (cache_dir, token, ...).

        Raises:
            ValueError: no such version, no pairs in that config, or a repo that holds no release.
            What `huggingface_hub` raises for a repo that is not there, closed to this token, or out of reach.
        """
        if options.get("data_files") or options.get("data_dir"):
            raise ValueError("SafetyPairs takes no data_files or data_dir; name the data with repo= and version=")
        came_from = os.path.abspath(options.get("base_path") or os.path.dirname(__file__))
        self._root, commit, manifest = _find(repo, version, came_from, options.get("token"))
        holds = _version_of(manifest, self._root)
        if version is not None and _number(version) != holds:
            raise ValueError(f"version {_number(version)} was asked for, and {self._root} holds {holds}")
        name = config_name or self.DEFAULT_CONFIG_NAME
        self._categories = _categories_of(manifest)
        self._files, self._sizes = _splits(manifest, name, self._categories)
        if name in self.builder_configs and not self._files:
            raise ValueError(f"{self._root} holds no pairs for the config {name!r}")
        options.update(_names(self._root))
        super().__init__(config_name=name, version=datasets.Version(holds), commit=commit, **options)

    def _info(self) -> datasets.DatasetInfo:
        sizes = self._sizes.items()
        splits = [{"name": name, "num_bytes": size, "num_examples": pairs} for name, (pairs, size) in sizes]
        return datasets.DatasetInfo(splits=splits)

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        urls = {split: [f"{self._root}/{name}" for name in names] for split, names in self._files.items()}
        found = dl_manager.download(urls)
        if self.info.features is None:
            with open(next(iter(found.values()))[0], "rb") as file:
                self.info.features = datasets.Features.from_arrow_schema(pq.read_schema(file))
        return [datasets.SplitGenerator(name=split, gen_kwargs={"files": files}) for split, files in found.items()]

    def _generate_tables(self, files: Sequence[str]) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        for number, path in enumerate(files):
            with open(path, "rb") as file:
                parquet = pq.ParquetFile(file)
                for group in range(parquet.num_row_groups):
                    yield (number, group), parquet.read_row_group(group)


def _find(repo: str | None, version: str | None, came_from: str, token: str | bool | None) -> tuple[str, str, str]:
    """Where the release's files are, its commit (a folder's: the hash of its manifest), and its manifest's path."""
    revision = "v" + _number(version) if version is not None else None
    snapshot = re.search(r"datasets--([^/\\]+)--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]", came_from + os.sep)
    folder = os.path.dirname(came_from)
    if repo is None and snapshot:
        repo, revision = snapshot.group(1) + "/" + snapshot.group(2), revision or snapshot.group(3)
    elif repo is None and os.path.isfile(os.path.join(folder, "manifest.parquet")):
        repo = folder
    repo = repo or DEFAULT_REPO
    if os.path.isdir(repo):
        path = os.path.join(os.path.abspath(repo), "manifest.parquet")
        if not os.path.isfile(path):
            raise ValueError(f"the folder {repo} holds no release: it has no manifest.parquet")
        with open(path, "rb") as file:
            return os.path.abspath(repo), hashlib.sha256(file.read()).hexdigest(), path
    try:
        path = hf_hub_download(repo, "manifest.parquet", repo_type="dataset", revision=revision, token=token)
    except RevisionNotFoundError as error:
        raise ValueError(f"{repo} has no version {revision}") from error
    except LocalEntryNotFoundError:
        raise  # a kind of EntryNotFoundError that means: the Hub cannot be reached
    except EntryNotFoundError as error:
        raise ValueError(f"{repo} holds no release at {revision or 'main'}: it has no manifest.parquet") from error
    commit = os.path.basename(os.path.dirname(path))
    return f"hf://datasets/{repo}@{commit}", commit, path


def _number(version: str) -> str:
    match = re.fullmatch(r"v?(\d+\.\d+\.\d+)", str(version))
    if not match:
        raise ValueError(f"{version!r} is not a version; expected three whole numbers such as 1.2.0")
    return match.group(1)


def _version_of(manifest: str, root: str) -> str:
    head = (pq.read_schema(manifest).metadata or {}).get(b"safetypairs")
    if head is None:
        raise ValueError(f"the manifest.parquet of {root} is not one of SafetyPairs")
    return str(json.loads(head)["version"])


def _splits(
    manifest: str, config: str, categories: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, tuple[int, int]]]:
    """The config's splits that hold pairs: their files, and their (pairs, bytes of images)."""
    if config in BESIDE:
        return _splits_beside(manifest, config)
    columns = pq.read_table(manifest, columns=["file", "split", "category", "size"]).to_pydict()
    files: dict[str, set[str]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for file, split, category, size in zip(*columns.values()):
        if config == "by_category":
            name = category if split == "test" else None
        else:
            name = split if config in ("default", category) else None
        if name:
            files.setdefault(name, set()).add(file)
            pairs, total = sizes.get(name, (0, 0))
            sizes[name] = pairs + 1, total + size
    order = [name for name in (*SPLITS, *categories) if name in files]
    return {name: sorted(files[name]) for name in order}, {name: sizes[name] for name in order}


def _categories_of(manifest: str) -> tuple[str, ...]:
    """The categories of a release, in its order."""
    taxonomy = _more(manifest).get("taxonomy")
    return tuple(each["slug"] for each in taxonomy["categories"]) if taxonomy else CATEGORIES


def _more(manifest: str) -> dict[str, Any]:
    """What a manifest says of its release beside the version."""
    more = (pq.read_schema(manifest).metadata or {}).get(b"safetypairs.more")
    return dict(json.loads(zlib.decompress(base64.b85decode(more)))) if more else {}


def _splits_beside(manifest: str, config: str) -> tuple[dict[str, list[str]], dict[str, tuple[int, int]]]:
    """As `_splits`, of `controls` or `failures`: the manifest lists their files with rows and bytes in its metadata."""
    beside = _more(manifest).get("beside", {})
    files: dict[str, list[str]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for name in sorted(beside):
        folder, inner = name.split("/")[:2]
        if folder == config:
            split = inner if config == "controls" else "train"
            files.setdefault(split, []).append(name)
            rows, total = sizes.get(split, (0, 0))
            sizes[split] = rows + beside[name]["rows"], total + beside[name]["size"]
    order = [split for split in SPLITS if split in files]
    return {split: files[split] for split in order}, {split: sizes[split] for split in order}


def _names(root: str) -> dict[str, str | None]:
    """What `datasets` names its cache after: the Hub's id, or the folder's name."""
    match = re.fullmatch(r"hf://datasets/([^/]+/([^/@]+))@.*", root)
    if match:
        return {"repo_id": match.group(1), "dataset_name": match.group(2)}
    return {"repo_id": None, "dataset_name": os.path.basename(root)}
