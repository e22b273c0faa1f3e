"""Chat models that were trained as guards: LlavaGuard, Llama Guard, PolicyShiftGuard and GuardReasoner-VL.

Each can be asked in two ways. At fidelity "trained" it gets the prompt of its training and answers in the words of its
training, which are weighed in one forward pass, or read from the text that it writes. At fidelity "common" it is asked
for Yes or No to our policy text, like any chat model (`chat_vlm`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.foreign_text import MOST_SETTING_BYTES, read_text, reading
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.guards import token_probability, verdicts
from safetypairs_hf.guards.base import Question
from safetypairs_hf.guards.chat_vlm import ChatGuard
from safetypairs_hf.taxonomy import crosswalk


@dataclass(frozen=True)
class TrainedGuard(ChatGuard):
    """A chat model that was trained as a guard, with its own prompt.

    A subclass describes the prompt and the answer in the class variables below; the catalogue gives it a name. It also
    abstains with "no_verdict", and with the reasons of `verdicts.read` if it writes.

    Args (see `ChatGuard` for the others):
        fidelity: "trained" uses the prompt of the guard's training; "common" uses the taxonomy's policy text, the same
            for every guard.
        prompt: A file with the trained prompt, for guards whose chat template does not contain it. `{policy}` and
            `{category}` in the file become the taxonomy's policy text and the category's name.

    Raises:
        RecipeError: The fidelity is unknown, or a trained prompt is missing, is not a file, or is not needed.
    """

    fidelity: str = "trained"
    prompt: str = ""
    family: ClassVar[str]
    # The part of its Hub repo that has its trained prompt, "card" or "files"; "" if its chat template has it.
    prompt_in: ClassVar[str] = ""
    # Whether it was trained to judge by any policy in its prompt.
    takes_policies: ClassVar[bool] = False
    # At fidelity "trained", the text that it writes before its verdict, and how to read the verdict.
    trained_before: ClassVar[str] = ""
    trained_reading: ClassVar[verdicts.Reading]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fidelity not in ("trained", "common"):
            raise RecipeError(f"fidelity = {self.fidelity!r}: expected 'trained' or 'common'")
        if self.prompt and not self.prompt_in:
            raise RecipeError(f"{self.kind} has its trained prompt in its chat template; leave out prompt")
        repo = self.model if is_hub_id(self.model) else type(self).model
        if self.prompt and not Path(self.prompt).is_file():
            raise RecipeError(
                f"prompt = {self.prompt!r}: no such file; save the prompt in the {self.prompt_in} of {repo} there"
            )
        if self.is_trained and self.prompt_in and not self.prompt:
            raise RecipeError(
                f"{self.kind} needs the prompt that it was trained on: save it from the {self.prompt_in} of "
                f"https://huggingface.co/{repo} and give --set prompt=FILE; or ask it by our policy text, which is not "
                "how it was trained: --set fidelity=common"
            )

    @property
    def is_trained(self) -> bool:
        """Whether it is asked by the prompt of its training."""
        return self.fidelity == "trained"

    @property
    def reading(self) -> verdicts.Reading:
        return self.trained_reading if self.is_trained else verdicts.YES_NO

    @property
    def before(self) -> str:
        return self.trained_before if self.is_trained else ""

    def asked(self, slug: str) -> str:
        if not self.is_trained:
            return super().asked(slug)
        category = self.taxonomy.find(slug)
        return self._file.replace("{policy}", category.policy()).replace("{category}", category.name)

    @property
    def expects(self) -> str:
        if not self.is_trained:
            return verdicts.YES_OR_NO
        return f"the word {self.reading.unsafe!r} or {self.reading.safe!r} where the answers of its training have it"

    def covers(self, slug: str) -> bool:
        """Return whether it was trained on what a category maps to, or to judge by any policy in its prompt."""
        any_policy = self.takes_policies and "{policy}" in self._file
        return not self.is_trained or any_policy or bool(self.taxonomy.find(slug).maps_to)

    def words_before(self, inputs: Any) -> str:
        """Return the text that it writes between its prompt and its verdict."""
        return self.before

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        inputs = self.loaded.moved(inputs)
        if self.max_tokens or (self.is_trained and self.reasoning_tokens):
            return self.written(inputs)
        if not self.is_trained:
            return self.yes_or_no(inputs)
        tokenizer = self.loaded.processor.tokenizer
        found = token_probability.find(tokenizer, self.words_before(inputs), self.reading.unsafe, self.reading.safe)
        return token_probability.verdicts(self.loaded, inputs, [found] * len(inputs["input_ids"]), self.least_mass)

    @cached_property
    def _file(self) -> str:
        if not self.prompt:
            return ""
        with reading(f"prompt = {self.prompt!r}", "give a text file in UTF-8", RecipeError):
            return read_text(self.prompt, MOST_SETTING_BYTES)


@dataclass(frozen=True)
class LlavaGuard(TrainedGuard):
    """P(unsafe) = P(Unsafe) / (P(Unsafe) + P(Safe)) at the rating in its JSON.

    Its trained prompt is on the model's card. The prompt is one policy of all nine categories, so its rating is the
    same under any of them, and it covers every category that maps to one of them.
    """

    model: str = "AIML-TUDA/LlavaGuard-v1.2-7B-OV-hf"
    kind: ClassVar[str] = "llavaguard"
    prompt_in: ClassVar[str] = "card"
    family: ClassVar[str] = "llavaguard"
    classes: ClassVar[tuple[str, ...]] = (
        "LlavaOnevisionForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
    )
    # The layout of the JSON template in its prompt.
    trained_before: ClassVar[str] = '{\n    "rating": "'
    trained_reading: ClassVar[verdicts.Reading] = verdicts.RATING


@dataclass(frozen=True)
class LlamaGuard(TrainedGuard):
    """P(unsafe) = P(unsafe) / (P(unsafe) + P(safe)) at the start of its answer.

    Its trained prompt is in its chat template: one policy of all its categories, so its verdict is the same under any
    of them. A category that its policy does not include is not covered (crosswalk). At fidelity "common", our policy
    text covers all.

    Args:
        said: The text of the user's message next to the image; "" sends the image alone.
        hazards: The list of categories in the prompt's policy: "llama-guard-4" or "llama-guard-3-vision".
    """

    model: str = "meta-llama/Llama-Guard-4-12B"
    said: str = ""
    hazards: str = "llama-guard-4"
    kind: ClassVar[str] = "llama-guard"
    family: ClassVar[str] = "llama-guard"
    classes: ClassVar[tuple[str, ...]] = ("MllamaForConditionalGeneration", "Llama4ForConditionalGeneration")
    trained_reading: ClassVar[verdicts.Reading] = verdicts.SAFE_OR_UNSAFE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hazards.startswith("llama-guard-") or self.hazards not in crosswalk.GUARDS:
            raise RecipeError(f"hazards = {self.hazards!r}: expected 'llama-guard-4' or 'llama-guard-3-vision'")

    def covers(self, slug: str) -> bool:
        found = crosswalk.match(self.hazards, slug, self.taxonomy)
        return self.fidelity == "common" or found.extent != crosswalk.NOT_COVERED

    def asked(self, slug: str) -> str:
        return self.said if self.fidelity == "trained" else super().asked(slug)

    def words_before(self, inputs: Any) -> str:
        """Return the line breaks that follow every header of Llama, unless the chat template has written them."""
        tokenizer = self.loaded.processor.tokenizer
        end = tokenizer.decode(inputs["input_ids"][0, -1:].tolist())
        return "" if end.endswith("\n") else "\n\n"


@dataclass(frozen=True)
class PolicyShiftGuard(TrainedGuard):
    """P(unsafe) = P(true) / (P(true) + P(false)) at the start of its answer.

    Its trained prompt is a policy with a text that says how to answer; both are in its repo. `{policy}` in the file
    stands for our policy text.
    """

    model: str = "PolicyShiftGuard/PolicyShiftGuard-7B"
    kind: ClassVar[str] = "policy-shift-guard"
    prompt_in: ClassVar[str] = "files"
    takes_policies: ClassVar[bool] = True
    family: ClassVar[str] = "policy-shift-guard"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    trained_reading: ClassVar[verdicts.Reading] = verdicts.TRUE_OR_FALSE


@dataclass(frozen=True)
class GuardReasonerVL(TrainedGuard):
    """P(unsafe) = P(harmful) / (P(harmful) + P(unharmful)) at the result that follows its reasoning.

    Its trained prompt is its instruction, which becomes the system message. The image is the request of a user to an
    assistant that has not answered yet. It abstains with "cut_off" if its verdict would come after `max_tokens`. At
    fidelity "common" it is asked for Yes or No, and does not reason in this process.
    """

    model: str = "yueliu1999/GuardReasoner-VL-7B"
    kind: ClassVar[str] = "guard-reasoner-vl"
    prompt_in: ClassVar[str] = "card"
    reasoning_tokens: ClassVar[int] = 2048
    family: ClassVar[str] = "guard-reasoner"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    trained_reading: ClassVar[verdicts.Reading] = verdicts.HARMFUL

    def turns(self, image: Any, slug: str) -> list[dict[str, Any]]:
        if not self.is_trained:
            return super().turns(image, slug)
        said = [
            {"type": "text", "text": "Human user:\n"},
            {"type": "image", "image": image},
            {"type": "text", "text": "\n\nAI assistant:\nNone\n\n"},
        ]
        return [
            {"role": "system", "content": [{"type": "text", "text": self.asked(slug)}]},
            {"role": "user", "content": said},
        ]


@dataclass(frozen=True)
class GuardReasonerOmni(GuardReasonerVL):
    """GuardReasoner-Omni, on Qwen2.5-Omni: the words and turns of GuardReasoner-VL, with longer reasoning."""

    model: str = "zhu-thu-22/GuardReasoner-Omni-7B"
    kind: ClassVar[str] = "guard-reasoner-omni"
    reasoning_tokens: ClassVar[int] = 4096
    classes: ClassVar[tuple[str, ...]] = (
        "Qwen2_5OmniForConditionalGeneration",
        "Qwen2_5OmniThinkerForConditionalGeneration",
    )


@dataclass(frozen=True)
class SafeGuardVL(TrainedGuard):
    """P(unsafe) = P(unsafe) / (P(unsafe) + P(safe)) at the start of its answer, or at its stated judgment.

    Its trained prompt is on the model's card; `{policy}` in the file stands for our policy text. A version that reasons
    before its judgment needs `max_tokens`.
    """

    model: str = "tyodd/SafeGuard-VL-RL"
    kind: ClassVar[str] = "safeguard-vl-rl"
    prompt_in: ClassVar[str] = "card"
    takes_policies: ClassVar[bool] = True
    family: ClassVar[str] = "safeguard-vl"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    trained_reading: ClassVar[verdicts.Reading] = verdicts.SAFE_OR_UNSAFE
