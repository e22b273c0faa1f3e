"""Pairs from real photographs, edited by FLUX.2-klein-4B: the default recipe where there is a GPU.

Command:   safetypairs build klein --out runs/klein --pairs 1000 --set folder=my-photos/ --set license=CC-BY-4.0 \\
               --set editor_commit=SHA --set instructor_commit=SHA --set guard_commit=SHA
           with --set dataset=org/name --set label_column=label --set labels=gun=O6,fire=O9 in place of a folder;
           with --set server=http://localhost:8000/v1 for a model behind vLLM or SGLang in place of one in process.
Models:    editor       black-forest-labs/FLUX.2-klein-4B, Apache-2.0
           instructor   Qwen/Qwen2.5-VL-7B-Instruct, Apache-2.0; it is also the second judge, asked the policy question
           guard        google/shieldgemma-2-4b-it, by our policy texts; licence: Gemma terms of use
           Every judge is asked of the whole image and of the region. A judge that you set yourself should be no Gemma.
Revisions: a run is bound to one commit of each model. They are not in this file: look them up on the models' pages
           (Files, History) and give them. What is missing is said before anything is made. A folder needs none.
Needs:     pip install 'safetypairs-hf[gpu]' torchvision; a GPU with 32 GB, which is the sum of the weights that are
           loaded at once (guard and second judge, in bfloat16: 25 GB; the editor: 13 GB) and room to work, and not
           measured. --set gpu_gb=0 goes without that check.
Cost:      not measured.
Expected:  not measured. In the paper 23% of the edits succeeded. The thresholds are not tuned.

What the other recipes for real weights share with this one is here: `Settings`, and the recipe made of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.judge import Judging
from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.building.recipe import Recipe, Weights
from safetypairs_hf.building.selection import Selection
from safetypairs_hf.editors.klein import LICENSE, Klein
from safetypairs_hf.errors import RecipeError
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.guards.server_vlm import ServerVLM
from safetypairs_hf.guards.shieldgemma import ShieldGemma
from safetypairs_hf.instructors.local_vlm import LocalVLM
from safetypairs_hf.instructors.server import ServerInstructor
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.records import Candidate, Instructor, Judge, Reject, Source
from safetypairs_hf.sources import FolderSource, Frame, HubSource, Judged, Screen
from safetypairs_hf.taxonomy import SLUGS

KLEIN, QWEN_VL = "black-forest-labs/FLUX.2-klein-4B", "Qwen/Qwen2.5-VL-7B-Instruct"
LICENSES = {KLEIN: LICENSE, QWEN_VL: "apache-2.0"}


@dataclass(frozen=True)
class NotGiven:
    """Stands for the source while something is missing; says so when the build begins, after a look at the machine."""

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
    """What `--set name=value` sets in every recipe for real weights.

    Args:
        folder, dataset: where the images come from: a folder, or a Hub dataset with `dataset_revision`, `config`,
            `split`, `image_column`, `label_column`, `id_column`, `license_column` and `rows` (see `HubSource`).
        category, labels, judged: the category of every image; or how labels answer to categories (the names of a
            folder's subfolders, `label_column` of a dataset); or true, and the second judge says it.
        license, attribution: of the images; they go on the card.
        hash_list, against: what may not become a source, see `Screen`.
        size, min_side: see `Frame`.
        instructor, server: a folder, a Hub id with `instructor_commit`, or the name of what `server` serves, whose key
            is in the variable `api_key_env`. `instructor_license`: where it is not the default. A licence that is not
            stated keeps `publish` from a public target, as a restricted one does.
        judge: a chat model with `judge_commit`, of another family than the guard; None = the instructor's.
        composite: put the original back outside what changed.
        region_slack: see `Judging`; None takes the instructor's regions for hints.
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
    instructor: str = QWEN_VL
    instructor_commit: str | None = None
    instructor_license: str | None = None
    server: str | None = None
    api_key_env: str = ""
    guard: str = "google/shieldgemma-2-4b-it"
    guard_commit: str | None = None
    judge: str | None = None
    judge_commit: str | None = None
    unsafe_at_least: float = 0.5
    safe_below: float = 0.5
    max_changed_fraction: float = 0.5
    min_ssim_outside: float = 0.7
    region_slack: float | None = None
    composite: bool = False
    rounds: int = 3
    attempts: int = 2
    controls: bool = True
    test_fraction: float = 0.8
    unit_size: int = 32
    device: str = "auto"

    def recipe(self, editor: Any, drawn_by: Weights, gpu_gb: float) -> Recipe:
        """The recipe with this editor."""
        missing = self._missing(editor)
        second = self._second_judge()
        source: Source = NotGiven(missing) if missing else self._source(second)
        guard = ShieldGemma(self.guard, self.guard_commit, "common", device=self.device)
        written_by = weights(self.instructor, self.instructor_license, LICENSES)
        return Recipe(
            source=source,
            instructor=self._instructor(),
            editor=editor,
            judging=Judging(
                (guard, OnRegion(guard), second, OnRegion(second)),
                unsafe_at_least=self.unsafe_at_least,
                safe_below=self.safe_below,
                max_changed_fraction=self.max_changed_fraction,
                min_ssim_outside=self.min_ssim_outside,
                region_slack=self.region_slack,
                families=2,
            ),
            selection=Selection(test_fraction=self.test_fraction),
            pairs=self.pairs,
            license="other" if self.license == "NOASSERTION" else self.license,
            attribution=self.attribution,
            unit_size=self.unit_size,
            expected_yield=0.23,  # the paper's; it decides no more than how many units are made at first
            packages=("diffusers", "numpy", "pillow", "torch", "transformers"),
            categories=source.categories,  # type: ignore[attr-defined]  # all three sources have them
            rounds=self.rounds,
            attempts=self.attempts,
            preservation=Perceptual(composite=self.composite),
            controls=Controls() if self.controls else None,
            weights=(drawn_by, written_by),
            gpu_gb=gpu_gb,
        )

    def _missing(self, editor: Any) -> str:
        """One line with all that is still to be given; "" where nothing is."""
        if self.folder and self.dataset:
            raise RecipeError("the images come from folder and from dataset; give one of them")
        models = {"editor_commit": (editor.model, editor.commit), "guard_commit": (self.guard, self.guard_commit)}
        if not self.server:
            models["instructor_commit"] = (self.instructor, self.instructor_commit)
        if self.judge:
            models["judge_commit"] = (self.judge, self.judge_commit)
        wanted = [] if self.folder or self.dataset else ["folder=PATH or dataset=ORG/NAME (the images)"]
        wanted += [
            f"{setting}=SHA (a commit of {model})"
            for setting, (model, commit) in sorted(models.items())
            if not (commit or Path(model).is_dir())
        ]
        return f"not given yet: {'; '.join(wanted)}; give each by --set NAME=VALUE" if wanted else ""

    def _source(self, judge: Judge) -> Source:
        names = ["category", "labels", "license"]
        made: dict[str, Any] = {
            "judged": Judged(judge) if self.judged else None,
            "frame": Frame(self.size, self.min_side),
            "screen": Screen(self.against, (self.hash_list,) if self.hash_list else ()),
        }
        if self.folder:
            return FolderSource(self.folder, **made, **self._some(names))
        names += ["config", "split", "image_column", "label_column", "id_column", "license_column", "rows"]
        return HubSource(str(self.dataset), self.dataset_revision, **made, **self._some(names))

    def _some(self, names: list[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    def _instructor(self) -> Instructor:
        if self.server:
            return ServerInstructor(ChatServer(self.instructor, self.server, self.api_key_env))
        return LocalVLM(self.instructor, self.instructor_commit, device=self.device)

    def _second_judge(self) -> Judge:
        if self.judge:
            return ChatVLM(self.judge, self.judge_commit, device=self.device)
        if self.server:
            return ServerVLM(ChatServer(self.instructor, self.server, self.api_key_env))
        return ChatVLM(self.instructor, self.instructor_commit, device=self.device)


def weights(model: str, license: str | None, known: dict[str, str]) -> Weights:
    """A model with its licence; where that is neither given nor known, its output is not published unasked."""
    license = license or known.get(model)
    return Weights(model, license or "not stated", publishable=license is not None)


def with_settings(own: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe function that takes the settings of `own` and all of `Settings`, which `own` gets as its first."""
    names = {field.name for field in fields(Settings)}

    def recipe(**given: Any) -> Recipe:
        shared = {name: value for name, value in given.items() if name in names}
        return own(Settings(**shared), **{name: value for name, value in given.items() if name not in names})

    parameters = [*inspect.signature(own, eval_str=True).parameters.values()][1:]
    parameters += inspect.signature(Settings, eval_str=True).parameters.values()
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    recipe.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]  # what --set is checked by
    return recipe


@with_settings
def recipe(
    shared: Settings,
    editor: str = KLEIN,
    editor_commit: str | None = None,
    editor_license: str | None = None,
    steps: int = 4,
    batch_size: int = 8,
    text_layers: str = "9,18,27",
    compile_blocks: bool = False,
    gpu_gb: float = 32.0,
) -> Recipe:
    """The recipe; its arguments, and those of `Settings`, are what `--set name=value` sets.

    `editor_license`: where `editor` is not the default. `text_layers`: see `Klein`.
    """
    klein = Klein(
        editor,
        editor_commit,
        steps,
        batch_size=batch_size,
        text_layers=tuple(map(int, text_layers.split(","))),
        device=shared.device,
        compile_blocks=compile_blocks,
    )
    return shared.recipe(klein, weights(editor, editor_license, LICENSES), gpu_gb)
