"""Render croissant.json: Croissant 1.1 with the responsible-AI fields that the Hub's generated file lacks.

The data is one FileSet over all Parquet files, so croissant.json does not grow with the dataset. For a Hub dataset, the
files are in the repo at this version's tag (`git+https`, as in the Hub's own file); for a folder, they are next to
croissant.json. The URL is always that of huggingface.co, whatever HF_ENDPOINT says, so that the text depends only on
the version. To read from another server or from local files, pass `mapping={"repo": FOLDER}` to mlcroissant.
`datePublished` is the date of this version, which its release states; it is left out if the release has no date.

Responsible-AI fields whose value is unknown are left out: dataCollectionTimeFrame (others took the images),
annotatorDemographics (reviewers are pseudonyms) and dataAnnotationPlatform (a review may be imported). The other fields
are in `dataset_card/responsible_ai.yaml`, or follow from the release.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from safetypairs_hf.core.errors import counted
from safetypairs_hf.core.records import CONTROL_KINDS, DIRECTIONS
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.dataset import card, licenses, markdown, policy_pair_rows, reviews
from safetypairs_hf.dataset.control_rows import CONTROL_COLUMNS
from safetypairs_hf.dataset.failure_rows import FAILURE_COLUMNS
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.dataset.schema import COLUMNS, IMAGE
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

_REPO = "repo"
_FILES = "files"
_PAIRS = "pairs"
_LABELS = {"direction": DIRECTIONS, "control": CONTROL_KINDS}
# There is no checksum for a Git repo; readers expect this URL instead, as in the Hub's own files.
_NO_CHECKSUM = "https://github.com/mlcommons/croissant/issues/80"


def render(manifest: Manifest, name: str) -> dict[str, str]:
    """Return croissant.json of a version. `name` is the dataset's name for `load_dataset`."""
    return {"croissant.json": _lines(described(manifest, name)) + "\n"}


def _lines(value: Any, depth: int = 0) -> str:
    """Return JSON with a line for each top-level key and each field. Indented, it would have 25 kB instead of 15."""
    if isinstance(value, dict) and (depth == 0 or "field" in value):
        inner = ",\n".join(f"{json.dumps(key)}: {_lines(each, depth + 1)}" for key, each in value.items())
        return f"{{\n{inner}\n}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(_lines(each, depth + 1) for each in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def described(manifest: Manifest, name: str) -> dict[str, Any]:
    """Return the JSON-LD description of a version."""
    fixed = card.resource("metadata.yaml")
    owner = name.partition("/")[0]
    where = f"https://huggingface.co/datasets/{name}"
    of_hub = {
        "url": where,
        "creator": {"@type": "sc:Organization", "name": owner, "url": f"https://huggingface.co/{owner}"},
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": card.title_of(name),
        "description": (
            "Counterfactual image pairs for safety: the two images of a pair differ only in what a safety policy is "
            f"about. Version {manifest.version}, {counted(len(manifest.entries), 'pair')}."
        ),
        **(of_hub if is_hub_id(name) else {}),
        "version": str(manifest.version),
        **({"datePublished": date} if (date := manifest.releases[-1].get("date")) else {}),
        "license": sorted({licenses.url(release["license"]) for release in manifest.releases}),
        "keywords": fixed["tags"],
        "inLanguage": fixed["language"],
        "citeAs": card.citation(manifest, name),
        **_responsible(manifest),
        "distribution": _distribution(manifest, where if is_hub_id(name) else None),
        "recordSet": [
            *([_pairs(manifest)] if manifest.totals() else []),
            *_extras(manifest),
            _categories(manifest.taxonomy),
        ],
    }


def _responsible(manifest: Manifest) -> dict[str, Any]:
    release = manifest.releases[-1]
    judges = [markdown.line(judge["class"]) for judge in release["judging"]["judges"]]
    fixed = card.resource("responsible_ai.yaml")
    of_imports = fixed.pop("imported")
    if release.get("imported"):
        fixed |= of_imports
    people, of_people = "", {}
    if figures := card.review_verdict(manifest):
        people = "; people as the column `review` says"
        of_people = {
            "rai:dataAnnotationProtocol": [
                *fixed["rai:dataAnnotationProtocol"],
                *card.resource("review.yaml")["protocol"],
            ],
            "rai:dataAnnotationAnalysis": figures,
        }
    return {
        **fixed,
        "rai:dataLimitations": [*fixed["rai:dataLimitations"], *card.probe_verdict(manifest)],
        "rai:annotationsPerItem": f"{counted(len(judges), 'judge')}{people}",
        **of_people,
        "rai:machineAnnotationTools": judges,
        "rai:dataReleaseMaintenancePlan": (
            "Semantic versions: patch for card and metadata, minor for added pairs, major for removed or changed ones. "
            f"This is release {len(manifest.releases)}; each is listed in CHANGELOG.md."
        ),
    }


def _distribution(manifest: Manifest, where: str | None) -> list[dict[str, Any]]:
    sets = []
    if manifest.totals():
        sets.append(_set(_FILES, "All pairs: data/<split>/<category>/<version>-<n>.parquet.", "data/*/*/*.parquet"))
    for name, (_, files, glob, _) in _held(manifest).items():
        sets.append(_set(f"{name}-files", f"The config {name}: {files}.", glob))
    if where is None:
        return sets
    repo = {
        "@type": "cr:FileObject",
        "@id": _REPO,
        "name": _REPO,
        "description": "The Git repo of the dataset at this version.",
        "contentUrl": f"{where}/tree/refs%2Ftags%2Fv{manifest.version}",
        "encodingFormat": "git+https",
        "sha256": _NO_CHECKSUM,
    }
    return [repo, *({**files, "containedIn": {"@id": _REPO}} for files in sets)]


