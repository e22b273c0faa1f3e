"""The one reading of TARGET[@VERSION]."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from safetypairs_hf.core import default_dataset, embedded_set, target_name
from safetypairs_hf.core.errors import SafetyPairsError, VersionMismatch
from safetypairs_hf.core.target_name import (
    TargetName,
    is_hub_address,
    is_hub_id,
    parse_place,
    parse_target_name,
    recorded_name,
)
from safetypairs_hf.core.version import Version

ONE = Version(1, 0, 0)
NEWEST = embedded_set.versions()[-1]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a few folders, and no settings."""
    for name in (
        "mydata",
        "pairs@lab",
        "old@1.0.0",
        "org/set",
        "org/tagged@1.0.0",
        "my sets/one",
        "home/sets",
        "a/b/c",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "org" / "file").write_text("no folder")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SAFETYPAIRS_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.delenv("SAFETYPAIRS_REPO", raising=False)
    monkeypatch.delenv("SAFETYPAIRS_VERSION", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "place", "version", "is_folder"),
    [
        ("org/name", "org/name", None, False),
        ("org/name@1.0.0", "org/name", ONE, False),
        ("org/name@v1.0.0", "org/name", ONE, False),
        ("org/name/", "org/name", None, False),
        ("org/name/@1.0.0", "org/name", ONE, False),
        ("org/file", "org/file", None, False),  # a file here is no folder
        ("Org-1/na.me_2", "Org-1/na.me_2", None, False),
        ("./x", "./x", None, True),
        ("./x/", "./x", None, True),
        ("./x@1.0.0", "./x", ONE, True),
        ("./x/@1.0.0", "./x", ONE, True),
        ("./org/set", "./org/set", None, True),
        ("./org/set@1.0.0", "./org/set", ONE, True),
        ("../x", "../x", None, True),
        (".", ".", None, True),
        ("/", "/", None, True),
        ("/tmp/a@b/x", "/tmp/a@b/x", None, True),
        ("~/sets", "~/sets", None, True),
        ("~/sets@1.0.0", "~/sets", ONE, True),
        ("mydata", "mydata", None, True),
        ("mydata/", "mydata", None, True),
        ("mydata@1.0.0", "mydata", ONE, True),
        ("a/b/c", "a/b/c", None, True),
        ("my sets/one@1.0.0", "my sets/one", ONE, True),
        ("./pairs@lab", "./pairs@lab", None, True),
        ("pairs@lab", "pairs@lab", None, True),
        ("./pairs@lab@1.0.0", "./pairs@lab", ONE, True),
        ("./new@lab", "./new@lab", None, True),
        ("old@1.0.0", "old@1.0.0", None, True),
        ("./old@1.0.0", "./old@1.0.0", None, True),
        ("./old@1.0.0@1.0.0", "./old@1.0.0", ONE, True),
        ("safetypairs", "safetypairs", NEWEST, True),
        ("safetypairs@1.0.0", "safetypairs", ONE, True),
        ("./safetypairs", "./safetypairs", None, True),
    ],
)
def test_a_name(text: str, place: str, version: Version | None, is_folder: bool) -> None:
    found = parse_target_name(text)
    assert found == TargetName(place, version, is_folder)
    assert parse_target_name(str(found)) == found  # what is recorded reads as what was meant


