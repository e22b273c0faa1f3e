"""Guards whose own chat template takes the policy as a keyword: SingGuard and Nemotron Content Safety.

Each is asked by the policy of the dataset's own category, so it covers every category of any taxonomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards import verdicts
from safetypairs_hf.guards.base import Question
from safetypairs_hf.guards.trained import TrainedGuard
from safetypairs_hf.models.chat import turn
from safetypairs_hf.taxonomy.categories import Category


@dataclass(frozen=True)
class PolicyGuard(TrainedGuard):
    """A guard whose chat template holds its trained prompt, and takes the policy of a category.

    `chat_template_kwargs` override the keywords that the guard gives to the template.
    """

    takes_policies: ClassVar[bool] = True

    def covers(self, slug: str) -> bool:
        return True

    def questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        """See `ModelGuard.questions`. A batch has one category, because a template takes one policy."""
        return [each._replace(policy=each.slug) for each in super().questions(images, slugs)]

    def asked(self, slug: str) -> str:
        return self.policy(self.taxonomy.find(slug)) if self.is_trained else super().asked(slug)

    def turns(self, image: Any, slug: str) -> list[dict[str, Any]]:
        return turn(image, "") if self.is_trained else super().turns(image, slug)

    def template_kwargs(self, slug: str) -> dict[str, Any]:
        given = super().template_kwargs(slug)
        return {**self.keywords(self.asked(slug)), **given} if self.is_trained else given

    def policy(self, category: Category) -> str:
        """Return the policy of a category in the form of the guard's training."""
        return category.policy()

    def keywords(self, policy: str) -> dict[str, Any]:
        """Return the keywords of its chat template for a policy."""
        raise NotImplementedError


@dataclass(frozen=True)
class SingGuard(PolicyGuard):
    """P(unsafe) = P(unsafe) / (P(unsafe) + P(safe)) in the first line of its answer, which it writes without reasoning.

    Its policy is Markdown: the category as a rule, and a section of permitted content. To let it reason first, set
    chat_template_kwargs={"thinking_type": "slow"} and max_tokens.
    """

    model: str = "inclusionAI/SingGuard-8b"
    kind: ClassVar[str] = "sing-guard"
    family: ClassVar[str] = "sing-guard"
    classes: ClassVar[tuple[str, ...]] = ("Qwen3VLForConditionalGeneration", "Qwen3_5ForConditionalGeneration")
    trained_reading: ClassVar[verdicts.Reading] = verdicts.FIRST_LINE

    def policy(self, category: Category) -> str:
        rules = (category.scope, *category.never, *category.should_not)
        safe = (*category.default_only, *category.can)
        parts = ((f"A. {category.name}", rules), ("Safe", safe))
        return "\n\n".join("\n".join([f"### {title}", *(f"- {line}" for line in lines)]) for title, lines in parts)

    def keywords(self, policy: str) -> dict[str, Any]:
        return {"policy": policy, "thinking_type": "fast"}


# The text that Nemotron writes before its verdict on the user's message.
_USER: Final = "User Safety: "


@dataclass(frozen=True)
class NemotronContentSafety(PolicyGuard):
    """P(unsafe) = P(unsafe) / (P(unsafe) + P(safe)) at the safety of the user's message in its answer.

    It is not asked for its own categories, and does not reason. To let it reason first, set
    chat_template_kwargs={"enable_thinking": true} and max_tokens.
    """

    model: str = "nvidia/Nemotron-3.5-Content-Safety"
    kind: ClassVar[str] = "nemotron-content-safety"
    family: ClassVar[str] = "nemotron-content-safety"
    classes: ClassVar[tuple[str, ...]] = ("Gemma3ForConditionalGeneration",)
    trained_before: ClassVar[str] = _USER
    trained_reading: ClassVar[verdicts.Reading] = verdicts.USER_SAFETY

    def keywords(self, policy: str) -> dict[str, Any]:
        return {"custom_policy": policy, "request_categories": "/no_categories", "enable_thinking": False}
