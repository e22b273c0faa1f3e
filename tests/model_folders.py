"""Folders with small models of the real classes, made once a session; a conftest imports what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetypairs_hf.testing.tiny import chat_vlm

    return chat_vlm.make(tmp_path_factory.mktemp("models") / "random-chat")


@pytest.fixture(scope="session")
def red_chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetypairs_hf.testing.tiny import chat_vlm

    return chat_vlm.sees_red(tmp_path_factory.mktemp("models") / "red-chat")


@pytest.fixture(scope="session")
def small_shieldgemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetypairs_hf.testing.tiny import shieldgemma

    return shieldgemma.make(tmp_path_factory.mktemp("models") / "small-shieldgemma")


@pytest.fixture(scope="session")
def random_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetypairs_hf.testing.tiny import classifier

    return classifier.make(tmp_path_factory.mktemp("models") / "random-classifier")


@pytest.fixture(scope="session")
def red_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetypairs_hf.testing.tiny import classifier

    return classifier.sees_red(tmp_path_factory.mktemp("models") / "red-classifier")
