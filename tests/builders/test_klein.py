"""The recipe `klein`: its settings, what it says where one is missing, and a build with small weights throughout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.build import build
from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.preservation import Exact, Perceptual
from safetypairs_hf.building.recipe import LoadedRecipe, Weights, load_recipe
from safetypairs_hf.building.stages import ByRound
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.editors.kontext import Kontext
from safetypairs_hf.editors.server_editor import ServerEditor
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.instructors.served_vlm import ServerInstructor
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.models.embedding import EmbeddingDistance
from safetypairs_hf.models.image_server import ImageServer
from safetypairs_hf.sources import FolderSource, HubSource
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.tiny import chat_vlm, editors, shieldgemma
from safetypairs_hf.testing.tiny.squares import squares

MISSING = (
    "not given yet: folder=PATH or dataset=ORG/NAME (the images); "
    "editor_commit=SHA (a commit of black-forest-labs/FLUX.2-klein-4B); "
    "guard_commit=SHA (a commit of google/shieldgemma-2-4b-it); "
    "instructor_commit=SHA (a commit of Qwen/Qwen2.5-VL-7B-Instruct); give each by --set NAME=VALUE"
)
COMMITS = {"editor_commit": "e1", "guard_commit": "9a", "instructor_commit": "17"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("photographs")
    for number, pixels in enumerate(squares(2, 3)[0]):
        (folder / f"{number}.png").write_bytes(encode(pixels).data)
    return str(folder)


@pytest.fixture(scope="module")
def small(photographs: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings that put small models where the large ones are."""
    models = tmp_path_factory.mktemp("models")
    return {
        "folder": photographs,
        "category": "hate",
        "size": "64",
        "min_side": "32",
        "editor": str(editors.klein(models / "klein")),
        "steps": "1",
        "text_layers": "1",
        "instructor": str(chat_vlm.sees_red(models / "chat")),
        "guard": str(shieldgemma.make(models / "guard")),
        "grammar": "false",
        "device": "cpu",
        "gpu_gb": "0",
        "pairs": "2",
        "rounds": "1",
    }


def refused(loaded: LoadedRecipe, out: Path) -> str:
    with pytest.raises(RecipeError) as refusal:
        build(loaded, str(out))
    assert not out.exists()
    return str(refusal.value)


def test_it_says_what_is_missing_before_anything_is_made(photographs: str, tmp_path: Path) -> None:
    assert refused(load_recipe("klein", {"gpu_gb": "0"}), tmp_path / "run") == MISSING
    given = {"gpu_gb": "0", "folder": photographs, "guard_commit": "9a", "instructor_commit": "17"}
    assert refused(load_recipe("klein", {**given, "editor_commit": ""}), tmp_path / "run") == (
        "not given yet: editor_commit=SHA (a commit of black-forest-labs/FLUX.2-klein-4B); give each by "
        "--set NAME=VALUE"
    )
    # A served model needs no commit; a judge of its own does.
    served = {"gpu_gb": "0", "folder": photographs, "server": "http://localhost:8000/v1", "judge": "org/vlm"}
    assert refused(load_recipe("klein", {**served, "editor_commit": "e1", "guard_commit": "9a"}), tmp_path / "run") == (
        "not given yet: judge_commit=SHA (a commit of org/vlm); give each by --set NAME=VALUE"
    )


def test_a_model_folder_that_is_not_there(small: dict[str, str], tmp_path: Path) -> None:
    """It is not taken for a Hub id: one that cannot be one asks for a folder, and one that could be for either."""
    models = Path(small["guard"]).parent
    said = refused(load_recipe("klein", {**small, "guard": f"{models}/gard", "guard_commit": "9a"}), tmp_path / "run")
    wanted = f"guard=FOLDER ({models}/gard is no folder here, and no id on the Hub)"
    assert said == f"not given yet: {wanted}; give each by --set NAME=VALUE"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(models.parent)
        near = f"{models.name}/gard"
        said = refused(load_recipe("klein", {**small, "guard": near}), tmp_path / "run")
    wanted = f"guard_commit=SHA (a commit of {near}), or guard=FOLDER ({near} is none)"
    assert said == f"not given yet: {wanted}; give each by --set NAME=VALUE"


