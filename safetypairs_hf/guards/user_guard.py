"""A guard of the user's own: a Python function, or a command that reads and writes JSON Lines."""

from __future__ import annotations

import base64
import json
import math
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.taxonomy.categories import category as find_category


@dataclass(frozen=True)
class OwnFunction:
    """P(unsafe) = `function(image, category)`, an image of PIL and a slug; None abstains.

    Args:
        function: "package.module:name", or "path/to/file.py:name".
        revision: what to call this version of it.
    """

    function: str
    revision: str = "own"
    fidelity: str = "trained"
    holds_model: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"function:{self.function.rsplit('/', 1)[-1]}"

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """One Verdict an image, in order; regions are not used. Abstains with "abstained" or "broken_output"."""
        slugs = [find_category(category).slug for category in categories]
        return [_checked(self._call(as_pil(image), slug)) for image, slug in zip(images, slugs, strict=True)]

    def release(self) -> None:
        """Forget the function; it is imported again when next asked."""
        self.__dict__.pop("_call", None)

    @cached_property
    def _call(self) -> Callable[[Any, str], Any]:
        import importlib
        import importlib.util

        where, _, attribute = self.function.rpartition(":")
        wrong = f"function = {self.function!r}: expected 'package.module:name' or 'path/to/file.py:name'"
        if not where:
            raise RecipeError(wrong)
        try:
            if where.endswith(".py"):
                spec = importlib.util.spec_from_file_location("safetypairs_own_guard", where)
                assert spec is not None and spec.loader is not None
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
            else:
                module = importlib.import_module(where)
        except (ImportError, OSError) as error:
            raise RecipeError(f"{wrong}; it does not load: {error}") from error
        found = getattr(module, attribute, None)
        if not callable(found):
            raise RecipeError(f"{wrong}; {where} has no function {attribute!r}")
        return found  # type: ignore[no-any-return]


@dataclass(frozen=True)
class OwnCommand:
    """A program: a line {"image": base64 of the file, "category": slug} in, a line {"p_unsafe": number or null} out.

    Args:
        command: as in a shell, such as "python my_guard.py --fast"; it runs once a call, and reads to the end of input.
        timeout: seconds for one run.
        revision: what to call this version of it.
    """

    command: str
    timeout: float = 3600.0
    revision: str = "own"
    fidelity: str = "trained"
    holds_model: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"command:{shlex.split(self.command)[0].rsplit('/', 1)[-1]}"

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """One Verdict an image, in order; regions are not used. Abstains with "abstained" or "broken_output".

        Raises:
            SafetyPairsError: the program does not start, fails, takes too long, or answers another number of lines.
        """
        if not images:
            return []
        lines = [
            json.dumps({"image": base64.b64encode(image.data).decode(), "category": find_category(category).slug})
            for image, category in zip(images, categories, strict=True)
        ]
        answers = self._run("\n".join(lines) + "\n").splitlines()
        if len(answers) != len(lines):
            raise SafetyPairsError(
                f"{self.command!r} wrote {len(answers)} lines for {len(lines)} images; write one JSON line an image"
            )
        return [_from_line(line) for line in answers]

    def _run(self, lines: str) -> str:
        try:
            done = subprocess.run(
                shlex.split(self.command), input=lines, capture_output=True, text=True, timeout=self.timeout
            )
        except subprocess.TimeoutExpired as error:
            raise SafetyPairsError(f"{self.command!r} took over {self.timeout:g} s; give more timeout") from error
        except OSError as error:
            raise SafetyPairsError(f"{self.command!r} does not start: {error}; check the command") from error
        if done.returncode:
            said = " ".join(done.stderr.split())[-160:]
            raise SafetyPairsError(f"{self.command!r} failed with exit code {done.returncode}: {said or 'no message'}")
        return done.stdout


def _from_line(line: str) -> Verdict:
    try:
        found = json.loads(line)
    except ValueError:
        return Verdict(None, "broken_output", line)
    if not isinstance(found, dict) or "p_unsafe" not in found:
        return Verdict(None, "broken_output", line)
    return _checked(found["p_unsafe"], str(found.get("raw", "")))


def _checked(value: Any, raw: str = "") -> Verdict:
    if value is None:
        return Verdict(None, "abstained", raw)
    try:
        share = float(value)
    except (TypeError, ValueError):
        return Verdict(None, "broken_output", repr(value))
    return Verdict(share, "", raw) if math.isfinite(share) and 0 <= share <= 1 else Verdict(None, "broken_output", raw)
