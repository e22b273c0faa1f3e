"""A dataset on the (local) Hub as a source, read by the real `datasets` in a process whose Hub is that one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_fixtures import ORGS, USERS, Hub
from pictures import SIDE

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.sources import HubSource
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.localhub.server import serve

HERE = Path(__file__).parent
RECIPE = str(HERE.parent / "recipes" / "pictures.py")

PUSH = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
import io
from datasets import ClassLabel, Dataset, Features, Image, Value
from huggingface_hub import HfApi
from pictures import encoded, picture
from PIL import Image as Pillow

def scene(number):
    image = picture(20 + number)
    image.paste((255, 0, 0), (40, 24 + 4 * number, 72, 56 + 4 * number))
    return encoded(image)

names = ["gun", "fire", "kitten"]
files = [scene(number) for number in range(10)]
files[3], files[5], files[6], files[9] = files[1], b"no picture", None, encoded(picture(3, 40, 40))
rows = {{
    "photo": [file and {{"bytes": file, "path": None}} for file in files],
    "kind": [0, 1, 0, 1, 2, 0, 1, -1, 0, 1],
    "key": [f"key-{{number}}" if number != 8 else None for number in range(10)],
    "terms": ["CC-BY-4.0", *([""] * 9)],
    "words": [str(number) for number in range(10)],
}}
features = Features({{"photo": Image(), "kind": ClassLabel(names=names), "key": Value("string"),
                      "terms": Value("string"), "words": Value("string")}})
Dataset.from_dict(rows, features).push_to_hub("lab/scenes", max_shard_size="60KB")
print(HfApi().dataset_info("lab/scenes").sha)

two = Features({{"a": Image(), "b": Image(), "kind": Value("string")}})
both = {{"a": [{{"bytes": file, "path": None}} for file in files[:2]],
         "b": [{{"bytes": file, "path": None}} for file in files[7:9]],
         "kind": ["Self-Harm", "O2: Violence"]}}
Dataset.from_dict(both, two).push_to_hub("lab/two", "extra", split="test")
raw = Features({{"blob": Value("binary"), "kind": Value("string")}})
Dataset.from_dict({{"blob": files[:2], "kind": ["O1", "O2"]}}, raw).push_to_hub("lab/blobs")

api = HfApi()
api.create_repo("lab/cast", repo_type="dataset")
for number in range(2):
    more = {{"blob": files[:2], "kind": ["O1", "O2"], **({{"more": [1, 2]}} if number else {{}})}}
    Dataset.from_dict(more).to_parquet(f"{{number}}.parquet")
    api.upload_file(path_or_fileobj=f"{{number}}.parquet", path_in_repo=f"data/train-{{number:05}}-of-00002.parquet",
                    repo_id="lab/cast", repo_type="dataset")
api.create_repo("lab/loose", repo_type="dataset")
for number in range(3):
    api.upload_file(path_or_fileobj=files[number], path_in_repo=f"train/{{number}}.png", repo_id="lab/loose",
                    repo_type="dataset")
meta = "file_name,kind\\n" + "".join(f"{{number}}.png,O{{number + 1}}\\n" for number in range(3))
api.upload_file(path_or_fileobj=meta.encode(), path_in_repo="train/metadata.csv", repo_id="lab/loose",
                repo_type="dataset")

def tell(repo, card):
    return api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo, repo_type="dataset")

scenes = {{"blob": [scene(number) for number in range(5)]}}
Dataset.from_dict(scenes, Features({{"blob": Value("binary")}})).push_to_hub("lab/liar", num_shards=2)
card = open(api.hf_hub_download("lab/liar", "README.md", repo_type="dataset")).read()
assert "num_examples: 5" in card
tell("lab/liar", card.replace("num_examples: 5", "num_examples: 3"))
for said in (2, 7):
    tell("lab/loose", f"---\\ndataset_info:\\n  splits:\\n  - name: train\\n    num_examples: {{said}}\\n---\\n")
    api.create_branch("lab/loose", branch=f"said-{{said}}", repo_type="dataset")
api.delete_file("README.md", "lab/loose", repo_type="dataset")
"""

