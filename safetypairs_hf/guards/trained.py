"""What the guards that are chat models have in common: two ways to be asked, and one forward pass for a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards import token_probability, verdicts
from safetypairs_hf.guards.base import Batched, Question
from safetypairs_hf.guards.chat_vlm import Written, write
from safetypairs_hf.guards.verdicts import Reader
from safetypairs_hf.models.chat import Chat, as_pil, basename, load_chat, turn
from safetypairs_hf.models.loading import let_go, revision_of
from safetypairs_hf.taxonomy import crosswalk, policies
from safetypairs_hf.taxonomy.categories import category as find_category


@dataclass(frozen=True)
class ChatGuard(Batched):
    """A guard model with a prompt of its own.

    Abstains also with "no_verdict"; where it writes, also with the reasons in `answers`.

    Args:
        model: a folder, or a Hub id with `commit`.
        fidelity: "trained" asks by the prompt that it was trained on, "common" by our policy text, the same for all
            (yes_no.question); "" is trained where that prompt is there.
        prompt: a file with the trained prompt, for the guards whose chat template does not hold it. `{policy}` and
            `{category}` in it become our policy text and the category's name.
        generate: 0 reads the verdict from one forward pass; else, at `trained`, the guard writes at most so many
            tokens, the verdict is found in them, and `raw` has the text.
        batch_size: images in a forward pass; halved where memory runs out.
        least_mass: below this much probability on both verdicts together it abstains with "no_verdict".
        device: "auto" takes a GPU where there is one.
    """

    model: str
    commit: str | None = None
    fidelity: str = ""
    prompt: str = ""
    generate: int = 0
    batch_size: int = 8
    least_mass: float = verdicts.LEAST_MASS
    device: str = "auto"
    holds_model: ClassVar[bool] = True
    kind: ClassVar[str]
    family: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    # Whether its chat template holds the trained prompt; else it comes from a file.
    has_prompt: ClassVar[bool] = False
    # What it writes before its verdict, and the verdict's two words.
    before: ClassVar[str] = ""
    unsafe: ClassVar[str]
    safe: ClassVar[str]
    read: ClassVar[Reader]

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

    @property
    def name(self) -> str:
        return f"{self.kind}:{basename(self.model)}"

    @cached_property
    def revision(self) -> str:
        return revision_of(self.model, self.commit)

    def release(self) -> None:
        """Let go of the model; it loads again when next asked."""
        let_go(self, "_chat")

    def covers(self, slug: str) -> bool:
        """Whether it has anything for a category, as it is asked."""
        return True

    def asked(self, slug: str) -> str:
        """The text that it is asked under a category; "" where its chat template says all."""
        if self.fidelity == "common":
            return verdicts.question(slug)
        return self._file.replace("{policy}", policies.text(slug)).replace("{category}", find_category(slug).name)

    def turns(self, image: Any, slug: str) -> list[dict[str, Any]]:
        """The conversation up to the answer, as chat templates take it."""
        return turn(image, self.asked(slug))

    def words_before(self, inputs: Any) -> str:
        """What is written before the verdict."""
        return self.before

    @cached_property
    def _file(self) -> str:
        return Path(self.prompt).read_text("utf-8") if self.prompt else ""

    @cached_property
    def _chat(self) -> Chat:
        return load_chat(self.model, self.commit, self.device, self.classes)

    def _questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        asked = enumerate(zip(images, slugs, strict=True))
        return [Question(number, image, slug) for number, (image, slug) in asked if self.covers(slug)]

    def _load(self) -> Chat:
        return self._chat

    def _inputs(self, questions: Sequence[Question]) -> Any:
        return self._chat.prepared([self.turns(as_pil(each.image), each.slug) for each in questions])

    def _verdicts(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        inputs, tokenizer = self._chat.moved(inputs), self._chat.processor.tokenizer
        if self.fidelity == "common":
            answers = verdicts.answer_ids(tokenizer.get_vocab(), self.model)
            logits = self._chat.next_logits(inputs)
            return verdicts.from_logits(logits, *answers, tokenizer.convert_ids_to_tokens, self.least_mass)
        if self.generate:
            return self.written(inputs)
        found = token_probability.find(tokenizer, self.words_before(inputs), self.unsafe, self.safe)
        return token_probability.verdicts(self._chat, inputs, [found] * len(inputs["input_ids"]), self.least_mass)

    def written(self, inputs: Any) -> list[Verdict]:
        """The verdicts of what it writes."""
        return [type(self).read(*answer)[0] for answer in write(self._chat, inputs, self.generate)]


@dataclass(frozen=True)
class LlavaGuard(ChatGuard):
    """P(unsafe) = P(Unsafe) / (P(Unsafe) + P(Safe)) where its JSON has the rating.

    At `trained` the prompt, which is on the model's card, is one policy of all nine categories, so the rating is of any
    of them; the guard covers every category.
    """

    model: str = "AIML-TUDA/LlavaGuard-v1.2-7B-OV-hf"
    kind: ClassVar[str] = "llavaguard"
    family: ClassVar[str] = "llavaguard"
    classes: ClassVar[tuple[str, ...]] = (
        "LlavaOnevisionForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
    )
    # As the JSON template in its prompt is laid out.
    before: ClassVar[str] = '{\n    "rating": "'
    unsafe: ClassVar[str] = "Unsafe"
    safe: ClassVar[str] = "Safe"
    read: ClassVar[verdicts.Reader] = staticmethod(verdicts.rating)


@dataclass(frozen=True)
class LlamaGuard(ChatGuard):
    """P(unsafe) = P(unsafe) / (P(unsafe) + P(safe)) at the start of its answer.

    At `trained` its chat template gives the policy, of all its categories, so the verdict is of any of them; a category
    of ours that it has nothing for is not covered (crosswalk). At `common` it is asked by our policy text, which covers
    all.

    Args:
        said: what the user says beside the image; "" shows the image alone.
        hazards: whose list of categories it is, "llama-guard-4" or "llama-guard-3-vision".
    """

    model: str = "meta-llama/Llama-Guard-4-12B"
    said: str = ""
    hazards: str = "llama-guard-4"
    kind: ClassVar[str] = "llama-guard"
    family: ClassVar[str] = "llama-guard"
    classes: ClassVar[tuple[str, ...]] = ("MllamaForConditionalGeneration", "Llama4ForConditionalGeneration")
    has_prompt: ClassVar[bool] = True
    unsafe: ClassVar[str] = "unsafe"
    safe: ClassVar[str] = "safe"
    read: ClassVar[verdicts.Reader] = staticmethod(verdicts.safe_or_unsafe)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hazards.startswith("llama-guard-") or self.hazards not in crosswalk.GUARDS:
            raise RecipeError(f"hazards = {self.hazards!r}: expected 'llama-guard-4' or 'llama-guard-3-vision'")

    def covers(self, slug: str) -> bool:
        return self.fidelity == "common" or crosswalk.match(self.hazards, slug).extent != crosswalk.NOT_COVERED

    def asked(self, slug: str) -> str:
        return self.said if self.fidelity == "trained" else super().asked(slug)

    def words_before(self, inputs: Any) -> str:
        """The two line breaks that follow every header of Llama, where the chat template leaves them to the model."""
        tokenizer = self._chat.processor.tokenizer
        end = tokenizer.decode(inputs["input_ids"][0, -1:].tolist())
        return "" if end.endswith("\n") else "\n\n"


@dataclass(frozen=True)
class PolicyShiftGuard(ChatGuard):
    """P(unsafe) = P(true) / (P(true) + P(false)) at the start of its answer.

    Its trained prompt is a policy and how to answer; both are in its repo. `{policy}` in the file stands for ours.
    """

    model: str = "PolicyShiftGuard/PolicyShiftGuard-7B"
    kind: ClassVar[str] = "policy-shift-guard"
    family: ClassVar[str] = "policy-shift-guard"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    unsafe: ClassVar[str] = "true"
    safe: ClassVar[str] = "false"
    read: ClassVar[verdicts.Reader] = staticmethod(verdicts.true_or_false)


# In the place of an answer that has no verdict to weigh.
_NOTHING = token_probability.Words((), (0,), (1,))


@dataclass(frozen=True)
class GuardReasonerVL(ChatGuard):
    """P(unsafe) = P(harmful) / (P(harmful) + P(unharmful)) where, after its reasoning, its result has the word.

    At `trained` the file is its instruction, which becomes the system message; the image is what the human says to an
    assistant that has not answered. At `common` it is asked for a Yes or No, with no reasoning.

    Args:
        generate: the most tokens that it may write; one that has no verdict by then abstains with "cut_off".
    """

    model: str = "yueliu1999/GuardReasoner-VL-7B"
    generate: int = 2048
    kind: ClassVar[str] = "guard-reasoner-vl"
    family: ClassVar[str] = "guard-reasoner"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    unsafe: ClassVar[str] = "harmful"
    safe: ClassVar[str] = "unharmful"
    read: ClassVar[verdicts.Reader] = staticmethod(verdicts.harmful)

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
        return self.weighed(inputs, write(self._chat, inputs, self.generate))

    def weighed(self, inputs: Any, written: list[Written]) -> list[Verdict]:
        """The verdicts of what was written after `inputs`: where the word is, both words are weighed in one pass."""
        tokenizer, read = self._chat.processor.tokenizer, [verdicts.harmful(*answer) for answer in written]
        if all(place is None for _, place in read):
            return [verdict for verdict, _ in read]
        # The text's own tokens, so that the weight is of the words after exactly what is kept as `raw`.
        rows = [
            _NOTHING
            if place is None
            else token_probability.find(tokenizer, answer.text[:place], self.unsafe, self.safe)
            for answer, (_, place) in zip(written, read, strict=True)
        ]
        weighed = token_probability.verdicts(self._chat, inputs, rows, 0.0)
        return [
            verdict if place is None else Verdict(share.p_unsafe, share.note, verdict.raw)
            for (verdict, place), share in zip(read, weighed, strict=True)
        ]
