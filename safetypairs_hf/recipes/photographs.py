"""The settings that the recipes for real weights and photographs share, and the recipe that is made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Concatenate, cast

from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.judge import Judging
from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.building.recipe import Recipe, Weights
from safetypairs_hf.building.selection import Selection
from safetypairs_hf.building.stages import ByRound
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import OPENCV
from safetypairs_hf.core.records import Candidate, Editor, Instructor, Judge, Reject
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.editors.base import PipelineEditor
from safetypairs_hf.editors.catalogue import find_editor, license_of, make_editor, served
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.guards.shieldgemma import ShieldGemma
from safetypairs_hf.instructors.local_vlm import LocalVLM
from safetypairs_hf.instructors.served_vlm import ServerInstructor
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.models.embedding import EmbeddingDistance
from safetypairs_hf.models.image_server import ImageServer
from safetypairs_hf.sources import FolderSource, Frame, HubSource, Judged, Screen
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE, SLUGS

QWEN_VL = "Qwen/Qwen2.5-VL-7B-Instruct"
LICENSES = {QWEN_VL: "apache-2.0"}
JUDGES_GB = 25.0  # GPU memory of the judges in GB: computed, not measured


@dataclass(frozen=True)
class NotGiven:
    """The source of an incomplete recipe: every method raises a RecipeError that lists the missing settings.

    So a recipe can be loaded without its settings, and a build reports them after it has checked the machine.
    """

    missing: str
    size: int = 0
    categories: tuple[str, ...] = SLUGS

    def take(self, start: int, stop: int) -> list[Candidate]:
        raise RecipeError(self.missing)

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        raise RecipeError(self.missing)

    def fingerprint(self) -> str:
        raise RecipeError(self.missing)


@dataclass(frozen=True)
class Settings:
    """The settings that every recipe for real weights takes by `--set name=value`.

    Args:
        folder, dataset: where the images come from: a folder, or a Hub dataset that is read by `dataset_revision`,
            `config`, `split`, `image_column`, `label_column`, `id_column`, `license_column`, `rows` (see `HubSource`).
        category, labels, judged: give one of the three. `category` is the category of every image. `labels` maps labels
            to categories; the labels are the names of a folder's subfolders, or the dataset's `label_column`. With
            `judged`, the second judge says the category of each image.
        license, attribution: the licence and the attribution of the images, for the dataset's card.
        hash_list, against: images that may not become a source; see `Screen`.
        size, min_side, encoder: see `Frame`. OpenCV, the default encoder, writes a photograph in a third of the time
            that Pillow takes, at about the same size; pillow needs no package.
        instructor, server: the model that writes the instructions: a folder, or a Hub id with `instructor_commit`; with
            `server`, the name of a model that this server serves. The server's key is in the environment variable that
            `api_key_env` names. Give `instructor_license` for another model than the default one: without a stated
            licence, as with a restricted one, `publish` refuses a public target.
        grammar: constrain the instructor's answer to the schema while it is written: in process by the package
            xgrammar, which must be installed then; on a server by `response_format`.
        coordinates: how the instructor writes regions, see `LocalVLM`; "auto" goes by its class, on a server its name.
        concurrency, timeout: how many requests the server gets at once, and the seconds that one may take.
        prompt_price, answer_price: the price of a million of the server's tokens, for the sum in `status`.
        judge: the second judge: a chat model with `judge_commit`, of another family than the guard; None asks the
            instructor's model.
        composite: put the original back outside what changed.
        embedding, max_distance: a vision model with `embedding_commit`, and the largest distance between the members
            of a pair: 1 minus the cosine of their embeddings.
        region_slack: see `Judging`; None takes the instructor's regions as hints only.
        then: the editor from the second round on, by its name in editors/catalogue.py; `then_model`, `then_commit` and
            `then_license` replace its defaults. Without `then`, `then_steps` and `then_guidance` change the strength of
            the first editor from the second round on.
        editor_server: ask the recipe's editor of a server with POST /images/edits, in place of running it here; several
            replicas with commas between them. The recipe's setting `editor` is the name that the server has for it,
            `steps` and `guidance` are sent, and `editor_commit` may say what it runs. `editor_key_env` names the
            environment variable that holds the key, `editor_concurrency` requests are in flight at each replica, and
            `editor_timeout` is how many seconds one may take. `editor_fields` are further fields of every request, as
            NAME=VALUE with commas between them. See `ServerEditor` for `negative_prompt`, `baseline_prompt`, `multiple`
            and `resize_replies`. The controls that need an autoencoder are not made.
        then_server: the same for the editor of `then`.
        taxonomy: what the categories are of; `--taxonomy` gives it.
    """

    pairs: int = 1000
    folder: str | None = None
    dataset: str | None = None
    dataset_revision: str = "main"
    config: str | None = None
    split: str = "train"
    image_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None
    license_column: str | None = None
    rows: int | None = None
    category: str | None = None
    labels: str = ""
    judged: bool = False
    license: str = "NOASSERTION"
    attribution: str = "The images of the source, under their own licences."
    hash_list: str | None = None
    against: str | None = None
    size: int = 1024
    min_side: int | None = None
    encoder: str = OPENCV
    instructor: str = QWEN_VL
    instructor_commit: str | None = None
    instructor_license: str | None = None
    server: str | None = None
    api_key_env: str = ""
    grammar: bool = True
    coordinates: str = "auto"
    concurrency: int = 8
    timeout: float = 120.0
    prompt_price: float = 0.0
    answer_price: float = 0.0
    guard: str = "google/shieldgemma-2-4b-it"
    guard_commit: str | None = None
    judge: str | None = None
    judge_commit: str | None = None
    unsafe_at_least: float = 0.5
    safe_below: float = 0.5
    max_changed_fraction: float = 0.5
    min_ssim_outside: float = 0.7
    embedding: str | None = None
    embedding_commit: str | None = None
    max_distance: float | None = None
    region_slack: float | None = None
    composite: bool = False
    then: str | None = None
    then_model: str | None = None
    then_commit: str | None = None
    then_license: str | None = None
    then_steps: int | None = None
    then_guidance: float | None = None
    editor_server: tuple[str, ...] = ()
    then_server: tuple[str, ...] = ()
    editor_key_env: str = ""
    editor_concurrency: int = 2
    editor_timeout: float = 600.0
    editor_fields: tuple[str, ...] = ()
    negative_prompt: str = ""
    baseline_prompt: str = ""
    multiple: int = 16
    resize_replies: bool = False
    rounds: int = 3
    attempts: int = 2
    controls: bool = True
    test_fraction: float = 0.8
    unit_size: int = 32
    device: str = "auto"
    taxonomy: Taxonomy = NINE

    def recipe(self, first: PipelineEditor, drawn_by: Weights, gpu_gb: float, *also_by: Weights) -> Recipe:
        """Make the recipe.

        Args:
            first: the editor of the first round, and of the later ones unless `then` names another.
            drawn_by: the weights of `first`, with their licence.
            gpu_gb: the GPU memory that a build with `first` needs, in GB; 0 skips the check.
            also_by: further weights that are merged into those.

        Raises:
            RecipeError: settings contradict each other, or one names what does not exist.
        """
        pipelines, drawn = self._by_round(first), [drawn_by, *also_by]
        editors = self._behind_servers(pipelines)
        if self.editor_server:
            gpu_gb = gpu_gb and JUDGES_GB
        if self.then:
            drawn.append(editor_weights(self.then, pipelines[-1].model, self.then_license))
            gpu_gb = gpu_gb and max(gpu_gb, JUDGES_GB if self.then_server else find_editor(self.then).gpu_gb)
        missing = self._missing(pipelines)
        here = any(isinstance(editor, PipelineEditor) for editor in editors)
        second = self._second_judge()
        source = NotGiven(missing, categories=self.taxonomy.slugs) if missing else self._source(second)
        guard = ShieldGemma(self.guard, self.guard_commit, "common", device=self.device)
        written_by = weights(self.instructor, self.instructor_license, LICENSES)
        return Recipe(
            source=source,
            instructor=self._instructor(),
            editor=ByRound(editors) if len(editors) > 1 else editors[0],
            judging=Judging(
                (guard, OnRegion(guard), second, OnRegion(second)),
                unsafe_at_least=self.unsafe_at_least,
                safe_below=self.safe_below,
                max_changed_fraction=self.max_changed_fraction,
                at_most=() if self.max_distance is None else (("embedding", self.max_distance),),
                min_ssim_outside=self.min_ssim_outside,
                region_slack=self.region_slack,
                families=2,
            ),
            selection=Selection(test_fraction=self.test_fraction),
            pairs=self.pairs,
            license="other" if self.license == "NOASSERTION" else self.license,
            attribution=self.attribution,
            unit_size=self.unit_size,
            expected_yield=0.23,  # from the paper; it only decides the number of work units at the start
            packages=self._packages(here),
            categories=source.categories,
            taxonomy=self.taxonomy,
            rounds=self.rounds,
            attempts=self.attempts,
            preservation=Perceptual(composite=self.composite, measures=() if missing else self._measures()),
            controls=_controls(editors) if self.controls else None,
            weights=(*drawn, written_by),
            gpu_gb=gpu_gb,
        )

    def _by_round(self, first: PipelineEditor) -> tuple[PipelineEditor, ...]:
        """Return the editor, or a switch to another editor from the second round on."""
        strength = {"steps": self.then_steps, "guidance": self.then_guidance}
        changed = {name: value for name, value in strength.items() if value is not None}
        own = {"then_model": self.then_model, "then_commit": self.then_commit, "then_license": self.then_license}
        if not self.then and (given := [name for name, value in own.items() if value]):
            raise RecipeError(f"{given[0]} is given and then is not; name the editor of the later rounds too")
        if not (self.then or changed):
            return (first,)
        if self.rounds < 2:
            raise RecipeError("then is for the second round and later, and rounds = 1; give rounds=2 or more")
        if not self.then:
            return first, replace(cast("Any", first), **changed)
        weights = {"model": self.then_model, "commit": self.then_commit, "device": self.device}
        return first, make_editor(self.then, **weights, **changed)

    def _behind_servers(self, pipelines: tuple[PipelineEditor, ...]) -> tuple[Editor, ...]:
        """Return the editors of the rounds; an editor with a server URL is asked there."""
        if self.then_server and not self.then:
            raise RecipeError("then_server is given and then is not; name the editor of the later rounds too")
        of_then = self.then_server if self.then else self.editor_server
        urls = (self.editor_server, *[of_then] * (len(pipelines) - 1))
        return tuple(self._behind(editor, where) for editor, where in zip(pipelines, urls, strict=True))

    def _behind(self, editor: PipelineEditor, urls: tuple[str, ...]) -> Editor:
        if not urls:
            return editor
        if lora := getattr(editor, "lora", None):
            raise RecipeError(f"lora = {lora!r} and a server for the editor: give the LoRA to the server, and not here")
        server = ImageServer(
            editor.model,
            urls[0],
            self.editor_key_env,
            extra_body=dict(_field(each) for each in self.editor_fields),
            timeout=self.editor_timeout,
            concurrency=self.editor_concurrency,
            replicas=urls[1:],
        )
        return served(
            editor,
            server,
            negative_prompt=self.negative_prompt,
            baseline_prompt=self.baseline_prompt,
            multiple=self.multiple,
            resize_replies=self.resize_replies,
        )

    def _packages(self, edits_here: bool) -> tuple[str, ...]:
        """The distributions whose version changes the output."""
        grammar = ("xgrammar",) if self.grammar and not self.server else ()  # xgrammar constrains the answers
        return (*(("diffusers",) if edits_here else ()), "numpy", "pillow", "torch", "transformers", *grammar)

    def _missing(self, editors: tuple[PipelineEditor, ...]) -> str:
        """Return one line with every setting that is still missing; "" if the recipe is complete."""
        if self.folder and self.dataset:
            raise RecipeError("the images come from folder and from dataset; give one of them")
        if self.max_distance is not None and not self.embedding:
            raise RecipeError("max_distance is given and embedding is not; name the vision model that measures it")
        first, last = editors[0], editors[-1]
        models = {"guard_commit": (self.guard, self.guard_commit)}
        if not self.editor_server:
            models["editor_commit"] = (first.model, first.commit)
        if self.then and not self.then_server:
            models["then_commit"] = (last.model, last.commit)
        if lora := getattr(first, "lora", None):
            models["lora_commit"] = (lora, getattr(first, "lora_commit", None))
        if self.embedding:
            models["embedding_commit"] = (self.embedding, self.embedding_commit)
        if not self.server:
            models["instructor_commit"] = (self.instructor, self.instructor_commit)
        if self.judge:
            models["judge_commit"] = (self.judge, self.judge_commit)
        wanted = [] if self.folder or self.dataset else ["folder=PATH or dataset=ORG/NAME (the images)"]
        wanted += [
            _wanted(setting, model)
            for setting, (model, commit) in sorted(models.items())
            if not Path(model).is_dir() and (not commit or not is_hub_id(model))
        ]
        return f"not given yet: {'; '.join(wanted)}; give each by --set NAME=VALUE" if wanted else ""

    def _source(self, judge: Judge) -> FolderSource | HubSource:
        names = ["category", "labels", "license"]
        made: dict[str, Any] = {
            "judged": Judged(judge, taxonomy=self.taxonomy) if self.judged else None,
            "frame": Frame(self.size, self.min_side, encoder=self.encoder),
            "screen": Screen(self.against, (self.hash_list,) if self.hash_list else ()),
            "taxonomy": self.taxonomy,
        }
        if self.folder:
            return FolderSource(self.folder, **made, **self._some(names))
        names += ["config", "split", "image_column", "label_column", "id_column", "license_column", "rows"]
        return HubSource(str(self.dataset), self.dataset_revision, **made, **self._some(names))

    def _some(self, names: list[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    def _instructor(self) -> Instructor:
        if self.server:
            return ServerInstructor(
                self._served(self.server),
                schema=self.grammar,
                prompt_price=self.prompt_price,
                answer_price=self.answer_price,
                coordinates=self.coordinates,
            )
        how: dict[str, Any] = {"grammar": self.grammar, "device": self.device, "coordinates": self.coordinates}
        return LocalVLM(self.instructor, self.instructor_commit, **how)

    def _measures(self) -> tuple[EmbeddingDistance, ...]:
        if self.embedding is None:
            return ()
        return (EmbeddingDistance(self.embedding, self.embedding_commit, self.device),)

    def _served(self, url: str) -> ChatServer:
        return ChatServer(self.instructor, url, self.api_key_env, timeout=self.timeout, concurrency=self.concurrency)

    def _second_judge(self) -> Judge:
        if self.judge:
            return ChatVLM(self.judge, self.judge_commit, device=self.device)
        if self.server:
            return ChatVLM(server=self._served(self.server), commit="served")
        return ChatVLM(self.instructor, self.instructor_commit, device=self.device)


def _wanted(setting: str, model: str) -> str:
    """Return what is missing for a model that is not a local folder: its commit, or a valid Hub id."""
    named, pinned = setting.removesuffix("_commit"), f"{setting}=SHA (a commit of {model})"
    if is_hub_id(model):
        return f"{pinned}, or {named}=FOLDER ({model} is none)" if Path(model).parent.is_dir() else pinned
    return f"{named}=FOLDER ({model} is no folder here, and no id on the Hub)"


def _field(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not (name and equals):
        raise RecipeError(f"editor_fields={given}: expected NAME=VALUE, with commas between several")
    return name, value


def _controls(editors: tuple[Editor, ...]) -> Controls:
    """Return every control that the editors can make."""
    if all(hasattr(editor, "round_trip") for editor in editors):
        return Controls()
    return Controls(kinds=("neutral_edit",))


def editor_weights(name: str, model: str, stated: str | None) -> Weights:
    """Return the weights of the editor `name`, with their known licence or the one that the user states."""
    return Weights(model, *license_of(name, model, stated))


def weights(model: str, license: str | None, known: dict[str, str]) -> Weights:
    """Return a model with its licence. If none is known or stated, publishing its output needs consent."""
    license = license or known.get(model)
    return Weights(model, license or "not stated", publishable=license is not None)


def with_settings(own: Callable[Concatenate[Settings, ...], Recipe]) -> Callable[..., Recipe]:
    """Make a recipe function that takes the settings of `own` and those of `Settings`.

    Args:
        own: gets the `Settings` as its first argument, and its own settings as keyword arguments.
    """
    names = {field.name for field in fields(Settings)}

    def recipe(**given: Any) -> Recipe:
        shared = {name: value for name, value in given.items() if name in names}
        return own(Settings(**shared), **{name: value for name, value in given.items() if name not in names})

    parameters = [*inspect.signature(own, eval_str=True).parameters.values()][1:]
    parameters += inspect.signature(Settings, eval_str=True).parameters.values()
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    recipe.__module__ = own.__module__
    recipe.__doc__ = f"{inspect.getdoc(own)}\n\n{inspect.getdoc(Settings)}"
    recipe.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]  # --set is checked against it
    return recipe
