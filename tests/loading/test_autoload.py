"""The opt-in start-up hook, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from environments import Environment
from published import publish

from safetypairs_hf.core import default_dataset
from safetypairs_hf.core.errors import SafetyPairsError


class Installed(Environment):
    """An environment that runs our code with caches of its own."""

    @property
    def pth(self) -> Path:
        return self.site / "zz_safetypairs_autoload.pth"

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "HF_HOME": str(self.folder / "hf"), "HF_HUB_OFFLINE": "1", **environment},
        )

    def autoload(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "safetypairs_hf", "autoload", *arguments)


@pytest.fixture
def environment(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "env")


LOAD = "import datasets; print(len(datasets.load_dataset('safetypairs', split='test')))"


def test_on_loads_with_no_import_and_off_undoes_it(tmp_path: Path, environment: Installed) -> None:
    publish(tmp_path / "pairs", "1.1.0")
    on = environment.autoload("on", "--repo", "./pairs@v1.1.0")
    assert (on.returncode, on.stderr) == (0, "")
    assert on.stdout.startswith("autoload is on (")
    found = json.loads(environment.autoload("status", "--json").stdout)
    assert found == {
        "on": True,
        "pth": str(environment.pth),
        "config": str(tmp_path / "config.json"),
        "repo": str(tmp_path / "pairs"),
        "version": "1.1.0",
        "origin": "saved",
    }
    assert environment.run("-c", LOAD).stdout.split()[-1] == "7"

    before = environment.run(
        "-c", "import sys; print(sorted(m for m in sys.modules if 'datasets' in m or 'json' in m))"
    )
    assert before.stdout.strip() == "[]"  # a start pays for neither

    off = environment.autoload("off")
    assert off.stdout.startswith("autoload is off (")
    assert not environment.pth.exists()
    assert not (tmp_path / "config.json").exists()
    assert "safetypairs" in environment.run("-c", LOAD).stderr


def test_a_start_survives_our_package_gone_or_broken(tmp_path: Path, environment: Installed) -> None:
    environment.autoload("on")
    (environment.site / "ours.pth").unlink()
    broken = environment.site / "safetypairs_hf"
    for content in (None, "raise RuntimeError('broken')\n", "this is no Python\n"):
        if content:
            broken.mkdir(exist_ok=True)
            (broken / "__init__.py").write_text(content)
        start = environment.run("-P", "-c", "print('started')")
        assert (start.returncode, start.stdout, start.stderr) == (0, "started\n", "")


def test_wrong_values_change_nothing(tmp_path: Path, environment: Installed) -> None:
    both = ("--repo", "lab/pairs@1.0.0", "--version", "1.1.0")
    for wrong in (("--version", "newest"), ("--repo", "pairs"), ("--repo", "./none"), both):
        failed = environment.autoload("on", *wrong)
        assert failed.returncode == 1
        assert len(failed.stderr.splitlines()) == 1
    assert not environment.pth.exists()
    assert not (tmp_path / "config.json").exists()


def test_site_packages_that_cannot_be_written(environment: Installed) -> None:
    environment.pth.mkdir()  # stands for any reason: also root may not replace a folder by a file
    failed = environment.autoload("on")
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"safetypairs: cannot write {environment.pth}: ")
    assert len(failed.stderr.splitlines()) == 1


def test_settings_by_environment_then_saved_then_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_dataset.current() == ("safetypairs", None, "default")
    default_dataset.save("lab/pairs", "1.0.0")
    assert default_dataset.current() == ("lab/pairs", "1.0.0", "saved")
    monkeypatch.setenv("SAFETYPAIRS_VERSION", "1.1.0")
    assert default_dataset.current() == ("lab/pairs", "1.1.0", "saved")
    monkeypatch.delenv("SAFETYPAIRS_VERSION")
    monkeypatch.setenv("SAFETYPAIRS_REPO", "org/other")
    assert default_dataset.current() == ("org/other", None, "environment")  # the saved version is not of this repo


@pytest.mark.parametrize("content", ["{", "[]", '{"repo": 1, "version": null}', '{"repo": "a/b"}'])
def test_broken_saved_settings(content: str) -> None:
    default_dataset.config_file().write_text(content)
    with pytest.raises(
        SafetyPairsError,
        match=r"the saved settings .*config\.json .*; run `safetypairs autoload on` again, or delete it",
    ):
        default_dataset.current()


def test_place_of_saved_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SAFETYPAIRS_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "x"))
    assert default_dataset.config_file() == tmp_path / "x" / "safetypairs" / "config.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert default_dataset.config_file() == Path.home() / ".config" / "safetypairs" / "config.json"
