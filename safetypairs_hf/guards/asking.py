"""What a guard is asked, as one short hash: two runs of a guard with another prompt are not the same guard."""

from __future__ import annotations

import hashlib
from typing import Any

from safetypairs_hf import policies
from safetypairs_hf.guards import yes_no
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.server_vlm import ServerVLM
from safetypairs_hf.guards.shieldgemma import ShieldGemma
from safetypairs_hf.records import Judge
from safetypairs_hf.taxonomy import SLUGS


def prompt_hash(judge: Judge) -> str:
    """16 hex digits of the texts that it is asked under the nine categories; "" where it is asked none of ours.

    A prompt in a model's own chat template belongs to its `revision`.
    """
    texts = [_text(judge, slug) for slug in SLUGS]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16] if any(texts) else ""


def _text(judge: Any, slug: str) -> str:
    if hasattr(judge, "asked"):
        return str(judge.asked(slug))
    if hasattr(judge, "inner"):
        return _text(judge.inner, slug)
    if isinstance(judge, ChatVLM | ServerVLM):
        return yes_no.question(slug)
    return policies.text(slug) if isinstance(judge, ShieldGemma) and judge.fidelity == "common" else ""
