"""inspect-ai, LightEval and lmms-eval, whose packages do not go beside the others': in environments of their own.

LightEval 0.13.0 needs huggingface_hub 1 and xxhash 3 (its registry calls what the next ones dropped), lmms-eval 0.7.3
needs filelock 3, and inspect-ai puts fsspec back. Of lmms-eval's dependencies the list has what its command imports,
as the others would bring a CUDA build of torch. Both environments take about two minutes on two cores, once.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pinned import CHECKOUT, python_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

HERE = Path(__file__).parent
COUNTS = ("failures", "errors", "skipped")


def offline(python: Path) -> None:
    """LightEval imports all its tasks, and one fetches a file from GitHub unless one lies there; it is not ours."""
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(python.parents[1])}))
    if (packages / "lighteval").is_dir():
        (packages / "lighteval" / "tasks" / "tasks" / "tinyBenchmarks.pkl").touch()


@pytest.mark.parametrize(
    ("packages", "files"),
    [
        ("inspect-ai", ["test_inspect.py", "test_inspect_hub.py"]),
        pytest.param("lighteval-lmms-eval", ["test_lighteval.py"], marks=pytest.mark.thorough),
        pytest.param("lighteval-lmms-eval", ["test_lmms_eval.py"], marks=pytest.mark.thorough),
    ],
)
def test_all_pass_and_none_is_skipped(packages: str, files: list[str], tmp_path: Path) -> None:
    python = python_of(HERE / "environments" / f"{packages}.txt", ours=True)
    offline(python)
    report = tmp_path / "report.xml"
    words = ("-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}", f"--junitxml={report}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    command = [str(python), "-m", "pytest", *words, *(str(HERE / file) for file in files)]
    done = subprocess.run(command, env=kept, cwd=CHECKOUT, capture_output=True, text=True)
    assert report.is_file(), done.stdout + done.stderr
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None and int(suite.get("tests", 0)) > 0, done.stdout + done.stderr
    assert {name: suite.get(name) for name in COUNTS} == dict.fromkeys(COUNTS, "0"), done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
