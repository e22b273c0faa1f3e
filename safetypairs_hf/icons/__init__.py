"""The parts of the embedded recipe: scenes of icons and placards, and their instructor, editor and judge."""

from __future__ import annotations

from safetypairs_hf.icons.editor import IconEditor
from safetypairs_hf.icons.instructor import IconInstructor
from safetypairs_hf.icons.matcher import IconMatcher
from safetypairs_hf.icons.scenes import IconScenes

__all__ = ["IconEditor", "IconInstructor", "IconMatcher", "IconScenes"]
