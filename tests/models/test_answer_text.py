"""Where the answer is in what models write, in the forms that were seen in public."""

from __future__ import annotations

import pytest

from safetypairs_hf.models.answer_text import answer_of, answer_span, in_latin, last_object, refuses


@pytest.mark.parametrize(
    "written",
    [
        "Yes",
        "<think>No, or is it?</think>Yes",
        "No, or is it?\n</think>\n\nYes",  # the template had begun it
        "<thinking>No</thinking>Yes",
        "<seed:think>No</seed:think>Yes",
        "<mm:think>No</mm:think>Yes",
        "<THOUGHT>No</THOUGHT> Yes",
        "◁think▷No◁/think▷Yes",
        "[THINK]No[/THINK]Yes",
        "<|START_THINKING|>No<|END_THINKING|><|START_RESPONSE|>Yes<|END_RESPONSE|>",
        "<|begin_of_thought|>No<|end_of_thought|><|begin_of_solution|>Yes<|end_of_solution|>",
        "<unused94>thought\nNo<unused95>Yes",
        "<|channel>thought\nNo<channel|>Yes",
        "<|channel|>analysis<|message|>No<|end|><|start|>assistant<|channel|>final<|message|>Yes",
        "analysisIs it? No.assistantfinalYes",
        "<think>a</think>No<think>b</think>Yes",
        "<think>No</think><answer>Yes</answer>",
        "It is <answer>No</answer>, no: <answer>Yes</answer>!",
        "<think>x</think><|begin_of_box|>Yes<|end_of_box|>",
        "Yes <think>but then",
        "<result>\nYes\n",  # cut off within its tag
    ],
)
def test_the_answer_after_reasoning_and_within_tags(written: str) -> None:
    assert answer_of(written) == "Yes"


@pytest.mark.parametrize("written", ["<think>Yes", "\n<seed:think>Yes</answer>", "<think>a</think>\n<think>Yes"])
def test_reasoning_that_does_not_end_has_no_answer(written: str) -> None:
    assert answer_span(written) is None and answer_of(written) == ""


def test_the_last_whole_object_counts() -> None:
    text = 'First {"rating": "Safe"}, then {"Rating": "Unsafe"} and {"other": 1} and {"rating": "Sa'
    assert last_object(text, ["rating"]) == (text.index('{"Rating"'), {"Rating": "Unsafe"})
    assert last_object(text, ["rating"], 0, 30) == (6, {"rating": "Safe"})
    assert last_object('{"a": 1, "b": 2} {"b": 3}', ["a", "b"])[1] == {"a": 1, "b": 2}  # the draft is the second one
    assert last_object(text, ["none"]) == (-1, {})


def test_refusals_and_letters() -> None:
    assert refuses("Well. I'm sorry, but no.") and not refuses("Well. I'm sorry", at_once=True)
    assert refuses("I can’t help with that", at_once=True) and not refuses("Remove the sorry sight")
    assert in_latin("Façade 红") and not in_latin("图片 ab") and in_latin("12 !!")