def test_the_machine_is_looked_at_first(tmp_path: Path) -> None:
    said = refused(load_recipe("klein", {"gpu_gb": "1e6"}), tmp_path / "run")
    assert said.startswith("recipe 'klein' needs a GPU with 1e+06 GB, but this ")
    assert load_recipe("klein").recipe.gpu_gb == 32


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"folder": ".", "dataset": "a/b"}, "the images come from folder and from dataset; give one of them"),
        ({"folder": "nowhere"}, "the source is 'nowhere', which is not a folder; give a folder of images"),
        (
            {"dataset": "org/data"},
            "nothing says the category of org/data; give category, label_column or judged",
        ),
        (
            {"folder": ".", "server": "localhost"},
            "url = 'localhost': expected the base of a server, such as 'http://localhost:8000/v1'",
        ),
        ({"steps": "few"}, "steps=few: expected an int"),
        (
            {"then": "contex"},
            "no editor 'contex'; the nearest is 'kontext'; there are klein, qwen-image-edit, qwen-image-edit-plus, "
            "kontext, instruct-pix2pix",
        ),
        (
            {"then_server": "http://x/v1"},
            "then_server is given and then is not; name the editor of the later rounds too",
        ),
        ({"editor_server": "x"}, "url = 'x': expected the base of a server, such as 'http://localhost:8000/v1'"),
        (
            {"editor_server": "http://x/v1", "editor_fields": "fast"},
            "editor_fields=fast: expected NAME=VALUE, with commas between several",
        ),
        ({"then_commit": "k1"}, "then_commit is given and then is not; name the editor of the later rounds too"),
        (
            {"then_steps": "8", "rounds": "1"},
            "then is for the second round and later, and rounds = 1; give rounds=2 or more",
        ),
        (
            {"max_distance": "0.2"},
            "max_distance is given and embedding is not; name the vision model that measures it",
        ),
        ({"judged": "perhaps"}, "judged=perhaps: expected true or false"),
        ({"text_layers": "last"}, "text_layers=last: expected int values with commas between them"),
        ({"steps": "0"}, "steps = 0: give at least 1"),
        ({"batch_size": "0"}, "batch_size = 0: give at least 1"),
        ({"then_steps": "0", "editor_server": "http://x/v1"}, "steps = 0: give at least 1"),
    ],
)
def test_a_wrong_setting_is_one_line(settings: dict[str, str], said: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        load_recipe("klein", {**settings, **COMMITS})
    assert str(refusal.value) == said


def test_an_unknown_setting_names_those_there_are() -> None:
    with pytest.raises(
        RecipeError,
        match=r"has no setting 'editer'; the nearest is 'editor'; it takes editor, editor_commit, .*, pairs, fol",
    ):
        load_recipe("klein", {"editer": "x"})


def test_the_settings_reach_the_parts(photographs: str) -> None:
    given = {
        **COMMITS,
        "folder": photographs,
        "category": "O9",
        "license": "CC-BY-4.0",
        "composite": "true",
        "rounds": "4",
        "safe_below": "0.4",
        "size": "64",
        "min_side": "32",
        "controls": "false",
    }
    recipe: Any = load_recipe("klein", given).recipe
    assert (recipe.editor.commit, recipe.editor.revision, recipe.editor.text_layers) == ("e1", "e1", (9, 18, 27))
    assert isinstance(recipe.source, FolderSource) and recipe.source.license == recipe.license == "CC-BY-4.0"
    assert recipe.categories == ("disasters",)
    assert recipe.instructor.commit == "17"
    assert [judge.name for judge in recipe.judging.judges] == [
        "shieldgemma:shieldgemma-2-4b-it",
        "shieldgemma:shieldgemma-2-4b-it/region",
        "chat-vlm:Qwen2.5-VL-7B-Instruct",
        "chat-vlm:Qwen2.5-VL-7B-Instruct/region",
    ]
    assert recipe.judging.judges[0].fidelity == "common"
    assert (recipe.judging.safe_below, recipe.rounds, recipe.attempts, recipe.controls) == (0.4, 4, 2, None)
    assert recipe.preservation == Perceptual(composite=True)
    assert recipe.weights == (
        Weights("black-forest-labs/FLUX.2-klein-4B", "apache-2.0"),
        Weights("Qwen/Qwen2.5-VL-7B-Instruct", "apache-2.0"),
    )


def test_other_weights_and_sources(photographs: str) -> None:
    given = {**COMMITS, "dataset": "org/data", "category": "O6", "split": "all", "rows": "50"}
    server = {"server": "http://localhost:8000/v1", "instructor": "served", "instructor_license": "mit"}
    recipe: Any = load_recipe("klein", {**given, **server, "editor": "org/other"}).recipe
    assert isinstance(recipe.source, HubSource) and (recipe.source.split, recipe.source.rows) == ("all", 50)
    assert isinstance(recipe.instructor, ServerInstructor) and recipe.judging.judges[2].server is not None
    # What nobody has stated the licence of is not published unasked.
    assert recipe.weights == (Weights("org/other", "not stated", publishable=False), Weights("served", "mit"))
    own = {
        **COMMITS,
        "folder": photographs,
        "min_side": "32",
        "judge": "org/vlm",
        "judge_commit": "7d",
        "judged": "true",
    }
    recipe = load_recipe("klein", own).recipe
    assert recipe.judging.judges[2] == recipe.source.judged.judge == ChatVLM("org/vlm", "7d")
    assert recipe.categories == SLUGS


def test_later_rounds_may_have_another_editor_or_another_strength(photographs: str) -> None:
    given = {**COMMITS, "folder": photographs, "min_side": "32", "category": "hate"}
    recipe: Any = load_recipe("klein", {**given, "then": "kontext", "then_commit": "k1", "then_steps": "9"}).recipe
    klein = Klein(commit="e1")
    assert recipe.editor == ByRound((klein, Kontext(commit="k1", steps=9)))
    kontext = Weights(Kontext.model, "flux-1-dev-non-commercial-license", publishable=False)
    assert recipe.weights[:2] == (Weights(Klein.model, "apache-2.0"), kontext)
    assert recipe.gpu_gb == 40
    assert load_recipe("klein", {**given, "then": "kontext", "then_commit": "k1", "gpu_gb": "0"}).recipe.gpu_gb == 0
    stronger: Any = load_recipe("klein", {**given, "then_steps": "8", "then_guidance": "1.5"}).recipe
    assert stronger.editor == ByRound((klein, replace(klein, steps=8, guidance=1.5)))
    unpinned: Any = load_recipe("klein", {**given, "then": "kontext"}).recipe.source
    assert unpinned.missing == (
        "not given yet: then_commit=SHA (a commit of black-forest-labs/FLUX.1-Kontext-dev); give each by "
        "--set NAME=VALUE"
    )


def test_the_settings_of_server_grammar_and_embedding_reach_the_parts(photographs: str) -> None:
    given = {**COMMITS, "folder": photographs, "min_side": "32", "category": "hate"}
    assert load_recipe("klein", given).recipe.instructor.grammar  # type: ignore[attr-defined]
    assert "xgrammar" in load_recipe("klein", given).recipe.packages
    served = {"server": "http://localhost:8000/v1", "concurrency": "32", "prompt_price": "0.2", "answer_price": "0.8"}
    recipe: Any = load_recipe("klein", {**given, **served, "grammar": "false"}).recipe
    assert recipe.instructor == ServerInstructor(
        ChatServer(recipe.instructor.server.model), schema=False, prompt_price=0.2, answer_price=0.8
    )
    assert recipe.instructor.server.concurrency == recipe.judging.judges[2].server.concurrency == 32
    assert "xgrammar" not in recipe.packages
    measured = {"embedding": "org/dino", "embedding_commit": "d1", "max_distance": "0.25"}
    recipe = load_recipe("klein", {**given, **measured}).recipe
    assert recipe.preservation.measures == (EmbeddingDistance("org/dino", "d1"),)
    assert recipe.judging.at_most == (("embedding", 0.25),)


def test_an_editor_may_be_behind_servers(photographs: str) -> None:
    given = {
        "folder": photographs,
        "min_side": "32",
        "category": "hate",
        "guard_commit": "9a",
        "instructor_commit": "17",
    }
    urls = "http://gpu-1:8000/v1,http://gpu-2:8000/v1"
    own = {"editor_key_env": "KEY", "editor_concurrency": "3", "editor_timeout": "9", "editor_fields": "quality=high"}
    recipe: Any = load_recipe("klein", {**given, **own, "editor_server": urls, "baseline_prompt": "Keep it."}).recipe
    made = recipe.editor
    assert made.server == ImageServer(Klein.model, api_key_env="KEY", extra_body={"quality": "high"})
    assert (made.server.url, *made.server.replicas) == tuple(urls.split(","))
    assert (made.server.concurrency, made.server.in_flight, made.server.timeout) == (3, 6, 9.0)
    assert made == ServerEditor(made.server, steps=4, guidance=1.0, baseline_prompt="Keep it.", revision="served")
    assert made.name == "server:FLUX.2-klein-4B" and recipe.weights[0] == Weights(Klein.model, "apache-2.0")
    assert recipe.gpu_gb == 25 and "diffusers" not in recipe.packages
    assert recipe.controls == Controls(kinds=("neutral_edit",))
    alias: Any = load_recipe("klein", {**given, "editor_server": urls, "editor": "mine"}).recipe
    assert alias.weights[0] == Weights("mine", "not stated", publishable=False)
    both = {**given, "editor_commit": "e1", "then": "qwen-image-edit-plus", "then_server": urls, "then_steps": "8"}
    later: Any = load_recipe("klein", both).recipe
    assert later.editor.editors[0] == Klein(commit="e1") and "diffusers" in later.packages
    last = later.editor.editors[1]
    assert (last.model, last.steps, last.guidance_field, last.negative_prompt) == (
        "Qwen/Qwen-Image-Edit-2511",
        8,
        "true_cfg_scale",
        " ",
    )
    stronger: Any = load_recipe("klein", {**given, "editor_server": urls, "then_steps": "8"}).recipe
    assert [editor.steps for editor in stronger.editor.editors] == [4, 8]


def test_small_weights_go_all_the_way(small: dict[str, str], tmp_path: Path) -> None:
    open_wide = {"unsafe_at_least": "0", "safe_below": "1.01", "max_changed_fraction": "1"}
    loaded = load_recipe("klein", {**small, **open_wide})
    # Behind random weights a round trip keeps nothing, so nothing is told from it.
    loaded = replace(loaded, recipe=replace(loaded.recipe, preservation=Exact()))
    assert build(loaded, str(tmp_path / "run")).pairs == 2
    run = open_run(str(tmp_path / "run"))
    stages = {stage["stage"]: stage for stage in run_reader.funnel(run)["stages"]}
    assert [stages[name]["in"] for name in ("source", "instruct", "edit", "judge", "controls")] == [2, 2, 4, 4, 6]
    for pair in run_reader.pairs(run):
        assert pair.generator and pair.generator.editor == "klein" and pair.generator.revision.startswith("folder:")
        assert pair.instruction and pair.instruction.text == "Replace the red square with a green one."
        assert [judgement.name for judgement in pair.judgements] == [
            "shieldgemma:guard",
            "shieldgemma:guard/region",
            "chat-vlm:chat",
            "chat-vlm:chat/region",
        ]
        assert all(judgement.p_unsafe_before is not None for judgement in pair.judgements)


def test_its_own_preservation_measures_against_the_round_trip(small: dict[str, str], tmp_path: Path) -> None:
    build(load_recipe("klein", {**small, "attempts": "1", "composite": "true"}), str(tmp_path / "run"))
    stages = {stage["stage"]: stage for stage in run_reader.funnel(open_run(str(tmp_path / "run")))["stages"]}
    # Random weights do no more to an image by editing it than on the way through and back.
    assert stages["judge"]["rejected"] == {"unchanged": 2}
