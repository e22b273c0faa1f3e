"""Every model of a recipe is looked at before the first unit, wherever the recipe holds it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from builds import SQUARES
from chat_api import Reaction, chat_api
from hub_fixtures import Hub, hub  # noqa: F401
from model_folders import random_classifier, red_chat

from safetypairs_hf.building.build import build
from safetypairs_hf.building.judge import Judging
from safetypairs_hf.building.preflight import check_models, parts_with_models
from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe, load_recipe
from safetypairs_hf.building.stages import ByRound
from safetypairs_hf.core.errors import SafetyPairsError, UserCodeError
from safetypairs_hf.core.records import Box, Judge, Picture, Verdict
from safetypairs_hf.editors.instruct_pix2pix import InstructPix2Pix
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.classifier import Classifier
from safetypairs_hf.guards.moderation import Moderation, ModerationServer
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.guards.shieldgemma import ShieldGemma
from safetypairs_hf.guards.user_command import OwnCommand
from safetypairs_hf.guards.user_guard import OwnFunction
from safetypairs_hf.guards.zero_shot import ZeroShot
from safetypairs_hf.instructors.local_vlm import LocalVLM
from safetypairs_hf.instructors.served_vlm import ServerInstructor
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.models.embedding import EmbeddingDistance
from safetypairs_hf.sources import FolderSource, Judged
from safetypairs_hf.testing.tiny import editors

__all__ = ["random_classifier", "red_chat"]

LABELS = {"violence": ("red",)}


@dataclass(frozen=True)
class Looked:
    """A judge of the user's own that counts how often it is looked at, and may have no model."""

    name: str = "looked"
    missing: bool = False
    times: list[int] = field(default_factory=list, compare=False)

    def check_model(self) -> None:
        self.times.append(1)
        if self.missing:
            raise KeyError("weights")

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        raise AssertionError("it is asked before it is looked at")

    edit = distance = judge


class Wrapped:
    """A judge of the user's own, of a plain class, around another one."""

    name = "wrapped"

    def __init__(self, inner: Judge) -> None:
        self._inner = inner

    def judge(self, *asked: Any) -> list[Verdict]:
        return self._inner.judge(*asked)


def squares() -> Recipe:
    return load_recipe(SQUARES).recipe


def judged_by(*judges: Judge) -> Recipe:
    return replace(squares(), judging=Judging(judges))


def test_a_part_is_found_wherever_it_is_and_looked_at_once(tmp_path: Path) -> None:
    parts = [Looked(str(number)) for number in range(6)]
    kept = squares()
    source = FolderSource(str(tmp_path), judged=Judged(parts[0]), license="CC0-1.0")
    recipe = replace(
        kept,
        source=source,
        editor=ByRound((kept.editor, parts[1])),  # type: ignore[arg-type]
        judging=Judging((parts[2], OnRegion(parts[2]), OnRegion(parts[3]), Wrapped(parts[4]))),
        preservation=Perceptual(measures=(parts[5],)),  # type: ignore[arg-type]
    )
    assert sorted(part.name for part in parts_with_models(recipe)) == [str(number) for number in range(6)]
    check_models(recipe)
    assert [part.times for part in parts] == [[1]] * 6


@pytest.mark.parametrize("begun", [False, True])
def test_a_build_stops_before_its_first_unit(tmp_path: Path, begun: bool) -> None:
    """And leaves nothing behind, so that the mended recipe goes into the same folder."""
    loaded = load_recipe(SQUARES)
    if begun:
        build(loaded, str(tmp_path / "run"), workers=1)
        before = sorted(tmp_path.rglob("*"))
        build(loaded, str(tmp_path / "run"), workers=1)  # it is finished: nothing is looked at again
        (tmp_path / "run" / "funnel.json").unlink()
    broken = replace(loaded, recipe=judged_by(Looked(missing=True)))
    with pytest.raises(SafetyPairsError) as caught:
        build(broken, str(tmp_path / "run"), workers=1)
    if begun:
        assert "was started with another recipe" in str(caught.value)
        assert sorted(tmp_path.rglob("*")) == [path for path in before if path.name != "funnel.json"]
        return
    assert isinstance(caught.value, UserCodeError)
    assert "test_preflight.py, line" in str(caught.value) and "\n" not in str(caught.value)
    assert "KeyError: 'weights'; it was asked whether its model is there" in str(caught.value)
    assert not [*tmp_path.rglob("*.*")]


