"""The folders of the Spaces: what lies in them, what their apps' functions say, and what is refused."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hub_fixtures import Hub, hub  # noqa: F401
from huggingface_hub import SpaceCard
from loading.published import publish
from packaging.requirements import Requirement

from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.metric import score
from safetypairs_hf.spaces.space import GRADIO, KINDS, space

RIGHT = "pair_id,reference,prediction\na,1,1\na,0,0\nb,1,1\nb,0,0\n"
HALF = "pair_id,reference,prediction\na,1,1\na,0,0\nb,1,1\nb,0,1\n"
COMMON = {".gitattributes", "README.md", "app.py", "requirements.txt", "safetypairs_hf-0.1.0-py3-none-any.whl"}
OWN = {"metric": {"pair_consistent_accuracy.py", "example.csv"}, "leaderboard": {"predictions/README.md"}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A Space of each kind, as it comes without options; but the viewer is of a dataset on the Hub."""
    folder = tmp_path_factory.mktemp("spaces")
    for kind in KINDS:
        space(kind, folder / kind, data="lab/gated@1.0.0" if kind == "viewer" else None)
    return {kind: folder / kind for kind in KINDS}


def app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of an app that was run without Gradio; what it unpacks comes behind this checkout."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    return runpy.run_path(str(folder / "app.py"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_has_what_the_hub_reads(made: dict[str, Path], kind: str) -> None:
    folder = made[kind]
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == COMMON | OWN.get(kind, set())
    card = SpaceCard.load(folder / "README.md")
    assert (card.data.sdk, card.data.sdk_version, card.data.app_file) == ("gradio", GRADIO, "app.py")
    assert (card.data.license, card.data.python_version) == ("apache-2.0", "3.11")
    assert card.data.tags and card.data.get("hf_oauth", False) is (kind == "viewer")
    assert "\n---\n" not in card.text
    wanted = {each.name: each for each in map(Requirement, (folder / "requirements.txt").read_text().splitlines())}
    assert not wanted["pillow"].specifier.contains("13.0.0")
    assert wanted["pillow"].specifier.contains("12.3.0")
    assert "safetypairs-hf" not in wanted, "it is on no index"
    environment = (Path(__file__).parent / "environments" / "gradio.txt").read_text()
    assert f"gradio=={GRADIO}\n" in environment, "what the Spaces say is what they are tested with"


def test_the_wheel_installs_and_is_the_package(made: dict[str, Path], tmp_path: Path) -> None:
    (wheel,) = made["viewer"].glob("*.whl")
    words = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(tmp_path / "site")]
    subprocess.run([sys.executable, "-m", "pip", *words, str(wheel)], check=True)
    ours = Path(__file__).parents[2]
    for name in ("safetypairs_hf/report/templates/page.css", "safetypairs_hf/metric/score.py"):
        assert (tmp_path / "site" / name).read_bytes() == (ours / name).read_bytes()
    assert (tmp_path / "site/safetypairs_hf/_data/builders/icons.py").is_file()
    assert not (tmp_path / "site/safetypairs_hf/_data/embedded").exists(), "a Space of other data does without"
    assert not list((tmp_path / "site").rglob("*.pyc"))
    assert b"safetypairs_hf.cli:main" in zipfile.ZipFile(wheel).read("safetypairs_hf-0.1.0.dist-info/entry_points.txt")


