"""Map the nine categories to the categories that other guards answer with.

A guard that has no counterpart for a category is `not covered` there, which never counts as the answer safe. The
sources of each guard's categories:

- ShieldGemma 2: the three policies of its model card, https://ai.google.dev/gemma/docs/shieldgemma/model_card_2
  (https://arxiv.org/abs/2504.01081).
- Llama Guard 3 Vision: S1 to S13 of its model card, https://huggingface.co/meta-llama/Llama-Guard-3-11B-Vision
  (https://arxiv.org/abs/2411.10414), after the MLCommons hazards.
- Llama Guard 4: S1 to S14 of its model card, https://huggingface.co/meta-llama/Llama-Guard-4-12B; S14 is for code only.
- omni-moderation: the table of https://platform.openai.com/docs/guides/moderation. Of its thirteen categories six are
  scored for images: the self-harm and violence families, and sexual without sexual/minors.
- Azure AI Content Safety: the four harm categories of
  https://learn.microsoft.com/azure/ai-services/content-safety/concepts/harm-categories; violence names weapons.
- Bedrock Guardrails: the content filters for images of
  https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-mmfilter.html. Some regions have no misconduct.

The mapping itself is our reading of those lists. A category of another taxonomy is mapped through the one of the nine
that it maps to; if it maps to none, it is `not covered`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE, SLUGS

NOT_COVERED: Final = "not covered"
WHOLE: Final = "whole"
PART: Final = "part"


class Match(NamedTuple):
    """A guard's counterpart of one of the nine categories.

    `extent`: WHOLE, PART (the guard's categories cover only a part of ours), or NOT_COVERED. `codes`: the guard's own
    names for them, empty if and only if `extent` is NOT_COVERED.
    """

    extent: str
    codes: tuple[str, ...]


class Guard(NamedTuple):
    """A guard's categories: `labels` maps its own codes to names, in its order; `images` are those it scores on images;
    `matches` has one Match for each of our slugs."""

    name: str
    labels: dict[str, str]
    images: tuple[str, ...]
    matches: dict[str, Match]


_LLAMA_13 = {
    "S1": "Violent Crimes",
    "S2": "Non-Violent Crimes",
    "S3": "Sex-Related Crimes",
    "S4": "Child Sexual Exploitation",
    "S5": "Defamation",
    "S6": "Specialized Advice",
    "S7": "Privacy",
    "S8": "Intellectual Property",
    "S9": "Indiscriminate Weapons",
    "S10": "Hate",
    "S11": "Suicide & Self-Harm",
    "S12": "Sexual Content",
    "S13": "Elections",
}
_LLAMA_14 = _LLAMA_13 | {"S14": "Code Interpreter Abuse"}
_LLAMA_MATCHES = {
    "hate": Match(PART, ("S10",)),  # humiliation of one person, with no protected trait, is in no S-code
    "violence": Match(PART, ("S1",)),  # crimes; gore and accidents are in no S-code
    "sexual": Match(WHOLE, ("S3", "S4", "S12")),
    "nudity": Match(PART, ("S4", "S12")),  # erotic nudity only
    "criminal_planning": Match(WHOLE, ("S1", "S2")),
    "weapons_substances": Match(PART, ("S2", "S9")),  # weapon and drug crimes; not alcohol, tobacco, or mere display
    "self_harm": Match(WHOLE, ("S11",)),
    "animal_cruelty": Match(WHOLE, ("S1",)),  # S1 names animal abuse
    "disasters": Match(NOT_COVERED, ()),
}
_OMNI_IMAGES = ("self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic")

GUARDS: dict[str, Guard] = {
    guard.name: guard
    for guard in (
        Guard(
            "shieldgemma-2",
            {
                "dangerous": "No Dangerous Content",
                "sexual": "No Sexually Explicit Content",
                "violence": "No Violence/Gore Content",
            },
            ("dangerous", "sexual", "violence"),
            {
                "hate": Match(NOT_COVERED, ()),
                "violence": Match(WHOLE, ("violence",)),
                "sexual": Match(WHOLE, ("sexual",)),
                "nudity": Match(PART, ("sexual",)),  # erotic nudity only
                "criminal_planning": Match(PART, ("dangerous",)),  # real-world harm; not fraud or theft
                "weapons_substances": Match(PART, ("dangerous",)),  # building arms; no drugs
                "self_harm": Match(PART, ("dangerous",)),  # instructions for suicide
                "animal_cruelty": Match(PART, ("violence",)),  # gratuitous violence against animals; not neglect
                "disasters": Match(NOT_COVERED, ()),
            },
        ),
        Guard("llama-guard-3-vision", _LLAMA_13, tuple(_LLAMA_13), _LLAMA_MATCHES),
        Guard("llama-guard-4", _LLAMA_14, tuple(_LLAMA_13), _LLAMA_MATCHES),
        Guard(
            "omni-moderation",
            {
                name: name
                for name in (
                    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit"),
                    *("illicit/violent", "self-harm", "self-harm/intent", "self-harm/instructions"),
                    *("sexual", "sexual/minors", "violence", "violence/graphic"),
                )
            },
            _OMNI_IMAGES,
            {
                "hate": Match(NOT_COVERED, ()),
                "violence": Match(WHOLE, ("violence", "violence/graphic")),
                "sexual": Match(WHOLE, ("sexual",)),
                "nudity": Match(PART, ("sexual",)),
                "criminal_planning": Match(NOT_COVERED, ()),
                "weapons_substances": Match(NOT_COVERED, ()),
                "self_harm": Match(WHOLE, ("self-harm", "self-harm/intent", "self-harm/instructions")),
                "animal_cruelty": Match(PART, ("violence", "violence/graphic")),
                "disasters": Match(NOT_COVERED, ()),
            },
        ),
        Guard(
            "azure-content-safety",
            {name: name for name in ("Hate", "SelfHarm", "Sexual", "Violence")},
            ("Hate", "SelfHarm", "Sexual", "Violence"),
            {
                "hate": Match(WHOLE, ("Hate",)),
                "violence": Match(WHOLE, ("Violence",)),
                "sexual": Match(WHOLE, ("Sexual",)),
                "nudity": Match(PART, ("Sexual",)),
                "criminal_planning": Match(NOT_COVERED, ()),
                "weapons_substances": Match(PART, ("Violence",)),  # weapons; no drugs
                "self_harm": Match(WHOLE, ("SelfHarm",)),
                "animal_cruelty": Match(PART, ("Violence",)),
                "disasters": Match(NOT_COVERED, ()),
            },
        ),
        Guard(
            "bedrock-guardrails",
            {name: name for name in ("HATE", "INSULTS", "SEXUAL", "VIOLENCE", "MISCONDUCT", "PROMPT_ATTACK")},
            ("HATE", "INSULTS", "SEXUAL", "VIOLENCE", "MISCONDUCT"),
            {
                "hate": Match(WHOLE, ("HATE", "INSULTS")),
                "violence": Match(WHOLE, ("VIOLENCE",)),
                "sexual": Match(WHOLE, ("SEXUAL",)),
                "nudity": Match(PART, ("SEXUAL",)),
                "criminal_planning": Match(WHOLE, ("MISCONDUCT",)),
                "weapons_substances": Match(PART, ("MISCONDUCT",)),  # crimes with them, not their mere display
                "self_harm": Match(NOT_COVERED, ()),
                "animal_cruelty": Match(PART, ("VIOLENCE",)),
                "disasters": Match(NOT_COVERED, ()),
            },
        ),
    )
}


def guard(name: str) -> Guard:
    """Return the categories of a guard. Raises SafetyPairsError, which lists the guards, if it is unknown."""
    if name not in GUARDS:
        raise SafetyPairsError(f"no crosswalk for guard {name!r}; there are {', '.join(GUARDS)}")
    return GUARDS[name]


def match(name: str, category: str, taxonomy: Taxonomy = NINE) -> Match:
    """Return the counterpart of a category (code, slug or name) of a taxonomy for guard `name`, on images.

    Raises:
        SafetyPairsError: There is no such guard or category.
    """
    return guard(name).matches.get(taxonomy.find(category).maps_to, Match(NOT_COVERED, ()))


def slugs(name: str, code: str) -> tuple[str, ...] | str:
    """Return those of the nine, in order, that have a guard's own category as their counterpart, or NOT_COVERED.

    Raises:
        SafetyPairsError: There is no such guard, or it has no such category.
    """
    found = guard(name)
    if code not in found.labels:
        raise SafetyPairsError(f"{name} has no category {code!r}; it has {', '.join(found.labels)}")
    ours = tuple(slug for slug in SLUGS if code in found.matches[slug].codes)
    return ours or NOT_COVERED