BOTH = "is a folder here and could be a Hub id too; for the folder write"
ELSEWHERE = "for the dataset on the Hub run this in another folder"
BARE = "is no target: there is no folder of that name here; write"
EXPECTED = "is no target; expected org/name on the Hub, or a local folder such as"
PAGE = "https://huggingface.co/datasets/o/n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("org/set", f"org/set {BOTH} ./org/set; {ELSEWHERE}"),
        ("org/set/", f"org/set {BOTH} ./org/set; {ELSEWHERE}"),
        ("org/set@1.0.0", f"org/set {BOTH} ./org/set@1.0.0; {ELSEWHERE}"),
        ("org/tagged@1.0.0", f"org/tagged@1.0.0 {BOTH} ./org/tagged@1.0.0; {ELSEWHERE}"),
        ("other", f"'other' {BARE} ./other for a folder, or org/other for a dataset on the Hub"),
        ("no@1.0.0", f"'no@1.0.0' {BARE} ./no@1.0.0 for a folder, or org/no@1.0.0 for a dataset on the Hub"),
        ("", f"'' {EXPECTED} ./pairs"),
        ("x/y/z", f"'x/y/z' {EXPECTED} ./x/y/z"),
        ("org/na me", f"'org/na me' {EXPECTED} ./org/na me"),
        ("s3://bucket/x", f"'s3://bucket/x' {EXPECTED} ./pairs"),
        (
            "lab/a--b",
            "'lab/a--b' is no Hub id: an owner and a name have letters, digits, '_', '-' and '.', no '--' or '..', no "
            "'-' or '.' at an end and no '.git'; for a folder write ./lab/a--b",
        ),
        (PAGE, f"'{PAGE}' is no target; for that dataset write o/n"),
        (f"{PAGE}/tree/v1.0.0", f"'{PAGE}/tree/v1.0.0' is no target; for that dataset write o/n@1.0.0"),
        (f"{PAGE}/tree/main", f"'{PAGE}/tree/main' is no target; for that dataset write o/n"),
        (f"{PAGE}/viewer/a?p=1", f"'{PAGE}/viewer/a?p=1' is no target; for that dataset write o/n"),
        ("http://[::1]:8/datasets/o/n/", "'http://[::1]:8/datasets/o/n/' is no target; for that dataset write o/n"),
        ("hf://datasets/o/n", "'hf://datasets/o/n' is no target; for that dataset write o/n"),
        ("hf://datasets/o/n@v1.0.0", "'hf://datasets/o/n@v1.0.0' is no target; for that dataset write o/n@1.0.0"),
        (
            "~nobody-of-that-name/x",
            "'~nobody-of-that-name/x' is no target: no user of this machine has the home ~nobody-of-that-name",
        ),
    ],
)
def test_what_is_no_name(text: str, line: str) -> None:
    with pytest.raises(SafetyPairsError) as caught:
        parse_target_name(text)
    assert str(caught.value) == line


