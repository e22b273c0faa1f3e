"""Folders with small models of the real classes, made once a session; a conftest imports the fixtures that it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safetypairs_hf.testing.tiny import chat_vlm, classifier, shieldgemma


def _folder(name: str, make: Callable[[Path], Path]) -> Callable[[pytest.TempPathFactory], Path]:
    """A fixture: the folder `name`, in which `make` saves a model."""

    @pytest.fixture(scope="session")
    def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return make(tmp_path_factory.mktemp("models") / name)

    return folder


random_chat = _folder("random-chat", chat_vlm.make)
red_chat = _folder("red-chat", chat_vlm.sees_red)
small_shieldgemma = _folder("small-shieldgemma", shieldgemma.make)
random_classifier = _folder("random-classifier", classifier.make)
red_classifier = _folder("red-classifier", classifier.sees_red)