def test_the_metric_says_the_figures_or_what_is_wrong(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = app(made["metric"], monkeypatch)
    figures = names["figures"]
    assert score(names["EXAMPLE"])._repr_html_() in figures(str(names["EXAMPLE"]), "prediction", None, False)
    assert "no file" in figures(None, "prediction", None, False)
    example = str(names["EXAMPLE"])
    assert figures(example, "score", "", False) == figures(example, "score", 0.5, False)
    assert score(names["EXAMPLE"], threshold=0.3)._repr_html_() in figures(example, "score", "0.3", False)
    assert "threshold &#x27;high&#x27;: expected a number from 0 to 1" in figures(example, "score", "high", False)
    hostile = tmp_path / "<img src=x onerror=alert(1)>.csv"
    hostile.write_text("<script>alert(1)</script>,b\n1,2\n")
    (tmp_path / "one.csv").write_text(RIGHT + "c,1,1\n")
    for path, threshold in ((hostile, None), (tmp_path / "one.csv", None), (names["EXAMPLE"], 7.0)):
        said = figures(str(path), "score", threshold, False)
        assert said.startswith('<p class="fault" role="alert">') and "\n" not in said and said.count("<") == 2
        assert str(tmp_path) not in said, "where the server keeps uploads is nobody's business"
    assert "1 incomplete pair left out" in figures(str(tmp_path / "one.csv"), "prediction", None, True)


def test_the_leaderboard_is_by_pair_accuracy_and_names_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.csv").write_text(HALF)
    (tmp_path / "<b>right.csv").write_text(RIGHT)
    words = ["space", "--leaderboard", str(tmp_path / "board"), "--json", "--title", 'A "board"']
    for name in ("half.csv", "<b>right.csv"):
        words += ["--predictions", str(tmp_path / name)]
    made = CliRunner().invoke(group, words)
    assert json.loads(made.output)["kind"] == "leaderboard"
    names = app(tmp_path / "board", monkeypatch)
    assert names["TITLE"] == 'A "board"'
    board = names["board"]()
    assert board.index("&lt;b&gt;right") < board.index(">half<") and "<b>right" not in board
    assert "0.342 to 1.000" in board and "0.095 to 0.905" in board
    assert board.count("abstain:wrong") == 2, "signatures"
    (tmp_path / "board/predictions/other.csv").write_text(RIGHT.replace("b,", "c,"))
    (tmp_path / "board/predictions/bad.json").write_text("{")
    board = names["board"]()
    assert "not run on the same pairs" in board
    assert '<p class="fault" role="alert">bad.json: ' in board
    for path in (tmp_path / "board/predictions").iterdir():
        path.unlink()
    assert "no file of predictions yet" in names["board"]()


VIEW = """
import json, runpy
names = runpy.run_path("app.py")
pair = names["pair"]
asked = [("test", names["ALL"], 1, "hf_alice"), ("test", "hate", 4, "hf_alice"), ("test", "cats", 1, "hf_alice"),
         ("dev", "hate", 1, "hf_alice"), ("test", "hate", 1.5, "hf_alice"), ("test", "hate", 1, "hf_bob"),
         ("test", "hate", 1, None)]
said = [pair(*each) for each in asked]
print("RESULT" + json.dumps([said, names["categories"]("hf_alice")[:2], names["categories"](None)]))
"""


def test_a_gated_dataset_is_seen_by_those_whom_the_hub_lets_in(
    made: dict[str, Path],
    hub: Hub,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Also after somebody else has seen it, whose copy lies on the same disk."""
    api = hub.api()
    api.create_repo("lab/gated", repo_type="dataset")
    api.upload_folder(repo_id="lab/gated", folder_path=publish(tmp_path, "1.0.0"), repo_type="dataset")
    api.create_tag("lab/gated", tag="v1.0.0", repo_type="dataset")
    api.update_repo_settings("lab/gated", repo_type="dataset", gated="manual")
    out = hub.run_python(VIEW, user=None, cwd=made["viewer"])
    said, categories, for_nobody = json.loads(out.split("RESULT")[1])
    assert "1 of 3, category hate" in said[0]
    assert said[0].count("data:image/png") == 2 and "filter: blur" in said[0]
    for each, words in zip(
        said[1:],
        (
            "pair 4: expected a whole number from 1 to 3",
            "no pair of the split test has category &#x27;cats&#x27;; there are: hate",
            "dev",
            "pair 1.5: expected a whole number",
            "lab/gated is gated: ask for access",
            "lab/gated is gated: ask for access",
        ),
        strict=True,
    ):
        assert each.startswith('<p class="fault" role="alert">') and words in each and "\n" not in each
    assert categories == ["all categories", categories[1]] and for_nobody == ["all categories"]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("board", {}, "no Space 'board'; there are: metric, leaderboard, viewer"),
        ("metric", {"data": "org/name"}, "a metric Space takes no data"),
        ("metric", {"title": "Mine"}, "give no title"),
        ("viewer", {"repo": "org/name"}, "a viewer Space takes no predictions"),
        ("viewer", {"data": "./mine"}, "is a folder here, which a Space cannot read"),
        ("viewer", {"data": "name"}, "'name' is no target"),
        ("leaderboard", {"repo": "./mine"}, "expected a dataset repo on the Hub"),
        ("leaderboard", {"repo": "org/name", "predictions": ["a.csv"]}, "not both"),
        ("leaderboard", {"predictions": ["nowhere.csv"]}, "nowhere.csv"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_no_folder(
    tmp_path: Path, kind: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SafetyPairsError) as raised:
        space(kind, tmp_path / "made", **options)
    assert words in str(raised.value) and "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match="exists; name a folder that does not"):
        space("metric", tmp_path)


def test_a_leaderboard_reads_a_private_repo_by_the_secret_of_the_space(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    api = hub.api()
    api.create_repo("lab/results", repo_type="dataset", private=True)
    for name, content in (("half.csv", HALF), ("more/right.csv", RIGHT), ("config.yaml", "a: 1\n")):
        api.upload_file(path_or_fileobj=content.encode(), path_in_repo=name, repo_id="lab/results", repo_type="dataset")
    space("leaderboard", tmp_path / "board", repo="lab/results")
    code = 'import runpy; print("RESULT" + runpy.run_path("app.py")["board"]())'
    board = hub.run_python(code, user="bob", cwd=tmp_path / "board").split("RESULT")[1].strip()
    assert board.startswith('<p class="fault" role="alert">') and "lab/results" in board and "\n" not in board
    board = hub.run_python(code, user="alice", cwd=tmp_path / "board").split("RESULT")[1]
    assert board.index(">right<") < board.index(">half<") and "fault" not in board
