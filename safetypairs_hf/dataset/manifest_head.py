"""The head of a manifest: the description of a version in the Parquet metadata. It is packed, and checked when read.

Anybody can publish a dataset, so a manifest may say anything. Everything that readers rely on is checked here, once:
types of values, hashes, and names of files, which must not lead out of the dataset. The result has the documented form;
whether it is true is for `verify` to find out.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from safetypairs_hf.core.errors import PublishError, printable
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_json, parse_object
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.policy_pair_rows import ROOT

KEY: Final = b"safetypairs"  # Parquet metadata that mark a dataset of safetypairs: format and version, as JSON
# The rest of the head, as deflated JSON in base 85: every release writes it again, and it grows with each.
MORE: Final = b"safetypairs.more"
# The newest format that can be read. 1 had neither `row_hash` nor hashes of the sidecar files. 3 has errata: code that
# does not know them would report a relabelled pair as damaged, and lose the errata in the next release. 4 has policy
# pairs, which older code would read as pairs of two images.
FORMAT: Final = 4
_WITHOUT_POLICY_PAIRS: Final = 3
_WITHOUT_ERRATA: Final = 2
MOST_BYTES: Final = 1 << 25  # of the head's JSON; for ten million pairs it has 28 MB
MOST_VALUES: Final = 1 << 21  # in that JSON; each takes up to 100 bytes of memory
LONGEST_NAME: Final = 500  # characters of a file's name with its folders, 200 of each part
_SHA256: Final = re.compile("[0-9a-f]{64}")
_DATE: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_PLAIN: Final[dict[str, Any]] = {"sort_keys": True, "separators": (",", ":")}

# The form of each value: a type, [form of the items], or {key: form}. A key that ends in "?" may be missing or null.
_COUNTS: Final = {"in": int, "out": int, "rejected": {"*": int}}
_FIGURE: Final = {"value?": float, "low?": float, "high?": float, "items": int}
_RATERS: Final = {"alpha": _FIGURE, "fleiss": _FIGURE}
_REVIEW: Final = {
    "pairs": int,
    "reviewers": int,
    "statuses": {"*": int},
    "decided": _RATERS,
    "labelled": _RATERS,
    "cohen": [{"a": str, "b": str, "kappa": _FIGURE}],
    "named_unsafe": _FIGURE,
    "seconds?": [float],
    "judges": [{"name": str, "same": _FIGURE, "kappa": _FIGURE}],
    "by_category": {"*": {"pairs": int, "decided": _RATERS, "labelled": _RATERS, "named_unsafe": _FIGURE}},
    "people": [
        {
            "reviewer": str,
            "pairs": int,
            "accept": int,
            "reject": int,
            "borderline": int,
            "named_unsafe": _FIGURE,
            "seconds?": float,
        }
    ],
}
_RELEASE: Final = {
    "version": str,
    "pairs?": int,
    "added?": int,
    "removed?": int,
    "relabelled?": int,
    "summary?": str,
    "schema?": str,
    "recipe?": str,
    "recipe_hash?": str,
    "code?": str,
    "target?": str,
    "date?": str,
    "taxonomy?": str,
    "license?": str,
    "attribution?": str,
    "neutral?": str,
    "about?": str,
    "test_fraction?": float,
    "near_duplicate_bits?": int,
    "restricted?": [{"model": str, "license": str}],
    "judging?": {
        "judges": [{"class": str}],
        "unsafe_at_least": float,
        "safe_below": float,
        "max_changed_fraction": float,
    },
    "review?": _REVIEW,
    "editing?": {"editors": [{"class": str}], "made_by": [str]},
    "funnel?": [{"stage": str, **_COUNTS, "by_category": {"*": _COUNTS}}],
}
_TAKEDOWN: Final = {
    "pair_id": str,
    "category": str,
    "reason": str,
    "version": str,
    "unsafe_sha256": str,
    "safe_sha256": str,
    "unsafe_phash": str,
    "safe_phash": str,
}
_ERRATUM: Final = {
    "pair_id": str,
    "action": str,
    "was": {"*": str},
    "now": {"*": str},
    "reason": str,
    "by": str,
    "version": str,
}
_EXTRA: Final = {"rows": int, "size": int, "confirmed?": int, "kinds?": {"*": int}, "judges?": {"*": [int]}}
_HEAD: Final = {
    "version": str,
    "releases": [_RELEASE],
    "takedowns": [_TAKEDOWN],
    "files": {"*": list},
    "beside?": {"*": _EXTRA},
    "sidecars?": {"*": list},
    "taxonomy?": dict,
    "errata?": [_ERRATUM],
}
# Values of every earlier release that a later one needs, because card and changelog list them.
_NEEDED: Final = ("pairs", "added", "removed", "relabelled", "summary", "license", "attribution", "restricted")
_NEEDED_OF_LAST: Final = (*_NEEDED, "recipe", "recipe_hash", "code", "target", "judging", "funnel")


def format_of(errata: Sequence[Any], files: Iterable[str]) -> int:
    """Return the format for a manifest with these errata and files: the oldest sufficient one, for older readers."""
    if any(name.startswith(ROOT) for name in files):
        return FORMAT
    return _WITHOUT_POLICY_PAIRS if errata else _WITHOUT_ERRATA


def pack(head: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return a head as Parquet metadata. Raises PublishError if it is larger than readers accept."""
    first = {name: head[name] for name in ("format", "version")}
    rest = json.dumps({name: value for name, value in head.items() if name not in first}, **_PLAIN).encode()
    if len(rest) > MOST_BYTES:
        raise PublishError(
            f"the releases, files, takedowns and errata of the dataset take {len(rest) >> 20} MB in its manifest, and "
            f"readers take {MOST_BYTES >> 20} MB; publish to a new target"
        )
    return {KEY: json.dumps(first, **_PLAIN).encode(), MORE: base64.b85encode(zlib.compress(rest, 9))}


