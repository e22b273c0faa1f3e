"""The parts of the recipe `signs`, whose signs are unsafe by the relation of two elements, and its unsafe features."""

from __future__ import annotations

from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.blocks import Feature, features_of
from safetypairs_hf.signs.policies import signs_taxonomy
from safetypairs_hf.signs.sign_editor import SignEditor
from safetypairs_hf.signs.sign_instructor import SignInstructor
from safetypairs_hf.signs.sign_reader import SignReader
from safetypairs_hf.signs.sign_scenes import SignScenes
from safetypairs_hf.signs.wording import NEUTRAL

__all__ = [
    "NEUTRAL",
    "Feature",
    "SignEditor",
    "SignInstructor",
    "SignReader",
    "SignScenes",
    "features",
    "signs_taxonomy",
]


def features() -> tuple[Feature, ...]:
    """Return every unsafe feature, with the policy line that it breaks and the lines that permit its twins."""
    return features_of(blocks())