START = f"""
import json, pickle, sys
from safetypairs_hf.building import stage_files
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.sources import Frame, HubSource, Judged, Screen

def source(dataset="lab/scenes", **settings):
    return HubSource(dataset, **{{"frame": Frame({SIDE}), **settings}})

def scenes(**settings):
    return source(**{{"label_column": "kind", "labels": "gun=O6,fire=O9", "id_column": "key",
                      "license_column": "terms", "license": "MIT", **settings}})

def told(candidates):
    return [[c.origin.id, c.origin.license, c.category, c.reject and c.reject.reason] for c in candidates]

def dumped(candidates):
    return stage_files.dump("source", candidates)

def line(call):
    try:
        return ["no error", str(call())]
    except SafetyPairsError as error:
        return [type(error).__name__, str(error)]
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with the datasets that PUSH makes; `hub.commit` of the first is in commit.txt."""
    root = tmp_path_factory.mktemp("hub")
    (root / "home").mkdir()
    with serve(root / "hub", USERS, ORGS) as server:
        hub = Hub(server, root / "home")
        (root / "home" / "commit.txt").write_text(hub.run_python(PUSH).split()[-1])
        yield hub


def ask(hub: Hub, code: str, **env: str) -> Any:
    """What `answer` holds after the code has run."""
    env = {"USE_TORCH": "0", **env}  # datasets would import it for nothing
    before = "".join(f"import os; os.environ[{name!r}] = {value!r}\n" for name, value in env.items())
    return json.loads(hub.run_python(f"{before}{START}\n{code}\nprint(json.dumps(answer))").splitlines()[-1])


READ = """
answers = {}

found = scenes()
whole = found.take(0, 20)
answers["rows"] = {
    "told": told(whole), "datasets": sorted({c.origin.dataset for c in whole}), "size": found.size,
    "categories": found.categories, "fingerprint": found.fingerprint(), "hints": [c.hint for c in whole[:2]],
    "empty": [c.unsafe.data == b"" for c in whole], "ids": len({c.source_id for c in whole}),
    "details": [c.reject.detail for c in whole if c.reject],
    "shapes": sorted({c.unsafe.pixels.shape for c in whole if not c.reject}),
}

one = scenes()
backwards = [dumped(one.take(start, start + 3)) for start in (9, 6, 3, 0)]
one.release()
resumed = pickle.loads(pickle.dumps(scenes()))
answers["taken"] = [
    backwards == [dumped(whole[start : start + 3]) for start in (9, 6, 3, 0)],
    dumped(resumed.take(3, 7)) == dumped(whole[3:7]),
    dumped(pickle.loads(pickle.dumps(one)).take(7, 10)) == dumped(whole[7:]),
    dumped(scenes(streaming=False).take(2, 8)) == dumped(whole[2:8]),
    dumped(scenes(rows=4).take(0, 10)) == dumped(whole[:4]),
    scenes(rows=4).size,
    one.take(12, 15),
]

two = source("lab/two", config="extra", split="test", image_column="b", label_column="kind")
blobs = source("lab/blobs", image_column="blob", label_column="kind", license="CC0-1.0")
loose = source("lab/loose", label_column="kind", rows=3)
fixed = source("lab/blobs", image_column="blob", category="hate")
answers["shapes"] = [told(each.take(0, 9)) for each in (two, blobs, loose, fixed)]
answers["all"] = blobs.categories

liar = {"dataset": "lab/liar", "image_column": "blob", "category": "hate"}
counted = [source(**liar), source(**liar, streaming=False), source(**liar, rows=4), source(**liar, rows=9)]
answers["liar"] = [[each.size, len(each.take(0, 9))] for each in counted]
told_of = {"dataset": "lab/loose", "category": "hate"}
short, long = (source(**told_of, revision=f"said-{said}") for said in (2, 7))
answers["told"] = [
    line(lambda: short.take(0, 9)), line(lambda: long.take(0, 9)), len(short.take(0, 1)),
    len(source(**told_of, revision="said-2", rows=1).take(0, 9)),
    [len(source(**told_of, revision=f"said-{said}", streaming=False).take(0, 9)) for said in (2, 7)],
]

answers["mistakes"] = [line(lambda: each.take(0, 9)) for each in (
    scenes(label_column="kinds"),
    scenes(id_column="nothing-like-it"),
    scenes(labels="gun=O6,fires=O9"),
    scenes(image_column="words"),
    source("lab/two", config="extra", split="test", label_column="kind"),
    source("lab/blobs", label_column="kind"),
    scenes(split="validation"),
    scenes(config="fine"),
    scenes(revision="v9"),
    source("lab/none", category="hate"),
    source("lab/loose", category="hate"),
    source("lab/cast", image_column="blob", category="hate", streaming=True),
    source("lab/cast", image_column="blob", category="hate", streaming=False),
)]
answer = answers
"""


@pytest.fixture(scope="module")
def answers(hub: Hub) -> dict[str, Any]:
    """What READ found, in one process: to import `datasets` takes longer than all that it asks."""
    return dict(ask(hub, READ))


