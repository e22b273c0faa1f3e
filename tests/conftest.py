"""Real clients that run in the tests' own process keep their cache out of the user's home."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# huggingface_hub reads it when it is imported, so before any test module is.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="safetypairs-tests-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
for _name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "SAFETYPAIRS_REPO", "SAFETYPAIRS_VERSION"):
    os.environ.pop(_name, None)
