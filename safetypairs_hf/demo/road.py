"""Run the whole workflow on one machine, offline: build, publish two versions, load both, score two guards, report.

`huggingface_hub` reads its address, token and cache when it is imported, so the demo runs in a process of its own (the
command `safetypairs demo`), and sets them before anything imports it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError, counted

if TYPE_CHECKING:
    from datasets import Dataset

    from safetypairs_hf.core.records import Judge
    from safetypairs_hf.metric import PairScore

# An unusual name: a local folder with the name of the repo would be read in its place.
USER, TOKEN, REPO = "demo-hub", "hf_demo", "demo-hub/safetypairs"
FIRST, SECOND = "1.0.0", "1.1.0"
SHOWN = 9  # pairs on the contact sheet: one per category

Say = Callable[[str], None]


class Outcome(NamedTuple):
    """The results of the demo: a score for each guard, a sheet of pairs, a report, and a folder for `load_dataset`."""

    scores: dict[str, PairScore]
    sheet: Path
    report: Path
    dataset: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of each guard, and the paths of the other results, as plain values for JSON."""
        places = {name: str(getattr(self, name)) for name in ("sheet", "report", "dataset")}
        return {"scores": {name: score.to_dict() for name, score in self.scores.items()}, **places}


def demo(out: Path, pairs: int, more: int, say: Say, progress: Callable[[str, int, int], None]) -> Outcome:
    """Run every step and write to the folder `out`. A second run finds its work done.

    Version 1.0.0 has `pairs` pairs, and version 1.1.0 adds `more`.

    Raises:
        SafetyPairsError: a part that the demo needs is not installed, or `out` holds something else.
    """
    _check_parts()
    from safetypairs_hf.testing.localhub.server import serve

    run = str(out / "run")
    with serve(out / "hub", users={USER: TOKEN}) as server:
        _point_clients_at(server.endpoint, out / "cache")
        say(f"A Hub at {server.endpoint}, on this machine only; its repos are in {out / 'hub'}.")
        targets = (REPO, str(out.resolve() / "safetypairs"))
        _release(run, pairs, FIRST, targets, say, progress)
        _release(run, pairs + more, SECOND, targets, say, progress)
        data = _load_both(say)
        scores = _score(data["test"], out / "predictions", say)
    sheet = out / "pairs.png"
    _draw(data["test"], sheet)
    report = out / "report.html"
    _report(out, list(scores), report)
    return Outcome(scores, sheet, report, out / "safetypairs")


def _check_parts() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("fontawesomefree", "pygit2", "starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise SafetyPairsError(f"the demo needs {', '.join(missing)}; pip install 'safetypairs-hf[demo]'")


def _point_clients_at(endpoint: str, cache: Path) -> None:
    if "huggingface_hub" in sys.modules:
        raise SafetyPairsError("the demo needs a process of its own; run: safetypairs demo")
    os.environ.update(
        HF_ENDPOINT=endpoint,
        HF_TOKEN=TOKEN,
        HF_HOME=str(cache.resolve()),
        HF_HUB_DISABLE_PROGRESS_BARS="1",  # the demo prints a line for each step, and has progress bars of its own
        NO_PROXY="127.0.0.1",
    )
    for switch in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        os.environ.pop(switch, None)


def _release(
    run: str, pairs: int, version: str, targets: tuple[str, ...], say: Say, progress: Callable[[str, int, int], None]
) -> None:
    from safetypairs_hf.building.build import build
    from safetypairs_hf.building.recipe import load_recipe
    from safetypairs_hf.core.run_folder import RunFolder
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.publish import publish

    missing = [target for target in targets if not _holds(target, version)]
    if not missing:
        say(f"Version {version} is published already.")
        return
    built = build(load_recipe("icons", {"pairs": str(pairs)}), run, progress=progress)
    say(f"Built {counted(built.pairs, 'pair')} by the recipe icons, in {run}.")
    for target in missing:
        # A probe takes seconds, so only the second release makes one: its card is the one that stays.
        done = publish(RunFolder(run), parse_target(target), parse(version), probe=version == SECOND, progress=progress)
        say(f"Published {version}, {counted(len(done.plan.added), 'pair')} added: {done.where}.")


def _holds(target: str, version: str) -> bool:
    from safetypairs_hf.publishing.open_target import parse_target

    return any(release["version"] == version for release in parse_target(target).head().releases)


def _load_both(say: Say) -> dict[str, Dataset]:
    import datasets

    from safetypairs_hf.loading.load import load

    datasets.disable_progress_bars()
    old, new = (load(REPO, version=version) for version in (FIRST, SECOND))
    for version, data in ((FIRST, old), (SECOND, new)):
        sizes = ", ".join(f"{len(rows)} {split}" for split, rows in data.items())
        say(f"Loaded {version} with load_dataset: {sizes} pairs.")
    return dict(new)


def _score(data: Dataset, folder: Path, say: Say) -> dict[str, PairScore]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from safetypairs_hf.icons.scene_guards import ColourAndClutter, KnowsSomeItems
    from safetypairs_hf.loading.images import images
    from safetypairs_hf.metric import score

    rows: Any = images(data)
    folder.mkdir(parents=True, exist_ok=True)
    scores = {}
    guards: tuple[Judge, ...] = (KnowsSomeItems(), ColourAndClutter())
    for guard in guards:
        predictions = _predict(guard, rows)
        pq.write_table(pa.Table.from_pylist(predictions), folder / f"{guard.name}.parquet")
        scores[guard.name] = score(predictions, data=f"{REPO}@{SECOND}", split="test")
        say(f"Judged {counted(len(predictions), 'image')} with {guard.name}: {folder / guard.name}.parquet.")
    return scores


def _predict(guard: Judge, rows: Any) -> list[dict[str, Any]]:
    """Return a row for each image, with the columns of docs/metric.md."""
    import datasets

    from safetypairs_hf.core.records import Picture

    encoded = rows.cast_column("image", datasets.Image(decode=False))
    pictures = (Picture(row["image"]["bytes"]) for row in encoded)
    verdicts = [
        guard.judge([picture], [row["category"]], [None])[0] for picture, row in zip(pictures, encoded, strict=True)
    ]
    kept = encoded.remove_columns("image").to_list()
    return [{**row, "score": verdict.p_unsafe} for row, verdict in zip(kept, verdicts, strict=True)]


def _draw(data: Dataset, path: Path) -> None:
    from safetypairs_hf.core.contact_sheet import Shown, contact_sheet
    from safetypairs_hf.core.records import Box

    names = data.features["category"].names
    first = {category: index for index, category in reversed(list(enumerate(data["category"])))}
    shown = []
    for category in sorted(first)[:SHOWN]:
        row = data[first[category]]
        box = Box(*row["edit_box"])
        shown.append(Shown(row["unsafe_image"], row["safe_image"], box, names[category], row["instruction"]))
    contact_sheet(shown, path)


def _report(out: Path, guards: list[str], page: Path) -> None:
    from safetypairs_hf.report.report import report

    data = f"{'' if out.is_absolute() else './'}{out / 'safetypairs'}@{SECOND}"
    report([str(out / "predictions" / f"{name}.parquet") for name in guards], page, data=data)