def test_rows_become_candidates_each_with_its_reason(hub: Hub, answers: dict[str, Any]) -> None:
    commit = (hub.home / "commit.txt").read_text()
    answer = answers["rows"]
    assert answer["told"] == [
        ["key-0", "CC-BY-4.0", "weapons_substances", None],
        ["key-1", "MIT", "disasters", None],
        ["key-2", "MIT", "weapons_substances", None],
        ["key-3", "MIT", "disasters", "duplicate"],
        ["key-4", "MIT", "-", "unknown_label"],
        ["key-5", "MIT", "weapons_substances", "not_an_image"],
        ["key-6", "MIT", "disasters", "no_image"],
        ["key-7", "MIT", "-", "no_label"],
        ["train/8", "MIT", "weapons_substances", None],
        ["key-9", "MIT", "disasters", "too_small"],
    ]
    assert answer["datasets"] == [f"lab/scenes@{commit}"]
    assert answer["fingerprint"] == commit
    assert answer["size"] == answer["ids"] == 10
    assert answer["categories"] == ["weapons_substances", "disasters"]
    assert answer["hints"] == [{"label": "gun"}, {"label": "fire"}]
    assert answer["empty"] == [row[3] is not None for row in answer["told"]]
    assert answer["details"][0] == "the same file as row 1"
    assert answer["shapes"] == [[SIDE, SIDE, 3]]


def test_candidates_do_not_depend_on_how_they_are_taken(answers: dict[str, Any]) -> None:
    assert answers["taken"] == [True, True, True, True, True, 4, []]


def test_other_shapes_of_datasets(answers: dict[str, Any]) -> None:
    assert answers["shapes"] == [
        [["extra/test/0", "NOASSERTION", "self_harm", None], ["extra/test/1", "NOASSERTION", "violence", None]],
        [["train/0", "CC0-1.0", "hate", None], ["train/1", "CC0-1.0", "violence", None]],
        [[f"train/{n}", "NOASSERTION", slug, None] for n, slug in enumerate(("hate", "violence", "sexual"))],
        [["train/0", "NOASSERTION", "hate", None], ["train/1", "NOASSERTION", "hate", None]],
    ]
    assert answers["all"] == list(SLUGS)


def test_rows_are_those_of_the_files_whatever_the_card_says(answers: dict[str, Any]) -> None:
    assert answers["liar"] == [[5, 5], [5, 5], [4, 4], [5, 5]]
    said = "the card of lab/loose says that train has {} rows, and its files hold {}; give streaming = False, which"
    more, fewer, *others = answers["told"]
    for kind, message in (more, fewer):
        assert kind == "RecipeError", message
    assert more[1].startswith(said.format(2, "more"))
    assert fewer[1].startswith(said.format(7, "only 3"))
    assert others == [1, 1, [3, 3]]


def test_each_mistake_is_one_line(answers: dict[str, Any]) -> None:
    answer = answers["mistakes"]
    assert [kind for kind, _ in answer] == ["RecipeError"] * 9 + ["HubUnavailable"] + ["RecipeError"] * 3
    said = [text for _, text in answer]
    assert not [text for text in said if "\n" in text]
    columns = "the columns are photo, kind, key, terms, words"
    assert said[0] == f"lab/scenes, split 'train': there is no column 'kinds'; the nearest is 'kind'; {columns}"
    assert said[1] == f"lab/scenes, split 'train': there is no column 'nothing-like-it'; {columns}"
    assert said[2] == "labels: the column 'kind' of lab/scenes has no label 'fires'; it has gun, fire, kitten"
    assert said[3].startswith("the column 'words' of lab/scenes holds string, no images; its columns are photo (")
    assert said[4] == "lab/two has several columns of images (a, b); say which: image_column"
    assert said[5].startswith("lab/blobs has no column of images; its columns are blob (binary), kind (string).")
    assert "'validation'" in said[6] and "train" in said[6]
    assert "'fine'" in said[7]
    assert said[8] == "lab/scenes has no revision 'v9'; give a branch or a tag"
    assert said[9].startswith("no dataset lab/none at http://127.0.0.1")
    assert all(each.startswith("lab/cast, split 'train', can't be read: ") for each in said[11:])
    assert said[10] == "lab/loose does not say how many rows train has; give rows = how many to use"


def test_one_unit_after_the_other_reads_nothing_twice(hub: Hub) -> None:
    before = len(hub.requests("GET", ".parquet"))
    code = """
at_once, steps = scenes(), scenes()
_ = at_once.size, at_once.take(0, 20)
_ = steps.size, [steps.take(start, start + 1) for start in range(10)]
answer = 0
"""
    ask(hub, code)
    fetched = [entry.path for entry in hub.requests("GET", ".parquet")[before:]]
    half = len(fetched) // 2
    assert len(set(fetched)) == 4
    assert sorted(fetched[:half]) == sorted(fetched[half:])  # the ends, of which the rows are counted, come together


