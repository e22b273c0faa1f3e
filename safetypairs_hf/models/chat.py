"""Load any chat model of transformers that takes images, and run it in batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.records import Picture
from safetypairs_hf.models.adapters import adapted, base_of
from safetypairs_hf.models.loading import MODEL, check_class, pick_device, pick_dtype
from safetypairs_hf.models.memory import out_of_memory
from safetypairs_hf.models.processors import Copies, load_processor

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


class Refused(NamedTuple):
    """The error of a processor about an image that it does not accept."""

    detail: str


@dataclass(frozen=True)
class Chat:
    """A model with its processor. Prompts are padded on the left, so that the last position predicts the next token.

    The thread that runs the model uses `processor`; all other threads use `copies`.
    """

    model: Any
    processor: Any
    copies: Copies
    device: str

    def inputs(self, images: Sequence[Picture], texts: Sequence[str]) -> Any:
        """Return the tensors of one user turn for each image, image first, up to the start of the answer."""
        return self.moved(self.prepared([turn(as_pil(image), text) for image, text in zip(images, texts, strict=True)]))

    def prepared(self, chats: Sequence[Any], **template_kwargs: Any) -> Any:
        """Return the tensors of conversations up to the start of the answer, in CPU memory; works in any thread.

        Args:
            chats: The conversations, as chat templates take them.
            **template_kwargs: Further keywords for the chat template.
        """
        with self.copies.one() as processor:
            made = processor.apply_chat_template(
                chats,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                add_generation_prompt=True,
                processor_kwargs={"padding": True},
                **template_kwargs,
            )
        return made.to(dtype=self.model.dtype)

    def moved(self, prepared: Any) -> Any:
        """Return the tensors on the model's device."""
        return prepared.to(self.device)

    def next_logits(self, inputs: Any) -> Any:
        """Return the logits of the first token of the answer, (batch, vocabulary), by one forward pass."""
        import torch

        with torch.inference_mode():
            return self.model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1]


def turn(image: Any, text: str) -> list[dict[str, Any]]:
    """Return a conversation of one user turn: a PIL image, and a text if one is given."""
    content = [{"type": "image", "image": image}, *([{"type": "text", "text": text}] if text else [])]
    return [{"role": "user", "content": content}]


def check_chat(model: str, commit: str | None, classes: Collection[str] = ()) -> None:
    """Raise SafetyPairsError for a model of none of the `classes`, or, if none are given, one that takes no images.

    `model` and `commit` name weights or an adapter; for an adapter, its base is checked.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as NAMES

    any_chat = "" if classes else "a chat model that sees images"
    model, commit = base_of(model, commit) or (model, commit)
    check_class(model, commit, MODEL, classes or flat(NAMES.values()), any_chat)


def load_chat(model: str, commit: str | None, device: str, classes: Collection[str] = ()) -> Chat:
    """Load a folder or a pinned Hub id, of one of the `classes` if any are given, or an adapter of such a model.

    Raises:
        SafetyPairsError: There is no such model, it has another class or no chat template, or its image processor needs
            torchvision, which is not installed.
    """
    import transformers

    adapter, adapter_commit, base = model, commit, base_of(model, commit)
    if base:
        model, commit = base
    check_chat(model, commit, classes)
    processor = load_processor(model, commit)
    if not getattr(processor, "chat_template", None):
        raise SafetyPairsError(
            f"{model} has no chat template, so it cannot be asked; name a chat (-it, -Instruct) model"
        )
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    where = pick_device(device)
    kind: Any = transformers.AutoModelForImageTextToText
    if transformers.AutoConfig.from_pretrained(model, revision=commit).model_type == "qwen2_5_omni":
        kind = transformers.Qwen2_5OmniThinkerForConditionalGeneration  # the part that writes text; another part speaks
    loaded = kind.from_pretrained(model, revision=commit, dtype=pick_dtype(where))
    if base:
        loaded = adapted(loaded, adapter, adapter_commit)
    return Chat(loaded.to(where).eval(), processor, Copies(processor), where)


def taken(
    batch: Sequence[Item], prepare: Callable[[Sequence[Item]], Prepared]
) -> list[tuple[Sequence[Item], Prepared | Refused]]:
    """Return the parts of a batch with `prepare(part)`, splitting failed parts until each refused item is alone.

    An out-of-memory error is not a refusal, and is raised.
    """
    try:
        return [(batch, prepare(batch))]
    except Exception as error:  # a processor may raise any error
        if isinstance(error, SafetyPairsError) or out_of_memory(error):
            raise
        if len(batch) == 1:
            return [(batch, Refused(in_a_line(error)))]
        half = len(batch) // 2
        return [*taken(batch[:half], prepare), *taken(batch[half:], prepare)]


def unless_refused(
    batch: Sequence[Item], prepare: Callable[[Sequence[Item]], Prepared], work: Callable[[Prepared], Sequence[Result]]
) -> list[Result | Refused]:
    """Return `work(prepare(part))` for the parts of `taken`, joined, with a Refused for each refused item."""
    found: list[Result | Refused] = []
    for _, part in taken(batch, prepare):
        found += [part] if isinstance(part, Refused) else work(part)
    return found


def as_pil(image: Picture) -> Any:
    from PIL import Image

    return Image.fromarray(image.pixels)


def flat(names: Any) -> set[str]:
    """Return the class names of one of transformers' auto mappings; an entry may be a tuple of names."""
    return {name for entry in names for name in ([entry] if isinstance(entry, str) else entry)}


def basename(model: str) -> str:
    """Return the last part of a folder's path or a Hub id."""
    return model.rstrip("/").rsplit("/", 1)[-1]
