"""What the pages take for granted: a Hub with the dataset that they name, servers, small models, photographs.

All of it is real and small, and made once; each page then runs in a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from chat_api import Reaction, chat_api, completion
from environments import Environment
from hosted_api import CLIENTS, CONTRACTS, KEY, hosted_api
from moderation_api import moderated, moderation_api
from own_pairs import encoded
from PIL import Image

from safetypairs_hf.testing.localhub.server import serve

from .pages import Block, Command, matches

HERE = Path(__file__).parent
_AZURE = "/openai/deployments/DEPLOYMENT/chat/completions?api-version=2024-10-21"
# `pip install` of a page is answered by its name and extras alone: everything is installed, exactly pinned.
_PIP = """
import sys
from importlib.metadata import metadata
from packaging.requirements import Requirement

known = metadata("safetypairs-hf").get_all("Provides-Extra")
for word in sys.argv[2:]:
    if not word.startswith("-"):
        asked = Requirement(word)
        wrong = sorted(asked.extras - set(known)) if asked.name == "safetypairs-hf" else []
        assert not wrong, f"{word}: safetypairs-hf has no extra {wrong}; it has {known}"
"""


@dataclass
class Stage:
    """The folder, the environment and the servers of the pages.

    `places` is what a reader puts in place of a name on a page, or a smaller number for a dear one: text -> text.
    """

    folder: Path
    environment: dict[str, str]
    places: dict[str, str] = field(default_factory=dict)

    def run(
        self, command: str | list[str], folder: Path, env: Mapping[str, str] = {}
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell's command, or Python code as ["-c", CODE]; its stderr is in stdout, as on a terminal."""
        words = ["bash", "-euo", "pipefail", "-c", command] if isinstance(command, str) else [self._client, *command]
        return subprocess.run(
            words,
            cwd=folder,
            env={**self.environment, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def _client(self) -> str:
        return str(self.folder / "bin" / "safetypairs")

    def copy(self, name: str, folder: Path, called: str = "") -> None:
        """Copy what was published into a folder: `safetypairs`, version 1.2.0, or `run`, the run that it is of."""
        shutil.copytree(self.folder / "published" / name, folder / (called or name))

    @contextmanager
    def page(self, name: str, places: Mapping[str, str], env: Mapping[str, str]) -> Iterator[Page]:
        """Run a page in an empty folder; what it started and left running is stopped at the end."""
        folder = self.folder / "pages" / name
        folder.mkdir(parents=True)
        page = Page(self, folder, {**self.places, **places}, env)
        try:
            yield page
        finally:
            for process in page.running:
                process.send_signal(signal.SIGINT)
            for process in page.running:
                process.wait()


@dataclass
class Page:
    """A page that runs.

    Args:
        stage: What it takes for granted.
        folder: The folder in which it runs.
        places: Text of the page -> what a reader puts there.
        env: The environment, beside the stage's.
        running: What the page started and left running.
        session: The Python blocks of the page so far, for a block that goes on.
        printed: What its last block printed.
    """

    stage: Stage
    folder: Path
    places: Mapping[str, str]
    env: Mapping[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    session: str = ""
    printed: str = ""

    def run_block(self, block: Block) -> str:
        """Do with a block what its marks say, and return what it printed."""
        if "file" in block.marks:
            (self.folder / block.marks["file"]).write_text(self._placed(block.text), encoding="utf-8")
        elif "printed" in block.marks:
            missing = matches(self._placed(block.text).splitlines(), self.printed)
            assert not missing, f"{block}: {missing} is not in what the block before it printed:\n{self.printed}"
        elif block.language == "python":
            self.session = (self.session if "goes on" in block.marks else "") + self._placed(block.text)
            self.printed = self._check(block, ["-c", self.session], self.session, [[]])
        else:
            self.printed = self._run_commands(block)
        return self.printed

    def _run_commands(self, block: Block) -> str:
        commands = block.commands()
        stays = commands.pop() if "stays" in block.marks else None
        printed = ""
        if commands:
            texts = [self._placed(command.text) for command in commands]
            # One shell for all, so that what is exported stays; a NUL ends the output of each.
            script = "\nprintf '\\0'\n".join(texts)
            printed = self._check(block, script, "\n".join(texts), [command.output for command in commands])
        if stays:
            self._start(block, stays)
        return printed

    def _placed(self, text: str) -> str:
        for name, value in self.places.items():
            text = text.replace(name, value)
        return text

    def _check(self, block: Block, command: str | list[str], text: str, shown: list[list[str]]) -> str:
        done = self.stage.run(command, self.folder, self.env)
        status = int(block.marks.get("fails", 0))
        said = f"{block}\n{text}\n{done.stdout}"
        assert done.returncode == status, f"exit {done.returncode} of {said}"
        assert status or "Traceback (most" not in done.stdout, said
        for lines, came in zip(shown, done.stdout.split("\0"), strict=True):
            missing = matches([self._placed(line) for line in lines], came)
            assert "output" in block.marks or not missing, f"{missing} is not in the output of {said}"
        return done.stdout

    def _start(self, block: Block, command: Command) -> None:
        """Start a command that stays, and wait for the last line that the page shows of it."""
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                "exec " + self._placed(command.text).replace("safetypairs ", '"$REAL_PYTHON" -m safetypairs_hf ', 1),
            ],
            cwd=self.folder,
            env={**self.stage.environment, **self.env, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.running.append(process)
        came = ""
        assert process.stdout is not None
        shown = [self._placed(line) for line in command.output]
        while missing := matches(shown, came):
            line = process.stdout.readline()
            assert line, f"{block}: ended without {missing}:\n{came}"
            came += line


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Set the stage in a folder, which also holds what a user's home holds, and clear it at the end."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        orgs = {"my-org": ["me"], "tyodd": ["me"]}
        hub = stack.enter_context(serve(folder / "hub", users={"me": "hf_me"}, orgs=orgs))
        places, env = _services(stack)
        environment = Environment(folder / "env")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SAFETYPAIRS_"))}
        env = {
            **kept,
            **env,
            "PATH": f"{folder / 'bin'}:{environment.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": "hf_me",
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "HOME": str(folder / "home"),
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "PYTHONWARNINGS": "ignore",
            "COLUMNS": "80",
            "REAL_PYTHON": str(environment.python),
            "SAFETYPAIRS_REVIEW_PORT": places["8901"],
        }
        (folder / "home").mkdir()
        (folder / "bin").mkdir()
        pip = folder / "bin" / "pip"
        pip.write_text(f"#!{sys.executable}\n{_PIP}")
        pip.chmod(0o755)
        stack.enter_context(_fork_server(folder, env))
        set_up = Stage(folder, env, places)
        _publish(set_up, folder / "published")
        yield set_up


def _services(stack: ExitStack) -> tuple[dict[str, str], dict[str, str]]:
    """Start the services that pages name; returns what stands for their names on a page, and their environment."""
    chat = stack.enter_context(chat_api(_answer, models=("NAME", "qwen-vl")))
    yes = completion("Yes", model="DEPLOYMENT")
    azure = stack.enter_context(chat_api(lambda *_: Reaction(yes), models=("DEPLOYMENT",), path=_AZURE))
    moderation = stack.enter_context(moderation_api(lambda *_: Reaction(moderated(violence=0.9))))
    filters = dict.fromkeys(("VIOLENCE", "HATE", "INSULTS", "SEXUAL", "MISCONDUCT"), "MEDIUM")
    said = {"bedrock-guardrails": filters}
    hosted = {
        name: stack.enter_context(hosted_api(name, _always(CONTRACTS[name].answer(**said.get(name, {}))))).url
        for name in CLIENTS
    }
    places = {
        "http://localhost:8000/v1": chat.url,
        "https://NAME.openai.azure.com": azure.url.removesuffix("/v1"),
        "https://NAME.cognitiveservices.azure.com": hosted["azure-content-safety"],
        "https://JOB--8000.hf.jobs/v1": chat.url,
        "hf jobs run ": "hf jobs run --dry-run ",
        "=...": f"={KEY}",
        "anthropic.parquet --set model=NAME": "anthropic.parquet --set model=a-model",
        "gemini.parquet --set model=NAME": "gemini.parquet --set model=a-model",
        "guardrail=ID --set version=1": "guardrail=a-guardrail",
        "--out omni-moderation.parquet": f"--out omni-moderation.parquet --set url={moderation.url}",
        "8900": _free_port(),
        "8901": _free_port(),
    }
    return places, {
        "GOOGLE_GEMINI_BASE_URL": hosted["gemini"],
        "ANTHROPIC_BASE_URL": hosted["anthropic"],
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": hosted["bedrock-guardrails"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _always(body: object) -> Callable[..., Reaction]:
    return lambda *_: Reaction(body)


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@contextmanager
def _fork_server(folder: Path, env: dict[str, str]) -> Iterator[None]:
    path, python = folder / "fork.sock", env["REAL_PYTHON"]
    server = subprocess.Popen(
        [python, str(HERE / "fork_server.py"), str(path)], env=env, stdout=subprocess.PIPE, text=True
    )
    client = folder / "bin" / "safetypairs"
    client.write_text(f'#!/bin/sh\nexec "{python}" -SE "{HERE / "fork_server.py"}" "{path}" ask "$@"\n')
    client.chmod(0o755)
    try:
        assert server.stdout is not None and server.stdout.readline() == "ready\n", "the fork server did not start"
        yield
    finally:
        server.kill()
        server.wait()


def _answer(body: Mapping[str, object], _: int) -> Reaction:
    """The answer of the guard whose words are in what it was asked: every served guard can read it."""
    asked = str(body)
    answer = next((answer for words, answer in _ANSWERS.items() if words in asked), "unsafe\nS1")
    return Reaction(completion(answer, model=str(body["model"])))


# Words of a prompt -> an answer in the form that it asks for.
_ANSWERS = {
    "thinking_type": "unsafe",
    "custom_policy": "User Safety: unsafe",
    "in JSON": '{"rating": "Unsafe", "category": "O1", "rationale": "..."}',
    "<result>": "<think>...</think><result>Request: harmful</result>",
    "Answer Safety:": "Safety: D",
    "safe or unsafe": "unsafe",
    "true or false": "true",
    "Yes or No": "Yes",
}


def _publish(on: Stage, folder: Path) -> None:
    """Publish my-org/safetypairs 1.0.0, 1.1.0 and 1.2.0, and the same as the folder that others are copied from."""
    folder.mkdir()
    recipe = HERE.parent / "recipes" / "squares.py"
    for number, version in enumerate(("1.0.0", "1.1.0", "1.2.0"), 1):
        for command in (
            f"safetypairs build {recipe} --out run --pairs {10 * number} --set test_fraction=0.6 --workers 1",
            f"safetypairs publish run my-org/safetypairs --version {version} --no-probe",
        ):
            done = on.run(command, folder)
            assert done.returncode == 0, f"{command}\n{done.stdout}"
    done = on.run("safetypairs publish run ./safetypairs --version 1.2.0 --no-probe", folder)
    assert done.returncode == 0, done.stdout


def photographs(folder: Path, labels: tuple[str, ...] = ("",), count: int = 3) -> None:
    """Lay soft coloured images with a red square, as PNG, into a folder, or into one for each label."""
    for number in range(count * len(labels)):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(90, 200, (6, 6, 3), dtype=np.uint8))
        pixels = np.array(coarse.resize((640, 512), Image.Resampling.BICUBIC))
        x, y = (int(value) for value in rng.integers(10, 350, 2))
        pixels[y : y + 96, x : x + 128] = (235, 20, 20)
        place = folder / labels[number % len(labels)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"photo-{number}.png").write_bytes(encoded(pixels))


__all__ = ["Stage", "photographs", "stage"]
