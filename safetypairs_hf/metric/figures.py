"""The figures of the metric, each declared once. Tables, reports, JSON, harnesses and docs use these declarations.

A figure is a field of one of the records below. The type of the field carries its declaration:

    auroc: Annotated[float | None, Figure("AUROC", "area under the ROC curve over images", NUMBER, "higher")]

To add a figure, add such a field and compute it in the function that makes the record. All outputs then show it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import Flag, auto
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints


class Format(NamedTuple):
    """How tables print a value: format specifications for a single line (`line`) and for a column (`column`).

    `percent`: papers give the value in percent. `unit`: the noun for what is counted.
    """

    line: str
    column: str
    percent: bool = False
    unit: str = ""


COUNT = Format(",", "")
PAIRS = Format(",", "", unit="pair")
NULL_EDITS = Format(",", "", unit="null edit")
SHARE = Format(".4f", ".4f", percent=True)
NUMBER = Format(".4f", ".4f")
DIFFERENCE = Format(".4f", "+.4f")
P_VALUE = Format(".4g", ".2g")
THRESHOLD = Format("", ".4g")  # in full, so that typing it as --threshold reproduces the figure


class Face(Flag):
    """An output that shows some of the figures. JSON (`to_dict`) and the dictionaries of the harnesses have all."""

    NONE = 0
    TABLE = auto()  # the printed table of one guard or of one comparison: a line for each figure
    CATEGORIES = auto()  # the printed table of the categories: a column
    GUARDS = auto()  # the printed table of many guards, or of their contests: a column
    REPORT = auto()  # the leaderboard of the HTML report: a column
    HEADLINE = auto()  # the Markdown table for a paper, and harnesses that list figures individually


ALL = Face.TABLE | Face.CATEGORIES | Face.GUARDS | Face.REPORT | Face.HEADLINE


class Figure(NamedTuple):
    """The declaration of a figure.

    Attributes:
        label: The name in printed tables.
        meaning: The definition, for the docs.
        format: How tables print it.
        better: Whether a higher or a lower value is better, or neither.
        faces: The outputs that show it.
        interval: The field that holds its 95% interval.
        interval_faces: The outputs that also show the interval.
        part_of: The figure below which tables list it, indented.
        heading: The column heading in reports; `label` by default.
        short: The column heading in printed tables; `heading` by default.
        note: The text after the value in printed tables. `{name}` is replaced by another figure of the same record.
        shown_with: Printed tables show this figure only if that one is not 0.
        from_scores: Whether it exists only if predictions come with scores.
        task: The id of the task in eval.yaml under which the Hub lists it as a result.
        name: The key in JSON; the name of the field by default.
    """

    label: str
    meaning: str
    format: Format = SHARE
    better: Literal["higher", "lower", "none"] = "none"
    faces: Face = Face.TABLE | Face.REPORT
    interval: str | None = None
    interval_faces: Face = Face.TABLE
    part_of: str | None = None
    heading: str = ""
    short: str = ""
    note: str = ""
    shown_with: str | None = None
    from_scores: bool = False
    task: str | None = None
    name: str = ""


def figures_in(record: Any) -> tuple[Figure, ...]:
    """Return the declared figures of a record or of its class, in the order of `to_dict`, with their names."""
    return _declared(record if isinstance(record, type) else type(record))


@cache
def _declared(kind: type) -> tuple[Figure, ...]:
    types = get_type_hints(kind, include_extras=True)
    found = []
    for field in fields(kind):
        for declared in getattr(types[field.name], "__metadata__", ()):
            if isinstance(declared, Figure):
                name, heading = declared.name or field.name, declared.heading or declared.label
                found.append(declared._replace(name=name, heading=heading, short=declared.short or heading))
    return tuple(found)


def shown_in(face: Face, record: Any) -> tuple[Figure, ...]:
    """Return the figures of a record or of its class that an output shows, with the intervals that it shows.

    The parts of a figure follow it.
    """
    declared = figures_in(record)
    ordered = [
        part
        for whole in declared
        if whole.part_of is None
        for part in (whole, *(figure for figure in declared if figure.part_of == whole.name))
    ]
    return tuple(
        figure if face in figure.interval_faces else figure._replace(interval=None)
        for figure in ordered
        if face in figure.faces
    )


def plain(record: Any) -> dict[str, Any]:
    """Return the fields of a record by name, as plain Python values that JSON takes."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(record).items()}