def test_without_the_hub(hub: Hub, answers: dict[str, Any]) -> None:
    """Not even where another version of it is prepared on this machine, which `datasets` would hand out."""
    commit = (hub.home / "commit.txt").read_text()
    code = f"""
from safetypairs_hf.sources.columns import Names, open_table
names = Names("photo", "kind", None, None)
answer = [line(lambda: scenes(streaming=False).take(0, 1)), line(lambda: scenes(revision={commit!r}).take(0, 1)),
          line(lambda: open_table("lab/scenes", None, "train", "0" * 40, False, names))]
"""
    assert answers["taken"][3]  # it was downloaded
    pinned, commit_given, other = ask(hub, code, HF_HUB_OFFLINE="1")
    offline = "offline mode is on (HF_HUB_OFFLINE), and lab/scenes needs the Hub; unset it"
    assert pinned == commit_given == ["HubUnavailable", offline]
    assert other == [
        "HubUnavailable",
        f"lab/scenes can't be had at commit {'0' * 40} now; check the network, try again",
    ]


def test_a_build_from_the_hub_resumes_to_equal_bytes(hub: Hub, tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(HERE.parent)!r})
from pathlib import Path
from safetypairs_hf.building import run_reader
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.build import build
from safetypairs_hf.core.run_folder import open_run

def make(out):
    settings = {{"dataset": "lab/scenes", "labels": "gun=O6,fire=O9", "unit_size": "3"}}
    build(load_recipe({RECIPE!r}, settings), out, 2)
    return {{str(path.relative_to(out)): path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}}

first = make("one")
for name in ("source/part-00001.parquet", "edit/part-00001.parquet", "source/part-00003.parquet", "funnel.json"):
    (Path("one") / name).unlink()
again = make("one")
source = run_reader.funnel(open_run("one"))["stages"][0]
answer = {{"equal": first == again == make("two"), "in": source["in"], "out": source["out"],
           "rejected": source["rejected"], "pairs": len(list(run_reader.pairs(open_run("one"))))}}
"""
    answer = ask(hub, code)
    assert answer == {
        "equal": True,
        "in": 10,
        "out": 4,
        "rejected": dict.fromkeys(
            ["duplicate", "no_image", "no_label", "not_an_image", "too_small", "unknown_label"], 1
        ),
        "pairs": 4,
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dataset": "a/b/c", "category": "hate"}, "'a/b/c', which is no Hub id; expected org/name"),
        ({}, "nothing says the category of lab/scenes; give category, label_column or judged"),
        ({"category": "hate", "label_column": "kind"}, "the category comes from category and from label_column"),
        ({"category": "hate", "labels": "gun=O6"}, "labels are given, and no label_column"),
        ({"category": "hate", "rows": 0}, "rows = 0: give at least 1"),
    ],
)
def test_settings_that_make_no_source(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        HubSource(**{"dataset": "lab/scenes", **settings})


def test_a_row_that_names_a_file_of_this_machine(hub: Hub, tmp_path: Path) -> None:
    """Pushed as Parquet whose image has no bytes, and the path of a file that only the reader has."""
    (tmp_path / "secret.png").write_bytes(b"key")
    paths = [str(tmp_path / "secret.png"), f"file://{tmp_path}/secret.png", "https://example.org/beacon.png"]
    push = f"""
import io, pyarrow as pa, pyarrow.parquet as pq
from huggingface_hub import HfApi
from datasets import Features, Image, Value
features = Features({{"photo": Image(), "kind": Value("string")}})
rows = pa.table({{"photo": [{{"bytes": None, "path": path}} for path in {paths!r}], "kind": ["O1"] * 3}},
                schema=features.arrow_schema)
pq.write_table(rows, "evil.parquet")
HfApi().create_repo("lab/evil", repo_type="dataset")
HfApi().upload_file(path_or_fileobj="evil.parquet", path_in_repo="train.parquet", repo_id="lab/evil",
                    repo_type="dataset")
"""
    hub.run_python(push)
    for streaming in (True, False):
        code = f"""
found = source("lab/evil", label_column="kind", rows=3, streaming={streaming})
answer = [[c.unsafe.data == b"", c.reject.detail] for c in found.take(0, 3)]
"""
        assert ask(hub, code) == [[True, f"the row names {path!r}, which is no file of the dataset"] for path in paths]
