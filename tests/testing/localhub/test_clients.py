"""The `datasets` library and the rest of huggingface_hub against the hub, in processes of their own."""

from __future__ import annotations

import pytest
from hub_fixtures import Hub

DATASETS = """
from datasets import Dataset, Image, get_dataset_config_names, load_dataset
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import HfApi, HfFileSystem
import PIL.Image

def make(numbers):
    images = [PIL.Image.new("RGB", (8, 8), (number, 0, 0)) for number in numbers]
    return Dataset.from_dict({"n": numbers, "image": images}).cast_column("image", Image())

api = HfApi()
make([1, 2, 3]).push_to_hub("lab/pairs", "first", split="train", private=True)
api.create_tag("lab/pairs", tag="v1.0.0", repo_type="dataset")
make([4, 5]).push_to_hub("lab/pairs", "second", split="test")
assert get_dataset_config_names("lab/pairs") == ["first", "second"]
assert get_dataset_config_names("lab/pairs", revision="v1.0.0") == ["first"]
rows = load_dataset("lab/pairs", "second", split="test")
assert rows["n"] == [4, 5] and rows[0]["image"].getpixel((0, 0)) == (4, 0, 0)
assert load_dataset("lab/pairs", "first", split="train", revision="v1.0.0")["n"][:] == [1, 2, 3]
stream = load_dataset("lab/pairs", "first", split="train", streaming=True)
assert [row["n"] for row in stream] == [1, 2, 3]
try:
    load_dataset("lab/pairs", "second", revision="v9.9.9")
    raise SystemExit("a version that does not exist was loaded")
except (DatasetNotFoundError, ValueError) as error:
    print(type(error).__name__)

files = HfFileSystem()
tagged = "datasets/lab/pairs@v1.0.0"
assert files.glob(f"{tagged}/**/*.parquet") == [f"{tagged}/first/train-00000-of-00001.parquet"]
with files.open("datasets/lab/pairs/notes/a.txt", "w") as file:
    file.write("written")
assert files.read_text("datasets/lab/pairs/notes/a.txt") == "written"
files.rm("datasets/lab/pairs/notes/a.txt")
assert not files.exists("datasets/lab/pairs/notes/a.txt")
"""
OTHERS = """
from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError
try:
    load_dataset("lab/pairs", "first")
except DatasetNotFoundError as error:
    print("not found")
"""


@pytest.mark.parametrize("xet", [False, True], ids=["lfs", "xet"])
def test_datasets(hub: Hub, xet: bool) -> None:
    assert hub.run_python(DATASETS, xet=xet).strip().endswith("Error")
    assert bool(hub.requests("PUT", "/lfs/")) is not xet
    if not xet:
        other = hub.home.parent / "other_home"
        other.mkdir()
        code = f"import os; os.environ['HF_HOME'] = {str(other)!r}\n" + OTHERS
        assert hub.run_python(code, user="bob").strip() == "not found"


def test_copies_between_repos(hub: Hub) -> None:
    code = """
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, HfApi
api = HfApi()
api.create_repo("lab/from", repo_type="dataset")
api.create_repo("lab/to", repo_type="dataset")
data = bytes(range(256)) * 1000
api.create_commit("lab/from", [CommitOperationAdd("a.bin", data)], commit_message="x", repo_type="dataset")
copy = CommitOperationCopy("a.bin", "b.bin", src_repo_id="lab/from", src_repo_type="dataset")
api.create_commit("lab/to", [copy], commit_message="x", repo_type="dataset")
api.delete_repo("lab/from", repo_type="dataset")
path = api.hf_hub_download("lab/to", "b.bin", repo_type="dataset")
assert open(path, "rb").read() == data
"""
    hub.run_python(code, xet=True)
