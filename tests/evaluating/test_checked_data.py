"""A guard is asked about what was published, and figures do not name a version that was not read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from safetypairs_hf.core.errors import PairError, SafetyPairsError, VersionMismatch
from safetypairs_hf.evaluating.checking import check_data
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.guards.user_guard import OwnFunction

OUT = Path("green.parquet")


def swap(folder: str) -> None:
    """Swap the members of a pair of the test split."""
    path = sorted(Path(folder).glob("data/test/*/*.parquet"))[0]
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["unsafe_image"], rows[0]["safe_image"] = rows[0]["safe_image"], rows[0]["unsafe_image"]
    pq.write_table(type(table).from_pylist(rows, table.schema), path)


def test_members_that_were_swapped_are_not_judged(squares: str, green: OwnFunction) -> None:
    swap(squares)
    with pytest.raises(VersionMismatch, match="is not as it was published: data/test/hate"):
        evaluate(green, f"{squares}@1.1.0", OUT)
    assert not OUT.exists()


def test_an_edit_on_purpose_stands_in_the_signature(squares: str, green: OwnFunction) -> None:
    swap(squares)
    score = evaluate(green, f"{squares}@1.1.0", OUT, check="warn")
    assert score.pair_accuracy == 6 / 7
    assert score.signature.startswith(f"data:{squares}@1.1.0 (check=warn)|split:test|")
    with pytest.raises(PairError, match=r"has predictions on .*1\.1\.0 \(check=warn\), not on "):
        check_data(OUT, f"{squares}@1.1.0")


def test_the_command_takes_the_option(squares: str, green: OwnFunction) -> None:
    swap(squares)
    guard = ["function", "--set", f"function={green.function}"]
    command = [sys.executable, "-m", "safetypairs_hf", "evaluate", *guard, "--data", squares, "--out", str(OUT)]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "is not as it was published" in refused.stderr and refused.stderr.count("\n") == 1
    taken = subprocess.run([*command, "--check", "warn"], capture_output=True, text=True)
    assert taken.returncode == 0, taken.stderr
    assert "(check=warn)" in taken.stdout
    assert "is not as it was published" in taken.stderr


def test_a_path_in_place_of_an_image_is_not_read(tmp_path: Path, green: OwnFunction) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"key")
    image: Any = {"bytes": None, "path": str(secret)}
    row = {"pair_id": "a", "unsafe_image": image, "safe_image": image, "category": "hate", "group": "a"}
    features = datasets.Features(
        dict.fromkeys(("pair_id", "category", "group"), datasets.Value("string"))
        | dict.fromkeys(("unsafe_image", "safe_image"), datasets.Image(decode=False))
    )
    data = datasets.Dataset.from_list([row], features)
    with pytest.raises(SafetyPairsError, match=r"an image of the dataset is the path '.*secret' instead of the bytes"):
        evaluate(green, data, OUT)


@pytest.mark.parametrize("way", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}], ids=["off", "gone"])
def test_no_score_names_a_version_that_was_not_read(tmp_path: Path, way: dict[str, str]) -> None:
    Path("guard.csv").write_text("pair_id,reference,prediction\na,1,1\na,0,0\n")
    command = [sys.executable, "-m", "safetypairs_hf", "score", "guard.csv"]
    env = os.environ | way
    failed = subprocess.run([*command, "--data", "lab/pairs@1.0.0"], env=env, capture_output=True, text=True)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("safetypairs: guard.csv could not be checked against lab/pairs@1.0.0: ")
    assert failed.stderr.endswith("; or score without --data\n") and failed.stderr.count("\n") == 1
    assert "data:none" in subprocess.run(command, env=env, capture_output=True, text=True).stdout
