"""No published file names the folders of the machine that published it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builds import make_run

from safetypairs_hf.core.version import parse
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

TELLING = "tell-tale-home"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(TELLING)
    publish(make_run(folder / "run", pairs=20), parse_target(str(folder / "my pairs")), parse("1.0.0"))
    return folder / "my pairs"


def test_no_file_names_a_folder_of_the_machine(published: Path) -> None:
    files = [path for path in published.rglob("*") if path.is_file()]
    texts = [path.read_bytes() for path in files]
    # The metadata of a manifest are packed, so they are read as well.
    texts += [repr(unpacked(path)).encode() for path in files if path.name == "manifest.parquet"]
    assert len(files) > 10
    assert [path.name for path, text in zip(files, texts, strict=False) if TELLING.encode() in text] == []
    assert not any(TELLING.encode() in text for text in texts)
    assert 'load_dataset("./my pairs"' in (published / "README.md").read_text()


def unpacked(path: Path) -> object:
    from safetypairs_hf.dataset import manifest

    return manifest.load(path.read_bytes())
