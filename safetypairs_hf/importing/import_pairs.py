"""`import_pairs`: import finished pairs into a run folder of the same form as `build` writes."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.build import Progress, build
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe
from safetypairs_hf.core.errors import RecipeError, RunError, SafetyPairsError, counted, verb
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.records import UNKNOWN_LICENSE, Judge, Reject
from safetypairs_hf.core.run_folder import RECIPE, RunFolder
from safetypairs_hf.core.tables import text_html
from safetypairs_hf.importing.fitting import FITS
from safetypairs_hf.importing.import_judging import MODES, is_inverted, judging_of
from safetypairs_hf.importing.import_selection import EveryPair
from safetypairs_hf.importing.layout import Layout
from safetypairs_hf.importing.layout import layout as find_layout
from safetypairs_hf.importing.open_source import dataset_of, open_source
from safetypairs_hf.importing.pair_source import ListedPairs, PairSource
from safetypairs_hf.importing.pairing import FoundPair, find_pairs
from safetypairs_hf.importing.reading_plan import ReadingPlan, Said, check_word
from safetypairs_hf.importing.recognition import recognise, understood
from safetypairs_hf.importing.source_policies import MOST_OF_PAIRS, taxonomy_of
from safetypairs_hf.importing.source_rows import Rows
from safetypairs_hf.sources.labels import category_of, read_labels
from safetypairs_hf.sources.pinned_dataset import look_up
from safetypairs_hf.sources.screen import HashList, Screen
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import read

NAME: Final = "import"  # the name of the recipe in `recipe.json`
NAMED: Final = 10  # how many left-out items are named


@dataclass(frozen=True)
class Opened:
    """An opened source, how it is read, and its pairs. Nothing is written yet.

    `understood`: how the source was understood, in lines. `labels`: the labels that are known, in lower case, with the
    number of rows of each; empty if a row is a pair. `dataset`: its id on the Hub, else "". `moved_to`: the commit
    that the source's revision points to now, if the import that continues was started at another commit; else "".
    """

    rows: Rows
    plan: ReadingPlan
    taxonomy: Taxonomy
    pairs: Sequence[FoundPair]
    rejects: Sequence[tuple[str, Reject]]
    labels: Mapping[str, int]
    dataset: str = ""
    moved_to: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the reading plan and the counts as JSON values."""
        counts = Counter(pair.texts["category"] for pair in self.pairs)
        return {
            "source": self.rows.origin,
            "rows": len(self.rows),
            "plan": self.plan.to_dict(),
            "labels": dict(self.labels),
            "license": self.plan.license or self.rows.license,
            "taxonomy": self.taxonomy.name,
            "categories": {slug: counts[slug] for slug in self.taxonomy.present(counts)},
            "pairs": len(self.pairs),
            "left_out": len(self.rejects),
        }

    @property
    def understood(self) -> list[str]:
        counts = Counter(pair.texts["category"] for pair in self.pairs)
        named = ", ".join(f"{slug} {counts[slug]:,}" for slug in self.taxonomy.present(counts))
        categories = f"categories of {self.taxonomy.name}: {named}"
        license = self.plan.license or self.rows.license or "unknown"
        licenses = [] if self.plan.column("license") else [f"licence: {license}"]
        moved = [f"its revision now points to {self.moved_to}; this run continues with {self.rows.fingerprint}"]
        count = f"{counted(len(self.pairs), 'pair')}; {len(self.rejects):,} left out"
        plan = [*understood(self.plan, self.rows), *self._labels]
        return [*plan, *(moved if self.moved_to else []), *licenses, categories, count]

    @property
    def _labels(self) -> list[str]:
        """The line of the labels: what each means, and how many rows have it; [] if a row is a pair."""
        known = sorted((self.plan.label(text) == "safe", text) for text in self.labels)  # unsafe ones first
        said = (text if self.plan.label(text) == text else f"{text} is {self.plan.label(text)}" for _, text in known)
        named = [f"{each} ({self.labels[text]:,})" for each, (_, text) in zip(said, known, strict=True)]
        return [f"labels: {', '.join(named)}"] if named else []


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    `splits`: pairs by split. `rejected`: rows and pairs of the source that are not in the run, by reason; `left_out`
    names the first of them. `moved`: pairs whose group is in another split than the source states. `inverted`: pairs
    that most judges call the wrong way round, of the `judged` ones.
    """

    opened: Opened
    url: str
    pairs: int
    splits: Mapping[str, int]
    rejected: Mapping[str, int]
    left_out: Sequence[tuple[str, Reject]]
    moved: int
    judged: int
    inverted: int

    @property
    def hints(self) -> list[str]:
        """Return advice in lines: what users should know, and which options would change the result."""
        found = []
        if self.moved:
            lie = f"{counted(self.moved, 'pair')} {verb(self.moved, 'lies')}"
            found.append(f"{lie} in another split than in the source, because a group lies in one split")
        if 2 * self.inverted > self.judged:
            found.append(
                f"the judges call {self.inverted:,} of {counted(self.judged, 'pair')} inverted (the safe member more "
                "unsafe than the unsafe one): are the columns, or the labels, swapped?"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, and how the source was understood, as JSON values."""
        named = ("url", "pairs", "splits", "rejected", "moved", "judged", "inverted", "hints")
        rows = [{"input": name, "reason": each.reason, "detail": each.detail} for name, each in self.left_out]
        figures = {name: getattr(self, name) for name in named}
        return {"understood": self.opened.to_dict(), **figures, "left_out": rows}

    def __str__(self) -> str:
        splits = ", ".join(f"{count:,} {split}" for split, count in sorted(self.splits.items()))
        lines = [f"{counted(self.pairs, 'pair')} in {self.url}" + (f" ({splits})" if splits else "")]
        if self.rejected:
            lines.append("left out: " + ", ".join(f"{count:,} {reason}" for reason, count in self.rejected.items()))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return text_html("\n".join([str(self), *self.hints]))


