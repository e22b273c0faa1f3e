"""Run a block of docs/integrations.md as it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from docs.pages import blocks


def run_block(number: int, file: str, folder: Path, env: dict[str, str], places: dict[str, str]) -> str:
    """Run a block of the page that is marked as run by a test file, the first being 0, and return what it printed.

    Commands are those of this interpreter's environment, and `pip install` does nothing. `places` is what a reader puts
    in place of a name on the page.
    """
    by = f"tests/integrations/{Path(file).name}"
    block = [each for each in blocks("docs/integrations.md") if each.marks.get("run by") == by][number]
    script = "pip() { :; }\n" + "\n".join(command.text for command in block.commands())
    for name, value in places.items():
        assert name in script, f"{block} has no {name}"
        script = script.replace(name, value)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, **env, "PATH": path},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout
