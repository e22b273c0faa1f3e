"""A guard over a published folder: its file, its figures, each image once, and what is refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from loading.published import publish, square

import safetypairs_hf as sp
from safetypairs_hf.core.errors import RecipeError, RunError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.evaluating.abstentions import abstentions
from safetypairs_hf.evaluating.data import open_data
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.evaluating.prediction_file import read_run
from safetypairs_hf.guards.user_guard import OwnFunction
from safetypairs_hf.report.guard_files import read_guards

Judged = Callable[[], list[str]]
OUT = Path("green.parquet")


def test_the_file_and_its_figures(squares: str, green: OwnFunction, judged: Judged) -> None:
    score = evaluate(green, f"{squares}@1.1.0", OUT)
    assert (score.pair_accuracy, score.n_pairs, score.auroc) == (1.0, 7, 1.0)
    assert (
        score.signature.startswith(f"data:{squares}@1.1.0|split:test|n:7|ids:") and "|threshold:0.5|" in score.signature
    )
    assert "fidelity" not in score.signature  # a function is asked as it likes
    table = pq.read_table(OUT)
    assert table.column_names == ["pair_id", "reference", "score", "category", "group", "note", "raw", "sha256"]
    rows = table.to_pylist()
    assert [row["score"] for row in rows[:2]] in ([0.0, 255 / 260], [255 / 260, 0.0])
    assert sorted({row["note"] for row in rows}) == [""]
    assert len(judged()) == 14
    assert sp.score(str(OUT)).pair_accuracy == 1.0
    (guard,) = read_guards([OUT])
    assert guard.name == "function:green.py:judge"
    assert not OUT.with_name("green.parquet.parts").exists()
    run = read_run(OUT)
    assert run is not None
    file = green.function.removesuffix(":judge")
    assert run["guard"] == {
        "name": "function:green.py:judge",
        "revision": "own",
        "settings": {
            "class": "OwnFunction",
            "function": green.function,
            "revision": "own",
            "fidelity": None,
            "batched": None,
            "batch_size": 32,
            "content_hashes": {file: hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]},
        },
        "prompt_hash": "",
        "fidelity": None,
        "dtype": None,
        "seed": None,
    }
    assert {**run["data"], "images": ""} == {
        "name": f"{squares}@1.1.0",
        "configs": ["default"],
        "split": "test",
        "limit": None,
        "pairs": 7,
        "images": "",
    }


def test_run_again_does_nothing(squares: str, green: OwnFunction, judged: Judged) -> None:
    first = evaluate(green, squares, OUT)
    before = OUT.read_bytes()
    assert evaluate(green, f"{squares}@v1.1.0", OUT) == first
    assert len(judged()) == 14 and OUT.read_bytes() == before
    evaluate(green, squares, OUT, fresh=True)
    assert len(judged()) == 28 and OUT.read_bytes() == before


def test_an_abstention_is_kept_with_its_reason(
    squares: str, green: OwnFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNSURE_OF", "3")  # the fourth pair of violence
    score = evaluate(green, squares, OUT)
    assert (score.pair_accuracy, score.abstained_rate, score.pair_accuracy_upper) == (6 / 7, 1 / 7, 1.0)
    found = abstentions(OUT)
    assert found.to_dict() == {"notes": {"abstained": 2}, "not_covered": {}}
    assert "abstained" in str(found) and max(map(len, str(found).splitlines())) <= 80


def pairs_of(*images: tuple[str, bytes, bytes, str]) -> datasets.Dataset:
    """Pairs (id, unsafe file, safe file, category), as a dataset."""
    features = datasets.Features(
        {
            "pair_id": datasets.Value("string"),
            "unsafe_image": datasets.Image(),
            "safe_image": datasets.Image(),
            "category": datasets.Value("string"),
            "group": datasets.Value("string"),
        }
    )
    rows: list[dict[str, Any]] = [
        {
            "pair_id": pair_id,
            "unsafe_image": {"bytes": unsafe, "path": None},
            "safe_image": {"bytes": safe, "path": None},
            "category": category,
            "group": pair_id,
        }
        for pair_id, unsafe, safe, category in images
    ]
    return datasets.Dataset.from_list(rows, features=features)


def test_an_image_is_judged_once_a_category(green: OwnFunction, judged: Judged) -> None:
    data = pairs_of(
        ("a", square(1, 255), square(1, 0), "hate"),
        ("b", square(1, 255), square(2, 0), "hate"),
        ("c", square(1, 255), square(2, 0), "nudity"),
    )
    score = evaluate(green, data, OUT)
    assert (score.n_pairs, score.pair_accuracy) == (3, 1.0)
    assert score.signature.startswith("data:none|split:test|n:3|")
    assert sorted(judged()) == [
        "hate (1, 0, 0)",
        "hate (1, 255, 0)",
        "hate (2, 0, 0)",
        "nudity (1, 255, 0)",
        "nudity (2, 0, 0)",
    ]


def test_a_pair_of_several_configs_is_taken_once(squares: str, green: OwnFunction, judged: Judged) -> None:
    score = evaluate(green, squares, OUT, configs=("hate", "default", "violence"))
    assert score.n_pairs == 7 and len(judged()) == 14
    assert "|split:hate+default+violence/test|" in score.signature


def test_a_limit_takes_whole_pairs_and_a_larger_one_holds_them(squares: str) -> None:
    every = open_data(squares)
    few, more = (open_data(squares, limit=limit) for limit in (2, 5))
    assert [few.n_pairs, more.n_pairs, open_data(squares, limit=99).n_pairs] == [2, 5, 7]
    assert sorted(set(few.pair_ids)) == sorted(set(every.pair_ids))[:2]
    assert set(few.pair_ids) < set(more.pair_ids)
    assert all(few.pair_ids.count(each) == 2 for each in few.pair_ids)


def test_units_are_sorted_by_category(squares: str) -> None:
    data = open_data(squares, configs=("violence", "hate"))
    units = data.units(4)
    assert [len(unit) for unit in units] == [4, 4, 4, 2]
    assert [data.images[row].category for unit in units for row in unit] == ["hate"] * 6 + ["violence"] * 8


@pytest.mark.parametrize("broken", [square(1, 0)[:30], b"no image"])
def test_a_broken_image_is_an_abstention(green: OwnFunction, judged: Judged, broken: bytes) -> None:
    data = pairs_of(("a", square(1, 255), broken, "hate"), ("b", square(2, 255), square(2, 0), "hate"))
    score = evaluate(green, data, OUT)
    assert (score.pair_accuracy, score.abstention_rate, len(judged())) == (0.5, 0.25, 3)
    assert abstentions(OUT).notes == {"broken_image": 1}
    once = OUT.read_bytes()
    evaluate(green, data, OUT, fresh=True)
    assert OUT.read_bytes() == once, "what a decoder says of it may name an address in memory"


class Lazy:
    """A guard that answers about the first image alone."""

    name, revision = "lazy", "1"

    def judge(self, images: Any, categories: Any, regions: Any) -> list[Verdict]:
        assert all(isinstance(image, Picture) for image in images) and set(regions) == {None}
        return [Verdict(0.5)]


def test_a_guard_that_owes_verdicts(squares: str) -> None:
    with pytest.raises(
        SafetyPairsError,
        match=r"Lazy\.judge: it returned 1 answer; it was asked about 14 images, ",
    ):
        evaluate(Lazy(), squares, OUT)


class Plain:
    """A guard of the user's: a plain class."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update({"name": "plain", **values})

    def judge(self, images: Any, categories: Any, regions: Any) -> list[Verdict]:
        return [Verdict(0.5) for _ in images]


