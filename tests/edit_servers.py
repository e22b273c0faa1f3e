"""Servers of edits for tests, which share one small pipeline, with the faults that such servers have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safetypairs_hf.testing.edit_server import EditServer, Form, edit_server, loaded
from safetypairs_hf.testing.tiny import editors

Start = Callable[[EditServer], str]


@pytest.fixture(scope="module")
def klein_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return editors.klein(tmp_path_factory.mktemp("klein") / "klein")


@pytest.fixture(scope="module")
def pipeline(klein_folder: Path) -> Any:
    return loaded(klein_folder)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server until the end of the test; its base is returned."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(edit_server(server))


class Failing(EditServer):
    """Answers the first `times` requests with this status and text."""

    status, text, times = 500, "CUDA error", 10**9

    def answer(self, form: Form) -> tuple[int, dict[str, Any]]:
        if len(self.requests) < self.times:
            self.requests.append(dict(form))
            return self.status, {"error": {"message": self.text, "type": "error", "code": None}}
        return super().answer(form)


class Filtering(EditServer):
    """Refuses prompts with the word "green", as a hosted service does that filters what it is asked."""

    def answer(self, form: Form) -> tuple[int, dict[str, Any]]:
        if "green" in form["prompt"]:
            self.requests.append(dict(form))
            return 400, {"error": {"message": "Your request was refused.", "code": "moderation_blocked"}}
        return super().answer(form)


class OfOwnSize(EditServer):
    """Draws every edit at 96 x 80, whatever is asked."""

    def edited(self, form: Form) -> Any:
        return super().edited({**form, "size": "96x80"})


class Flat(EditServer):
    """Answers an image of one colour, as broken weights do."""

    def edited(self, form: Form) -> Any:
        return Image.new("RGB", (64, 64))


class Moody(EditServer):
    """Answers the same request otherwise each time, as servers may that batch."""

    def edited(self, form: Form) -> Any:
        pixels = np.asarray(super().edited(form)).copy()
        pixels[:8, :8] = len(self.requests) % 256
        return Image.fromarray(pixels)
