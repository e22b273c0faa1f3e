from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from loading.published import publish

from safetypairs_hf.guards.user_guard import OwnFunction

# Of the squares that `loading.published` draws, the green ones are the unsafe ones. Each call leaves a line in `log`.
_GREEN = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent

def judge(image, category):
    with (HERE / "log").open("a") as log:
        log.write(f"{category} {image.getpixel((0, 0))}\\n")
    if len((HERE / "log").read_text().splitlines()) == int(os.environ.get("DIES_AT", 0)):
        os.kill(os.getpid(), 9)
    red, green, _ = image.getpixel((0, 0))
    if red == int(os.environ.get("UNSURE_OF", -1)):
        return None
    return (green + red) / 260
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAFETYPAIRS_CONFIG", str(tmp_path / "config.json"))
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "UNSURE_OF", "DIES_AT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def squares(tmp_path: Path) -> str:
    """A folder with version 1.1.0: in `test` three pairs of hate and four of violence, 14 images."""
    return str(publish(tmp_path / "squares", "1.1.0"))


@pytest.fixture
def green(tmp_path: Path) -> OwnFunction:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "green.py").write_text(_GREEN)
    return OwnFunction(str(tmp_path / "own" / "green.py") + ":judge")


@pytest.fixture
def judged(green: OwnFunction) -> Callable[[], list[str]]:
    """What the guard `green` was asked so far, in order."""
    log = Path(green.function.partition(":")[0]).with_name("log")
    return lambda: log.read_text().splitlines() if log.exists() else []
