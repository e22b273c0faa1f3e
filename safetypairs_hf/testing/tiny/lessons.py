"""Train a small chat model in a few steps to write given answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from safetypairs_hf.models.chat import Chat


class Lesson(NamedTuple):
    """What to write after a conversation.

    Attributes:
        turns: The conversation.
        text: The answer to write.
        share: How often to write it, as a share of the lessons on that conversation.
        keywords: The keywords of the chat template.
    """

    turns: Sequence[Any]
    text: str
    share: float = 1.0
    keywords: Mapping[str, Any] = {}


def teach(chat: Chat, lessons: Sequence[Lesson], steps: int = 60, rate: float = 3e-3) -> float:
    """Train a model in place, and return the last loss, in nats over all lessons.

    Args:
        chat: The model.
        lessons: What it learns; each step uses all of them.
        steps: The number of steps of Adam.
        rate: The learning rate, which falls to 0 over the steps.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # with such small tensors, more threads would wait for each other
    batches = [_example(chat, lesson) for lesson in lessons]
    model = chat.model.train()
    optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    last = 0.0
    for _ in range(steps):
        optimizer.zero_grad()
        losses = []
        for (inputs, targets), lesson in zip(batches, lessons, strict=True):
            logits = model(**inputs, use_cache=False).logits[0, -len(targets) - 1 : -1]
            losses.append(lesson.share * torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum"))
        loss = torch.stack(losses).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        last = float(loss.detach())
    model.eval()
    torch.set_num_threads(threads)
    return last


def _example(chat: Chat, lesson: Lesson) -> tuple[dict[str, Any], Any]:
    """Return the tensors of a conversation with the text and an end appended, and the ids of what was appended."""
    import torch

    tokenizer = chat.processor.tokenizer
    ids = [*tokenizer.encode(lesson.text, add_special_tokens=False), tokenizer.eos_token_id]
    inputs = chat.moved(chat.prepared([lesson.turns], **lesson.keywords))
    made = dict(inputs)
    shape = inputs["input_ids"].shape
    for name, tensor in inputs.items():
        if hasattr(tensor, "dim") and tensor.dim() >= 2 and tensor.shape[:2] == shape:
            more = tensor[:, -1:].repeat_interleave(len(ids), dim=1)
            made[name] = torch.cat([tensor, torch.tensor([ids]) if name == "input_ids" else more], dim=1)
    return made, torch.tensor(ids)
