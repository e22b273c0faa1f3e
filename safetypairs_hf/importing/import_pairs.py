"""`import_pairs`: somebody's finished pairs into a run folder, as `build` leaves one."""

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
from safetypairs_hf.core.errors import RecipeError, RunError, SafetyPairsError
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.records import UNKNOWN_LICENSE, Judge, Reject
from safetypairs_hf.core.run_folder import RECIPE, RunFolder
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
from safetypairs_hf.importing.source_policies import taxonomy_of
from safetypairs_hf.importing.source_rows import Rows
from safetypairs_hf.sources.labels import category_of, read_labels
from safetypairs_hf.sources.pinned_dataset import look_up
from safetypairs_hf.sources.screen import HashList, Screen
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import read

NAME: Final = "import"  # what `recipe.json` calls the recipe
NAMED: Final = 10  # so many of what was left out are named


@dataclass(frozen=True)
class Opened:
    """A source with the way it is read, and its pairs; nothing is written yet.

    `understood`: what was understood of it, in lines. `dataset`: the id of one on the Hub, else "". `moved_to`: the
    commit that the source's revision stands for now, where an import goes on that was begun at another; else "".
    """

    rows: Rows
    plan: ReadingPlan
    taxonomy: Taxonomy
    pairs: Sequence[FoundPair]
    rejects: Sequence[tuple[str, Reject]]
    dataset: str = ""
    moved_to: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Its plan and its counts, as JSON values."""
        counts = Counter(pair.texts["category"] for pair in self.pairs)
        return {
            "source": self.rows.origin,
            "rows": len(self.rows),
            "plan": self.plan.to_dict(),
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
        moved = [f"its revision stands for {self.moved_to} now; this run goes on with {self.rows.fingerprint}"]
        count = f"{len(self.pairs):,} pairs; {len(self.rejects):,} rows and pairs are left out"
        return [*understood(self.plan, self.rows), *(moved if self.moved_to else []), *licenses, categories, count]


@dataclass(frozen=True)
class Imported:
    """What an import came to.

    `splits`: pairs by split. `rejected`: how much of the source is no pair of the run, by reason; `left_out` names the
    first of it. `moved`: pairs whose
    source states another split than their group has. `inverted`: pairs that most judges call the wrong way round, of
    `judged` that they were asked about.
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
        """What one should know, or could have said otherwise, in lines."""
        found = []
        if self.moved:
            found.append(f"{self.moved:,} pairs lie in another split than the source has them in, as their group does")
        if 2 * self.inverted > self.judged:
            found.append(
                f"the judges call {self.inverted:,} of {self.judged:,} pairs inverted (the safe member more unsafe "
                "than the unsafe one): are the columns, or the labels, swapped?"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Its figures, with what was understood of the source, as JSON values."""
        named = ("url", "pairs", "splits", "rejected", "moved", "judged", "inverted", "hints")
        rows = [{"input": name, "reason": each.reason, "detail": each.detail} for name, each in self.left_out]
        figures = {name: getattr(self, name) for name in named}
        return {"understood": self.opened.to_dict(), **figures, "left_out": rows}

    def __str__(self) -> str:
        splits = ", ".join(f"{count:,} {split}" for split, count in sorted(self.splits.items()))
        return f"{self.pairs:,} pairs in {self.url}" + (f" ({splits})" if splits else "")


def open_pairs(
    source: Any,
    said: Said | None = None,
    *,
    layout: str | Path | Layout | None = None,
    taxonomy: str | Path | Taxonomy | None = None,
    name: str = "",
    commit: str = "",
) -> Opened:
    """Open a source and find its pairs; see `import_pairs`. No image is decoded, and nothing is written.

    Raises:
        RecipeError: as `import_pairs`.
        HubUnavailable: no network, no such dataset, no access.
    """
    laid = find_layout(layout) if layout is not None else Layout("", Said())
    said = said or Said()
    place = said.over(laid.said)
    rows = open_source(source, subset=place.subset or "", splits=place.splits, name=name, commit=commit)
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
    return Opened(rows, plan, categories, pairs, found.rejects, dataset, now if now != commit else "")


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
    """Import finished pairs into the run folder `out`; `publish`, `report` and `status` take it as they take a build's.

    Started again after a kill it goes on, to the same bytes; where a source on this machine has gained pairs, these are
    added. What no one says is recognised; see `recognition`.

    Args:
        source: a folder (`unsafe/NAME` and `safe/NAME`, or `NAME_unsafe`, `NAME_safe`), a Parquet, CSV or JSON Lines
            file or WebDataset tar or a folder of them, what `save_to_disk` wrote, `org/name[@REVISION]` on the Hub, a
            `datasets.Dataset`, or an iterable of dicts with PIL images, bytes or paths.
        unsafe, safe: the columns of the two members, where a row is a pair.
        image, label, pair: the columns of these, where a row is an image.
        said: all else that is said of how the source is read, as a `Said` or under the names of its fields:
            {"columns": {"critical_feature": "what"}, "split_map": {"dev": "test"}}. The arguments here go first.
        layout: how the source is laid out, where the arguments do not say otherwise: the name of a layout, or a YAML
            file of one's own; see `layouts`.
        taxonomy: a file or a Taxonomy that the categories are of; by default the nine, or with a column `policy` one
            that is made of the source's own policies.
        category: that of every pair.
        license: the SPDX id of the licence of all pairs that no column gives one for.
        fit: "resize", "pad" or "crop" bring members of other sizes to one; "" rejects them.
        judges: guards that are asked about both members, or functions of an image and a category.
        judging: "reject": a pair that a judge does not confirm is rejected; "record": what they say is only recorded.
        test_fraction: the share of groups that lie in the split test, where the source states no split.
        hash_lists, against: see `sources.Screen`.
        name: what the origin of the pairs is called; "" = the name of the file or folder, or the id with its commit.
        workers: processes; None = one a core.
        progress: called as (step, units done, units planned).
        show: called with what was understood, before anything is written.

    Returns:
        What came of it.

    Raises:
        RecipeError: the source cannot be read, a column is not there, or it gives no pair.
        RunError: `out` is of another run, or cannot be written.
        HubUnavailable: no network, no such dataset, no access.
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
    """Open a source and draw ten of its pairs as a PNG; nothing else is written. The arguments are `import_pairs`'.

    Returns:
        What was opened, how many pairs were drawn, and those that were tried and are rejected.

    Raises:
        RecipeError, HubUnavailable: as `import_pairs`.
    """
    from safetypairs_hf.importing.preview import draw

    opened = open_pairs(source, said, layout=layout, taxonomy=taxonomy, name=name)
    drawn, rejected = draw(_source(opened, fit, Screen(against, tuple(hash_lists))), sheet, show_unsafe)
    return opened, drawn, [(each.origin.id, each.reject) for each in rejected if each.reject]


def _categorised(
    found: Sequence[FoundPair], plan: ReadingPlan, rows: Rows, taxonomy: Taxonomy | None
) -> tuple[PackedList[FoundPair], list[tuple[str, Reject]], Taxonomy]:
    """The pairs with the slug of each, those that have none, and the taxonomy."""
    policies = plan.column("policy") or plan.column("policy_name")
    if plan.category or plan.column("category") or (taxonomy is not None and not policies):
        return _by_category(found, plan, taxonomy or NINE)
    if not policies:
        raise RecipeError(
            f"{rows.origin}: nothing says the category; give --category SLUG for all, --category-column COLUMN, or "
            "--policy-column COLUMN where the source has policies of its own"
        )
    role = "policy" if plan.column("policy") else "policy_name"  # what a policy is known by: its text, else its name

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
    for pair in found:
        slug = constant or category_of(pair.texts.get("category"), mapping, taxonomy)
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
    """The licences of all pairs, as a text; UNKNOWN_LICENSE where that of one is not known."""
    found = {pair.texts.get("license") or license for pair in opened.pairs}
    return UNKNOWN_LICENSE if "" in found else ", ".join(sorted(found))


def _refuse_inside(source: Any, run: RunFolder) -> None:
    """Raise RunError where the run would lie in the source, and be a part of it when it is gone on with."""
    if isinstance(source, str | os.PathLike) and "file" in run.fs.protocol:
        folder = Path(source).expanduser()
        if folder.is_dir() and Path(run.root).resolve().is_relative_to(folder.resolve()):
            raise RunError(f"{run.url} lies in the source {os.fspath(source)}; name a folder beside it: --out")


def _commit_of(run: RunFolder, source: Any) -> str:
    """The commit that a run of the same Hub dataset was begun with, as a branch may have moved since; else ""."""
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