@dataclass(frozen=True)
class Set(Plain):
    share: float = 0.5
    model: Any = None
    name: str = "set"


class Says(Plain):
    """A guard that says itself what it is."""

    def identity(self) -> dict[str, Any]:
        return {"weights": "2026-01"}


def guard_of(path: Path) -> dict[str, Any]:
    run = read_run(path)
    assert run is not None
    return dict(run["guard"])


def test_a_guard_that_cannot_say_what_it_is(squares: str) -> None:
    known = "a run cannot tell whether the guard"
    with pytest.raises(RecipeError) as caught:
        evaluate(Plain(), squares, OUT)
    assert str(caught.value) == (
        f"{known} 'plain' has changed; add an attribute `revision` to Plain, a text that you change when its answers do"
    )
    with pytest.raises(
        RecipeError, match=rf"{known} 'set' has changed \(Set\.model is an object, .*\); add an attribute"
    ):
        evaluate(Set(model=object()), squares, OUT)
    assert not list(Path().glob("green*"))


def test_a_guard_of_a_notebook_needs_a_revision(squares: str) -> None:
    """What is typed has no file whose hash could tell one state of it from another."""
    typed = (
        "from dataclasses import dataclass\n"
        "import safetypairs_hf as sp\n"
        "@dataclass\nclass Typed:\n    name: str = 'typed'\n    def judge(self, images, *_): return []\n"
        f"sp.evaluate(Typed(), {squares!r}, 'green.parquet')\n"
    )
    done = subprocess.run([sys.executable, "-c", typed], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith(
        "a run cannot tell whether the guard 'typed' has changed (no file defines its class); add an attribute "
        "`revision` to Typed, a text that you change when its answers do"
    )


def test_what_a_guard_of_the_users_says_of_itself(squares: str) -> None:
    evaluate(Plain(revision="1", weights=object()), squares, OUT)  # the revision stands for what cannot be described
    held = {"name": "plain", "revision": "1", "prompt_hash": "", "fidelity": None, "dtype": None, "seed": None}
    assert guard_of(OUT) == {**held, "settings": {"class": "Plain", "name": "plain", "revision": "1"}}
    with pytest.raises(RunError, match=r"guard.revision was '1' and is '2'"):
        evaluate(Plain(revision="2", weights=object()), squares, OUT)
    evaluate(Plain(revision="1", threshold=0.5, _model=object()), squares, OUT, fresh=True)
    assert guard_of(OUT)["settings"] == {"class": "Plain", "name": "plain", "revision": "1", "threshold": 0.5}
    evaluate(Set(0.25), squares, OUT, fresh=True)
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    fields = {"share": 0.25, "model": None, "name": "set"}
    assert guard_of(OUT)["settings"] == {"class": "Set", **fields, "content_hashes": {"Set": source}}
    evaluate(Says(), squares, OUT, fresh=True)
    assert guard_of(OUT)["settings"] == {"class": "Says", "identity": {"weights": "2026-01"}}


def test_another_run_into_the_same_file(squares: str, green: OwnFunction) -> None:
    evaluate(green, squares, OUT)
    before = OUT.read_bytes()
    other = replace(green, revision="2")
    with pytest.raises(RunError) as caught:
        evaluate(other, squares, OUT)
    assert str(caught.value) == (
        "green.parquet belongs to another run: guard.revision was 'own' and is '2'; guard.settings.revision was "
        "'own' and is '2'; name another --out, or start over with --fresh"
    )
    with pytest.raises(RunError, match=r"data.limit was None and is 2; data.pairs was 7 and is 2; name another"):
        evaluate(green, squares, OUT, limit=2)
    with pytest.raises(RunError, match=r"data.name was .*1.1.0' and is '.*1.0.0'; data.images was '\w+' and is '\w+'"):
        evaluate(green, str(publish(Path("old"), "1.0.0")), OUT)
    assert OUT.read_bytes() == before
    evaluate(other, squares, OUT, fresh=True)
    assert json.loads(pq.read_schema(OUT).metadata[b"safetypairs"])["guard"]["revision"] == "2"


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ("squares@1.2.0", {}, VersionMismatch, "v1.2.0 was asked for, but the folder squares holds 1.1.0"),
        ("squares@latest", {}, VersionMismatch, "'latest' is not a version"),
        ("./nowhere", {}, SafetyPairsError, "no folder ./nowhere"),
        ("squares", {"split": "tset"}, SafetyPairsError, "no split 'tset'; there are"),
        ("squares", {"configs": ["cats"]}, SafetyPairsError, "no config 'cats'; there are"),
        (3, {}, SafetyPairsError, "evaluate takes TARGET@VERSION or a datasets.Dataset of pairs, not int"),
    ],
)
def test_data_that_is_not_there(
    squares: str, green: OwnFunction, data: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate(green, data, OUT, **options)
    assert not list(Path().glob("green*"))


def test_places_that_it_does_not_write_to(squares: str, green: OwnFunction) -> None:
    with pytest.raises(
        RunError, match=r"--out green.csv: predictions are written to a .parquet file, such as green.parquet"
    ):
        evaluate(green, squares, "green.csv")
    OUT.write_bytes(b"mine")
    with pytest.raises(RunError, match=r"green.parquet was not written by evaluate; name another --out"):
        evaluate(green, squares, OUT)
    assert OUT.read_bytes() == b"mine"


def test_a_gpu_that_is_not_there(squares: str) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    from safetypairs_hf.guards.chat_vlm import ChatVLM

    folder = Path("model")
    folder.mkdir()
    with pytest.raises(SafetyPairsError, match="chat-vlm:model is set to device=cuda, and PyTorch sees no GPU here"):
        evaluate(ChatVLM(str(folder), device="cuda"), squares, OUT)


def test_controls_are_judged_with_their_kind(green: OwnFunction, judged: Judged) -> None:
    kinds = ("null_edit", "neutral_edit", "both_regenerated")
    pairs = pairs_of(*((name, square(n, 255), square(n, 0), "hate") for n in range(2) for name in [f"pair{n}"] * 3))
    data = pairs.add_column("control", list(range(3)) * 2)
    data = data.cast_column("control", datasets.ClassLabel(names=list(kinds)))
    data = data.map(lambda row: {"safe_image": None if row["control"] == 0 else row["safe_image"]})
    score = evaluate(green, data, OUT, configs=("controls",))
    assert (score.n_pairs, score.pair_accuracy, len(judged())) == (2, 1.0, 4)
    rows = pq.read_table(OUT).to_pylist()
    assert [(row["pair_id"], row["control"], row["reference"]) for row in rows if row["control"] == kinds[0]] == [
        ("pair0", "null_edit", 1),
        ("pair1", "null_edit", 1),
    ]
    assert len(rows) == 10
    assert open_data(data, limit=1).pair_ids == ["pair0"] * 5
    with pytest.raises(SafetyPairsError, match="has rows with one image, not pairs"):
        open_data(data.remove_columns("control"))


def test_a_function_in_one_call(squares: str) -> None:
    """Without a file, one image at a time or in lists; typed at a prompt, it needs a revision."""
    data = f"{squares}@1.1.0"
    one = sp.evaluate(lambda image: (image.getpixel((0, 0))[1] + image.getpixel((0, 0))[0]) / 260, data)
    sizes: list[int] = []

    def green(images: Any) -> list[float]:
        sizes.append(len(images))
        return [(image.getpixel((0, 0))[1] + image.getpixel((0, 0))[0]) / 260 for image in images]

    assert sp.evaluate(green, data, unit=4).to_dict() == one.to_dict()
    assert sizes == [4, 4, 4, 2] and [each.name for each in Path().iterdir()] == ["squares"]
    typed: dict[str, Any] = {}
    exec("def guard(image): return 0.5", typed)
    with pytest.raises(RecipeError, match=r"no file defines the function guard, .*: guard\.revision = '1'$"):
        sp.evaluate(typed["guard"], data)
    typed["guard"].revision = "1"
    assert sp.evaluate(typed["guard"], data).pair_accuracy == 0.0
    with pytest.raises(RunError, match="name it: out"):
        sp.evaluate(typed["guard"], data, retry="failed")
