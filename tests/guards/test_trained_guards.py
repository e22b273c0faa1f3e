"""What holds for every guard that is a chat model with a prompt of its own: each real class, saved and loaded."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from small_guards import BOUND, asked, by_hand, folder_of, judge, pictures, shares, small

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards import token_probability
from safetypairs_hf.guards.trained import LlavaGuard
from safetypairs_hf.guards.verdicts import question
from safetypairs_hf.taxonomy.categories import Category, Taxonomy
from safetypairs_hf.taxonomy.nine import SLUGS

WORDS = {
    "llavaguard": ('{\n    "rating": "', "Unsafe", "Safe"),
    "qwenguard": ('{\n    "rating": "', "Unsafe", "Safe"),
    "policy-shift-guard": ("", "true", "false"),
    "llama-guard-3-vision": ("\n\n", "unsafe", "safe"),
    "llama-guard-4": ("\n\n", "unsafe", "safe"),
    "sing-guard": ("", "unsafe", "safe"),
    "nemotron-content-safety": ("User Safety: ", "unsafe", "safe"),
    "safeguard-vl-rl": ("", "unsafe", "safe"),
}
CLASSES = {
    "llavaguard": "LlavaOnevisionForConditionalGeneration",
    "qwenguard": "Qwen2_5_VLForConditionalGeneration",
    "policy-shift-guard": "Qwen2_5_VLForConditionalGeneration",
    "llama-guard-3-vision": "MllamaForConditionalGeneration",
    "llama-guard-4": "Llama4ForConditionalGeneration",
    "sing-guard": "Qwen3VLForConditionalGeneration",
    "nemotron-content-safety": "Gemma3ForConditionalGeneration",
    "safeguard-vl-rl": "Qwen2_5_VLForConditionalGeneration",
}


@pytest.mark.parametrize("name", WORDS)
def test_p_unsafe_is_that_of_the_two_words_token_by_token(name: str) -> None:
    guard, image = small(name), pictures(1)[0]
    unsafe, safe = (by_hand(guard, image, "violence", WORDS[name][0], word) for word in WORDS[name][1:])
    found = judge(guard, [image])[0]
    assert found.p_unsafe == pytest.approx(unsafe / (unsafe + safe), rel=1e-4) and found.note == ""
    assert type(guard.loaded.model).__name__ == CLASSES[name]
    several = token_probability.find(guard.loaded.processor.tokenizer, *WORDS[name])
    assert max(map(len, several[1:])) > 1, "a word of several tokens is what this is about"


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("fidelity", ["trained", "common"])
def test_a_batch_equals_single_images(name: str, fidelity: str) -> None:
    settings = {} if fidelity == "trained" else {"fidelity": "common"}
    guard, images, categories = small(name, **settings), pictures(4), [SLUGS[k % 3] for k in range(4)]
    together = shares(judge(guard, images, categories))
    alone = [shares(judge(guard, [image], slug))[0] for image, slug in zip(images, categories, strict=True)]
    assert np.abs(np.subtract(together, alone)).max() < BOUND and np.ptp(together) > 10 * BOUND
    back = shares(judge(guard, images[::-1], categories[::-1]))[::-1]
    assert np.abs(np.subtract(together, back)).max() < BOUND


@pytest.mark.parametrize("name", ["llavaguard", "qwenguard", "llama-guard-3-vision"])
def test_images_of_several_sizes_in_a_batch(name: str) -> None:
    """Tiles and patches differ in number then."""
    rng = np.random.default_rng(0)
    images = [encode(rng.integers(0, 256, (*size, 3)).astype(np.uint8)) for size in ((64, 64), (99, 40), (30, 120))]
    alone = [shares(judge(small(name), [image]))[0] for image in images]
    assert shares(judge(small(name), images)) == pytest.approx(alone, abs=BOUND)


@pytest.mark.parametrize("name", ["llavaguard", "policy-shift-guard", "llama-guard-3-vision"])
def test_forward_passes(name: str) -> None:
    """One a batch, or two where both words are several tokens; nothing is decoded."""
    guard, passes = small(name, batch_size="2"), []
    model = guard.loaded.model
    model.register_forward_hook(lambda _, __, output: passes.append(output.logits.shape[0]))
    judge(guard, pictures(3))
    several = min(map(len, token_probability.find(guard.loaded.processor.tokenizer, *WORDS[name])[1:])) > 1
    assert passes == ([2, 2, 1, 1] if several else [2, 1])


@pytest.mark.parametrize("name", ["llavaguard", "shieldgemma", "classifier", "clip", "chat-vlm", "llama-guard-4"])
def test_units_one_after_another_have_the_verdicts_that_they_have_alone(name: str) -> None:
    """In threads that prepare them ahead; among them units with nothing that is covered, and with a broken image."""
    guard, several = small(name, batch_size="2"), pictures(7)
    units = [
        (several[:5], ["violence"] * 5),
        ([], []),
        (several[5:], ["disasters", "disasters"]),
        ([several[0], Picture(b"no image"), *several[1:3]], ["hate", "violence", "violence", "hate"]),
    ]
    found = [judged.verdicts for judged in guard.judge_each(units)]
    assert found == [judge(guard, *unit) for unit in units]
    assert found[3][1].note == "refused_by_processor"


def test_common_is_the_same_question_for_all() -> None:
    for name in WORDS:
        if name != "llama-guard-4":
            assert small(name, fidelity="common").asked("hate") == question("hate")


@pytest.mark.parametrize("name", ["sing-guard", "nemotron-content-safety"])
def test_a_template_gets_the_policy_of_the_category(name: str) -> None:
    """Of whatever taxonomy; a batch is of one category, and `chat_template_kwargs` come on top."""
    road = Taxonomy("road", "1.0", (Category("litter", "Litter", "Things left.", ("Cans.",), ("Bins.",)),))
    guard = small(name).under(road)
    inputs = asked(guard, pictures(1), "litter")
    text = guard.loaded.processor.tokenizer.decode(inputs["input_ids"][0])
    assert guard.asked("litter") in text and "Cans." in text and "Bins." in text and guard.covers("litter")
    policy, thinking = ("policy", "thinking_type") if name == "sing-guard" else ("custom_policy", "enable_thinking")
    assert {"sing-guard": "(fast)", "nemotron-content-safety": "/no_categories"}[name] in text and "Think" not in text
    own = small(name, chat_template_kwargs=f'{{"{policy}": "Mine.", "{thinking}": true}}')
    sent = own.template_kwargs("hate")
    assert sent[policy] == "Mine." and sent[thinking] is True
    slugs = [question.policy for question in small(name).questions(pictures(3), ["hate", "hate", "nudity"])]
    assert slugs == ["hate", "hate", "nudity"]
    common = small(name, fidelity="common")
    assert common.template_kwargs("hate") == {} and common.asked("hate") == question("hate")


def test_the_policy_of_sing_guard_is_its_markdown() -> None:
    road = Category(
        "litter", "Litter", "Things left.", ("Cans.",), ("Bins.",), never=("Fire.",), default_only=("Mud.",)
    )
    assert small("sing-guard").policy(road) == (
        "### A. Litter\n- Things left.\n- Fire.\n- Cans.\n\n### Safe\n- Mud.\n- Bins."
    )


def test_the_prompt_is_the_users_file() -> None:
    guard = small("llavaguard")
    assert guard.fidelity == "trained" and "{policy}" not in guard.asked("hate")
    assert "Hate, Humiliation, Harassment" in guard.asked("hate")
    assert guard.asked("hate").startswith("Judge the image by this policy")


def test_little_mass_is_no_verdict_and_keeps_the_words() -> None:
    found = judge(small("llavaguard", least_mass="0.9"), pictures(1))[0]
    assert found.p_unsafe is None and found.note == "no_verdict" and ":0." in found.raw


def test_an_image_that_it_refuses() -> None:
    found = judge(small("policy-shift-guard"), [*pictures(1), Picture(b"no image")])
    assert [verdict.note for verdict in found] == ["", "refused_by_processor"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fidelity": "own"}, "fidelity = 'own': expected 'trained' or 'common'"),
        (
            {},
            "^llavaguard needs the prompt that it was trained on: save it from the card of https://huggingface.co/AIML-"
            "TUDA/LlavaGuard-v1.2-7B-OV-hf and give --set prompt=FILE; or ask it .*: --set fidelity=common$",
        ),
        ({"prompt": "nowhere.txt"}, "prompt = 'nowhere.txt': no such file; save the prompt in the card of AIML-TUDA/"),
        ({"fidelity": "common", "max_tokens": -1}, "max_tokens = -1, top_logprobs = 20: expected 0 or more, and 0 to"),
        ({"fidelity": "common", "forced": "yes"}, "forced = 'yes': expected 'choice' or 'prefill', or nothing"),
        ({"fidelity": "common", "forced": "prefill"}, "the first word of llavaguard is its verdict; leave forced out"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        LlavaGuard("folder", **settings)  # type: ignore[arg-type]


def test_models_of_another_kind_or_broken(tmp_path: Path) -> None:
    guard = LlavaGuard(str(folder_of("llama-guard-3-vision")), fidelity="common")
    with pytest.raises(SafetyPairsError, match="holds MllamaForConditionalGeneration, and this needs LlavaOnevision"):
        judge(guard, pictures(1))
    for file in folder_of("llavaguard").iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(
        SafetyPairsError, match=r"does not load: OSError: .*model\.safetensors"
    ):  # and not an abstention for every image
        judge(LlavaGuard(str(tmp_path), fidelity="common"), pictures(1))
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(SafetyPairsError, match="has no chat template"):
        judge(LlavaGuard(str(tmp_path), fidelity="common"), pictures(1))


def test_state() -> None:
    guard = small("qwenguard")
    assert (guard.name, guard.family, guard.holds_model) == ("llavaguard:qwenguard", "llavaguard", True)
    assert guard.revision.startswith("folder:")
    copy = pickle.loads(pickle.dumps(guard))
    first = shares(judge(copy, pictures(1)))
    copy.release()
    assert copy == guard and shares(judge(copy, pictures(1))) == pytest.approx(first, abs=BOUND)
    assert judge(guard, []) == []
