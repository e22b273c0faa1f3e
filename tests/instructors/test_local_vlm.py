from __future__ import annotations

import importlib.util
import pickle
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Answer, Candidate, Instruction, Origin, Picture, Reject
from safetypairs_hf.instructors.local_vlm import LocalVLM
from safetypairs_hf.instructors.sampling import OwnNoise
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.tiny import qwen3_vl, qwen_vl
from safetypairs_hf.testing.tiny.chat_vlm import ANSWER
from safetypairs_hf.testing.tiny.squares import squares

WITH_XGRAMMAR = importlib.util.find_spec("xgrammar") is not None


def candidates(count: int, feedback: tuple[str, ...] = ()) -> list[Candidate]:
    origin = Origin("squares", "1", "CC0-1.0")
    return [
        Candidate(f"{number:016x}", SLUGS[number % 9], origin, encode(pixels), feedback=feedback)
        for number, pixels in enumerate(squares(count, 0)[0])
    ]


def raws(answers: list[Answer]) -> list[str]:
    return [answer.raw for answer in answers]


def test_an_instruction_for_each(red_chat: Path) -> None:
    """Prompts of different lengths in a batch; the answer has six words and an end, the padding counts for nothing."""
    found = LocalVLM(str(red_chat), batch_size=5).write(candidates(9, ("still_unsafe",)))
    assert raws(found) == [ANSWER] * 9
    wanted = Instruction(
        "a red square", "Replace the red square with a green one.", None, "A red square.", "A green square."
    )
    assert {answer.outcome for answer in found} == {wanted}
    assert {answer.answer_tokens for answer in found} == {6}
    assert len({answer.prompt_tokens for answer in found}) > 4 and min(answer.prompt_tokens for answer in found) > 400


def test_counts_are_those_of_one_alone(red_chat: Path) -> None:
    instructor = LocalVLM(str(red_chat), batch_size=4)
    together = instructor.write(candidates(4))
    assert together == [instructor.write([candidate])[0] for candidate in candidates(4)]


def test_rubbish_is_a_reject_that_keeps_it(random_chat: Path) -> None:
    (found,) = LocalVLM(str(random_chat), max_answer_tokens=8).write(candidates(1))
    assert isinstance(found.outcome, Reject) and found.outcome.reason in ("not_json", "other_language")
    assert found.raw and found.answer_tokens == 8


def test_sampling_has_a_seed_for_each_candidate_and_round(random_chat: Path) -> None:
    instructor = LocalVLM(str(random_chat), batch_size=3, max_answer_tokens=6, temperature=1.0)
    first = raws(instructor.write(candidates(3)))
    assert first == raws(instructor.write(candidates(3))) and len(set(first)) == 3
    alone = [raws(instructor.write([candidate]))[0] for candidate in candidates(3)]
    assert alone == first, "batch-mates change nothing"
    again = candidates(3)
    for candidate in again:
        candidate.round = 1
    assert all(a != b for a, b in zip(raws(instructor.write(again)), first, strict=True))


def test_gumbel_noise_samples_the_softmax() -> None:
    """20,000 draws from probabilities 0.6, 0.3, 0.1, 0: within four standard errors of each; temperature sharpens."""
    import torch

    scores = torch.tensor([[0.6, 0.3, 0.1, 0.0]]).log().expand(20000, 4)
    for temperature, expected in ((1.0, [0.6, 0.3, 0.1, 0.0]), (0.5, [0.36 / 0.46, 0.09 / 0.46, 0.01 / 0.46, 0.0])):
        drawn = OwnNoise(range(20000), temperature)(None, scores).argmax(dim=1)
        found = torch.bincount(drawn, minlength=4) / 20000
        assert np.abs(found.numpy() - expected).max() < 4 * (0.25 / 20000) ** 0.5
        assert found[3] == 0


def test_an_image_that_the_processor_refuses(red_chat: Path) -> None:
    batch = candidates(3)
    batch[1].unsafe = Picture(b"no image")
    found = LocalVLM(str(red_chat)).write(batch)
    assert raws(found) == [ANSWER, "", ANSWER]
    assert isinstance(found[1].outcome, Reject) and found[1].outcome.reason == "refused_by_processor"


