"""The vocabulary: no fault, enough of everything, and nothing that an item or a context alone would tell."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pytest

from safetypairs_hf.signs import SignScenes, features, signs_taxonomy
from safetypairs_hf.signs.block_files import VOCABULARY, blocks, read_vocabulary
from safetypairs_hf.signs.blocks import TWO_ICONS, Composition, Edge
from safetypairs_hf.signs.policies import line
from safetypairs_hf.signs.wording import asked_for, instruction, phrase
from safetypairs_hf.taxonomy.nine import NINE, SLUGS

RELEASES = (1510, 270)


def test_the_files_have_no_fault() -> None:
    assert read_vocabulary(VOCABULARY, signs_taxonomy()).faults == ()


def test_the_taxonomy_has_the_nine_categories() -> None:
    assert signs_taxonomy().name == "signs@1.0"
    assert signs_taxonomy().slugs == SLUGS
    assert [each.maps_to for each in signs_taxonomy().categories] == list(SLUGS)
    assert all(signs_taxonomy().policy(slug) != NINE.policy(slug) for slug in SLUGS)


def test_there_are_enough_unsafe_features() -> None:
    found = {(each.category, each.line, each.relation, each.head) for each in features()}
    assert len(found) == len(features()) >= 300
    for slug in SLUGS:
        own = [each for each in features() if each.category == slug]
        assert len(own) >= 25
        assert len({each.line for each in own}) >= 3


def test_every_cited_line_says_something() -> None:
    for each in features():
        for cited in (each.line, *each.permitted_by):
            assert line(signs_taxonomy(), each.category, cited)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_third_of_the_blocks_have_two_icons(slug: str) -> None:
    own = [block for block in blocks() if block.category == slug]
    assert sum(block.form in TWO_ICONS for block in own) >= len(own) / 3


@pytest.mark.parametrize("slug", SLUGS)
def test_no_pair_of_contexts_rules_a_category(slug: str) -> None:
    own = Counter(frozenset(block.contexts) for block in blocks() if block.category == slug)
    assert len(own) >= 6
    assert max(own.values()) <= 0.2 * own.total()


def distance(one: str, other: str) -> int:
    """The edit distance of two texts (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def test_no_two_blocks_have_nearly_the_same_text() -> None:
    shown = [(re.sub(r"[^A-Z0-9]", "", c.words), c.icons, c.block.name) for b in blocks() for c in b.compositions]
    letters = np.array([[text.count(letter) for letter in string.ascii_uppercase] for text, *_ in shown])
    for k, (text, icons, name) in enumerate(shown):
        # At most twice their edit distance: how many letters one text has more often than another one.
        close = np.flatnonzero(np.abs(letters[k + 1 :] - letters[k]).sum(axis=1) <= 4) + k + 1
        for other, other_icons, other_name in (shown[m] for m in close):
            same_place = text and icons == other_icons and name != other_name
            assert not same_place or distance(text, other) > 2, f"{name} and {other_name}: {text}"


def test_every_instruction_asks_for_one_composition() -> None:
    texts = [instruction(edge) for block in blocks() for edge in block.edges]
    assert len(set(texts)) == len(texts)
    assert len({phrase(each) for block in blocks() for each in block.compositions}) == 4 * len(blocks())
    for block in blocks():
        for edge in block.edges:
            assert asked_for()[instruction(edge)] == edge.safe


def test_every_element_is_as_often_unsafe_as_safe() -> None:
    """Within two visits of a block, and so, but for the last visits, in a release of any size."""
    edges = [SignScenes().edge(number) for number in range(RELEASES[0])]
    for block in blocks():
        mine = [edge for edge in edges if edge.unsafe.block == block]
        for which in (0, 1):
            unsafe = Counter(edge.unsafe.elements[which] for edge in mine)
            safe = Counter(edge.safe.elements[which] for edge in mine)
            assert all(abs(unsafe[each] - safe[each]) <= 1 for each in {*unsafe, *safe})


Tokens = Callable[[Composition, Edge], Sequence[Hashable]]


def elements(composition: Composition, edge: Edge) -> Sequence[Hashable]:
    return composition.elements


def bag(composition: Composition, edge: Edge) -> Sequence[Hashable]:
    return [*composition.words.split(), *composition.icons]


def changed(composition: Composition, edge: Edge) -> Sequence[Hashable]:
    return [composition.elements[edge.swap == "item"]]


@pytest.mark.parametrize("tokens", [elements, bag, changed])
@pytest.mark.parametrize("count", RELEASES)
def test_look_ups_do_not_tell_the_members_apart(tokens: Tokens, count: int) -> None:
    """Naive Bayes over what is shown, cross-validated; a tie is wrong."""
    edges = [SignScenes().edge(number) for number in range(count)]
    rng = np.random.default_rng(0)
    names = sorted({edge.unsafe.block.name for edge in edges})
    fold_of = dict(zip(names, (rng.permutation(len(names)) % 5).tolist(), strict=True))
    over_pairs = looked_up(edges, tokens, (rng.permutation(count) % 5).tolist())
    over_families = looked_up(edges, tokens, [fold_of[edge.unsafe.block.name] for edge in edges])
    assert over_pairs <= 0.60
    assert over_families <= 0.40


def looked_up(edges: Sequence[Edge], tokens: Tokens, folds: Sequence[int]) -> float:
    right = 0
    for fold in set(folds):
        unsafe, safe = Counter[Hashable](), Counter[Hashable]()
        for edge, own in zip(edges, folds, strict=True):
            if own != fold:
                unsafe.update(set(tokens(edge.unsafe, edge)))
                safe.update(set(tokens(edge.safe, edge)))
        for edge, own in zip(edges, folds, strict=True):
            if own == fold:
                one, other = (
                    math.fsum(math.log((unsafe[t] + 1) / (safe[t] + 1)) for t in set(tokens(each, edge)))
                    for each in (edge.unsafe, edge.safe)
                )
                right += one > other + 1e-9
    return right / len(edges)
