"""Run huggingface_hub's own tests against the local Hub, and count those that reach it.

    python tests/testing/localhub/upstream --version 2.4.0           # with Xet, about 4 minutes on 2 free cores
    python tests/testing/localhub/upstream --version 2.4.0 --no-xet  # over LFS

Needs a package index: the tests come with the source distribution, and run in a virtual environment of their own with
that version of the client. Files beside them that the distribution lacks are replaced here: `conftest.py` and a card.

Counted are the tests that send a request to a repo of a model, dataset or space, whatever their outcome. Not counted
are those that need the contents of huggingface.co, and those of other products (buckets, collections, webhooks,
kernels, inference, jobs). Exit status 1 if fewer than 97% pass.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

from safetypairs_hf.testing.localhub.app import Logged
from safetypairs_hf.testing.localhub.server import serve

HERE = Path(__file__).parent
LEAST = 0.97
FILES = """test_cache_layout test_cli test_cli_discussions test_commit_scheduler test_copy_files test_file_download
test_hf_api test_hf_file_system test_hub_mixin test_repocard test_snapshot_download test_upload_pipeline
test_upload_large_folder test_utils_http test_utils_pagination test_xet_download test_xet_upload"""
TOOLS = ["hf-xet", "pytest", "pytest-mock", "pytest-timeout", "pytest-asyncio", "jedi", "jinja2", "Pillow", "fastapi"]
# The accounts of the Hub that upstream tests on, with the tokens that stand in its testing_constants.py.
USERS = {"USER": "TOKEN", "OTHER_USER": "OTHER_TOKEN", "ENTERPRISE_USER": "ENTERPRISE_TOKEN"}
OTHER_PRODUCTS = re.compile(r"/api/(?:settings/(?:webhooks|mcp)|collections|buckets|kernels|jobs|users)\b|/likers?\b")
OTHER_TESTS = re.compile(r"bucket|kernel|collection|webhook", re.IGNORECASE)
CARD = """---
language:
- en
license: mit
library_name: pytorch-lightning
---

# my-cool-model
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Run huggingface_hub's own tests against the local Hub.")
    parser.add_argument("--version", required=True, help="of huggingface_hub, for instance 2.4.0")
    parser.add_argument("--no-xet", action="store_true", help="run with HF_HUB_DISABLE_XET=1")
    parser.add_argument("--only", default="", help="an expression for pytest -k")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = prepare(Path(folder), chosen.version)
        outcomes, log = run(Path(folder), python, xet=not chosen.no_xet, only=chosen.only)
    sys.exit(report(outcomes, log))


def prepare(folder: Path, version: str) -> Path:
    """Fetch the tests and the client of a version; return the Python that runs them."""
    fetch = ["download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), f"huggingface_hub=={version}"]
    subprocess.run([sys.executable, "-m", "pip", *fetch], check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    next(folder.glob("huggingface_hub-*/tests")).rename(folder / "tests")
    cards = folder / "tests/fixtures/cards"
    cards.mkdir(parents=True)
    (cards / "sample_simple.md").write_text(CARD)
    (folder / "tests/__init__.py").touch()
    (folder / "tests/conftest.py").write_text((HERE / "fixtures.py").read_text())
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", f"huggingface_hub=={version}", *TOOLS], check=True)
    return python


def run(folder: Path, python: Path, xet: bool, only: str) -> tuple[dict[str, str], list[Logged]]:
    """Run the tests; return the outcome of each and the requests to the hub, with one to /test/NUMBER before each."""
    constants = folder / "tests/testing_constants.py"
    known = dict(re.findall(r'^(\w+) = "(.*)"$', constants.read_text(), re.MULTILINE))
    users = {known[user]: known[token] for user, token in USERS.items()}
    orgs = {known["ENTERPRISE_ORG"]: [known["ENTERPRISE_USER"]], "valid_org_hub": [known["USER"]]}
    with serve(folder / "hub", users, orgs) as server:
        for path in (folder / "tests").glob("*.py"):
            path.write_text(path.read_text().replace(known["ENDPOINT_STAGING"], server.endpoint))
        # Version 1 sends a card to be validated to huggingface.co, whatever its endpoint is.
        client = next(folder.glob("venv/lib/*/site-packages/huggingface_hub/repocard.py"))
        client.write_text(client.read_text().replace("https://huggingface.co/api/", f"{server.endpoint}/api/"))
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PYTHON"))}
        mine = {"HF_ENDPOINT": server.endpoint, "HF_HOME": str(folder / "home"), "HOME": str(folder / "home")}
        mine |= {"NO_PROXY": "127.0.0.1", "OUTCOMES": str(folder / "outcomes.json")}
        mine |= {} if xet else {"HF_HUB_DISABLE_XET": "1"}
        files = [f"tests/{name}.py" for name in FILES.split() if (folder / f"tests/{name}.py").exists()]
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=300", "--tb=short", *files]
        subprocess.run([*command, "-k", only], cwd=folder, env=inherited | mine)
        return json.loads((folder / "outcomes.json").read_text()), list(server.log)


def report(outcomes: dict[str, str], log: list[Logged]) -> int:
    """Print the share that passes and the tests that fail; return the exit status."""
    requests: list[list[str]] = []
    for entry in log:
        if entry.path.startswith("/test/"):
            requests.append([])
        elif requests:
            requests[-1].append(entry.path)
    reached: list[str] = []
    failed: list[str] = []
    broken: set[str] = (
        set()
    )  # classes of which a test failed: the others may fail by the same set-up, without a request
    for (test, outcome), paths in zip(outcomes.items(), requests, strict=True):
        group = test.rpartition("::")[0]
        other = OTHER_TESTS.search(test) or any(map(OTHER_PRODUCTS.search, paths))
        if outcome == "skipped" or other or not (paths or (outcome == "failed" and group in broken)):
            continue
        reached.append(test)
        if outcome == "failed":
            failed.append(test)
            broken.add(group)
    share = 1 - len(failed) / max(len(reached), 1)
    lines = [f"FAILED {test}\n" for test in failed]
    lines.append(f"{len(reached) - len(failed)} of {len(reached)} tests that reach the hub pass ({share:.1%})\n")
    sys.stdout.writelines(lines)
    return int(share < LEAST)


if __name__ == "__main__":
    main()