def unpack(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Read the head from Parquet metadata that hold KEY.

    Raises:
        PublishError: A newer safetypairs-hf wrote it.
        ForeignTextError: It is damaged, or too large.
    """
    first = parse_object(metadata[KEY].decode())
    written = first.get("format")
    if not isinstance(written, int) or isinstance(written, bool) or written < 1:
        raise ForeignTextError(f"says that its format is {_short(written)}; expected a number")
    if written > FORMAT:
        raise PublishError(
            f"a newer safetypairs-hf wrote this manifest.parquet (format {written}, this one knows {FORMAT}); "
            "upgrade: pip install -U safetypairs-hf"
        )
    head = {**first, **_rest(metadata)}
    _check(head, _HEAD, "")
    _check_versions(head)
    for name, values in [*head["files"].items(), *(head.get("sidecars") or {}).items()]:
        check_name(name)
        _check_hash(name, values)
    for name in head.get("beside") or {}:
        check_name(name)
    for takedown in head["takedowns"]:
        _check_takedown(takedown)
    return {name: value for name, value in head.items() if value is not None}


def unpack_taxonomy(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Read only the part of the head that describes the categories: `releases` and `taxonomy`.

    Raises:
        ForeignTextError: As for `unpack`.
    """
    head = _rest(metadata)
    _check(head, {"releases": [_RELEASE], "taxonomy?": dict}, "")
    return head


def check_name(name: str) -> None:
    """Raise ForeignTextError if a file name leads out of the dataset's folder, or is not possible on any system."""
    parts = name.split("/")
    if (
        not name.isprintable()
        or len(name) > LONGEST_NAME
        or any(part in ("", ".", "..") or len(part.encode()) > 200 for part in parts)
        or "\\" in name
    ):
        raise ForeignTextError(f"names a file {_short(name)}, which is not a file name in the dataset")


def refuse_lacking(releases: Sequence[Mapping[str, Any]], *, card: bool = False) -> None:
    """Raise PublishError if releases lack a value that the card of a later release shows.

    With `card`, the last release must also have everything that its own card shows.
    """
    for release in releases:
        needed = _NEEDED_OF_LAST if card and release is releases[-1] else _NEEDED
        if lacking := [name for name in needed if release.get(name) is None]:
            raise PublishError(
                f"manifest.parquet does not say what {lacking[0]} of its release {release['version']} is, which a card "
                "shows; restore the version that it was published with"
            )


def _rest(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    if MORE not in metadata:
        raise ForeignTextError("lacks half of its metadata")
    inflating = zlib.decompressobj()
    try:
        text = inflating.decompress(base64.b85decode(metadata[MORE]), MOST_BYTES + 1)
    except (ValueError, zlib.error) as error:
        raise ForeignTextError(f"has metadata that cannot be unpacked: {error}") from None
    if len(text) > MOST_BYTES:
        raise ForeignTextError(f"has metadata of over {MOST_BYTES >> 20} MB, more than is read")
    if sum(map(text.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ForeignTextError(f"has metadata of over {MOST_VALUES:,} values, more than is read")
    if not inflating.eof:
        raise ForeignTextError("has metadata that end too early")
    found = parse_json(text.decode())
    if not isinstance(found, dict):
        raise ForeignTextError("has metadata that are not a JSON object")
    return found


def _check(value: Any, expected: Any, where: str) -> None:
    """Raise ForeignTextError if a value does not have the expected form."""
    kind = expected if isinstance(expected, type) else type(expected)
    if not _is_kind(value, kind):
        raise ForeignTextError(f"says that {where or 'its head'} is {_short(value)}; expected {_KINDS[kind]}")
    if isinstance(expected, list):
        for number, each in enumerate(value):
            _check(each, expected[0], f"{where}[{number}]")
    elif isinstance(expected, dict):
        for key, inner in expected.items():
            name = key.rstrip("?")
            if key == "*":
                for own, each in value.items():
                    _check(each, inner, f"{where}.{printable(own)}")
            elif value.get(name) is not None:
                _check(value[name], inner, f"{where}.{name}".lstrip("."))
            elif not key.endswith("?"):
                raise ForeignTextError(f"does not say what {f'{where}.{name}'.lstrip('.')} is")


_KINDS: Final = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def _is_kind(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    if kind is int:
        return isinstance(value, int) and 0 <= value < 1 << 63
    return isinstance(value, (int, float) if kind is float else kind)


def _check_versions(head: Mapping[str, Any]) -> None:
    if not head["releases"]:
        raise ForeignTextError("names no release, and so no version")
    for release in head["releases"]:
        if (date := release.get("date")) is not None and not _DATE.fullmatch(date):
            raise ForeignTextError(f"says that a release is of {_short(date)}; expected a date, YYYY-MM-DD")
    listed = (*head["releases"], *head["takedowns"], *(head.get("errata") or []))
    for text in (head["version"], *(each["version"] for each in listed)):
        try:
            parse(text)
        except PublishError as error:
            raise ForeignTextError(f"names a version wrongly: {error}") from None


def _check_hash(name: str, values: list[Any]) -> None:
    right = len(values) == 2 and isinstance(values[0], str) and _SHA256.fullmatch(values[0])
    if not right or not _is_kind(values[1], int):
        raise ForeignTextError(f"says {_short(values)} of {name}; expected a SHA-256 and a size")


def _check_takedown(takedown: Mapping[str, str]) -> None:
    for key in ("unsafe_sha256", "safe_sha256", "unsafe_phash", "safe_phash"):
        if not _SHA256.fullmatch(takedown[key]):
            raise ForeignTextError(
                f"says that {key} of the takedown of {printable(takedown['pair_id'])} is {_short(takedown[key])}; "
                "expected 64 hex digits"
            )


def _short(value: Any) -> str:
    text = printable(repr(value)[:100])
    return text if len(text) <= 60 else f"{text[:57]}..."