def open_pairs(
    source: Any,
    said: Said | None = None,
    *,
    layout: str | Path | Layout | None = None,
    taxonomy: str | Path | Taxonomy | None = None,
    name: str = "",
    commit: str = "",
) -> Opened:
    """Open a source and find its pairs. No image is decoded, and nothing is written. Arguments as in `import_pairs`.

    Raises:
        RecipeError: As in `import_pairs`.
        HubUnavailable: There is no network, no such dataset, or no access to it.
    """
    laid = find_layout(layout) if layout is not None else Layout("", Said())
    said = said or Said()
    place = said.over(laid.said)
    rows = open_source(
        source, subset=place.subset or "", splits=place.splits, labels=place.labels, name=name, commit=commit
    )
    laid.check(rows, said)
    plan = recognise(rows, said.over(laid.for_source(rows.license)))
    found = find_pairs(rows, plan)
    pairs, rejects, categories = _categorised(found.pairs, plan, rows, read(taxonomy) if taxonomy else None)
    found.rejects.extend(rejects)
    if not pairs:
        why = "; ".join(f"{each}: {reject.reason} ({reject.detail})" for each, reject in found.rejects[:3])
        raise RecipeError(f"{rows.origin} gives no pair: {why}")
    named = dataset_of(source)
    now = look_up(named[0], named[1] or "main")[0] if named and commit else ""
    dataset = named[0] if named else ""
    return Opened(rows, plan, categories, pairs, found.rejects, found.labels, dataset, now if now != commit else "")


