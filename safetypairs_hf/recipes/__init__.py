"""Stable imports for authors of recipes: everything that a recipe needs, wherever the library defines it.

    from safetypairs_hf.recipes import FolderSource, Judging, Klein, LocalVLM, OnRegion, Recipe, Selection, ShieldGemma

The parts of the recipes `icons` and `signs` are in `safetypairs_hf.icons` and `safetypairs_hf.signs`, the settings that
the recipes for real weights share in `safetypairs_hf.recipes.photographs`, and models with small random weights in
`safetypairs_hf.testing.tiny`.
"""

from __future__ import annotations

from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.judge import Judging
from safetypairs_hf.building.preservation import Exact, Measure, Perceptual, Preserving
from safetypairs_hf.building.recipe import Recipe, Weights
from safetypairs_hf.building.selection import Selection
from safetypairs_hf.building.stages import ByRound
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import (
    Answer,
    Box,
    Candidate,
    Distance,
    Edited,
    Editor,
    Input,
    Instruction,
    Instructor,
    Judge,
    ListedSource,
    Origin,
    Picture,
    Pixels,
    Preservation,
    Reject,
    Source,
    Verdict,
)
from safetypairs_hf.editors.base import Batch, PipelineEditor
from safetypairs_hf.editors.catalogue import make_editor
from safetypairs_hf.editors.instruct_pix2pix import InstructPix2Pix
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.editors.kontext import Kontext
from safetypairs_hf.editors.qwen_edit import QwenEdit, QwenEditPlus
from safetypairs_hf.editors.server_editor import ServerEditor
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.classifier import Classifier
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.guards.shieldgemma import ShieldGemma
from safetypairs_hf.instructors.local_vlm import LocalVLM
from safetypairs_hf.instructors.served_vlm import ServerInstructor
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.models.embedding import EmbeddingDistance
from safetypairs_hf.models.image_server import ImageServer
from safetypairs_hf.sources import FolderSource, Frame, HashFile, HashList, HubSource, Judged, Screen
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE, SLUGS

__all__ = [
    "NINE",
    "SLUGS",
    "Answer",
    "Batch",
    "Box",
    "ByRound",
    "Candidate",
    "ChatServer",
    "ChatVLM",
    "Classifier",
    "Controls",
    "Distance",
    "Edited",
    "Editor",
    "EmbeddingDistance",
    "Exact",
    "FolderSource",
    "Frame",
    "HashFile",
    "HashList",
    "HubSource",
    "ImageServer",
    "Input",
    "InstructPix2Pix",
    "Instruction",
    "Instructor",
    "Judge",
    "Judged",
    "Judging",
    "Klein",
    "Kontext",
    "ListedSource",
    "LocalVLM",
    "Measure",
    "OnRegion",
    "Origin",
    "Perceptual",
    "Picture",
    "PipelineEditor",
    "Pixels",
    "Preservation",
    "Preserving",
    "QwenEdit",
    "QwenEditPlus",
    "Recipe",
    "RecipeError",
    "Reject",
    "SafetyPairsError",
    "Screen",
    "Selection",
    "ServerEditor",
    "ServerInstructor",
    "ShieldGemma",
    "Source",
    "Taxonomy",
    "Verdict",
    "Weights",
    "encode",
    "make_editor",
    "make_guard",
]
