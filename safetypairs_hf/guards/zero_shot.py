"""CLIP and SigLIP as guards without training: compare an image with texts that a policy forbids and allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from safetypairs_hf.core.errors import RecipeError, cut, printable
from safetypairs_hf.core.foreign_text import are_texts, read_yaml, reading
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.base import Loaded, ModelGuard, Question
from safetypairs_hf.guards.by_category import by_slug
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.models.loading import MODEL, check_class, pick_device, pick_dtype
from safetypairs_hf.models.processors import count_tokens
from safetypairs_hf.taxonomy.categories import Category
from safetypairs_hf.taxonomy.nine import NINE


class Sides(NamedTuple):
    """The texts of a category: descriptions of unsafe images and of safe ones."""

    unsafe: tuple[str, ...]
    safe: tuple[str, ...]


@dataclass(frozen=True)
class ZeroShot(ModelGuard[Loaded]):
    """P(unsafe) = softmax over two sides; a side's weight is the mean of exp(similarity) over its texts.

    The mean makes the result independent of the number of texts on a side. Similarities are the model's
    `logits_per_image`. `raw` has the nearest text.

    CLIP reads the first 77 tokens of a text and SigLIP the first 64. The texts of the nine categories are far shorter.
    A longer text in `prompts` or in your own taxonomy is an error, because its end would be ignored.

    Args (see `ModelGuard` for the others):
        model: A folder or a Hub id of a CLIPModel or a SiglipModel.
        prompts: A YAML file, category -> {unsafe: [texts], safe: [texts]}. A category is not covered unless it, or a
            category that it maps to, is in the file. "" uses the lists in the taxonomy's policies of what an image
            should not show and what it can show.
    """

    model: str = "openai/clip-vit-large-patch14"
    commit: str | None = None
    prompts: str = ""
    batch_size: int = 32
    device: str = "auto"
    kind: ClassVar[str] = "zero-shot"
    by_taxonomy: ClassVar[tuple[str, ...]] = ("sides", "_read_whole")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prompts:
            _from_file(self.prompts)  # report a mistake in the file at once

    @property
    def fidelity(self) -> str:
        return "trained" if self.prompts else "common"

    @cached_property
    def sides(self) -> Mapping[str, Sides]:
        """The texts of each covered category."""
        if self.prompts:
            return by_slug(_from_file(self.prompts), self.taxonomy)
        return {category.slug: _from_policy(category) for category in self.taxonomy.categories}

    def covers(self, slug: str) -> bool:
        return slug in self.sides

    def asked(self, slug: str) -> str:
        """Return the texts that images are compared with under a category; "" if it is not covered."""
        if slug not in self.sides:
            return ""
        return "\n".join(("unsafe:", *self.sides[slug].unsafe, "safe:", *self.sides[slug].safe))

    def load(self) -> Loaded:
        from transformers import AutoModel, AutoProcessor

        self._check_class()
        where = pick_device(self.device)
        processor = AutoProcessor.from_pretrained(self.model, revision=self.commit)
        model = AutoModel.from_pretrained(self.model, revision=self.commit, dtype=pick_dtype(where))
        return Loaded(processor, model.to(where).eval())

    def _check_class(self) -> None:
        check_class(self.model, self.commit, MODEL, ("CLIPModel", "SiglipModel"))

    def check_model(self) -> None:
        super().check_model()
        if self._own_texts:
            from transformers import AutoConfig, AutoTokenizer

            config = AutoConfig.from_pretrained(self.model, revision=self.commit)
            self._refuse_long(AutoTokenizer.from_pretrained(self.model, revision=self.commit), config)

    def _load(self) -> Loaded:
        loaded = super()._load()
        _ = self._read_whole
        return loaded

    @property
    def _own_texts(self) -> bool:
        return bool(self.prompts) or self.taxonomy != NINE

    @cached_property
    def _read_whole(self) -> bool:
        """Whether the model reads every text to its end. An error is raised if it does not."""
        if self._own_texts:
            self._refuse_long(self.loaded.processor.tokenizer, self.loaded.model.config)
        return True

    def _refuse_long(self, tokenizer: Any, config: Any) -> None:
        most = config.text_config.max_position_embeddings
        for slug, sides in self.sides.items():
            for text in (*sides.unsafe, *sides.safe):
                if (tokens := count_tokens(tokenizer, text)) > most:
                    raise RecipeError(
                        f"{slug}: the text {cut(printable(text), 60)!r} has {tokens} tokens, and {self.model} reads "
                        f"{most}; shorten it, or make several texts of it"
                    )

    def questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        """Return a question for each image. A batch has one category, whose texts are the model's other input."""
        return [
            Question(number, images[number], slug, slug)
            for slug in dict.fromkeys(slugs)
            if self.covers(slug)
            for number, other in enumerate(slugs)
            if other == slug
        ]

    def prepare(self, questions: Sequence[Question]) -> Any:
        processor, model = self.loaded
        made = processor.image_processor([as_pil(each.image) for each in questions], return_tensors="pt")
        return made.to(dtype=model.dtype)

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        import torch

        processor, model = self.loaded
        sides = self.sides[questions[0].policy]
        written = [*sides.unsafe, *sides.safe]
        texts = processor.tokenizer(
            written,
            padding="max_length",  # as in SigLIP's training; CLIP reads its output at the end of the text in any case
            max_length=model.config.text_config.max_position_embeddings,
            truncation=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            likeness = model(**inputs.to(model.device), **texts.to(model.device)).logits_per_image.double()
        weights = [
            part.logsumexp(dim=1) - torch.tensor(part.shape[1]).log()
            for part in likeness.tensor_split([len(sides.unsafe)], 1)
        ]
        shares = torch.stack(weights, dim=1).softmax(dim=1)[:, 0].tolist()
        return [
            Verdict(share, "", written[best]) if share == share else Verdict(None, "broken_output")
            for share, best in zip(shares, likeness.argmax(dim=1).tolist(), strict=True)
        ]


def _from_policy(category: Category) -> Sides:
    return Sides(category.never + category.should_not, category.default_only + category.can)


def _from_file(path: str) -> dict[str, Sides]:
    wanted = "expected YAML such as 'nudity: {unsafe: [a bare body], safe: [a person in clothes]}'"
    with reading(f"prompts = {path!r}", wanted, RecipeError):
        found = read_yaml(path)
    if not isinstance(found, dict) or not found:
        raise RecipeError(f"prompts = {path!r}: no categories in it; {wanted}")
    sides = {}
    for key, value in found.items():
        lists = [value.get(side) if isinstance(value, dict) else None for side in Sides._fields]
        if not all(map(are_texts, lists)):
            raise RecipeError(
                f"prompts = {path!r}: {printable(key)!r} has no list 'unsafe' or no list 'safe' of texts; {wanted}"
            )
        sides[key] = Sides(*(tuple(texts) for texts in lists if texts))
    return sides
