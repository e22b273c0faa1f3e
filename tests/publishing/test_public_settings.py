"""No path of the publisher's machine is in any file of a release."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from own_pairs import lay

from safetypairs_hf.cli.import_pairs import command as import_command
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import manifest
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.public_settings import public
from safetypairs_hf.publishing.publish import publish


@pytest.mark.parametrize(
    ("given", "published"),
    [
        ("/home/me/models/guard", "guard"),
        ("./mine.py:judge", "mine.py:judge"),
        ("~/models/guard", "guard"),
        ("~me/guard", "guard"),
        ("C:\\Users\\me\\guard.py", "guard.py"),
        ("python /home/me/guard.py --labels=/home/me/l.yaml -v", "python guard.py --labels=l.yaml -v"),
        ("org/name", "org/name"),
        ("https://host/v1", "https://host/v1"),
        ("weapons and/or drugs / other", "weapons and/or drugs / other"),
        ({"/a/g.py": "1", "n": [None, 2, {"x": "/b/c"}]}, {"g.py": "1", "n": [None, 2, {"x": "c"}]}),
        ({"/a/g.py": "1", "/b/g.py": "2"}, {"g.py (1)": "1", "g.py (2)": "2"}),
    ],
)
def test_what_is_published_of_a_setting(given: object, published: object) -> None:
    assert public(given) == published


def test_no_file_of_a_release_names_a_folder_of_the_publisher(tmp_path: Path) -> None:
    lay(tmp_path / "photos", range(4))
    (tmp_path / "mine.py").write_text("def judge(image):\n    return 0.5\n")
    run, folder = str(tmp_path / "run"), tmp_path / "out"
    words = [str(tmp_path / "photos"), "--category", "hate", "--out", run, "--license", "CC0-1.0"]
    words += ["--judge", "function", "--judging", "record", "--set", f"function={tmp_path / 'mine.py'}:judge"]
    assert CliRunner().invoke(import_command, words).exit_code == 0
    publish(run, parse_target(str(folder)), parse("1.0.0"))
    for file in filter(Path.is_file, folder.rglob("*")):
        text = str(pq.read_table(file).to_pylist()) if file.suffix == ".parquet" else file.read_text()
        assert str(tmp_path) not in text, file
    loaded = manifest.load((folder / "manifest.parquet").read_bytes())
    assert loaded is not None and str(tmp_path) not in json.dumps(loaded.releases)
    assert "function = mine.py:judge" in (folder / "README.md").read_text()
