"""Find the category of a source: by its own label, with a mapping for labels that are not categories; or by a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.file_names import as_seen
from safetypairs_hf.core.records import Judge, Picture, Reject
from safetypairs_hf.guards.user_guard import as_guard, as_judge
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

Labels = str | Mapping[str, str]


def read_labels(labels: Labels, taxonomy: Taxonomy = NINE) -> dict[str, str]:
    """Return a mapping of labels to category slugs. As text it has the form `gun=O6, house on fire=disasters`.

    Raises:
        RecipeError: The text has another form, or a category does not exist.
    """
    if isinstance(labels, str):
        pairs = [item.rpartition("=") for item in labels.split(",") if item.strip()]
        if wrong := [label for label, sign, _ in pairs if not (sign and label.strip())]:
            raise RecipeError(f"labels = {labels!r}: {wrong[0]!r} is no label=category; write gun=O6, fire=disasters")
        labels = {label.strip(): slug.strip() for label, _, slug in pairs}
    try:
        return {as_seen(label): taxonomy.find(text).slug for label, text in labels.items()}
    except SafetyPairsError as error:
        raise RecipeError(f"labels: {error}") from None


def category_of(
    label: str | None, labels: Mapping[str, str], taxonomy: Taxonomy = NINE, advice: str = "add it to labels"
) -> str | Reject:
    """Return the slug of a source's label, from `labels` or else from the taxonomy (by code, slug or name).

    `advice` says in the rejection how users give the category of an unknown label.
    """
    if label is None or not label.strip():
        return Reject("source", "no_label", "the source says nothing of its category")
    if as_seen(label) in labels:
        return labels[as_seen(label)]
    try:
        return taxonomy.find(label).slug
    except SafetyPairsError:
        return Reject("source", "unknown_label", f"{label[:80]!r} is no category; {advice}")


def check_one(**ways: object) -> None:
    """Raise RecipeError if a source gets its category in more than one way."""
    if len(given := [name for name, value in ways.items() if value]) > 1:
        raise RecipeError(f"the category comes from {' and from '.join(given)}; give one of them")


@dataclass(frozen=True)
class Judged:
    """A judge assigns the category: it judges each image under each of `categories`, and the most unsafe one wins.

    An image whose P(unsafe) is below `at_least` in all categories has no category and is rejected. So is an image for
    which the judge abstains in all categories. Of equally unsafe categories, the first one wins.

    Args:
        judge: The judge.
        categories: The slugs of the categories; None for all of the taxonomy, in its order.
        at_least: The smallest P(unsafe) of an assigned category, in [0, 1].
        taxonomy: The taxonomy of the categories.
    """

    judge: Judge
    categories: tuple[str, ...] | None = None
    at_least: float = 0.5
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    def __post_init__(self) -> None:
        slugs = self.taxonomy.slugs
        if self.categories is None:
            object.__setattr__(self, "categories", slugs)
        unknown = [slug for slug in self.chosen if slug not in slugs]
        if unknown or not self.chosen:
            given = ", ".join(map(repr, unknown)) or "none"
            raise RecipeError(f"categories of the judge: {given}; expected some of {', '.join(slugs)}")
        object.__setattr__(self, "judge", bind(as_judge(self.judge), self.taxonomy))

    @property
    def chosen(self) -> tuple[str, ...]:
        """The categories that the judge is asked about."""
        return self.categories or ()

    def choose(self, pictures: Sequence[Picture]) -> list[str | Reject]:
        """Return the category of each picture, or the reason why it has none."""
        if not pictures:
            return []
        asked = [self._ask(slug, pictures) for slug in self.chosen]
        return [self._decide(list(answers)) for answers in zip(*asked, strict=True)]

    def _ask(self, slug: str, pictures: Sequence[Picture]) -> list[float | None]:
        verdicts = as_guard(self.judge).judge(pictures, [slug] * len(pictures), [None] * len(pictures))
        return [verdict.p_unsafe for verdict in verdicts]

    def _decide(self, answers: Sequence[float | None]) -> str | Reject:
        given = [(p, slug) for p, slug in zip(answers, self.chosen, strict=True) if p is not None]
        if not given:
            return Reject("source", "judge_abstained", f"{self.judge.name} said nothing in any category")
        p, slug = max(given, key=lambda item: item[0])
        if p < self.at_least:
            return Reject("source", "no_category", f"{self.judge.name}: at most P(unsafe) = {p:.3f}, in {slug}")
        return slug
