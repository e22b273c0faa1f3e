"""PolicyShiftGuard (https://arxiv.org/abs/2607.05910): a policy in; `true`, it is violated, or `false` out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from safetypairs_hf.guards import answers
from safetypairs_hf.guards.chat_guard import ChatGuard


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
    read: ClassVar[answers.Reader] = staticmethod(answers.true_or_false)
