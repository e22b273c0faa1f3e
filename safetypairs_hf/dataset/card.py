"""Render the dataset card and the changelog from the template in `dataset_card/` and the figures of the manifest."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import yaml

from safetypairs_hf.core import funnel
from safetypairs_hf.core.errors import counted, verb
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.resources import folder
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.dataset import control_rows, errata, failure_rows, licenses, markdown, policy_pair_rows, reviews
from safetypairs_hf.dataset.manifest import UNREVIEWED, Manifest, Total, dump
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

MOST_ERRATA = 100  # listed on the card at most; errata.json lists all
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def render(manifest: Manifest, name: str) -> dict[str, str]:
    """Return README.md and CHANGELOG.md of a version. `name` is the dataset's name for `load_dataset`."""
    header = yaml.safe_dump(
        metadata(manifest, name), sort_keys=False, allow_unicode=True, width=118, default_flow_style=None
    )
    return {"README.md": f"---\n{header}---\n\n{_prose(manifest, name)}", "CHANGELOG.md": changelog(manifest)}


def metadata(manifest: Manifest, name: str) -> dict[str, Any]:
    """Return the card's YAML: the fixed keys, licence and size, and the configs with the size of each split."""
    found = configs(manifest)
    # `datasets` caches a local folder by these values: without them it would return the old rows for a new version.
    # The hash of this card is added to the manifest later.
    digest = sha256(dump(dataclasses.replace(manifest, sidecars={})))[:16]
    identity = {"version": str(manifest.version), "description": f"manifest {digest}"}
    return {
        "pretty_name": title_of(name),
        **resource("metadata.yaml"),
        "annotations_creators": sorted({_labelled_by(release) for release in manifest.releases}),
        **licenses.metadata((release["license"] for release in manifest.releases), name),
        "size_categories": [next((text for limit, text in _SIZES if len(manifest.entries) < limit), "10M<n<100M")],
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == "default" else {}),
                **identity,
                "data_files": [{"split": view.split, "path": view.glob} for view in views],
            }
            for config, views in found.items()
        ],
        "dataset_info": [_info(config, views) for config, views in found.items()],
    }


def title_of(name: str) -> str:
    """Return what a dataset is called: `pairs` of `lab/pairs` and of `./pairs`."""
    title = markdown.line(name.rstrip("/").rsplit("/", 1)[-1])
    return "SafetyPairs" if title in ("", "safetypairs") else title


def _labelled_by(release: Mapping[str, Any]) -> str:
    """Return the Hub's word for where the labels of a release come from."""
    return "found" if release.get("imported") else "machine-generated"


class View(NamedTuple):
    """A split of a config: the glob of its files, and the number of pairs (or rows, for other configs) in them."""

    split: str
    glob: str
    total: Total


def configs(manifest: Manifest) -> dict[str, list[View]]:
    """Return the configs. Each lists only splits that hold rows.

    All configs except `policy_pairs`, `controls`, `failures` and `reviews` are views of the pairs of two images.
    """
    totals = manifest.totals()
    splits = splits_of(totals)
    present = manifest.taxonomy.present(slug for split in splits for slug in totals[split])
    views: dict[str, list[View]] = {}
    if splits:  # a version may have only policy pairs
        views["default"] = [View(split, f"data/{split}/*/*.parquet", _sum(totals[split].values())) for split in splits]
    if "test" in totals:
        test = totals["test"]
        views["by_category"] = [
            View(slug, f"data/test/{slug}/*.parquet", test[slug]) for slug in present if slug in test
        ]
    for slug in present:
        views[slug] = [
            View(split, f"data/{split}/{slug}/*.parquet", totals[split][slug])
            for split in splits
            if slug in totals[split]
        ]
    return views | _policy_pairs(manifest) | _extras(manifest, splits)


def _policy_pairs(manifest: Manifest) -> dict[str, list[View]]:
    """Return the config `policy_pairs`; empty if the version has no policy pairs."""
    totals = manifest.totals(of_policies=True)
    root = policy_pair_rows.ROOT
    views = [View(split, f"{root}{split}/*.parquet", _sum(totals[split].values())) for split in splits_of(totals)]
    return {policy_pair_rows.CONFIG: views} if views else {}


def _extras(manifest: Manifest, splits: Sequence[str]) -> dict[str, list[View]]:
    """Return the configs `controls`, `failures` and `reviews`, as far as the version has such files."""
    globs = {"controls": [(split, f"controls/{split}/*/*.parquet", f"controls/{split}/") for split in splits]}
    globs["failures"] = [("train", "failures/*/*.parquet", failure_rows.ROOT)]
    views = {
        config: [View(split, glob, total) for split, glob, root in of if (total := _held(manifest, root)).pairs]
        for config, of in globs.items()
    }
    if reviewed := sum(entry.review != UNREVIEWED for entry in manifest.entries):
        views[reviews.CONFIG] = [View(reviews.CONFIG, reviews.NAME, Total(reviewed, 0))]
    return {config: found for config, found in views.items() if found}