def import_pairs(
    source: Any,
    out: str | os.PathLike[str],
    *,
    unsafe: str | None = None,
    safe: str | None = None,
    image: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    said: Said | Mapping[str, Any] | None = None,
    layout: str | Path | Layout | None = None,
    taxonomy: str | Path | Taxonomy | None = None,
    category: str | None = None,
    license: str | None = None,
    fit: str = "",
    judges: Sequence[Judge | Callable[..., Any]] = (),
    judging: str = "reject",
    test_fraction: float = 0.8,
    hash_lists: Sequence[str | HashList] = (),
    against: str | None = None,
    name: str = "",
    workers: int | None = None,
    progress: Progress = lambda stage, done, total: None,
    show: Callable[[Opened], None] = lambda opened: None,
) -> Imported:
    """Import finished pairs into a run folder, which `publish`, `report` and `status` take like that of a build.

    An import that was killed continues when it is started again, and writes the same bytes. If a local source has
    gained pairs since, they are added. What the arguments do not state is recognised from the source, as the module
    `recognition` describes.

    Args:
        source: A folder (`unsafe/NAME` and `safe/NAME`, or `NAME_unsafe`, `NAME_safe`); a Parquet, CSV or JSON Lines
            file, a WebDataset tar, or a folder of these; a folder that `save_to_disk` wrote; `org/name[@REVISION]` on
            the Hub; a `datasets.Dataset`; or an iterable of dicts with PIL images, bytes or paths.
        out: The run folder, a path or an fsspec URL.
        unsafe: The column of the unsafe image, if a row is a pair.
        safe: The column of the safe image, if a row is a pair.
        image: The column of the image, if a row is an image.
        label: The column that says which image is unsafe, if a row is an image.
        pair: The column with the id of the pair, if a row is an image.
        said: Further statements on how to read the source, as a `Said` or a dict of its fields:
            {"columns": {"critical_feature": "what"}, "split_map": {"dev": "test"}}. The other arguments take
            precedence.
        layout: A layout for what the arguments do not state: the name of a layout, or a YAML file; see `layouts`.
        taxonomy: The taxonomy of the categories, a file or a Taxonomy. By default it is the built-in one with nine
            categories, or, if there is a column `policy`, one that is made from the source's own policies.
        category: The category of all pairs.
        license: The SPDX id of the licence of all pairs without a licence column.
        fit: "resize", "pad" or "crop" give the members of a pair one size; "" rejects pairs of unequal sizes.
        judges: Guards, or functions of an image and a category, that are asked about both members.
        judging: "reject" rejects a pair that a judge does not confirm; "record" only records the judges' answers.
        test_fraction: The share of groups in the split test, in [0, 1], if the source states no split.
        hash_lists: Hash lists of images to refuse, as in `sources.Screen`.
        against: A published dataset whose images, present or taken down, are refused, as in `sources.Screen`.
        name: The origin of the pairs; "" takes the name of the file or folder, or the id with its commit.
        workers: Number of processes; None uses one per core.
        progress: Called as (step, units done, units planned).
        show: Called with the opened source before anything is written.

    Returns:
        The counts of accepted and rejected pairs, and how the source was understood.

    Raises:
        RecipeError: The source cannot be read, lacks a column, or contains no pair.
        RunError: `out` belongs to another run, or cannot be written.
        HubUnavailable: There is no network, no such dataset, or no access to it.
    """
    given = {"unsafe": unsafe, "safe": safe, "image": image, "label": label, "pair": pair}
    columns = {role: column for role, column in given.items() if column is not None}
    more = Said.from_dict(said, "said") if isinstance(said, Mapping) else said or Said()
    said = Said(columns=columns, category=category, license=license).over(more)
    check_word("judging", judging, MODES)
    if fit:
        check_word("fit", fit, tuple(FITS))
    run = RunFolder(os.fspath(out))
    _refuse_inside(source, run)
    opened = open_pairs(source, said, layout=layout, taxonomy=taxonomy, name=name, commit=_commit_of(run, source))
    if judges and opened.plan.kind == "policies":
        raise RecipeError(
            "policy pairs are judged once they are published (evaluate --config policy_pairs); leave judges out"
        )
    show(opened)
    pairs = _source(opened, fit, Screen(against, tuple(hash_lists)))
    loaded = _loaded(opened, pairs, tuple(judges), judging, test_fraction)
    built = build(loaded, run.url, workers, progress)
    return _imported(run, opened, built.pairs, bool(judges))


