"""Guards that are asked under categories of somebody's own: two map to the nine, one maps to none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from small_guards import judge, pictures, shares, small

from safetypairs_hf import taxonomy
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.guards.base import prompt_hash
from safetypairs_hf.guards.by_category import by_slug
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.guards.user_guard import as_guard
from safetypairs_hf.guards.verdicts import question
from safetypairs_hf.guards.zero_shot import Sides
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.taxonomy.crosswalk import NOT_COVERED, match
from safetypairs_hf.taxonomy.nine import NINE

ROAD = taxonomy.read(Path(__file__).parents[1] / "recipes" / "road.yaml")
SLUGS = ("fires", "blades", "litter")  # disasters, weapons_substances, none


def covered(verdicts: Sequence[Verdict]) -> list[str]:
    return [slug for slug, verdict in zip(SLUGS, verdicts, strict=True) if verdict.note != "not_covered"]


@pytest.mark.parametrize(
    ("name", "settings", "covers"),
    [
        ("llavaguard", {}, "fires blades"),  # it was trained on the nine
        ("guard-reasoner-vl", {"max_tokens": "2"}, "fires blades"),
        ("policy-shift-guard", {}, "fires blades litter"),  # it was trained to judge by any policy
        ("llama-guard-3-vision", {}, "blades"),
        ("shieldgemma", {}, "blades"),
        ("llavaguard", {"fidelity": "common", "prompt": ""}, "fires blades litter"),
        ("llama-guard-3-vision", {"fidelity": "common"}, "fires blades litter"),
        ("shieldgemma", {"fidelity": "common"}, "fires blades litter"),
        ("chat-vlm", {}, "fires blades litter"),
        ("generated", {"max_tokens": "2"}, "fires blades litter"),
        ("clip", {}, "fires blades litter"),
        ("opennsfw", {}, ""),
    ],
)
def test_what_a_guard_covers(name: str, settings: dict[str, str], covers: str) -> None:
    guard = bind(small(name, **settings), ROAD)
    assert covered(judge(guard, pictures(3), SLUGS)) == covers.split()


def test_common_asks_by_the_policy_of_the_data() -> None:
    guard = small("chat-vlm")
    bound = guard.under(ROAD)
    assert bound.asked("litter") == question("litter", ROAD) and "a plastic bag on the verge" in bound.asked("litter")
    assert bound.taxonomy == ROAD and guard.taxonomy == NINE and guard.under(NINE) is guard
    with pytest.raises(SafetyPairsError, match="no category 'litter'"):
        guard.asked("litter")
    assert "at 1.0" not in bound.asked("fires")
    texts = small("clip").under(ROAD).sides
    assert texts["fires"] == Sides(("a vehicle on fire",), ("a fire engine at work", "a lit street lamp"))


def test_the_identity_names_the_taxonomy() -> None:
    guard = small("chat-vlm")
    nine, road = guard.identity(), guard.under(ROAD).identity()
    assert "taxonomy" not in nine and road["taxonomy"] == f"road@1.0 {ROAD.digest}"
    assert nine["prompt_hash"] != road["prompt_hash"] and nine["settings"] == road["settings"]
    assert prompt_hash(OnRegion(guard).under(ROAD)) == road["prompt_hash"]
    assert OnRegion(guard).under(ROAD).under(NINE).identity() == OnRegion(guard).identity()


def test_a_bound_guard_shares_the_model() -> None:
    guard = small("chat-vlm")
    bound, region = guard.under(ROAD), OnRegion(guard).under(ROAD)
    first = shares(judge(bound, pictures(1), "fires"))
    assert bound.loaded is guard.loaded is region.inner.loaded
    bound.release()
    assert "loaded" not in guard.__dict__ and "loaded" not in bound.__dict__
    assert shares(judge(region, pictures(1), "fires")) == first


def test_an_object_of_the_users_gets_the_slugs_of_the_data() -> None:
    class Own:
        name, revision = "own", "1"

        def judge(
            self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
        ) -> list[Verdict]:
            return [Verdict(float(category == "litter")) for category in categories]

    own = Own()
    assert bind(own, ROAD) is own
    guard = as_guard(own).under(ROAD)
    assert shares(judge(guard, pictures(3), SLUGS)) == [0.0, 0.0, 1.0]
    assert guard.identity()["taxonomy"].startswith("road@1.0")


def test_what_is_given_by_category() -> None:
    assert by_slug({"litter": 1, "O9": 2}, ROAD) == {"litter": 1, "fires": 2}
    assert by_slug({"disasters": 1, "R1": 2, "hate": 3}, ROAD) == {"fires": 2}  # its own comes first
    with pytest.raises(SafetyPairsError, match=r"no category 'liter'; the nearest is 'litter'; road@1\.0 has"):
        by_slug({"liter": 1}, ROAD)
    assert by_slug({"O4": 1}, NINE) == {"nudity": 1}


def test_a_label_map_and_texts_by_ones_own_categories(tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("unsafe: {litter: [red], disasters: [red]}\nsafe: [other]\n")
    guard = small("classifier", labels=str(tmp_path / "labels.yaml")).under(ROAD)
    assert covered(judge(guard, pictures(3), SLUGS)) == ["fires", "litter"]
    (tmp_path / "texts.yaml").write_text("litter: {unsafe: [a bag], safe: [a bin]}\n")
    guard = small("clip", prompts=str(tmp_path / "texts.yaml")).under(ROAD)
    assert covered(judge(guard, pictures(3), SLUGS)) == ["litter"]


def test_the_crosswalk_goes_by_what_a_category_maps_to() -> None:
    assert (
        match("omni-moderation", "fires", ROAD).extent == match("omni-moderation", "litter", ROAD).extent == NOT_COVERED
    )
    for guard in ("shieldgemma-2", "llama-guard-4"):
        assert match(guard, "blades", ROAD) == match(guard, "weapons_substances")