def without_weights(folder: Path, at: Path) -> str:
    shutil.copytree(folder, at, ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
    return str(at)


def test_a_wrong_model_is_one_line(
    tmp_path: Path,
    red_chat: Path,
    random_classifier: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chat, classifier = str(red_chat), str(random_classifier)
    klein = str(editors.klein(tmp_path / "klein"))
    monkeypatch.setitem(__import__("sys").modules, "xgrammar", None)
    for part, words in (
        (ShieldGemma(classifier, fidelity="common"), "and this needs ShieldGemma2ForImageClassification"),
        (ChatVLM(classifier), "and this needs a chat model that sees images"),
        (Classifier(chat, LABELS, ("other",)), "and this needs an image classifier"),
        (ZeroShot(chat), "and this needs CLIPModel or SiglipModel"),
        (LocalVLM(classifier), "and this needs a chat model that sees images"),
        (LocalVLM(chat, grammar=True), "grammar=True needs xgrammar: pip install"),
        (InstructPix2Pix(klein), "holds Flux2KleinPipeline, and this needs StableDiffusionInstructPix2PixPipeline"),
        (Klein(chat), "has no model_index.json: it is no model folder"),
        (Klein("org/klein"), "org/klein is no folder here and no revision is pinned"),
        (EmbeddingDistance(str(tmp_path)), "is no vision model with an image processor"),
        (ChatVLM(without_weights(red_chat, tmp_path / "chat")), "chat holds no weights"),
        (OwnFunction("nowhere.py:judge"), "nowhere.py"),
        (OwnCommand("no-such-program --fast"), "there is no program no-such-program"),
    ):
        with pytest.raises(SafetyPairsError) as caught:
            part.check_model()
        assert words in str(caught.value) and "\n" not in str(caught.value)
    for whole in (ChatVLM(chat), LocalVLM(chat), Klein(klein)):
        whole.check_model()
        assert not {"loaded", "_chat", "pipeline"} & whole.__dict__.keys()


def test_access_and_commit_of_a_model_on_the_hub(hub: Hub, random_classifier: Path, tmp_path: Path) -> None:  # noqa: F811
    """Its config tells: weights are not downloaded before the first unit."""
    api = hub.api()
    for name, settings in {"open": {}, "hidden": {"private": True}, "gated": {"gated": "manual"}}.items():
        api.create_repo(f"lab/{name}")
        file = random_classifier / "config.json"
        api.upload_file(path_or_fileobj=file, path_in_repo="config.json", repo_id=f"lab/{name}")
        if settings:
            api.update_repo_settings(f"lab/{name}", **settings)  # type: ignore[arg-type]
    asked = [(f"lab/{name}", api.repo_info(f"lab/{name}").sha) for name in ("open", "hidden", "gated")]
    asked += [("lab/open", "0" * 40), ("lab/nowhere", "0" * 40)]
    code = f"""
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.guards.classifier import Classifier
for model, commit in {asked}:
    try:
        Classifier(model, {LABELS}, ("other",), commit=commit).check_model()
        print("")
    except SafetyPairsError as error:
        print(error)
"""
    where = hub.endpoint
    nowhere = "no model lab/{} at {} that this token may see; check the name, or log in: hf auth login"
    assert hub.run_python(code, user="bob").splitlines() == [
        "",
        nowhere.format("hidden", where),
        f"lab/gated is gated: ask for access at {where}/lab/gated, then try again",
        f"lab/open at {where} has no such revision (Invalid rev id: {'0' * 40}); "
        "name a commit, a tag or a branch that it has",
        nowhere.format("nowhere", where),
    ]


def test_a_server_is_asked_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_recipe(SQUARES)

    def built(**parts: Any) -> None:
        build(LoadedRecipe("squares", "", {}, replace(loaded.recipe, **parts)), str(tmp_path / "run"), workers=1)

    def judging(judge: Judge) -> Judging:
        return Judging((judge,))

    with chat_api(lambda body, times: Reaction("")) as api:
        there, other = ChatServer("small-vlm", api.url, retries=0), ChatServer("large-vlm", api.url, retries=0)
        check_models(replace(loaded.recipe, instructor=ServerInstructor(there), judging=judging(ChatVLM(server=there))))
        for parts in (
            {"instructor": ServerInstructor(other)},
            {"judging": judging(OnRegion(ChatVLM(server=other, commit="1")))},
            {"judging": judging(Moderation(ModerationServer(url=api.url, api_key_env="")))},
        ):
            with pytest.raises(SafetyPairsError, match=r"has no model '(large-vlm|omni-moderation-latest)'; it has sm"):
                built(**parts)
        assert api.requests == [] and not (tmp_path / "run").exists()
    with pytest.raises(SafetyPairsError, match=r"no server at http://127.0.0.1:\d+/v1"):
        built(instructor=ServerInstructor(there))