def _set(name: str, description: str, includes: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": "application/x-parquet",
        "includes": includes,
    }


def _held(manifest: Manifest) -> dict[str, tuple[dict[str, pa.DataType], str, str, str]]:
    """Return the non-pair configs that hold rows: columns, files, their glob, and the key ("" if there is none)."""
    data = "<category>/<version>-<n>.parquet"
    every = {
        policy_pair_rows.CONFIG: (
            policy_pair_rows.POLICY_PAIR_COLUMNS,
            f"{policy_pair_rows.ROOT}<split>/<version>-<n>.parquet",
            f"{policy_pair_rows.ROOT}*/*.parquet",
            "pair_id",
        ),
        "controls": (CONTROL_COLUMNS, f"controls/<split>/{data}", "controls/*/*/*.parquet", ""),
        "failures": (FAILURE_COLUMNS, f"failures/{data}", "failures/*/*.parquet", "failure_id"),
        reviews.CONFIG: (reviews.REVIEW_COLUMNS, reviews.NAME, reviews.NAME, "pair_id"),
    }
    return {name: of for name, of in every.items() if name in card.configs(manifest)}


def _extras(manifest: Manifest) -> list[dict[str, Any]]:
    """Return a record set for each non-pair config."""
    texts = card.resource("extras.yaml")
    return [
        {
            "@type": "cr:RecordSet",
            "@id": name,
            "name": name,
            "description": f"The config {name}; see README.md.",
            **({"key": {"@id": f"{name}/{key}"}} if key else {}),
            "field": [
                _field(name, f"{name}-files", [column], arrow, _text(column, texts[name][column], manifest.taxonomy))
                for column, arrow in columns.items()
            ],
        }
        for name, (columns, _, _, key) in _held(manifest).items()
    ]


def _pairs(manifest: Manifest) -> dict[str, Any]:
    """Return the record set of the pairs: every published column, and the split."""
    splits = card.splits_of(manifest.totals())
    texts = card.resource("columns.yaml")
    split = {
        "@type": "cr:Field",
        "@id": f"{_PAIRS}/split",
        "name": "split",
        "description": "The split, from the file's path.",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": _FILES},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": f"^data/({'|'.join(splits)})/.*$"},
        },
    }
    return {
        "@type": "cr:RecordSet",
        "@id": _PAIRS,
        "name": _PAIRS,
        "description": "The pairs.",
        "key": {"@id": f"{_PAIRS}/pair_id"},
        "field": [
            split,
            *(
                _field(_PAIRS, _FILES, [column], arrow, _text(column, texts[column], manifest.taxonomy))
                for column, arrow in COLUMNS.items()
            ),
        ],
    }


def _text(column: str, text: str, taxonomy: Taxonomy) -> str:
    labels = taxonomy.slugs if column == "category" else _LABELS.get(column)
    return (
        text if labels is None else f"{text} A number: {', '.join(f'{i} {label}' for i, label in enumerate(labels))}."
    )


def _field(records: str, files: str, path: list[str], arrow: pa.DataType, text: str = "") -> dict[str, Any]:
    """Return the field at `path` (a column and the keys within it) of a record set over a file set."""
    field: dict[str, Any] = {"@type": "cr:Field", "@id": "/".join([records, *path]), "name": "/".join(path)}
    field |= {"description": text} if text else {}
    if pa.types.is_list(arrow):
        field["repeated"] = True
        arrow = arrow.value_type
    if pa.types.is_struct(arrow) and arrow != IMAGE:
        inner = [arrow.field(number) for number in range(arrow.num_fields)]
        field["subField"] = [_field(records, files, [*path, each.name], each.type) for each in inner]
        return field
    keys = [*path[1:], *(["bytes"] if arrow == IMAGE else [])]
    source: dict[str, Any] = {"fileSet": {"@id": files}, "extract": {"column": path[0]}}
    if keys:
        source["transform"] = [{"jsonPath": key} for key in keys]
    return {**field, "dataType": _type(arrow), "source": source}


def _type(arrow: pa.DataType) -> str:
    if arrow == IMAGE:
        return "sc:ImageObject"
    if pa.types.is_integer(arrow):
        return "sc:Integer"
    if pa.types.is_boolean(arrow):
        return "sc:Boolean"
    return "sc:Float" if pa.types.is_floating(arrow) else "sc:Text"


def _categories(taxonomy: Taxonomy) -> dict[str, Any]:
    """Return the record set that explains the numbers of the column `category`."""
    kinds = {"category": "sc:Integer", "slug": "sc:Text", "code": "sc:Text", "name": "sc:Text"}
    fields = [
        {"@type": "cr:Field", "@id": f"categories/{key}", "name": key, "dataType": kind} for key, kind in kinds.items()
    ]
    rows = [(number, each.slug, each.code, each.name) for number, each in enumerate(taxonomy.categories)]
    return {
        "@type": "cr:RecordSet",
        "@id": "categories",
        "name": "categories",
        "description": "The nine categories." if taxonomy == NINE else f"The categories of {taxonomy.name}.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "categories/category"},
        "field": fields,
        "data": [{field["@id"]: value for field, value in zip(fields, row, strict=True)} for row in rows],
    }


CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