def _held(manifest: Manifest, root: str) -> Total:
    held = [counts for name, counts in manifest.extras.items() if name.startswith(root)]
    return Total(sum(counts["rows"] for counts in held), sum(counts["size"] for counts in held))


def splits_of(totals: Mapping[str, Any]) -> list[str]:
    """Return the splits that hold pairs, `train` before `test`."""
    return [split for split in ("train", "test") if split in totals]


def resource(file: str) -> Any:
    """Read a YAML file of `dataset_card/`."""
    return yaml.safe_load((folder("dataset_card") / file).read_text(encoding="utf-8"))


def citation(manifest: Manifest, name: str) -> str:
    """Return BibTeX entries for the paper of the method and for this version, without a year: a version has no date."""
    where = [f"  howpublished = {{{_bibtex(f'https://huggingface.co/datasets/{name}')}}},\n"] if is_hub_id(name) else []
    title = name if is_hub_id(name) else title_of(name)
    key = "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "safetypairs"
    dataset = (
        f"@misc{{{key}-v{manifest.version},\n"
        f"  title        = {{{_bibtex(title)}, version {manifest.version}}},\n"
        f"{''.join(where)}"
        "  note         = {Counterfactual image pairs, made with safetypairs-hf}\n}"
    )
    return f"{(folder('dataset_card') / 'paper.bib').read_text(encoding='utf-8')}\n{dataset}"


def changelog(manifest: Manifest) -> str:
    """Return the text of CHANGELOG.md, newest version first."""
    lines = ["# Changelog", ""]
    for release in reversed(manifest.releases):
        what = markdown.plain(release["summary"])
        lines += [f"## {release['version']}", "", f"{what}; {counted(release['pairs'], 'pair')} in all.", ""]
    return "\n".join(lines)


def _prose(manifest: Manifest, name: str) -> str:
    loader = jinja2.FileSystemLoader(folder("dataset_card"))
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {
        "plain": markdown.plain,
        "code": markdown.code,
        "quoted": _quoted,
        "counted": counted,
        "verb": verb,
    }
    totals = manifest.totals()
    splits = splits_of(totals)
    release = manifest.releases[-1]
    stages = [stage for stage in release["funnel"] if _is_shown(stage, release["judging"]["judges"])]
    editing = release.get("editing") or {"editors": [], "made_by": []}
    return environment.get_template("README.md.jinja").render(
        title=title_of(name),
        name=name,
        on_hub=is_hub_id(name),
        version=release["version"],
        about=dict.fromkeys(each["about"] for each in manifest.releases if "about" in each),
        pairs=len(manifest.entries),
        reviewed=sum(entry.review != UNREVIEWED for entry in manifest.entries),
        statuses=_statuses(manifest),
        review=_review(manifest),
        protocol=resource("review.yaml")["protocol"],
        configs=configs(manifest),
        groups=len({entry.group for entry in manifest.entries}),
        taxonomy=manifest.taxonomy,
        is_nine=manifest.taxonomy.slugs == NINE.slugs,
        is_packaged=manifest.taxonomy == NINE,
        present=manifest.taxonomy.present(slug for split in splits for slug in totals[split]),
        splits=splits,
        counts={split: {slug: total.pairs for slug, total in of.items()} for split, of in totals.items()},
        by_category="test" in totals,
        columns=resource("columns.yaml"),
        extras=resource("extras.yaml"),
        release=release,
        imported=release.get("imported", False),
        judging=release["judging"],
        judges=[(judge["class"], _settings(judge)) for judge in release["judging"]["judges"]],
        editors=[(editor["class"], _settings(editor)) for editor in editing["editors"]],
        made_by=editing["made_by"],
        funnel=list(funnel.rows({"stages": stages})),
        stages=[stage["stage"] for stage in stages],
        yields=list(_yields(stages, manifest.taxonomy)),
        controls=_controls(manifest),
        policy_pairs=sum(entry.is_policy_pair for entry in manifest.entries),
        failures={
            slug: total.pairs
            for slug in manifest.taxonomy.slugs
            if (total := _held(manifest, f"{failure_rows.ROOT}{slug}/")).pairs
        },
        probe=_probe(manifest),
        restricted=_restricted(manifest),
        sources=dict.fromkeys((each["license"], each["attribution"]) for each in manifest.releases),
        takedowns=len(manifest.takedowns),
        errata=[{**each, "what": errata.in_words(each)} for each in manifest.errata[: -MOST_ERRATA - 1 : -1]],
        errata_in_all=len(manifest.errata),
        corrected=len({each["pair_id"] for each in manifest.errata}),
        releases=manifest.releases[::-1],
        citation=citation(manifest, name),
    )


