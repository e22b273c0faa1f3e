"""The recipe `tiny`: every real class of a GPU build, from the source to a score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builds import tree

import safetypairs_hf as sp
from safetypairs_hf.building import run_reader, yields
from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.stages import ByRound
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.editors.kontext import Kontext
from safetypairs_hf.guards.classifier import Classifier
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.tiny import editors
from safetypairs_hf.testing.tiny.squares import squares

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("weights"))


def make(out: Path, weights: str, **settings: str) -> RunFolder:
    build(load_recipe("tiny", {"weights": weights, **settings}), str(out))
    return open_run(str(out))


@pytest.fixture(scope="module")
def run(weights: str, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make(tmp_path_factory.mktemp("run") / "tiny", weights)


def test_it_makes_pairs_through_every_real_class(run: RunFolder) -> None:
    stages = {stage["stage"]: stage for stage in run_reader.funnel(run)["stages"]}
    assert stages["select"]["out"] == 9
    assert stages["edit"]["in"] == 2 * stages["instruct"]["out"]
    assert stages["judge"]["rejected"].keys() >= {"not_the_best", "unsafe_not_seen"}
    assert stages["instruct"]["tokens"]["answer"] > 0
    assert stages["controls"]["in"] == 27
    assert 0 < stages["judge-2"]["in"] == 2 * stages["instruct-2"]["out"]
    told = list(yields.lines(run, run_reader.funnel(run)))
    assert told[0].startswith("round 1: ") and told[-1].startswith("edited in batches of 8 (")
    for pair in run_reader.pairs(run):
        assert pair.instruction and pair.answer and pair.generator
        assert pair.instruction.text == "Replace the red square with a green one."
        assert pair.answer.raw.startswith("{")
        assert pair.generator.editor == "klein" and pair.generator.revision.startswith("folder:")
        assert [judgement.name for judgement in pair.judgements] == ["chat-vlm:chat", "classifier:classifier"]


def test_a_lost_part_of_each_stage_is_made_again_to_equal_bytes(run: RunFolder) -> None:
    whole = tree(Path(run.url))
    for name in ("instruct", "edit", "judge", "controls", "controls-judge"):
        run.remove(f"{name}/part-00000.parquet")
    run.remove("funnel.json")
    make(Path(run.url), str(Path(load_model(run)).parent))
    assert tree(Path(run.url)) == whole


def load_model(run: RunFolder) -> str:
    return str(run.read_json("recipe.json")["parts"]["editor"]["model"])


def test_what_it_made_is_published_loaded_and_scored(run: RunFolder, weights: str, tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    publish(run, parse_target(str(folder)), parse("1.0.0"))
    card, editor = (folder / "README.md").read_text(), load_recipe("tiny", {"weights": weights}).recipe.editor
    assert f"Where they ran, this was on: <code>klein {editor.revision}</code>." in card  # type: ignore[union-attr]
    assert "| `Klein` | attention = auto, batch_size = 8, " in card and "compile_blocks = False, " in card
    test = sp.images(sp.load(str(folder), version="1.0.0"))
    red = Classifier(str(Path(load_model(run)).parent / "classifier"), dict.fromkeys(SLUGS, ("red",)), ["other"])
    rows = [dict(row) for split in (test.values() if hasattr(test, "values") else [test]) for row in split]
    pictures = [Picture(_png(row["image"])) for row in rows]
    verdicts = red.judge(pictures, ["hate"] * len(rows), [None] * len(rows))
    scored = sp.score(
        [
            {"pair_id": row["pair_id"], "reference": row["reference"], "score": verdict.p_unsafe}
            for row, verdict in zip(rows, verdicts, strict=True)
        ]
    )
    assert scored.to_dict()["pair_accuracy"] == 1.0  # it was a judge of these very pairs


def test_photographs_of_a_folder_are_its_sources(weights: str, tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number, pixels in enumerate(squares(4, 3)[0]):
        (photographs / f"{number}.png").write_bytes(encode(pixels).data)
    made = make(tmp_path / "run", weights, photographs=str(photographs), pairs="4", rounds="1")
    assert {pair.origin.id for pair in run_reader.pairs(made)} == {f"{number}.png" for number in range(4)}


def test_a_later_round_by_another_real_editor(weights: str, tmp_path: Path) -> None:
    loaded = load_recipe("tiny", {"weights": weights})
    kontext = Kontext(str(editors.kontext(tmp_path / "kontext")), steps=1, max_sequence_length=512, device="cpu")
    both = ByRound((loaded.recipe.editor, kontext))  # type: ignore[arg-type]
    build(replace(loaded, recipe=replace(loaded.recipe, editor=both, controls=None)), str(tmp_path / "run"), workers=1)
    made = list(run_reader.pairs(open_run(str(tmp_path / "run"))))
    assert {(pair.generator.editor, pair.round) for pair in made if pair.generator} == {("klein", 0), ("kontext", 1)}
    assert {pair.generator.revision for pair in made if pair.generator and pair.round} == {kontext.revision}


def _png(image: object) -> bytes:
    return encode(np.asarray(image.convert("RGB"))).data  # type: ignore[attr-defined]
