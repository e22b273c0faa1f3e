"""Images that may not become a source, by hash: on a list, published, taken down."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from builds import make_run
from hub_fixtures import Hub, hub  # noqa: F401
from pictures import picture
from PIL import Image

from safetypairs_hf.building import run_reader
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode, perceptual_hash
from safetypairs_hf.core.records import Picture
from safetypairs_hf.core.version import Version
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.sources import HashFile, Screen


def as_picture(image: Image.Image) -> Picture:
    return encode(np.asarray(image))


def pdq(image: Image.Image) -> str:
    return perceptual_hash(as_picture(image)).hex()


def reason(screen: Screen, image: Image.Image, file_sha256: str = "") -> tuple[str, str] | None:
    reject = screen.reject(as_picture(image), file_sha256)
    assert reject is None or reject.stage == "source"
    return reject and (reject.reason, reject.detail)


@pytest.fixture
def listed(tmp_path: Path) -> str:
    path = tmp_path / "hashes.txt"
    file = hashlib.sha256(b"a file").hexdigest()
    path.write_text(f"# ours\n{pdq(picture(1))}, case 17  # noted\n\n{pdq(picture(2)).upper()}\nsha256:{file},known\n")
    return str(path)


def test_an_image_on_a_list_is_stopped_however_it_is_resized_turned_or_mirrored(listed: str) -> None:
    screen = Screen(hash_lists=(listed,))
    assert reason(screen, picture(1)) == ("on_hash_list", "case 17")
    assert reason(screen, picture(1).resize((300, 300))) == ("on_hash_list", "case 17")
    for way in Image.Transpose:
        assert reason(screen, picture(1).transpose(way)) == ("on_hash_list", "case 17")
    assert reason(screen, picture(2)) == ("on_hash_list", "")
    assert reason(screen, picture(3)) is None
    assert reason(screen, picture(3), hashlib.sha256(b"a file").hexdigest()) == ("on_hash_list", "known")


def test_how_near_is_on_the_list(listed: str) -> None:
    near = bytearray(perceptual_hash(as_picture(picture(1))))
    near[0] ^= 0xFF
    near[1] ^= 0x07  # 11 bits
    assert HashFile(listed, bits=11).holds(bytes(near), "") == "case 17"
    assert HashFile(listed, bits=10).holds(bytes(near), "") is None


def test_a_list_that_others_plug_in() -> None:
    @dataclass(frozen=True)
    class Service:
        def holds(self, phash: bytes, sha256: str) -> str | None:
            return "said no" if sha256 == "abc" else None

        def fingerprint(self) -> str:
            return "2026-01"

    screen = Screen(hash_lists=(Service(),))
    assert reason(screen, picture(1), "abc") == ("on_hash_list", "said no")
    assert reason(screen, picture(1), "def") is None
    assert screen.fingerprint()


@pytest.mark.parametrize("line", ["abcd", "0" * 63, "0" * 64 + " and more", "md5:" + "0" * 64])
def test_a_line_that_is_no_hash_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(f"{'0' * 64}\n{line}\n")
    with pytest.raises(RecipeError, match=r"bad\.txt, line 2: .* is no hash; expected 64 hex digits"):
        reason(Screen(hash_lists=(str(path),)), picture(1))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"the hash list .*none\.txt' can't be read: No such file"):
        Screen(hash_lists=(str(tmp_path / "none.txt"),)).fingerprint()


def test_the_fingerprint_is_of_what_the_lists_hold(listed: str, tmp_path: Path) -> None:
    assert Screen().fingerprint() == ""
    before = Screen(hash_lists=(listed,)).fingerprint()
    assert before == Screen(hash_lists=(listed,)).fingerprint()
    with Path(listed).open("a") as file:
        file.write("0" * 64 + "\n")
    assert Screen(hash_lists=(listed,)).fingerprint() != before


def test_a_copy_in_another_process_has_the_lists_as_they_were(listed: str) -> None:
    copy = pickle.loads(pickle.dumps(Screen(hash_lists=(listed,))))
    Path(listed).unlink()
    assert reason(copy, picture(1)) == ("on_hash_list", "case 17")


def test_what_is_published_or_taken_down_is_not_used_again(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=12)
    target = LocalTarget(str(tmp_path / "data"))
    publish(run, target, Version(1, 0, 0))
    one, other = list(run_reader.pairs(run))[:2]
    assert one.safe is not None and one.identity is not None
    screen = Screen(str(tmp_path / "data"))
    for member in (one.unsafe, one.safe):
        reject = screen.reject(member, "")
        assert reject is not None
        assert (reject.reason, reject.detail) == ("published", f"very like a member of pair {one.identity.pair_id}")
    assert screen.reject(as_picture(picture(1)), "") is None
    before = screen.fingerprint()

    takedown(LocalTarget(str(tmp_path / "data")), [one.identity.pair_id], "asked for", Version(2, 0, 0))
    later = Screen(str(tmp_path / "data"))
    reject = later.reject(one.unsafe, "")
    assert reject is not None and reject.reason == "taken_down"
    reject = later.reject(other.unsafe, "")
    assert reject is not None and reject.reason == "published"
    assert later.fingerprint() != before
    assert screen.fingerprint() == before


def test_a_target_where_nothing_is_published(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="where nothing is published yet; name another, or none"):
        reason(Screen(str(tmp_path / "nowhere")), picture(1))
    with pytest.raises(SafetyPairsError, match="'nowhere' is no target"):
        reason(Screen("nowhere"), picture(1))


def test_a_target_on_the_hub(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    make_run(tmp_path / "run", pairs=12)
    hub.api().create_repo("lab/empty", repo_type="dataset")
    code = f"""
import sys
from safetypairs_hf.building import run_reader
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import Version
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.sources import Screen

run = open_run({str(tmp_path / "run")!r})
publish(run, parse_target("lab/pairs"), Version(1, 0, 0))
pair = next(iter(run_reader.pairs(run)))
for name in ("lab/pairs", "lab/empty", "lab/nowhere"):
    try:
        reject = Screen(name).reject(pair.unsafe, "")
        print(reject.reason, reject.detail == f"very like a member of pair {{pair.identity.pair_id}}")
    except SafetyPairsError as error:
        print(type(error).__name__, error)
"""
    nothing = "RecipeError against is {!r}, where nothing is published yet; name another, or none"
    assert hub.run_python(code).splitlines()[-3:] == [
        "published True",
        nothing.format("lab/empty"),
        nothing.format("lab/nowhere"),
    ]
