"""Virtual environments of a test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import safetypairs_hf


class Environment:
    """A virtual environment that sees this one's packages, and ours by `ours.pth`; it has the `safetypairs` command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        self.site = next(folder.glob("lib/python*/site-packages"))
        outer = [path for path in sys.path if path.endswith("site-packages")]
        (self.site / "outer.pth").write_text("\n".join(outer) + "\n")
        (self.site / "ours.pth").write_text(f"{Path(safetypairs_hf.__file__).parents[1]}\n")
        command = self.bin / "safetypairs"
        command.write_text(f'#!/bin/sh\nexec "{self.python}" -m safetypairs_hf "$@"\n')
        command.chmod(0o755)
