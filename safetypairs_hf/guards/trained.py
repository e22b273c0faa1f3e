"""Chat models that were trained as guards: LlavaGuard, Llama Guard, PolicyShiftGuard and GuardReasoner-VL.

Each is asked in one of two ways. At fidelity "trained" it gets the prompt of its training and gives its verdict in the
words of its training, which are weighed in one forward pass, or read from what it writes. At fidelity "common" it is
asked for a Yes or No to our policy text, as any chat model is (`chat_vlm`).
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
from safetypairs_hf.guards import token_probability, verdicts
from safetypairs_hf.guards.base import Question
from safetypairs_hf.guards.chat_vlm import ChatGuard, Written, write
from safetypairs_hf.taxonomy import crosswalk


@dataclass(frozen=True)
class TrainedGuard(ChatGuard):
    """A chat model that was trained as a guard, with a prompt of its own.

    Abstains also with "no_verdict"; where it writes, also with the reasons that the readers in `verdicts` give.

    Args (see `ModelGuard` for the others):
        fidelity: "trained" asks by the prompt that it was trained on, "common" by our policy text, the same for all
            (verdicts.question); "" is trained where that prompt is there.
        prompt: a file with the trained prompt, for the guards whose chat template does not hold it. `{policy}` and
            `{category}` in it become our policy text and the category's name.
        generate: 0 reads the verdict from one forward pass; else, at `trained`, the guard writes at most so many
            tokens, the verdict is found in them, and `raw` has the text.
        least_mass: below this much probability on both verdicts together it abstains with "no_verdict".

    Raises:
        RecipeError: another fidelity, or a trained prompt that is missing, is no file, or is not needed.
    """

    model: str
    commit: str | None = None
    fidelity: str = ""
    prompt: str = ""
    generate: int = 0
    batch_size: int = 8
    least_mass: float = verdicts.LEAST_MASS
    device: str = "auto"
    family: ClassVar[str]
    # Whether its chat template holds the trained prompt; else a file does.
    has_prompt: ClassVar[bool] = False
    # Whether it was trained to judge by whatever policy it is given.
    takes_policies: ClassVar[bool] = False
    # What it writes before its verdict, and how its verdict is read in what it writes.
    before: ClassVar[str] = ""
    reading: ClassVar[verdicts.Reading]

    def __post_init__(self) -> None:
        if self.fidelity not in ("", "trained", "common"):
            raise RecipeError(f"fidelity = {self.fidelity!r}: expected 'trained' or 'common'")
        if self.prompt and self.has_prompt:
            raise RecipeError(f"{self.kind} has its trained prompt in its chat template; leave out prompt")
        if self.prompt and not Path(self.prompt).is_file():
            raise RecipeError(f"prompt = {self.prompt!r}: no such file; save the prompt of the model's card there")
        trained = self.has_prompt or bool(self.prompt)
        if self.fidelity == "trained" and not trained:
            raise RecipeError(
                f"{self.kind} at fidelity 'trained' needs the prompt that it was trained on: save it from the model's "
                "card and give prompt=FILE, or choose fidelity=common"
            )
        object.__setattr__(self, "fidelity", self.fidelity or ("trained" if trained else "common"))

    def asked(self, slug: str) -> str:
        if self.fidelity == "common":
            return super().asked(slug)
        category = self.taxonomy.find(slug)
        return self._file.replace("{policy}", category.policy()).replace("{category}", category.name)

    @property
    def expects(self) -> str:
        if self.fidelity == "common":
            return verdicts.YES_OR_NO
        return f"the word {self.reading.unsafe!r} or {self.reading.safe!r} where the answers of its training have it"

    def covers(self, slug: str) -> bool:
        """Whether it was trained on what a category maps to, or to judge by any policy that its prompt gives it."""
        any_policy = self.takes_policies and "{policy}" in self._file
        return self.fidelity == "common" or any_policy or bool(self.taxonomy.find(slug).maps_to)

    def words_before(self, inputs: Any) -> str:
        """Return what it writes between its prompt and its verdict."""
        return self.before

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        inputs = self.loaded.moved(inputs)
        if self.fidelity == "common":
            return self.yes_or_no(inputs)
        if self.generate:
            return self.written(inputs)
        tokenizer = self.loaded.processor.tokenizer
        found = token_probability.find(tokenizer, self.words_before(inputs), self.reading.unsafe, self.reading.safe)
        return token_probability.verdicts(self.loaded, inputs, [found] * len(inputs["input_ids"]), self.least_mass)

    def written(self, inputs: Any) -> list[Verdict]:
        """Let it write its answers, and return the verdicts in them."""
        return [verdicts.read(self.reading, *answer)[0] for answer in write(self.loaded, inputs, self.generate)]

    @cached_property
    def _file(self) -> str:
        if not self.prompt:
            return ""
        with reading(f"prompt = {self.prompt!r}", "give a text file in UTF-8", RecipeError):
            return read_text(self.prompt, MOST_SETTING_BYTES)


@dataclass(frozen=True)
class LlavaGuard(TrainedGuard):
    """P(unsafe) = P(Unsafe) / (P(Unsafe) + P(Safe)) where its JSON has the rating.

    Its trained prompt is on the model's card. It is one policy of all nine categories, so its rating is the same under
    any of them, and it covers every category that maps to one of them.
    """

    model: str = "AIML-TUDA/LlavaGuard-v1.2-7B-OV-hf"
    kind: ClassVar[str] = "llavaguard"
    family: ClassVar[str] = "llavaguard"
    classes: ClassVar[tuple[str, ...]] = (
        "LlavaOnevisionForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
    )
    # The layout of the JSON template in its prompt.
    before: ClassVar[str] = '{\n    "rating": "'
    reading: ClassVar[verdicts.Reading] = verdicts.RATING


@dataclass(frozen=True)
class LlamaGuard(TrainedGuard):
    """P(unsafe) = P(unsafe) / (P(unsafe) + P(safe)) at the start of its answer.

    Its trained prompt is in its chat template: one policy of all its categories, so its verdict is the same under any
    of them. A category of ours that its policy has nothing for is not covered (crosswalk). Our policy text, at
    `common`, covers all.

    Args:
        said: the user's text next to the image; "" shows the image alone.
        hazards: the list of categories in its policy, "llama-guard-4" or "llama-guard-3-vision".
    """

    model: str = "meta-llama/Llama-Guard-4-12B"
    said: str = ""
    hazards: str = "llama-guard-4"
    kind: ClassVar[str] = "llama-guard"
    family: ClassVar[str] = "llama-guard"
    classes: ClassVar[tuple[str, ...]] = ("MllamaForConditionalGeneration", "Llama4ForConditionalGeneration")
    has_prompt: ClassVar[bool] = True
    reading: ClassVar[verdicts.Reading] = verdicts.SAFE_OR_UNSAFE

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

    Its trained prompt is a policy, and a text that says how to answer; both are in its repo. `{policy}` in the file
    stands for our policy text.
    """

    model: str = "PolicyShiftGuard/PolicyShiftGuard-7B"
    kind: ClassVar[str] = "policy-shift-guard"
    takes_policies: ClassVar[bool] = True
    family: ClassVar[str] = "policy-shift-guard"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    reading: ClassVar[verdicts.Reading] = verdicts.TRUE_OR_FALSE


