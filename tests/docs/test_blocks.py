"""Every code block of the README and of the pages under docs/ runs, is shown as it is, or says why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .pages import Block, blocks, faults, pages
from .settings import SETTINGS, Setting
from .stage import Stage, stage

pytestmark = pytest.mark.slow


def test_every_block_runs_or_says_why_not() -> None:
    found = [f"{block}: {fault}" for page in pages() for block in blocks(page) for fault in faults(block)]
    assert found == [], "\n".join(found)


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


def commands_of(page: str, thorough: bool) -> list[Block]:
    """The blocks of a page that a run of it runs: all in `make test-all`."""
    return [block for block in blocks(page) if block.runs and (thorough or "thorough" not in block.marks)]


def run_page(on: Stage, page: str, thorough: bool) -> None:
    """Run the blocks of a page in order, in a folder of its own; the first that fails ends it."""
    setting = SETTINGS.get(page, Setting())
    with on.page(Path(page).stem + ("-thorough" if thorough else ""), setting.places, setting.env) as work:
        setting.lay(on, work.folder)
        session = ""
        for block in commands_of(page, thorough):
            session = work.run_block(block, session)


RUN = [page for page in pages() if any(block.runs for block in blocks(page))]


@pytest.mark.parametrize("page", RUN)
def test_a_page_runs_as_written(on: Stage, page: str) -> None:
    run_page(on, page, thorough=False)


@pytest.mark.thorough
@pytest.mark.parametrize("page", [page for page in RUN if any("thorough" in each.marks for each in blocks(page))])
def test_what_is_dear_on_a_page_runs_as_written(on: Stage, page: str) -> None:
    run_page(on, page, thorough=True)
