"""The pairs of a run and of a published version, and their pictures one by one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from safetypairs_hf.building.run_reader import pairs as passed_pairs
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.reviewing import reviewed_pairs
from safetypairs_hf.reviewing.review import ReviewServer, review
from safetypairs_hf.reviewing.reviewed_pairs import ReviewedPairs, open_reviewed


def test_the_pairs_of_a_run_are_those_that_its_draw_took(small_run: Path, pairs: ReviewedPairs) -> None:
    candidates = {each.identity.pair_id: each for each in passed_pairs(open_run(str(small_run))) if each.identity}
    assert len(pairs.pairs) == 12 <= len(candidates)
    for listed in reversed(pairs.pairs):
        shown, candidate = pairs.shown(listed.pair_id), candidates[listed.pair_id]
        assert candidate.safe and candidate.edit_box and candidate.preservation
        assert (shown.unsafe, shown.safe) == (candidate.unsafe.data, candidate.safe.data)
        assert listed.margin == min(judgement.margin for judgement in candidate.judgements)
        assert shown.details() == {
            "pair_id": listed.pair_id,
            "critical_feature": "a red square",
            "instruction": "Paint the square green.",
            "edit_box": tuple(candidate.edit_box),
            "judges": [judgement._asdict() for judgement in candidate.judgements],
            "preservation": candidate.preservation.to_dict(),
        }


def test_the_pairs_of_a_version_are_those_of_its_manifest() -> None:
    found = open_reviewed("safetypairs@1.0.0")
    table = open_named("safetypairs@1.0.0").table
    assert [pair.pair_id for pair in found.pairs] == table["pair_id"].to_pylist()
    assert [pair.category for pair in found.pairs] == table["category"].to_pylist()
    shown = found.shown(found.pairs[7].pair_id)
    assert shown.pair_id == found.pairs[7].pair_id
    assert shown.unsafe != shown.safe
    assert shown.instruction and shown.edit_box and shown.judges
    assert found.pairs[7].margin == min(judgement.margin for judgement in shown.judges)


def test_what_is_kept_in_memory_has_a_bound(monkeypatch: pytest.MonkeyPatch, small_run: Path) -> None:
    found = open_reviewed(str(small_run))
    sizes = [len(shown.unsafe) + len(shown.safe) for shown in map(found.shown, (pair.pair_id for pair in found.pairs))]
    monkeypatch.setattr(reviewed_pairs, "CACHE", 2 * max(sizes))
    bounded = open_reviewed(str(small_run))
    for _ in range(2):
        for pair in found.pairs:
            assert bounded.shown(pair.pair_id) == found.shown(pair.pair_id)
            assert bounded._size <= 2 * max(sizes)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("./nowhere", "no folder ./nowhere"),
        ("nowhere", "'nowhere' is no target"),
        ("safetypairs@9.0.0", "safetypairs has no 9.0.0"),
    ],
)
def test_what_is_not_there_is_one_clear_line(what: str, said: str) -> None:
    with pytest.raises(SafetyPairsError, match=said):
        open_reviewed(what)


def test_the_function_serves_until_it_is_stopped(small_run: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    told: list[str] = []

    def tell(server: ReviewServer) -> None:
        told.append(str(server))
        stop.set()

    review(str(small_run), out=str(tmp_path), port=0, reviewers=1, order="random", told=tell, stop=stop)
    assert f"{small_run}: 12 pairs, in random order, each for 1 reviewer\n" in told[0]
    assert f"decisions go to {tmp_path}/review\n" in told[0]
    assert "\n    http://127.0.0.1:" in told[0]