def preview(
    source: Any,
    sheet: Path,
    said: Said | None = None,
    *,
    layout: str | Path | Layout | None = None,
    taxonomy: str | Path | Taxonomy | None = None,
    fit: str = "",
    hash_lists: Sequence[str | HashList] = (),
    against: str | None = None,
    name: str = "",
    show_unsafe: bool = False,
    **others: Any,
) -> tuple[Opened, int, list[tuple[str, Reject]]]:
    """Open a source and draw ten of its pairs as a PNG. Nothing else is written. Arguments as in `import_pairs`.

    Returns:
        The opened source, how many pairs were drawn, and the pairs that were tried and rejected.

    Raises:
        RecipeError: As in `import_pairs`.
        HubUnavailable: As in `import_pairs`.
    """
    from safetypairs_hf.importing.preview import draw

    opened = open_pairs(source, said, layout=layout, taxonomy=taxonomy, name=name)
    drawn, rejected = draw(_source(opened, fit, Screen(against, tuple(hash_lists))), sheet, show_unsafe)
    return opened, drawn, [(each.origin.id, each.reject) for each in rejected if each.reject]


def _categorised(
    found: Sequence[FoundPair], plan: ReadingPlan, rows: Rows, taxonomy: Taxonomy | None
) -> tuple[PackedList[FoundPair], list[tuple[str, Reject]], Taxonomy]:
    """Return the pairs with their category slugs, the pairs without one, and the taxonomy."""
    if plan.kind == "policies":
        return _by_policies(found, rows, taxonomy)
    policies = plan.column("policy") or plan.column("policy_name")
    if plan.category or plan.column("category") or (taxonomy is not None and not policies):
        return _by_category(found, plan, taxonomy or NINE)
    if not policies:
        raise RecipeError(
            f"{rows.origin}: nothing says the category; give --category SLUG for all, --category-column COLUMN, or "
            "--policy-column COLUMN where the source has policies of its own"
        )
    role = "policy" if plan.column("policy") else "policy_name"  # a policy is identified by its text, else by its name

    def known() -> Iterator[tuple[FoundPair, str]]:
        return ((pair, key) for pair in found if (key := pair.texts.get(role)) is not None)

    rejects = [
        (pair.name, Reject("source", "no_policy", "the row has no policy")) for pair in found if role not in pair.texts
    ]
    if taxonomy is not None:
        named = (
            pair._replace(texts={**pair.texts, "category": pair.texts.get("policy_name", key)}) for pair, key in known()
        )
        pairs, others, _ = _by_category(named, plan, taxonomy)
        return pairs, [*rejects, *others], taxonomy
    policies_of = ((key, pair.texts.get("policy_name")) for pair, key in known())
    made, slugs = taxonomy_of(policies_of, rows.origin.split("@")[0])
    pairs = PackedList(pair._replace(texts={**pair.texts, "category": slugs[key]}) for pair, key in known())
    return pairs, rejects, made


def _by_policies(
    found: Sequence[FoundPair], rows: Rows, taxonomy: Taxonomy | None
) -> tuple[PackedList[FoundPair], list[tuple[str, Reject]], Taxonomy]:
    """Return policy pairs, each with the slugs of its two policies: from the texts, or by name in a given taxonomy."""
    both = (("policy", "policy_name"), ("safe_policy", "safe_policy_name"))
    if taxonomy is None:
        of_all = ((pair.texts[text], pair.texts.get(name)) for pair in found for text, name in both)
        taxonomy, slugs = taxonomy_of(of_all, rows.origin.split("@")[0], MOST_OF_PAIRS)
        return (
            PackedList(_with_policies(each, *(slugs[each.texts[text]] for text, _ in both)) for each in found),
            [],
            taxonomy,
        )
    pairs, rejects = PackedList[FoundPair](), []
    for each in found:
        policies = (each.texts.get(name, each.texts[text]) for text, name in both)
        named = [category_of(policy, {}, taxonomy, "add it to the taxonomy") for policy in policies]
        unsafe, safe = named
        if isinstance(unsafe, Reject):
            rejects.append((each.name, unsafe))
        elif isinstance(safe, Reject):
            rejects.append((each.name, safe))
        else:
            pairs.append(_with_policies(each, unsafe, safe))
    return pairs, rejects, taxonomy


def _with_policies(pair: FoundPair, unsafe: str, safe: str) -> FoundPair:
    return pair._replace(texts={**pair.texts, "category": unsafe, "safe_category": safe})