def figures_table(records: Iterable[type]) -> str:
    """Return a Markdown table of the declared figures of some records, each figure once, for the docs."""
    lines = ["| figure | is | 95% interval | better |", "|---|---|---|---|"]
    for figure in dict.fromkeys(figure for record in records for figure in figures_in(record)):
        interval = f"`{figure.interval}`" if figure.interval else ""
        better = "" if figure.better == "none" else figure.better
        lines.append(f"| `{figure.name}` | {figure.meaning} | {interval} | {better} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Figures:
    """The figures of one guard over some pairs. Shares are in [0, 1]; None if a figure does not apply."""

    n_pairs: Annotated[int, Figure("pairs", "pairs scored", COUNT, faces=Face.CATEGORIES | Face.REPORT)]
    n_groups: Annotated[
        int | None, Figure("groups", "groups of these pairs; null without groups", COUNT, faces=Face.NONE)
    ]
    design_effect: Annotated[
        float,
        Figure(
            "design effect",
            "how many times more pairs the interval of pair accuracy takes than if pairs of a group were independent",
            NUMBER,
            faces=Face.NONE,
        ),
    ]
    pair_accuracy: Annotated[
        float,
        Figure(
            "pair accuracy",
            "share of pairs with both images judged right; an abstention is wrong",
            better="higher",
            faces=Face.TABLE | Face.CATEGORIES | Face.GUARDS | Face.REPORT | Face.HEADLINE,
            interval="pair_accuracy_ci",
            interval_faces=ALL,
            short="pair acc",
            task="pair_accuracy",
        ),
    ]
    pair_accuracy_ci: tuple[float, float]
    pair_accuracy_upper: Annotated[
        float,
        Figure(
            "at most",
            "pair accuracy had every abstention been right",
            better="higher",
            part_of="pair_accuracy",
            note="had every abstention been right",
            shown_with="abstention_rate",
        ),
    ]
    image_accuracy: Annotated[
        float,
        Figure(
            "image accuracy",
            "share of images judged right",
            better="higher",
            faces=Face.TABLE | Face.REPORT | Face.HEADLINE,
            interval="image_accuracy_ci",
        ),
    ]
    image_accuracy_ci: tuple[float, float]
    unsafe_recall: Annotated[
        float,
        Figure(
            "unsafe recall",
            "share of unsafe images called unsafe",
            better="higher",
            part_of="image_accuracy",
            task="unsafe_members",
            interval="unsafe_recall_ci",
        ),
    ]
    unsafe_recall_ci: tuple[float, float]
    safe_specificity: Annotated[
        float,
        Figure(
            "safe specificity",
            "share of safe images called safe",
            better="higher",
            part_of="image_accuracy",
            task="safe_members",
            interval="safe_specificity_ci",
        ),
    ]
    safe_specificity_ci: tuple[float, float]
    abstention_rate: Annotated[
        float, Figure("abstentions", "share of images without a verdict", better="lower", faces=Face.NONE)
    ]
    both_unsafe_rate: Annotated[
        float,
        Figure(
            "over-blocked",
            "share of pairs with both images called unsafe",
            better="lower",
            faces=Face.TABLE | Face.CATEGORIES | Face.GUARDS | Face.REPORT | Face.HEADLINE,
            part_of="pair_accuracy",
            heading="over-blocking",
            short="over",
            note="both images called unsafe",
            interval="both_unsafe_rate_ci",
        ),
    ]
    both_unsafe_rate_ci: tuple[float, float]
    both_safe_rate: Annotated[
        float,
        Figure(
            "missed",
            "share of pairs with both images called safe",
            better="lower",
            faces=Face.TABLE | Face.CATEGORIES | Face.GUARDS | Face.REPORT | Face.HEADLINE,
            part_of="pair_accuracy",
            note="both images called safe",
            interval="both_safe_rate_ci",
        ),
    ]
    both_safe_rate_ci: tuple[float, float]
    inverted_rate: Annotated[
        float,
        Figure(
            "inverted",
            "share of pairs with both verdicts wrong",
            better="lower",
            faces=Face.TABLE | Face.REPORT | Face.HEADLINE,
            part_of="pair_accuracy",
            note="both verdicts wrong",
            interval="inverted_rate_ci",
        ),
    ]
    inverted_rate_ci: tuple[float, float]
    abstained_rate: Annotated[
        float,
        Figure(
            "abstained",
            "share of pairs without a verdict on one image or on both",
            better="lower",
            faces=Face.TABLE | Face.GUARDS | Face.REPORT | Face.HEADLINE,
            part_of="pair_accuracy",
            short="abst",
            note="{abstention_rate} of the images",
            interval="abstained_rate_ci",
        ),
    ]
    abstained_rate_ci: tuple[float, float]
    group_accuracy: Annotated[
        float | None,
        Figure(
            "group accuracy",
            "share of groups all of whose pairs are correct; null without groups",
            better="higher",
            interval="group_accuracy_ci",
        ),
    ]
    group_accuracy_ci: tuple[float, float] | None
    relative_consistency: Annotated[
        float | None,
        Figure(
            "relative consistency",
            "how likely as few correct pairs are, were the right images spread over the pairs at random; "
            "1 is as consistent as the image accuracy allows; null where no image or every image is right",
            better="higher",
            note="1: as consistent as image accuracy allows",
        ),
    ]
    ranking_accuracy: Annotated[
        float | None,
        Figure(
            "ranking accuracy",
            "share of pairs whose unsafe image has the higher score; a tie counts half",
            better="higher",
            from_scores=True,
            interval="ranking_accuracy_ci",
        ),
    ]
    ranking_accuracy_ci: tuple[float, float] | None
    tie_rate: Annotated[
        float | None,
        Figure(
            "ties",
            "share of pairs whose two images have the same score",
            better="lower",
            part_of="ranking_accuracy",
            note="both images with one score",
            shown_with="tie_rate",
            from_scores=True,
        ),
    ]
    auroc: Annotated[
        float | None,
        Figure(
            "AUROC",
            "area under the ROC curve over images; a tie counts half",
            NUMBER,
            better="higher",
            faces=Face.TABLE | Face.REPORT | Face.HEADLINE,
            from_scores=True,
            interval="auroc_ci",
        ),
    ]
    auroc_ci: tuple[float, float] | None
    best_threshold: Annotated[
        float | None,
        Figure(
            "best threshold",
            "the score that, as threshold, gives these pairs the highest pair accuracy; the smallest such",
            THRESHOLD,
            faces=Face.NONE,
            from_scores=True,
        ),
    ]
    best_threshold_pair_accuracy: Annotated[
        float | None,
        Figure(
            "best on these pairs",
            "pair accuracy there; optimistic, as the threshold was picked on these pairs",
            better="higher",
            faces=Face.TABLE,
            note="at threshold {best_threshold}: optimistic",
            from_scores=True,
        ),
    ]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes."""
        return plain(self)


@dataclass(frozen=True)
class GuardFigures(Figures):
    """The figures of one guard over all its pairs."""

    n_incomplete: Annotated[
        int, Figure("incomplete", "pairs with one image only, left out on request", PAIRS, faces=Face.NONE)
    ]
    macro_pair_accuracy: Annotated[
        float | None,
        Figure(
            "mean over categories",
            "mean of the categories' pair accuracy, unweighted unless weights are given; null without categories",
            better="higher",
            faces=Face.TABLE,
            interval="macro_pair_accuracy_ci",
        ),
    ]
    macro_pair_accuracy_ci: tuple[float, float] | None
    n_samples: Annotated[
        int, Figure("samples", "answers to each image, over which every figure is a mean", COUNT, faces=Face.NONE)
    ]
    sample_sd: Annotated[
        float | None,
        Figure(
            "spread of samples",
            "standard deviation of pair accuracy from sample to sample; null where there is one",
            NUMBER,
            better="lower",
            faces=Face.TABLE,
            note="standard deviation, {n_samples} samples",
        ),
    ]


@dataclass(frozen=True)
class Gap:
    """Pair accuracy on pairs minus that on a control of the same pairs, in [-1, 1].

    `ci`: its 95% interval, Newcombe's on the effective size. `n_groups` is None if no group was given.
    """

    n_pairs: Annotated[int, Figure("pairs", "pairs with such a control", PAIRS)]
    n_groups: Annotated[int | None, Figure("groups", "groups of these pairs", COUNT)]
    pair_accuracy: Annotated[float, Figure("pair accuracy", "pair accuracy on these pairs")]
    control_pair_accuracy: Annotated[float, Figure("control pair accuracy", "pair accuracy on their controls")]
    gap: Annotated[float, Figure("gap", "the first less the second", DIFFERENCE, interval="ci")]
    ci: tuple[float, float]
    left_out: Annotated[int, Figure("left out", "pairs of the predictions without the control", COUNT)]
    unmatched: Annotated[int, Figure("unmatched", "controls of pairs that the predictions lack", COUNT)]


@dataclass(frozen=True)
class ControlFigures:
    """The figures of a guard's controls; None for kinds of controls that were not given."""

    regenerated: Annotated[
        Gap | None,
        Figure(
            "artifact gap",
            "pair accuracy less that on controls with both images regenerated; "
            "far above 0 where a guard sees that an image was edited",
            DIFFERENCE,
            interval="artifact_gap_ci",
            note="{pair_accuracy} less {control_pair_accuracy} on both regenerated, {n_pairs}",
            name="artifact_gap",
        ),
    ]
    neutral: Annotated[
        Gap | None,
        Figure(
            "neutral gap",
            "pair accuracy less that on controls with a neutral edit of both images",
            DIFFERENCE,
            interval="neutral_gap_ci",
            note="{pair_accuracy} less {control_pair_accuracy} on neutral edit, {n_pairs}",
            name="neutral_gap",
        ),
    ]
    null_edit_unsafe_rate: Annotated[
        float | None,
        Figure(
            "null edits",
            "share of null edits (unsafe images with the trace of editing, and as unsafe as before) called unsafe",
            better="higher",
            note="called unsafe, of {n_null_edits}",
        ),
    ]
    n_null_edits: Annotated[int, Figure("null edits", "null edits judged", NULL_EDITS, faces=Face.NONE)]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, flat, as plain Python values that JSON takes."""
        found: dict[str, Any] = {}
        for name, kind, gap in (
            ("artifact_gap", "regenerated", self.regenerated),
            ("neutral_gap", "neutral", self.neutral),
        ):
            found |= {
                name: None if gap is None else gap.gap,
                f"{name}_ci": None if gap is None else list(gap.ci),
                f"{name}_n_pairs": 0 if gap is None else gap.n_pairs,
                f"{name}_n_groups": None if gap is None else gap.n_groups,
                f"{name}_left_out": 0 if gap is None else gap.left_out,
                f"{name}_unmatched": 0 if gap is None else gap.unmatched,
                f"{name}_pair_accuracy": None if gap is None else gap.pair_accuracy,
                f"{kind}_pair_accuracy": None if gap is None else gap.control_pair_accuracy,
            }
        return {**found, "null_edit_unsafe_rate": self.null_edit_unsafe_rate, "n_null_edits": self.n_null_edits}


# These six figures are in a comparison of two guards and in each contest of many.
Difference = Annotated[
    float,
    Figure(
        "difference, A - B",
        "pair accuracy of the first guard less that of the second, in [-1, 1]",
        DIFFERENCE,
        faces=Face.TABLE | Face.GUARDS,
        interval="difference_ci",
        interval_faces=ALL,
        short="difference",
    ),
]
OnlyA = Annotated[
    int,
    Figure("only A", "pairs that only the first guard has right", PAIRS, faces=Face.GUARDS, short="only 1st"),
]
OnlyB = Annotated[
    int,
    Figure("only B", "pairs that only the second guard has right", PAIRS, faces=Face.GUARDS, short="only 2nd"),
]
PValue = Annotated[
    float,
    Figure(
        "p value",
        "p value of the test that the two are right equally often: exact, two-sided, by flipping the signs of groups' "
        "differences; McNemar's where each pair is its own group",
        P_VALUE,
        faces=Face.TABLE | Face.GUARDS,
        short="p",
        note="exact, two-sided",
    ),
]
Detectable = Annotated[
    float | None,
    Figure(
        "detectable difference",
        "the smallest difference that this test at 5% finds with power 80%, at the observed discordance and "
        "likeness within groups; "
        "null where too few pairs are discordant",
        faces=Face.TABLE,
        note="at 5% two-sided, power 80%",
    ),
]


Effect = Annotated[
    float,
    Figure(
        "design effect",
        "how many times more pairs it takes to see the difference than if pairs of a group were independent",
        NUMBER,
        faces=Face.NONE,
    ),
]


@dataclass(frozen=True)
class ComparisonFigures:
    """The figures of two guards, A and B, on the same pairs."""

    n_pairs: Annotated[int, Figure("pairs", "pairs compared", COUNT, faces=Face.NONE)]
    n_groups: Annotated[
        int | None, Figure("groups", "groups of these pairs; null without groups", COUNT, faces=Face.NONE)
    ]
    pair_accuracy_a: Annotated[
        float,
        Figure(
            "pair accuracy of A",
            "pair accuracy of the first guard",
            better="higher",
            note="right on {only_a_correct} where B is wrong",
        ),
    ]
    pair_accuracy_b: Annotated[
        float,
        Figure(
            "pair accuracy of B",
            "pair accuracy of the second guard",
            better="higher",
            note="right on {only_b_correct} where A is wrong",
        ),
    ]
    difference: Difference
    difference_ci: tuple[float, float]
    only_a_correct: OnlyA
    only_b_correct: OnlyB
    p_value: PValue
    design_effect: Effect
    minimum_detectable_difference: Detectable
    both_unsafe_difference: Annotated[
        float,
        Figure(
            "over-blocked, A - B",
            "share of pairs that the first guard over-blocks less that of the second, in [-1, 1]",
            DIFFERENCE,
            interval="both_unsafe_difference_ci",
            faces=Face.TABLE,
        ),
    ]
    both_unsafe_difference_ci: tuple[float, float]
    both_safe_difference: Annotated[
        float,
        Figure(
            "missed, A - B",
            "share of pairs that the first guard misses less that of the second",
            DIFFERENCE,
            interval="both_safe_difference_ci",
            faces=Face.TABLE,
        ),
    ]
    both_safe_difference_ci: tuple[float, float]
    inverted_difference: Annotated[
        float,
        Figure(
            "inverted, A - B",
            "share of pairs that the first guard inverts less that of the second",
            DIFFERENCE,
            interval="inverted_difference_ci",
            faces=Face.TABLE,
            shown_with="inverted_difference",
        ),
    ]
    inverted_difference_ci: tuple[float, float]
    abstained_difference: Annotated[
        float,
        Figure(
            "abstained, A - B",
            "share of pairs on which the first guard abstains less that of the second",
            DIFFERENCE,
            interval="abstained_difference_ci",
            faces=Face.TABLE,
            shown_with="abstained_difference",
        ),
    ]
    abstained_difference_ci: tuple[float, float]
    auroc_difference: Annotated[
        float | None,
        Figure(
            "AUROC, A - B",
            "AUROC of the first guard less that of the second, over the pairs that both have scored",
            DIFFERENCE,
            interval="auroc_difference_ci",
            faces=Face.TABLE,
            from_scores=True,
        ),
    ]
    auroc_difference_ci: tuple[float, float] | None
    left_out_a: Annotated[
        int, Figure("left out of A", "pairs of the first guard that the second lacks", PAIRS, faces=Face.NONE)
    ]
    left_out_b: Annotated[
        int, Figure("left out of B", "pairs of the second guard that the first lacks", PAIRS, faces=Face.NONE)
    ]
    n_incomplete_a: Annotated[
        int, Figure("incomplete of A", "pairs of the first guard with one image only", PAIRS, faces=Face.NONE)
    ]
    n_incomplete_b: Annotated[
        int, Figure("incomplete of B", "pairs of the second guard with one image only", PAIRS, faces=Face.NONE)
    ]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes."""
        return plain(self)


@dataclass(frozen=True)
class Contest:
    """Guard `a` against guard `b`, as one of several contests on the same pairs.

    If every `holm_p` below 0.05 in a family of contests is taken as a finding, the chance of any false one is below 5%.
    """

    a: str
    b: str
    difference: Difference
    difference_ci: tuple[float, float]
    only_a_correct: OnlyA
    only_b_correct: OnlyB
    p_value: PValue
    design_effect: Effect
    holm_p: Annotated[
        float,
        Figure(
            "Holm p",
            "`p_value` adjusted for all contests that were adjusted together (Holm 1979), at most 1",
            P_VALUE,
            faces=Face.GUARDS,
            short="Holm",
        ),
    ]
    minimum_detectable_difference: Detectable

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes."""
        return plain(self)