@pytest.mark.parametrize("text", ["org/name@main", "mydata@latest", "org/name@1.0", "other@1.0.0.0"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(VersionMismatch) as caught:
        parse_target_name(text)
    before, _, after = text.partition("@")
    assert str(caught.value) == (
        f"{after!r} is not a version; expected three whole numbers such as {before}@1.2.0, or a folder ./{text}"
    )


def test_a_version_beside_the_name() -> None:
    assert parse_target_name("org/name", ONE) == parse_target_name("org/name@1.0.0", ONE) == ("org/name", ONE, False)
    line = r"org/name@2\.0\.0 names one version, and 1\.0\.0 was given separately; leave one of them out"
    with pytest.raises(VersionMismatch, match=line):
        parse_target_name("org/name@2.0.0", ONE)


def test_a_path_is_a_folder(here: Path) -> None:
    assert parse_target_name(Path("org/set")) == ("./org/set", None, True)
    assert parse_target_name(here / "mydata", ONE) == (f"{here}/mydata", ONE, True)


def test_a_place_has_no_version() -> None:
    assert parse_place("./old@1.0.0") == ("./old@1.0.0", None, True)
    for text, place in (("o/n@1.0.0", "o/n"), ("./x@v1.0.0", "./x"), ("safetypairs@1.0.0", "safetypairs")):
        with pytest.raises(SafetyPairsError) as caught:
            parse_place(text)
        assert str(caught.value) == f"{text} names a version, and here a whole dataset is named; write {place}"


def test_a_folder_that_takes_the_bare_name_is_named_once(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    target_name._warn_of_folder.cache_clear()
    assert parse_target_name("safetypairs").is_embedded
    (here / "safetypairs").mkdir()
    assert parse_target_name("safetypairs") == parse_target_name("safetypairs") == ("./safetypairs", None, True)
    said = "safetypairs is the folder ./safetypairs here; elsewhere it is the set that the package carries"
    assert caplog.messages == [said]


def test_the_bare_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of that name, else the environment, else what was saved, else the set that the package carries."""
    embedded = parse_target_name("safetypairs")
    assert embedded.is_embedded
    assert embedded.path == embedded_set.folder(None)
    default_dataset.save("lab/saved", "1.0.0")
    assert parse_target_name("safetypairs") == ("lab/saved", ONE, False)
    assert parse_place("safetypairs") == ("lab/saved", None, False)
    monkeypatch.setenv("SAFETYPAIRS_REPO", "lab/set@1.0.0")
    assert parse_target_name("safetypairs") == ("lab/set", ONE, False)
    monkeypatch.setenv("SAFETYPAIRS_VERSION", "1.1.0")
    assert parse_target_name("safetypairs") == ("lab/set", (1, 1, 0), False)
    assert parse_target_name("safetypairs@1.0.0") == parse_target_name("safetypairs", ONE) == ("lab/set", ONE, False)
    monkeypatch.delenv("SAFETYPAIRS_VERSION")
    for name in ("safetypairs", "safetypairs@1.0.0"):  # what was saved is left aside
        monkeypatch.setenv("SAFETYPAIRS_REPO", name)
        assert parse_target_name("safetypairs").is_embedded
    monkeypatch.setenv("SAFETYPAIRS_VERSION", "1.1.0")
    (here / "safetypairs").mkdir()
    folder = parse_target_name("safetypairs/")
    assert folder == ("./safetypairs", (1, 1, 0), True)
    assert not folder.is_embedded
    assert parse_target_name("safetypairs@1.0.0") == ("./safetypairs", ONE, True)
    monkeypatch.setenv("SAFETYPAIRS_VERSION", "newest")
    with pytest.raises(VersionMismatch, match="the version that is set for 'safetypairs': 'newest' is not a version"):
        parse_target_name("safetypairs")


@pytest.mark.parametrize("name", ["safetypairs@99.0.0", "safetypairs"])
def test_a_version_that_the_package_does_not_carry(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "@" not in name:
        monkeypatch.setenv("SAFETYPAIRS_VERSION", "99.0.0")
    there = ", ".join(map(str, embedded_set.versions()))
    with pytest.raises(VersionMismatch) as caught:
        parse_target_name(name)
    assert str(caught.value) == (
        f"safetypairs has no 99.0.0; the versions that this safetypairs-hf carries are {there}; for another dataset "
        "name a folder or org/name"
    )


@pytest.mark.parametrize(
    ("repo", "line"),
    [("org/set", "org/set is a folder here"), ("nothing", "'nothing' is no target")],
)
def test_settings_are_read_as_names_are(repo: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFETYPAIRS_REPO", repo)
    with pytest.raises(SafetyPairsError, match=line):
        parse_target_name("safetypairs")


def test_recorded_names_are_read_without_a_look_at_folders() -> None:
    assert recorded_name("org/set@1.0.0") == ("org/set", ONE, False)
    assert recorded_name("./old@1.0.0") == ("./old", ONE, True)
    assert recorded_name("mydata@1.0.0") == ("mydata", ONE, True)
    assert recorded_name("safetypairs@1.0.0").is_embedded
    assert recorded_name("/gone/x") == ("/gone/x", None, True)


@pytest.mark.parametrize(
    "text", ["", "name", "a/b/c", "./b", "a/.b", "-a/b", "a/b-", "a/b.git", "a/b..c", "a/b c", "a/é", f"a/{'b' * 97}"]
)
def test_what_is_no_hub_id(text: str) -> None:
    assert not is_hub_id(text)


def test_old_hub_ids_have_no_owner() -> None:
    assert is_hub_id("mnist", owner=False)
    assert is_hub_id("org/name", owner=False)
    assert not is_hub_id("a/b/c", owner=False)


def test_a_run_folder_on_the_hub_is_no_address_of_a_dataset() -> None:
    assert not is_hub_address("hf://datasets/o/n/runs/icons")
    assert not is_hub_address("https://huggingface.co/o/n")


def test_reading_a_name_imports_nothing_heavy() -> None:
    code = (
        "from safetypairs_hf.core.target_name import parse_target_name; parse_target_name('org/name@1.0.0'); "
        "import sys; print([n for n in ('datasets', 'huggingface_hub', 'numpy', 'pyarrow') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
