"""Pages written from the code are those of today, links lead somewhere, and every public name has a place."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

import safetypairs_hf as sp
from safetypairs_hf.cli import COMMANDS

from .reference_pages import API, DOCS, PAGES, extra

ROOT = DOCS.parent
LINK = re.compile(r"\]\((?!http|#)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_from_the_code_is_that_of_today(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


def test_links_lead_to_files() -> None:
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        for link in LINK.findall(page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_public_name_has_a_docstring_and_a_place_in_the_reference() -> None:
    listed = [place.rpartition(".")[2] for places in API.values() for place in places]
    assert sorted(listed) == sorted(sp.__all__)
    assert [name for name in sp.__all__ if not getattr(sp, name).__doc__] == []


def test_the_extras_that_guards_need_are_those_of_the_package() -> None:
    known = set(metadata("safetypairs-hf").get_all("Provides-Extra") or ())
    named = {name for each in sp.list_guards() for name in re.findall(r"\[(\w+)\]", extra(each))}
    assert named - known == set()
    assert extra(next(each for each in sp.list_guards() if each.name == "anthropic")) == "`safetypairs-hf[anthropic]`"


@pytest.mark.slow
@pytest.mark.thorough
def test_the_site_is_built_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.glob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?([^\s\">]+)", text)
        fetched += re.findall(r"<link[^>]*rel=\"?(?:stylesheet|preconnect|icon)\"?[^>]*href=\"?([^\s\">]+)", text)
        assert [each for each in fetched if each.startswith(("http:", "https:", "//"))] == [], page.name
    commands = (tmp_path / "commands.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f'<h3 id="safetypairs-{name}"' not in commands] == []
    assert "Sentinel" not in commands
    reference = (tmp_path / "api.html").read_text(encoding="utf-8")
    places = {name: getattr(sp, name) for name in sp.__all__}
    wanted = {f"{each.__module__}.{name}" for name, each in places.items() if hasattr(each, "__module__")}
    assert {each for each in wanted if f'id="{each}"' not in reference} == set()
