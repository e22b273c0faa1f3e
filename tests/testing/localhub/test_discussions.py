"""Discussions and pull requests: their order, their events, and who may change what."""

from __future__ import annotations

import pytest
from hub_fixtures import Hub
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.community import DiscussionComment, DiscussionStatusChange, DiscussionTitleChange
from huggingface_hub.errors import HfHubHTTPError
from test_access import status_of

PAIRS = {"repo_id": "lab/pairs", "repo_type": "dataset"}
FIRST = {**PAIRS, "discussion_num": 1}


@pytest.fixture
def api(hub: Hub) -> HfApi:
    client = hub.api()
    client.create_repo(**PAIRS)
    return client


def test_the_newest_comes_first_and_filters_apply(hub: Hub, api: HfApi) -> None:
    bob = hub.api("bob")
    for number in range(1, 53):
        client = bob if number % 2 else api
        client.create_discussion(**PAIRS, title=f"number {number}", pull_request=number > 50)
    assert [found.num for found in api.get_repo_discussions(**PAIRS)] == list(range(52, 0, -1))
    assert len(hub.requests("GET", "/discussions")) == 52 + 2  # each after its creation, and 50 a page
    pulls = api.get_repo_discussions(**PAIRS, discussion_type="pull_request")
    assert [(found.num, found.status, found.is_pull_request) for found in pulls] == [
        (52, "draft", True), (51, "draft", True)]  # fmt: skip
    api.change_discussion_status(**PAIRS, discussion_num=50, new_status="closed")
    closed = api.get_repo_discussions(**PAIRS, discussion_status="closed")
    assert [found.num for found in closed] == [50]
    opened = api.get_repo_discussions(**PAIRS, discussion_status="open", author="alice")
    assert [found.num for found in opened] == [52, *range(48, 0, -2)]
    assert list(api.get_repo_discussions(**PAIRS, author="nobody")) == []


def test_what_happens_is_kept_as_events(hub: Hub, api: HfApi) -> None:
    bob = hub.api("bob")
    opened = bob.create_discussion(**PAIRS, title=" A question ", description="why?")
    assert (opened.num, opened.title, opened.author, opened.status) == (1, "A question", "bob", "open")
    said = api.comment_discussion(**FIRST, comment="**because**")
    renamed = bob.rename_discussion(**FIRST, new_title="An answer")
    closed = api.change_discussion_status(**FIRST, new_status="closed", comment="done")
    edited = api.edit_discussion_comment(**FIRST, comment_id=said.id, new_content="it is so 🤗")
    with pytest.warns(UserWarning, match="irreversible"):
        hidden = bob.hide_discussion_comment(**FIRST, comment_id=opened.events[0].id)

    found = api.get_discussion_details(**FIRST)
    assert (found.title, found.status) == ("An answer", "closed")
    kinds = [DiscussionComment, DiscussionComment, DiscussionTitleChange, DiscussionComment, DiscussionStatusChange]
    assert [type(event) for event in found.events] == kinds
    first, answer, title, done, status = found.events
    assert first == hidden and (hidden.hidden, hidden.edited, hidden.content) == (True, False, "")
    assert answer == edited and (edited.content, edited.edited, edited.author) == ("it is so 🤗", True, "alice")
    assert answer.id == said.id and (said.content, said.edited) == ("**because**", False)
    assert title == renamed and (renamed.old_title, renamed.new_title) == ("A question", "An answer")
    assert done.content == "done" and done.author == "alice"  # type: ignore[attr-defined]
    assert status == closed and closed.new_status == "closed"
    assert found == api.get_discussion_details(**FIRST)


def test_who_may_change_a_discussion(hub: Hub, api: HfApi) -> None:
    bob, nobody = hub.api("bob"), hub.api(None)
    comment = api.create_discussion(**PAIRS, title="of alice").events[0].id
    assert status_of(bob.rename_discussion, **FIRST, new_title="x") == 403
    assert status_of(bob.change_discussion_status, **FIRST, new_status="closed") == 403
    assert status_of(bob.edit_discussion_comment, **FIRST, comment_id=comment, new_content="x") == 403
    assert status_of(nobody.comment_discussion, **FIRST, comment="x") == 401
    assert status_of(api.comment_discussion, **FIRST, comment=" ") == 400
    assert status_of(api.rename_discussion, **FIRST, new_title=" ") == 400
    assert status_of(api.comment_discussion, **PAIRS, discussion_num=2, comment="x") == 404
    assert status_of(api.edit_discussion_comment, **FIRST, comment_id="none", new_content="x") == 404
    with pytest.warns(UserWarning):
        api.hide_discussion_comment(**FIRST, comment_id=comment)
    assert status_of(api.edit_discussion_comment, **FIRST, comment_id=comment, new_content="x") == 400
    assert [event.type for event in api.get_discussion_details(**FIRST).events] == ["comment"]
    api.update_repo_settings(**PAIRS, private=True)
    assert status_of(bob.comment_discussion, **FIRST, comment="x") == 404


def test_a_draft_is_opened_before_it_is_merged(api: HfApi) -> None:
    draft = api.create_pull_request(**PAIRS, title="To come")
    assert draft.status == "draft"
    operations = [CommitOperationAdd("a.txt", b"x")]
    api.create_commit(**PAIRS, operations=operations, commit_message="x", revision=draft.git_reference)
    with pytest.raises(HfHubHTTPError, match="draft"):
        api.merge_pull_request(**FIRST)
    api.change_discussion_status(**FIRST, new_status="open")
    api.merge_pull_request(**FIRST, comment="thanks")
    merged = api.get_discussion_details(**FIRST)
    assert merged.status == "merged" and merged.merge_commit_oid == api.dataset_info("lab/pairs").sha
    assert [event.type for event in merged.events] == ["comment", "status-change", "comment", "status-change"]
    assert status_of(api.change_discussion_status, **FIRST, new_status="open") == 409
