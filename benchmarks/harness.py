"""The same pairs through geh and through `evaluate`, with the same model: images a second of whole runs, and the ratio.

    python benchmarks/harness.py [--pairs 100] [--guards classifier,llama-guard-3-vision] [--batch-size 8]

Needs geh (guard-eval-harness) beside us. The pairs are those of the recipe `icons`, published to a folder; models are
small, of the guards' real classes, with random weights. Peer: `geh run` with its own adapter of that class, which reads
the pairs by our dataset adapter: `hf_image_classifier` (one forward pass) and `hf_vlm_guard`, which writes `--tokens`
tokens (10 is geh's own limit for this guard) and parses them; the weights are made to write `safe`, and no end. Ours:
`safetypairs evaluate`, one forward pass for either. Both begin with the folder and end with a file of predictions, load
their model, and take batches of one size, in turn in one process, after a run on a few pairs to warm up; the best of
the repeats is taken. geh 0.2.1 hands a batch of this guard's images over in a form that transformers 5 refuses, so
there both take one image at a time; a second line has ours in batches.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from _timing import Seconds, least, parsed, parser_of, ratio, timed

from safetypairs_hf.taxonomy.nine import SLUGS

LIMIT = 4  # pairs to warm up on
ONE_BY_ONE = ("llama-guard-3-vision",)  # what geh cannot batch


def publish_icons(folder: Path, pairs: int) -> str:
    from safetypairs_hf.building.build import build
    from safetypairs_hf.building.recipe import load_recipe
    from safetypairs_hf.core.run_folder import open_run
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.publish import publish

    build(load_recipe("icons", {"pairs": str(pairs), "test_fraction": "1.0"}), str(folder / "run"), workers=1)
    target = str(folder / "pairs")
    publish(open_run(str(folder / "run")), parse_target(target), parse("1.0.0"))
    return f"{target}@1.0.0"


def guards(folder: Path, tokens: int) -> dict[str, tuple[dict[str, Any], Callable[[int], Any]]]:
    """The name of a guard -> geh's configuration of the model, and what makes ours of a batch size."""
    from safetypairs_hf.guards.classifier import Classifier
    from safetypairs_hf.guards.trained import LlamaGuard
    from safetypairs_hf.testing.tiny import classifier, llama_guards

    sees = str(classifier.make(folder / "classifier"))
    speaks = str(llama_guards.llama_3(folder / "llama-guard-3-vision"))
    chat = {
        "flow": "llama_guard_3_vision",
        "allow_partial_predictions": True,
        "max_new_tokens": tokens,
        "generation_kwargs": {"min_new_tokens": tokens, "sequence_bias": says_safe(speaks)},
    }
    labels = {"label_score_mapping": {"red": 1.0, "other": 0.0}}
    return {
        "classifier": (
            {"adapter": "hf_image_classifier", "model_name": sees, "args": labels},
            lambda size: Classifier(sees, {slug: ["red"] for slug in SLUGS}, ["other"], batch_size=size),
        ),
        "llama-guard-3-vision": (
            {"adapter": "hf_vlm_guard", "model_name": speaks, "args": chat},
            lambda size: LlamaGuard(speaks, hazards="llama-guard-3-vision", batch_size=size, least_mass=0.0),
        ),
    }


def says_safe(model: str) -> list[Any]:
    """Bias for `generate`: random weights write `safe` and line breaks, as geh ends a run with no text it can parse."""
    from transformers import AutoTokenizer

    first, second, stop = AutoTokenizer.from_pretrained(model).encode("safe\n", add_special_tokens=False)
    return [[[first], 50.0], [[first, second], 200.0], [[second, stop], 200.0], [[stop, stop], 200.0]]


def through_geh(model: dict[str, Any], data: str, out: Path, batch: int, limit: int | None = None) -> Path:
    """A run of geh; its folder."""
    from guard_eval_harness.config.loading import load_config
    from guard_eval_harness.execution.runner import run_benchmark

    options = {"data": data, "media_cache_dir": str(out / "media"), **({"limit": 2 * limit} if limit else {})}
    config = {
        "run_name": "pairs",
        "model": model,
        "datasets": [{"name": "safetypairs", "adapter": "safetypairs", "split": "test", "options": options}],
        "execution": {"batch_size": batch},
        "output": {"run_dir": str(out / "geh")},
    }
    return Path(run_benchmark(load_config(config, base_dir=out)).run_dir)


def ours(guard: Any, data: str, out: Path, limit: int | None = None) -> Path:
    """A run of `evaluate`; its file."""
    out.mkdir(exist_ok=True)
    from safetypairs_hf.evaluating.evaluate import evaluate

    evaluate(guard, data, out / "ours.parquet", split="test", limit=limit)
    return out / "ours.parquet"


def scores_apart(run: Path, file: Path) -> str:
    """How far the two runs' P(unsafe) are apart, over the images that both judged."""
    from safetypairs_hf.integrations.geh import rows_of_run

    mine = {(row["pair_id"], row["reference"]): row["score"] for row in pq.read_table(file).to_pylist()}
    theirs = {(row["pair_id"], row["reference"]): row["score"] for row in rows_of_run(run)}
    apart = [abs(mine[key] - theirs[key]) for key in mine if mine[key] is not None and theirs[key] is not None]
    if not apart:
        return f"no score of geh to compare with: none of its {len(theirs)} texts could be parsed"
    return f"scores at most {max(apart):.1e} apart over {len(apart)} images"


def compare(name: str, known: tuple[dict[str, Any], Callable[[int], Any]], data: str, folder: Path, given: Any) -> None:
    model, make = known
    sizes = [1, given.batch_size] if name in ONE_BY_ONE else [given.batch_size]
    took: list[list[Seconds]] = []
    for turn in range(given.repeats + 1):
        limit = None if turn else min(LIMIT, given.pairs)
        out = Path(tempfile.mkdtemp(dir=folder))
        seconds, run = timed(lambda out=out, limit=limit: through_geh(model, data, out, sizes[0], limit))
        turns = [seconds]
        for size in sizes:
            mine = out / str(size)
            seconds, file = timed(lambda mine=mine, limit=limit, size=size: ours(make(size), data, mine, limit))
            turns.append(seconds)
        if turn:
            took.append(turns)
    peer, *rest = (least(each) for each in zip(*took, strict=True))
    images = 2 * given.pairs
    for size, best in zip(sizes, rest, strict=True):
        print(f"{name}: geh, batches of {sizes[0]:3d} {images / peer.wall:8.2f} images/s   ", end="")
        print(f"batches of {size:3d}   evaluate {images / best.wall:8.2f} images/s   {ratio(peer, best)}")
    print(f"  {scores_apart(run, file)}")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--guards", default="classifier,llama-guard-3-vision")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=2)
    given = parsed(parser, pairs=2, guards="classifier", batch_size=2, repeats=1)
    if importlib.util.find_spec("guard_eval_harness") is None:
        sys.exit("benchmarks/harness.py: geh is not here; pip install geh==0.2.1")
    import datasets
    from guard_eval_harness.registry import ensure_builtin_registrations

    import safetypairs_hf.integrations.geh  # noqa: F401 - registers our dataset adapter

    ensure_builtin_registrations()
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp())
    try:
        data, known = publish_icons(folder, given.pairs), guards(folder, given.tokens)
        print(f"{given.pairs} pairs, batches of {given.batch_size}; geh writes {given.tokens} tokens")
        for name in given.guards.split(","):
            compare(name, known[name], data, folder, given)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
