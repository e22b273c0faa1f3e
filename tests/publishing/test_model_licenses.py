"""What a model's licence forbids is not published by accident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builds import make_run
from hub_fixtures import Hub, hub  # noqa: F401

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.version import parse
from safetypairs_hf.publishing.hub_target import HubTarget
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

SAID = (
    r"the run was made with lab/painter \(painters-only\), whose licence restricts .* lab/pairs is public; read the "
    "licence, then publish with --accept-license or --private"
)


def test_a_restricted_model_and_a_public_repo(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    run = make_run(tmp_path / "run", pairs=9, restricted="true")
    with pytest.raises(PublishError, match=SAID):
        publish(run, HubTarget("lab/pairs", api=hub.api()), parse("1.0.0"))
    assert not hub.api().repo_exists("lab/pairs", repo_type="dataset")
    publish(run, HubTarget("lab/closed", private=True, api=hub.api()), parse("1.0.0"))
    publish(run, HubTarget("lab/closed", api=hub.api()), parse("1.0.1"))  # it is private already
    command = [sys.executable, "-m", "safetypairs_hf", "publish", run.url, "lab/pairs", "--version", "1.0.0"]
    done = subprocess.run([*command, "--accept-license"], env=hub.env(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    card = Path(hub.api().hf_hub_download("lab/pairs", "README.md", repo_type="dataset")).read_text()
    assert "* Made with lab/painter, whose licence (painters-only) restricts some uses of its output" in card
    assert "lab/free" not in card


def test_a_folder_is_nobody_elses(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9, restricted="true")
    publish(run, parse_target(str(tmp_path / "out")), parse("1.0.0"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "accepted it.\n\nThe source and licence of each image" in card