@pytest.mark.skipif(not WITH_XGRAMMAR, reason="needs xgrammar")
def test_a_grammar_makes_random_weights_write_the_schema(random_chat: Path) -> None:
    """Either the whole object, which the parser takes for one, or one that was cut off in a text without end."""
    import json

    instructor = LocalVLM(str(random_chat), max_answer_tokens=300, temperature=1.0, grammar=True)
    found = instructor.write(candidates(3))
    for answer in found:
        assert answer.raw.startswith("{") and '"critical_feature"' in answer.raw
        if answer.answer_tokens < 300:
            assert set(json.loads(answer.raw)) >= {"critical_feature", "instruction", "region"}
    assert raws(found) == raws(instructor.write(candidates(3)))


@pytest.mark.skipif(WITH_XGRAMMAR, reason="xgrammar is there")
def test_a_grammar_without_xgrammar_is_one_line(red_chat: Path) -> None:
    with pytest.raises(SafetyPairsError, match=r"grammar=True needs xgrammar: pip install .safetypairs-hf\[grammar\]"):
        LocalVLM(str(red_chat), grammar=True).write(candidates(1))


@pytest.mark.parametrize(("kind", "convention"), [(qwen_vl, "pixels"), (qwen3_vl, "thousandths")])
def test_the_coordinates_are_those_of_the_models_class(tmp_path: Path, kind: ModuleType, convention: str) -> None:
    """The prompt says the size that the processor makes of an image, and the recipe the convention."""
    instructor = LocalVLM(str(kind.make(tmp_path / "model")), max_answer_tokens=2)
    assert describe(instructor)["read_from_model"] == {"coordinates": convention}
    shown, asked = [], []
    chat = instructor._chat
    inputs = chat.inputs

    def look(images: list[Picture], texts: list[str]) -> Any:
        made = inputs(images, texts)
        shown.extend(made["image_grid_thw"].tolist())
        asked.extend(texts)
        return made

    object.__setattr__(chat, "inputs", look)
    batch = candidates(2)
    batch[1].unsafe = encode(np.zeros((37, 211, 3), np.uint8))
    instructor.write(batch)
    patch = chat.processor.image_processor.patch_size
    for (_, rows, columns), text in zip(shown, asked, strict=True):
        size = f"which is {columns * patch} pixels wide and {rows * patch} pixels high, from the top left corner"
        assert (size in text) is (convention == "pixels")
        assert ("between 0 and 1000" in text) is (convention == "thousandths")
    assert describe(replace(instructor, coordinates="shares"))["coordinates"] == "shares"
    assert "read_from_model" not in describe(replace(instructor, coordinates="shares"))


def test_pixels_of_a_processor_that_resizes_otherwise_are_one_line(red_chat: Path) -> None:
    with pytest.raises(SafetyPairsError, match=r"does not resize images as those of Qwen2\.5-VL do; set coord"):
        LocalVLM(str(red_chat), coordinates="pixels").write(candidates(1))
    with pytest.raises(RecipeError, match="coordinates = 'pixel': expected one of auto, shares, thousandths, pixels"):
        LocalVLM(str(red_chat), coordinates="pixel")


def test_settings_and_state(red_chat: Path, random_classifier: Path) -> None:
    with pytest.raises(RecipeError, match="temperature = -1"):
        LocalVLM(str(red_chat), temperature=-1)
    with pytest.raises(SafetyPairsError, match="this needs a chat model that sees images"):
        LocalVLM(str(random_classifier)).write(candidates(1))
    instructor = pickle.loads(pickle.dumps(LocalVLM(str(red_chat))))
    first = instructor.write(candidates(1))
    instructor.release()
    assert "_chat" not in instructor.__dict__ and instructor.write(candidates(1)) == first
    assert instructor.name == "chat-vlm:red-chat" and instructor.holds_model
    assert instructor.write([]) == []
