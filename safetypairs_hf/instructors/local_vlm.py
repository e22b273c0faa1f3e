"""An instructor in this process, on any chat vision-language model of transformers."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.ids import derived_seed
from safetypairs_hf.core.records import Answer, Candidate, Reject
from safetypairs_hf.instructors.coordinates import AUTO, PIXELS, Coordinates, check_convention, convention_of
from safetypairs_hf.instructors.parse import parse
from safetypairs_hf.instructors.prompt import question, schema
from safetypairs_hf.instructors.sampling import OwnNoise
from safetypairs_hf.models.adapters import base_of
from safetypairs_hf.models.chat import Chat, Refused, basename, check_chat, load_chat, unless_refused
from safetypairs_hf.models.loading import HoldsWeights, model_type
from safetypairs_hf.models.memory import in_batches
from safetypairs_hf.models.processors import resizing_of
from safetypairs_hf.taxonomy.binding import AsksByTaxonomy

_NO_XGRAMMAR = "grammar=True needs xgrammar: pip install 'safetypairs-hf[grammar]', or set grammar=False"


@dataclass(frozen=True)
class LocalVLM(HoldsWeights, AsksByTaxonomy):
    """Asks the model for the edit of each candidate, as JSON.

    Args:
        model: A folder, or a Hub id with `commit`.
        commit: The commit of the model on the Hub.
        batch_size: The number of candidates in a batch; halved if memory runs out.
        max_answer_tokens: The length at which an answer is cut off.
        temperature: 0 is greedy; above it each candidate samples with its own seed, a new one in each round.
        grammar: Force the answer into the schema while it is written; needs the package xgrammar. This is a setting,
            and does not follow from whether the package is installed, because it changes the answers.
        coordinates: How the model writes a region: "shares" of the image's width and height, "thousandths" of them, or
            "pixels" of the image as its processor resizes it. "auto" goes by the model's class; see `coordinates.py`.
        device: "auto" uses a GPU if there is one.
    """

    model: str
    commit: str | None = None
    batch_size: int = 8
    max_answer_tokens: int = 512
    temperature: float = 0.0
    grammar: bool = False
    device: str = "auto"
    coordinates: str = AUTO
    holds_model: ClassVar[bool] = True
    holds: ClassVar[tuple[str, ...]] = ("_chat", "_grammar", "_asked_for")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature < 0:
            raise RecipeError(f"temperature = {self.temperature}: give 0 (greedy) or more")
        check_convention(self.coordinates)

    @property
    def name(self) -> str:
        return f"chat-vlm:{basename(self.model)}"

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """Return one Answer for each candidate, in order. Rejects are those of `parse`, and "refused_by_processor".

        Raises:
            SafetyPairsError: There is no such model, it has an unsupported class, or xgrammar is needed and missing.
        """
        return [answer for answer, _ in in_batches(batch, self.batch_size, self._batch)]

    @property
    def read_from_model(self) -> dict[str, str] | None:
        """The convention of its coordinates, if the model's class decides it."""
        return {"coordinates": self._convention} if self.coordinates == AUTO else None

    def check_model(self) -> None:
        """Check the model as `HoldsWeights.check_model` does. A grammar also needs xgrammar."""
        super().check_model()
        if self.grammar and importlib.util.find_spec("xgrammar") is None:
            raise SafetyPairsError(_NO_XGRAMMAR)

    def _check_class(self) -> None:
        check_chat(self.model, self.commit)

    @cached_property
    def _convention(self) -> str:
        if self.coordinates != AUTO:
            return self.coordinates
        return convention_of(model_type(*(base_of(self.model, self.commit) or (self.model, self.commit))))

    @cached_property
    def _asked_for(self) -> Coordinates:
        if self._convention != PIXELS:
            return Coordinates(self._convention)
        resizing = resizing_of(self._chat.processor)
        if resizing is None:
            raise SafetyPairsError(
                f"coordinates = {self.coordinates!r}: the processor of {self.model} does not resize images as those of "
                "Qwen2.5-VL do; set coordinates=shares, or thousandths"
            )
        return Coordinates(PIXELS, *resizing)

    @cached_property
    def _chat(self) -> Chat:
        return load_chat(self.model, self.commit, self.device)

    @cached_property
    def _grammar(self) -> Any:
        """The compiled schema of an answer."""
        try:
            import xgrammar
        except ModuleNotFoundError as error:
            raise SafetyPairsError(_NO_XGRAMMAR) from error
        size = self._chat.model.config.get_text_config().vocab_size
        tokenizer = xgrammar.TokenizerInfo.from_huggingface(self._chat.processor.tokenizer, vocab_size=size)
        return xgrammar.GrammarCompiler(tokenizer).compile_json_schema(json.dumps(schema(self._asked_for)))

    def _batch(self, batch: Sequence[Candidate]) -> list[Answer]:
        chat = self._chat  # loaded here, because errors below count as images that the processor refuses

        wanted = self._asked_for

        def prepare(part: Sequence[Candidate]) -> tuple[Sequence[Candidate], Any]:
            asked = [question(each, self.taxonomy, wanted) for each in part]
            inputs = chat.inputs([each.unsafe for each in part], asked)
            _check_sizes(part, inputs, wanted)
            return part, inputs

        found = unless_refused(batch, prepare, lambda prepared: self._written(*prepared))
        return [
            Answer(Reject("instruct", "refused_by_processor", each.detail)) if isinstance(each, Refused) else each
            for each in found
        ]

    def _written(self, batch: Sequence[Candidate], inputs: Any) -> list[Answer]:
        import torch

        tokenizer = self._chat.processor.tokenizer
        with torch.inference_mode():
            out = self._chat.model.generate(
                **inputs,
                max_new_tokens=self.max_answer_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
                logits_processor=self._processors(batch),
            )
        prompts, ends = inputs["attention_mask"].sum(dim=1).tolist(), self._ends()
        answers = []
        for candidate, ids, prompt in zip(batch, out[:, inputs["input_ids"].shape[1] :].tolist(), prompts, strict=True):
            end = next((number for number, token in enumerate(ids) if token in ends), len(ids) - 1)
            raw = tokenizer.decode(ids[: end + 1], skip_special_tokens=True)
            height, width = candidate.unsafe.pixels.shape[:2]
            outcome = parse(raw, width, height, candidate.category, self.taxonomy, self._asked_for)
            answers.append(Answer(outcome, raw, prompt, end + 1))
        return answers

    def _ends(self) -> set[int]:
        """Return the tokens that end an answer."""
        found = self._chat.model.generation_config.eos_token_id
        several = found if isinstance(found, list) else [found]
        return {token for token in (*several, self._chat.processor.tokenizer.eos_token_id) if token is not None}

    def _processors(self, batch: Sequence[Candidate]) -> list[Any]:
        made: list[Any] = []
        if self.grammar:
            compiled = self._grammar
            from xgrammar.contrib.hf import LogitsProcessor

            made.append(LogitsProcessor(compiled))  # a new one, because it holds the state of one call
        if self.temperature > 0:
            seeds = [derived_seed(each.source_id, "instruct", each.round) for each in batch]
            made.append(OwnNoise(seeds, self.temperature))
        return made


def _check_sizes(batch: Sequence[Candidate], inputs: Any, coordinates: Coordinates) -> None:
    """Raise SafetyPairsError if the processor resized an image to another size than the coordinates assume."""
    if coordinates.convention != PIXELS:
        return
    patch = coordinates.factor / 2  # a token is two by two patches
    for candidate, (_, rows, columns) in zip(batch, inputs["image_grid_thw"].tolist(), strict=True):
        height, width = candidate.unsafe.pixels.shape[:2]
        given, counted = (columns * patch, rows * patch), coordinates.extent(width, height)
        if given != tuple(counted):
            raise SafetyPairsError(
                f"the processor brought an image of {width} x {height} pixels to {given[0]:g} x {given[1]:g}, and "
                f"{counted.right:g} x {counted.bottom:g} were expected; set coordinates=shares"
            )
