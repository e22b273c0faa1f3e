"""Data on a Hub: the newest version is looked up and named, and another one into the same file is refused."""

from __future__ import annotations

from pathlib import Path

from hub_fixtures import Hub, hub
from loading.published import publish

__all__ = ["hub"]
PROGRAM = """
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.icons.scene_guards import ColourAndClutter
for data in ("lab/pairs", "lab/pairs@v1.1.0", "lab/pairs@1.0.0", "lab/pairs@3.0.0"):
    try:
        print(evaluate(ColourAndClutter(), data, "mood.parquet", split="test").signature.partition("|ci")[0])
    except SafetyPairsError as error:
        print(error)
"""


def test_a_version_on_a_hub(hub: Hub, tmp_path: Path) -> None:
    api = hub.api()
    api.create_repo("lab/pairs", repo_type="dataset")
    for version in ("1.0.0", "1.1.0"):
        api.upload_folder(repo_id="lab/pairs", folder_path=publish(tmp_path / "pairs", version), repo_type="dataset")
        api.create_tag("lab/pairs", tag=f"v{version}", repo_type="dataset")
    newest, again, other, none = hub.run_python(PROGRAM, cwd=tmp_path).splitlines()
    assert newest == again
    assert newest.startswith("data:lab/pairs@1.1.0|split:test|n:7|ids:")
    names = "data.name was 'lab/pairs@1.1.0' and is 'lab/pairs@1.0.0'"
    assert other.startswith(f"mood.parquet belongs to another run: {names}; data.images was ")
    assert none == "lab/pairs has no v3.0.0; its versions are 1.0.0, 1.1.0"