def _by_category(
    found: Iterable[FoundPair], plan: ReadingPlan, taxonomy: Taxonomy
) -> tuple[PackedList[FoundPair], list[tuple[str, Reject]], Taxonomy]:
    try:
        mapping = read_labels(plan.category_map, taxonomy)
        constant = taxonomy.find(plan.category).slug if plan.category else None
        if constant is None and len(taxonomy.slugs) == 1 and not plan.column("category"):
            constant = taxonomy.slugs[0]
    except SafetyPairsError as error:
        raise RecipeError(f"the category: {error}") from None
    pairs, rejects = PackedList[FoundPair](), []
    advice = "give --category SLUG for every pair, or --category-map VALUE=SLUG"
    for pair in found:
        slug = constant or category_of(pair.texts.get("category"), mapping, taxonomy, advice)
        if isinstance(slug, Reject):
            rejects.append((pair.name, slug))
        else:
            pairs.append(pair._replace(texts={**pair.texts, "category": slug}))
    return pairs, rejects, taxonomy


def _source(opened: Opened, fit: str, screen: Screen) -> PairSource:
    rows, plan = opened.rows, opened.plan
    kind = PairSource if rows.fingerprint else ListedPairs
    settings = {"origin": rows.origin, "dataset": opened.dataset, **plan.to_dict()}
    license = plan.license or rows.license
    return kind(
        rows, opened.pairs, opened.rejects, settings, fit, plan.generator, license, screen, taxonomy=opened.taxonomy
    )


def _loaded(
    opened: Opened, source: PairSource, judges: tuple[Any, ...], judging: str, test_fraction: float
) -> LoadedRecipe:
    recipe = Recipe(
        source=source,
        instructor=None,
        editor=None,
        judging=judging_of(judges, judging),
        selection=EveryPair(test_fraction),
        pairs=len(opened.pairs),
        license=_license_of_all(opened, source.license),
        attribution=f"Imported from {opened.rows.origin}",
        expected_yield=1.0,
        categories=source.categories,
        rounds=0,
        taxonomy=opened.taxonomy,
    )
    return LoadedRecipe(NAME, "", {}, recipe)


def _license_of_all(opened: Opened, license: str) -> str:
    """Return the licences of all pairs as text, or UNKNOWN_LICENSE if that of any pair is unknown."""
    found = {pair.texts.get("license") or license for pair in opened.pairs}
    return UNKNOWN_LICENSE if "" in found else ", ".join(sorted(found))


def _refuse_inside(source: Any, run: RunFolder) -> None:
    """Raise RunError if the run folder is inside the source, where the next run would read it as part of the source."""
    if isinstance(source, str | os.PathLike) and "file" in run.fs.protocol:
        folder = Path(source).expanduser()
        if folder.is_dir() and Path(run.root).resolve().is_relative_to(folder.resolve()):
            raise RunError(f"{run.url} lies in the source {os.fspath(source)}; name a folder outside it: --out")


def _commit_of(run: RunFolder, source: Any) -> str:
    """Return the commit that a run of the same Hub dataset was started with, since a branch may have moved; else ""."""
    if not isinstance(source, str) or not run.has(RECIPE):
        return ""
    begun = run.read_json(RECIPE)
    dataset, revision = dataset_of(source) or ("", "")
    same = dataset and begun["parts"]["source"].get("settings", {}).get("dataset") == dataset
    return str(begun["inputs"]).partition(" ")[0] if same and not re.fullmatch("[0-9a-f]{40}", revision) else ""


def _imported(run: RunFolder, opened: Opened, pairs: int, judged: bool) -> Imported:
    splits, moved = Counter[str](), 0
    for split, stated in run_reader.drawn_splits(run):
        splits[split] += 1
        moved += stated not in ("", split)
    inputs = ((row["input"], Reject("source", row["reason"], row["detail"])) for row in run_reader.rejected_inputs(run))
    left_out = list(itertools.islice(itertools.chain(inputs, run_reader.rejected_pairs(run)), NAMED))
    rejected: Counter[str] = Counter()
    for stage in run_reader.funnel(run)["stages"]:
        rejected.update(stage["rejected"])
    said = [is_inverted(each) for each in run_reader.judgements(run)] if judged else []
    return Imported(opened, run.url, pairs, splits, rejected, left_out, moved, len(said), sum(said))
