"""Real clients that run in the tests' own process keep their cache out of the user's home."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# huggingface_hub reads it when it is imported, so before any test module is.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="safetypairs-tests-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
for _name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "RAY_ADDRESS", "SAFETYPAIRS_REPO", "SAFETYPAIRS_VERSION"):
    os.environ.pop(_name, None)
# No test depends on the machine being fast. Not every environment that runs a test of ours has hypothesis.
if importlib.util.find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("without a deadline", deadline=None)
    settings.load_profile("without a deadline")
# At toy size a second thread only waits for the first, and takes its core from the tests beside it.
os.environ["OMP_NUM_THREADS"] = "1"

# The wheel of torchvision on PyPI is of a CUDA build: beside torch for CPU it imports only if these two are declared.
if importlib.util.find_spec("torchvision") and importlib.util.find_spec("torch"):
    import torch

    if torch.version.cuda is None:
        _torchvision = torch.library.Library("torchvision", "DEF")  # kept alive
        for _name in ("nms", "qnms"):
            _torchvision.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: of two workers, none is left alone with a long file at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `small` (20 pairs) and `large` (30 pairs, the same 20 among them)."""
    from builds import make_run

    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "small", pairs=20)
    make_run(folder / "large", pairs=30)
    return folder