# Stands for the words of an answer that has no verdict to weigh.
_NO_WORDS = token_probability.Words((), (0,), (1,))


@dataclass(frozen=True)
class GuardReasonerVL(TrainedGuard):
    """P(unsafe) = P(harmful) / (P(harmful) + P(unharmful)) where, after its reasoning, its result has the word.

    Its trained prompt is its instruction, which becomes the system message; the image is the request of a user to an
    assistant that has not answered yet. At `common` it is asked for a Yes or No, and does not reason.

    Args:
        generate: the most tokens that it may write; it abstains with "cut_off" where its verdict comes later.
    """

    model: str = "yueliu1999/GuardReasoner-VL-7B"
    generate: int = 2048
    kind: ClassVar[str] = "guard-reasoner-vl"
    family: ClassVar[str] = "guard-reasoner"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    reading: ClassVar[verdicts.Reading] = verdicts.HARMFUL

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.generate < 1:
            raise RecipeError(f"generate = {self.generate}: it reasons before its verdict; give at least 1 token")

    def turns(self, image: Any, slug: str) -> list[dict[str, Any]]:
        if self.fidelity == "common":
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

    def written(self, inputs: Any) -> list[Verdict]:
        return self.weighed(inputs, write(self.loaded, inputs, self.generate))

    def weighed(self, inputs: Any, written: list[Written]) -> list[Verdict]:
        """Weigh both words of the verdict where one of them was written; one forward pass for all answers.

        Args:
            inputs: the prompts.
            written: the answers, one for each row of `inputs`.
        """
        tokenizer, read = self.loaded.processor.tokenizer, [verdicts.read(self.reading, *answer) for answer in written]
        if all(place is None for _, place in read):
            return [verdict for verdict, _ in read]
        # By the tokens of the text, so that the words are weighed after exactly what is kept as `raw`.
        rows = [
            _NO_WORDS
            if place is None
            else token_probability.find(tokenizer, answer.text[:place], self.reading.unsafe, self.reading.safe)
            for answer, (_, place) in zip(written, read, strict=True)
        ]
        weighed = token_probability.verdicts(self.loaded, inputs, rows, 0.0)
        return [
            verdict if place is None else Verdict(share.p_unsafe, share.note, verdict.raw)
            for (verdict, place), share in zip(read, weighed, strict=True)
        ]
