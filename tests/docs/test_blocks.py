"""Every code block of the README and of the pages under docs/ runs as written, or says why not (see pages.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from own_pairs import lay

from .pages import KINDS, blocks, blocks_in, faults, matches, pages
from .settings import SETTINGS, Setting
from .stage import Stage, stage

pytestmark = pytest.mark.slow

# Each is also complete by itself; run one after the other, in one folder, it finds the runs and versions that are
# there.
JOURNEY = ("README.md", "docs/quick-start.md", "docs/publishing.md", "docs/loading.md", "docs/scoring.md")
ALONE = [page for page in pages() if page not in JOURNEY]
RUN = [page for page in ALONE if any(each.runs and "thorough" not in each.marks for each in blocks(page))]
DEAR = [page for page in ALONE if any("thorough" in each.marks for each in blocks(page))]


def test_every_block_runs_or_says_why_not() -> None:
    found = [f"{block}: {fault}" for page in pages() for block in blocks(page) for fault in faults(block)]
    assert found == [], "\n".join(found)


def test_a_block_that_nothing_runs_is_a_fault() -> None:
    text = """
```python
pass
```

<!-- not run: -->
<!-- runs: never -->
```bash
true
```

<!-- run by: tests/nowhere.py -->
```console
output
```

```yaml
a: 1
```
"""
    found = [[block.line, *faults(block)] for block in blocks_in(text, "docs/page.md")]
    assert found == [
        [2],
        [
            8,
            "the mark 'not run' says nothing; write <!-- not run: ... -->",
            f"an unknown mark 'runs'; the marks are {', '.join(KINDS)}",
        ],
        [
            13,
            "it is run by tests/nowhere.py, and there is no such file",
            "a console block begins with a command, '$ ...'",
        ],
        [17, "a block of yaml that nothing reads; mark it 'file', 'printed', 'run by' or 'not run'"],
    ]


def test_output_is_compared_line_by_line() -> None:
    came = "one  two\nthree pairs of 9\nfour\n"
    assert matches(["one two", "three ... 9"], came) == []
    assert matches(["four", "one two"], came) == ["one two"]


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


def run_page(on: Stage, page: str, *, thorough: bool) -> None:
    """Run the blocks of a page in order, in a folder of its own; the first that fails ends it."""
    setting = SETTINGS.get(page, Setting())
    with on.page(Path(page).stem + thorough * "-thorough", setting.places, setting.env) as work:
        setting.lay(on, work.folder)
        if thorough:
            setting.lay_dear(on, work.folder)
        for block in blocks(page):
            if block.runs and (thorough or "thorough" not in block.marks):
                work.run_block(block)


@pytest.mark.parametrize("page", RUN)
def test_a_page_runs_as_written(on: Stage, page: str) -> None:
    run_page(on, page, thorough=False)


@pytest.mark.thorough
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", DEAR)
def test_what_is_dear_on_a_page_runs_as_written(on: Stage, page: str) -> None:
    run_page(on, page, thorough=True)


def test_the_readme_and_the_pages_that_continue_it_run_as_written(on: Stage) -> None:
    """In order, in one folder, as one user; a command that an earlier page ran is left out."""
    seen: set[str] = set()
    said = []
    with on.page("journey", {"my-org/": "me/"}, {}) as work:
        lay(work.folder / "photos", range(12))
        on.run(["-c", "from huggingface_hub import create_repo; create_repo('me/my-guard')"], work.folder)
        for block in (block for page in JOURNEY for block in blocks(page) if block.runs):
            if block.language == "bash" and "<<" not in block.text:
                kept = [line for line in block.text.splitlines(keepends=True) if line not in seen]
                seen |= set(kept)
                block = block.with_text("".join(kept))
            said.append(work.run_block(block))
        assert (work.folder / "my-pairs" / "manifest.parquet").is_file()
    out = "\n".join(said)
    assert "would publish 1.0.0 (last: none): 36 pairs added" in out
    assert "published 1.1.0: 18 pairs added, 0 removed, 54 in all" in out
    assert "12 pairs in runs/mine" in out
    assert "\n0.5\n" in out  # the evaluate metric
    assert '"difference": 0.6666666666666666' in out