def _is_shown(stage: Mapping[str, Any], judges: Sequence[Any]) -> bool:
    """Return whether the card has a stage of the funnel: not that of the judges if none was asked."""
    return bool(judges or stage["rejected"]) or not stage["stage"].startswith("judge")


def _yields(stages: Sequence[Mapping[str, Any]], taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    """Yield the number of pairs of each category after each stage, and the share of its sources that judges passed.

    The share is "" if there is no source or no stage of the judges.
    """
    by_stage = {stage["stage"]: stage["by_category"] for stage in stages}
    for slug in taxonomy.slugs:
        left = {stage: of.get(slug, {"out": 0})["out"] for stage, of in by_stage.items()}
        if any(left.values()):
            share = f"{left['judge'] / left['source']:.0%}" if left["source"] and "judge" in left else ""
            yield {"category": f"`{slug}`", "left": list(left.values()), "share": share}


def _controls(manifest: Manifest) -> dict[str, Any] | None:
    """Return the sums of the controls, and what they show about each judge of the build; None without controls."""
    tallies = [held for name, held in manifest.extras.items() if name.startswith(control_rows.ROOT)]
    if not tallies:
        return None
    total = control_rows.summed(tallies)
    judges = [
        {
            "name": name,
            "pairs": n,
            "right": f"{right / n:.4f}" if n else "",
            "regenerated": f"{regenerated / n:.4f}" if n else "",
            "gap": f"{(right - regenerated) / n:+.4f}" if n else "",
            "kept": f"{kept / nulls:.4f} of {nulls}" if nulls else "",
        }
        for name, (n, right, regenerated, nulls, kept) in total["judges"].items()
    ]
    neutral = [release["neutral"] for release in manifest.releases if "neutral" in release]
    return {**total, "judges": judges, "neutral": list(dict.fromkeys(neutral))}


def _statuses(manifest: Manifest) -> dict[str, int]:
    """Return the number of pairs by review status; empty if no pair was reviewed."""
    counts = Counter(entry.review for entry in manifest.entries)
    counts[UNREVIEWED] += 0
    return dict(sorted(counts.items())) if len(counts) > 1 else {}


def _review(manifest: Manifest) -> dict[str, Any] | None:
    """Return the figures of the newest review and the version that it came with; None if there is no review."""
    reviewed = [release for release in manifest.releases if release.get("review")]
    if not reviewed:
        return None
    found, version = reviewed[-1]["review"], reviewed[-1]["version"]
    every = [
        (
            *(each["version"], each["review"]["pairs"], each["review"]["reviewers"], _decisions(each["review"])),
            *(_figure(each["review"]["decided"]["alpha"]), _figure(each["review"]["named_unsafe"])),
        )
        for each in reversed(reviewed)
    ]
    rows = [
        (name, _figure(figure), counted(figure["items"], of))
        for name, figure, of in agreements(found)
        if figure["items"]
    ]
    if found.get("seconds"):
        low, median, high = found["seconds"]
        rows.append(("Seconds a pair: median, quartiles", f"{median:.1f} ({low:.1f}–{high:.1f})", "decisions"))
    return {
        **found,
        "version": version,
        "every": every,
        "turned_down": found["statuses"].get("rejected", 0),
        "decisions": _decisions(found),
        "blind": found["named_unsafe"]["items"],
        "rows": rows,
        "categories": [
            (slug, each["pairs"], _figure(each["decided"]["alpha"]), _figure(each["named_unsafe"]))
            for slug, each in found["by_category"].items()
            if each["pairs"]
        ],
        "people": [{**each, "named": _figure(each["named_unsafe"])} for each in found["people"]],
    }


def _decisions(found: Mapping[str, Any]) -> int:
    return sum(each["pairs"] for each in found["people"])


def agreements(found: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield the agreement figures of a review: the name, the figure, and what it counts, in the singular."""
    yield "Krippendorff's alpha of decisions", found["decided"]["alpha"], "pair"
    yield "Fleiss' kappa of decisions", found["decided"]["fleiss"], "pair"
    for each in found["cohen"]:
        yield f"Cohen's kappa of decisions, {each['a']} and {each['b']}", each["kappa"], "pair"
    yield "Blind answers that name the unsafe member", found["named_unsafe"], "answer"
    yield "Krippendorff's alpha of blind answers", found["labelled"]["alpha"], "pair"
    yield "Fleiss' kappa of blind answers", found["labelled"]["fleiss"], "pair"
    for each in found["judges"]:
        yield f"Blind answers that are those of {each['name']}", each["same"], "answer"
        yield f"Cohen's kappa of blind answers and {each['name']}", each["kappa"], "answer"


def review_verdict(manifest: Manifest) -> list[str]:
    """Return a sentence for each figure of the newest review, and one for each earlier review."""
    found = _review(manifest)
    if found is None:
        return []
    rows = [markdown.line(f"{name}: {value}, {of}.", 300) for name, value, of in found["rows"]]
    heads = [
        f"Review for version {version}: {counted(people, 'person')} made {counted(decisions, 'decision')} on "
        f"{counted(pairs, 'pair')}; alpha of decisions {alpha}, blind answers that name the unsafe member {named}."
        for version, pairs, people, decisions, alpha, named in found["every"]
    ]
    return [heads[0], *rows, *heads[1:]]


def _figure(figure: Mapping[str, Any]) -> str:
    """Return a figure of a review as text, with its interval if it has one."""
    if figure.get("value") is None:
        return "all alike" if figure["items"] else "–"
    ends = "" if figure.get("low") is None else f" ({figure['low']:.3f}–{figure['high']:.3f})"
    return f"{figure['value']:.3f}{ends}"


def _probe(manifest: Manifest) -> dict[str, Any]:
    """Return the newest probe and the version whose new pairs it examined, or `not_made` with the reason."""
    probed = [(release["version"], release["probe"]) for release in manifest.releases if "probe" in release]
    made = [(version, found) for version, found in probed if "not_made" not in found]
    if not made:
        if not manifest.totals():
            return {"not_made": "it has no pair of two images"}
        why = probed[-1][1]["not_made"] if probed else "an earlier safetypairs-hf published it, which made none"
        return {"not_made": why}
    version, found = made[-1]
    detectors: dict[tuple[str, str], list[str]] = {}
    for each in found["detectors"]:
        detectors.setdefault((each["traces"], _SEEN[each["where"]]), []).append(_share(each["auc"]))
    best = [(_SEEN[each["where"]], each["tried"], _share(each["auc"]), _share(each["pairs"])) for each in found["best"]]
    lookups: dict[str, list[str]] = {}
    for each in found["lookups"]:
        lookups.setdefault(each["name"], []).append(_share(each["pairs"]))
    controls = [
        (each["kind"], each["pairs"], [_share(best["auc"]) for best in each["best"]]) for each in found["controls"]
    ]
    return {
        **found,
        "version": version,
        "detectors": [(*name, *shares) for name, shares in detectors.items()],
        "best": best,
        "lookups": [(name, *shares) for name, shares in lookups.items()],
        "controls": controls,
    }


def probe_verdict(manifest: Manifest) -> list[str]:
    """Return the findings of the newest probe as sentences; empty if no probe was made."""
    found = _probe(manifest)
    return (
        [] if "not_made" in found else [f"Probe of version {found['version']}: {markdown.line(found['verdict'], 600)}"]
    )


_SEEN = {"image": "image and file", "box": "box of the change"}


def _share(share: Mapping[str, float]) -> str:
    return f"{share['value']:.3f} ({share['low']:.3f}–{share['high']:.3f})"


def _settings(judge: Mapping[str, Any]) -> str:
    found = {key: value for key, value in sorted(judge.items()) if key not in ("class", "holds_model")}
    return ", ".join(f"{key} = {value}" for key, value in found.items()) or "none"


def _info(config: str, views: Sequence[View]) -> dict[str, Any]:
    """Return the sizes that let `load_dataset` detect a missing file."""
    splits = [{"name": view.split, "num_bytes": view.total.size, "num_examples": view.total.pairs} for view in views]
    return {"config_name": config, "splits": splits}


def _sum(totals: Iterable[Total]) -> Total:
    pairs, sizes = zip(*totals, strict=True)
    return Total(sum(pairs), sum(sizes))


def _quoted(text: str) -> str:
    """Return a text as a Python string literal."""
    return json.dumps(text, ensure_ascii=False)


def _bibtex(text: str) -> str:
    return re.sub(r"([\\{}%#&$_])", r"\\\1", markdown.line(text))


def _restricted(manifest: Manifest) -> list[tuple[str, str]]:
    """Return, once each, the models of any release whose licences restrict publication of their output."""
    found = ((model["model"], model["license"]) for release in manifest.releases for model in release["restricted"])
    return list(dict.fromkeys(found))
