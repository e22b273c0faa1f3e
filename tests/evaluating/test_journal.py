"""The journal of a unit: what is added is read, wherever a kill cuts the file, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.evaluating.data import Image
from safetypairs_hf.evaluating.journal import Journal

ANSWERS = {
    Image("a" * 64, "hate"): Verdict(1 / 3, "", "Yes"),
    Image("b" * 64, "violence"): Verdict(None, "refused", "in two\nlines, \u2028, café, \x1b[31m and \ud800"),
    Image("c" * 64, "hate"): Verdict(0.0),
}


def filled(path: Path) -> Journal:
    journal = Journal(path)
    for answer in ANSWERS.items():
        journal.add(*answer)
    return journal


def test_what_is_added_is_on_disk_at_once(tmp_path: Path) -> None:
    journal = filled(tmp_path / "unit.jsonl")
    assert Journal(journal.path).read() == ANSWERS
    journal.add(Image("a" * 64, "hate"), Verdict(0.25))
    assert Journal(journal.path).read() == ANSWERS | {Image("a" * 64, "hate"): Verdict(0.25)}
    journal.remove()
    assert journal.read() == {} and not journal.path.exists()
    journal.remove()


def test_cut_anywhere_it_keeps_whole_lines_and_goes_on(tmp_path: Path) -> None:
    filled(tmp_path / "whole.jsonl").close()
    whole = (tmp_path / "whole.jsonl").read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    new = (Image("d" * 64, "hate"), Verdict(0.75))
    for cut in range(len(whole)):
        path = tmp_path / "cut.jsonl"
        path.write_bytes(whole[:cut])
        journal = Journal(path)
        kept = sum(end <= cut for end in ends)  # a line without its newline is whole all the same
        assert list(journal.read().items()) == list(ANSWERS.items())[:kept]
        journal.add(*new)
        assert list(journal.read().items()) == [*list(ANSWERS.items())[:kept], new]
        journal.remove()


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b'"abcde"',
        b"[1, 2, 3, 4, 5]",
        b'["a", "hate", "0.5", "", ""]',
        b'["a", "hate", 0.5, ""]',
        b'{"sha256": "a"}',
        b"\xff\xfe\x00",
        b"\x00" * 40,
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_passed_over(tmp_path: Path, line: bytes) -> None:
    filled(tmp_path / "unit.jsonl").close()
    path = tmp_path / "unit.jsonl"
    path.write_bytes(line + b"\n" + path.read_bytes() + line)
    assert Journal(path).read() == ANSWERS


def test_it_is_replaced_whole(tmp_path: Path) -> None:
    journal = filled(tmp_path / "unit.jsonl")
    first = dict(list(ANSWERS.items())[:1])
    journal.replace(first)
    assert journal.read() == first
    journal.add(*list(ANSWERS.items())[1])
    assert journal.read() == dict(list(ANSWERS.items())[:2])
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["unit.jsonl"]


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^cannot write .*unit.jsonl: No such file or directory; earlier answers are"):
        Journal(tmp_path / "gone" / "unit.jsonl").add(*next(iter(ANSWERS.items())))
