"""What the guards that are chat models have in common: two ways to be asked, and one forward pass for a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from safetypairs_hf import policies
from safetypairs_hf.errors import RecipeError
from safetypairs_hf.guards import words, yes_no
from safetypairs_hf.guards.answers import Reader
from safetypairs_hf.guards.batched import Batched, Question
from safetypairs_hf.guards.generated import write
from safetypairs_hf.models.chat import Chat, as_pil, basename, load_chat, turn
from safetypairs_hf.models.loading import let_go, revision_of
from safetypairs_hf.records import Picture, Verdict
from safetypairs_hf.taxonomy import category as find_category


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
    least_mass: float = yes_no.LEAST_MASS
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
            return yes_no.question(slug)
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
            answers = yes_no.answer_ids(tokenizer.get_vocab(), self.model)
            logits = self._chat.next_logits(inputs)
            return yes_no.from_logits(logits, *answers, tokenizer.convert_ids_to_tokens, self.least_mass)
        if self.generate:
            return self.written(inputs)
        found = words.find(tokenizer, self.words_before(inputs), self.unsafe, self.safe)
        return words.verdicts(self._chat, inputs, [found] * len(inputs["input_ids"]), self.least_mass)

    def written(self, inputs: Any) -> list[Verdict]:
        """The verdicts of what it writes."""
        return [type(self).read(*answer)[0] for answer in write(self._chat, inputs, self.generate)]
