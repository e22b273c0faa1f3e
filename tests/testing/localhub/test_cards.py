"""What the Hub refuses in the metadata of a card, before and at a commit."""

from __future__ import annotations

import json

import pytest
from hub_fixtures import Hub
from huggingface_hub import HfApi, get_session

from safetypairs_hf.testing.localhub.cards import problems

RESULT = "{task: {type: x}, dataset: {type: d, name: D}, metrics: [{type: acc, value: 0.5}]}"
BAD = {
    "license: mits": '"license" must be one of [apache-2.0, mit, ',
    "license: [mit, cc-by]": '"license[1]" must be one of [apache-2.0, mit, ',
    "size_categories: 1K<n<5K": '"size_categories" must be one of [unknown, n<1K, ',
    "size_categories: [n<1K, huge]": '"size_categories[1]" must be one of [unknown, n<1K, ',
    "configs: x": '"configs" must be an array',
    "- mit": "the metadata is a list",
    "license: [mit": "while parsing a flow sequence",
}
BAD_MODELS = {
    "model-index: foo": ['"model-index" must be an array'],
    "model-index: [{name: m}]": ['"model-index[0].results" must be an array'],
    f"model-index: [{{results: [{RESULT}]}}]": ['"model-index[0].name" is required'],
    "model-index: [{name: m, results: [{task: {}, dataset: {type: d}, metrics: [{type: acc}]}]}]": [
        '"model-index[0].results[0].task.type" is required',
        '"model-index[0].results[0].dataset.name" is required',
        '"model-index[0].results[0].metrics[0].value" is required',
    ],
}
GOOD = ("license: mit", "license: [mit, cc-by-4.0]", "license: other\nlicense_name: mine", "size_categories: [n<1K]",
        "configs: [{config_name: a, data_files: a.parquet}]", "tags: [x]", "pretty_name: X")  # fmt: skip


def card(block: str) -> str:
    return f"---\n{block}\n---\n\n# Title\n"


def post_commit(hub: Hub, text: str) -> tuple[int, str]:
    """Commit a card without the client, which would check it first."""
    line = json.dumps({"key": "file", "value": {"path": "README.md", "content": text}}).encode()
    url = f"{hub.endpoint}/api/datasets/lab/pairs/commit/main"
    answer = get_session().post(url, content=line, headers={"authorization": "Bearer hf_alice"})
    return answer.status_code, answer.text


@pytest.fixture
def api(hub: Hub) -> HfApi:
    client = hub.api()
    client.create_repo("lab/pairs", repo_type="dataset")
    return client


@pytest.mark.parametrize("space", ["", "\n", "\r\n \n"], ids=["at the top", "after a blank line", "after two"])
def test_a_bad_card_is_refused(hub: Hub, api: HfApi, space: str) -> None:
    before = api.dataset_info("lab/pairs").sha
    where = {"path_in_repo": "README.md", "repo_id": "lab/pairs", "repo_type": "dataset"}
    for block, problem in BAD.items():
        text = space + card(block)
        with pytest.raises(ValueError, match=r"Invalid metadata in README\.md") as caught:
            api.upload_file(path_or_fileobj=text.encode(), **where)
        assert f"- {problem}" in str(caught.value)
        status, answer = post_commit(hub, text)
        assert status == 400 and problem in json.loads(answer)["error"], block
    assert api.dataset_info("lab/pairs").sha == before


@pytest.mark.parametrize("block", GOOD)
def test_a_good_card_is_taken(hub: Hub, api: HfApi, block: str) -> None:
    assert problems(card(block), "dataset") == []
    assert post_commit(hub, "\n" + card(block))[0] == 200


def test_model_index() -> None:
    for block, expected in BAD_MODELS.items():
        assert problems(card(block), "model") == expected
        assert problems(card(block), "dataset") == []
    assert problems(card(f"model-index: [{{name: m, results: [{RESULT}]}}]"), "model") == []


def test_metadata_after_a_blank_line_are_read(hub: Hub, api: HfApi) -> None:
    assert post_commit(hub, "\n" + card("license: mit\ntags: [safety]"))[0] == 200
    info = api.dataset_info("lab/pairs")
    assert info.card_data is not None and info.card_data.license == "mit"
    assert info.tags == ["safety", "license:mit"]


def test_a_card_in_windows_line_ends(hub: Hub, api: HfApi) -> None:
    assert post_commit(hub, card("license: mit").replace("\n", "\r\n"))[0] == 200
    assert api.dataset_info("lab/pairs").tags == ["license:mit"]
    assert post_commit(hub, card("license: mits").replace("\n", "\r\n"))[0] == 400


VALIDATE = """
from huggingface_hub import RepoCard
card = RepoCard("---\\nlicense: mit\\n---\\n")
card.validate()
card.data.license = "asdf"
try:
    card.validate()
except ValueError as error:
    print(error)
"""


def test_a_card_object_is_validated(hub: Hub) -> None:
    assert '- Error: "license" must be one of [' in hub.run_python(VALIDATE)


def test_only_the_card_at_the_root_is_checked(hub: Hub, api: HfApi) -> None:
    bad = card("license: mits").encode()
    for path in ("docs/README.md", "readme.md"):
        api.upload_file(path_or_fileobj=bad, path_in_repo=path, repo_id="lab/pairs", repo_type="dataset")
        assert api.file_exists("lab/pairs", path, repo_type="dataset")
