"""LlavaGuard and QwenGuard (https://arxiv.org/abs/2406.05113): a policy in, JSON with a rating out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from safetypairs_hf.guards import answers
from safetypairs_hf.guards.chat_guard import ChatGuard


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
    read: ClassVar[answers.Reader] = staticmethod(answers.rating)
