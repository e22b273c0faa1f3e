"""An editor behind a server, on loopback: the same edits as in process, and what each fault of a server comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edit_servers import Failing, Filtering, Flat, Moody, OfOwnSize, Start, klein_folder, pipeline, start  # noqa: F401

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.kept_replies import KeptReplies
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Edited, Instruction, Picture, Reject
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.editors.catalogue import make_editor, served
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.editors.server_editor import ServerEditor
from safetypairs_hf.models.image_server import ImageServer
from safetypairs_hf.testing.edit_server import EditServer

PROMPTS = ("Make it green.", "Make it blue.", "Remove it.", "Put a lamp there.", "Make it night.")
NOWHERE = "http://127.0.0.1:9/v1"


def pictures(count: int, side: int = 64) -> list[Picture]:
    rng = np.random.default_rng(count)
    return [encode(rng.integers(0, 255, (side, side, 3)).astype(np.uint8)) for _ in range(count)]


def ask(editor: ServerEditor, count: int = 2, side: int = 64) -> list[Edited | Reject]:
    instructions = [Instruction("", text, None) for text in PROMPTS[:count]]
    return editor.edit(pictures(count, side), instructions, range(count))


def editor_at(*urls: str, retries: int = 0, **settings: Any) -> ServerEditor:
    return ServerEditor(ImageServer("klein", urls[0], replicas=urls[1:], retries=retries), steps=1, **settings)


def rejects(answers: list[Edited | Reject]) -> list[str]:
    return [f"{each.reason}: {each.detail}" for each in answers if isinstance(each, Reject)]


def test_it_edits_as_in_process(start: Start, pipeline: Any, klein_folder: Path) -> None:  # noqa: F811
    server = EditServer(pipeline)
    here = Klein(str(klein_folder), steps=2, text_layers=(1,), max_sequence_length=128, device="cpu", batch_size=1)
    there = served(here, ImageServer("klein", start(server), extra_body={"enable_teacache": "false"}))
    there.check_model()
    assert there.holds_model is False and there.name == "server:klein"
    images = [*pictures(1), *pictures(1, 70)]  # the second is sent as 64 x 64, and comes back as 70 x 70
    instructions = [Instruction("", text, None) for text in PROMPTS[:2]]
    got = there.edit(images, instructions, [5, 2**40 + 6])
    resized = [images[0], encode(np.asarray(_pil(images[1]).resize((64, 64), 1)))]
    for number, (one, other) in enumerate(zip(got, here.edit(resized, instructions, [5, 6]), strict=True)):
        assert isinstance(one, Edited) and isinstance(other, Edited)
        assert one.pixels.shape == images[number].pixels.shape
        back = np.asarray(_pil(encode(other.pixels)).resize(one.pixels.shape[1::-1], 1))
        assert np.array_equal(one.pixels, back)
    sent = {name: value for name, value in min(server.requests, key=_seed).items() if name != "image"}
    assert sent == {
        "model": "klein",
        "prompt": "Make it green.",
        "n": "1",
        "size": "64x64",
        "seed": "5",
        "output_format": "png",
        "num_inference_steps": "2",
        "guidance_scale": "1.0",
        "enable_teacache": "false",
    }


def _seed(form: Any) -> int:
    return int(form["seed"])


def _pil(picture: Picture) -> Any:
    from PIL import Image

    return Image.fromarray(picture.pixels)


def test_what_each_editor_is_sent() -> None:
    server = ImageServer("m")
    for name, field, value, negative in (
        ("klein", "guidance_scale", 1.0, ""),
        ("kontext", "guidance_scale", 2.5, ""),
        ("qwen-image-edit-plus", "true_cfg_scale", 4.0, " "),  # which guides only where there is a negative prompt
    ):
        made = served(make_editor(name, commit="c1"), server)
        assert (made.guidance_field, made.guidance, made.negative_prompt) == (field, value, negative)
        assert made.revision == "c1"


def test_what_a_fault_comes_to(start: Start, pipeline: Any) -> None:  # noqa: F811
    filtering = Filtering(pipeline)
    answers = ask(editor_at(start(filtering), retries=2))
    assert isinstance(answers[1], Edited) and len(filtering.requests) == 2
    assert rejects(answers)[0].startswith("refused: the server refused: 400: ")
    assert "moderation_blocked" in rejects(answers)[0]
    url = start(OfOwnSize(pipeline))
    wrong = "64 x 64 pixels were asked for and 96 x 80 came; a new run with resize_replies=true resizes them"
    assert rejects(ask(editor_at(url))) == [f"size_changed: {wrong}"] * 2
    assert [each.pixels.shape for each in ask(editor_at(url, resize_replies=True))] == [(64, 64, 3)] * 2  # type: ignore[union-attr]
    with pytest.raises(SafetyPairsError, match=r"/v1: no edit has the size of its image: 64 x 64 pixels were"):
        ask(editor_at(url), 4)
    assert rejects(ask(editor_at(start(Flat(pipeline))))) == ["broken_output: every pixel of the edited image is 0"] * 2


def test_faults_that_pass_are_asked_again(start: Start, pipeline: Any) -> None:  # noqa: F811
    failing = Failing(pipeline)
    failing.times = 1
    assert rejects(ask(editor_at(start(failing), retries=1), 1)) == []
    assert len(failing.requests) == 2
    gone = Failing(pipeline)
    url = start(gone)
    assert (
        rejects(ask(editor_at(url), 2))
        == [
            'server_error: the server gave no edit of this image: 500: {"error":{"message":"CUDA error","type":"error",'
            '"code":null}}'
        ]
        * 2
    )
    with pytest.raises(SafetyPairsError, match=r"answered none of 5 requests; the last said: 500: .*CUDA error"):
        ask(editor_at(url), 5)


def test_nothing_works_without_a_server_or_its_model(start: Start, pipeline: Any) -> None:  # noqa: F811
    for work in (lambda: ask(editor_at(NOWHERE)), lambda: editor_at(NOWHERE).check_model()):
        with pytest.raises(SafetyPairsError, match=r"^no server at http://127.0.0.1:9/v1 \(Connect.*\); start it"):
            work()
    url = start(EditServer(pipeline, "qwen"))
    with pytest.raises(SafetyPairsError, match=rf"^{url} has no model 'klein'; it has qwen; give one of these names$"):
        editor_at(url).check_model()
    with pytest.raises(RecipeError, match="url = 'localhost'"):
        editor_at(url, "localhost")
    with pytest.raises(RecipeError, match="multiple = 0: give at least 1"):
        editor_at(url, multiple=0)


def test_replicas_share_the_work_and_stand_in_for_each_other(start: Start, pipeline: Any) -> None:  # noqa: F811
    one, two, bad = EditServer(pipeline), EditServer(pipeline), Failing(pipeline)
    urls = (start(one), start(two))
    whole = ask(editor_at(*urls), 5)
    assert len(one.requests) + len(two.requests) == 5 and min(len(one.requests), len(two.requests)) >= 1
    for others in ((start(bad), urls[0]), (NOWHERE, urls[0])):
        again = ask(editor_at(*others), 5)
        assert [np.array_equal(a.pixels, b.pixels) for a, b in zip(again, whole, strict=True)] == [True] * 5  # type: ignore[union-attr]
    assert bad.requests
    with pytest.raises(SafetyPairsError, match="no server at"):
        ask(editor_at(NOWHERE, NOWHERE.replace("9", "10")))


def test_a_kept_reply_is_not_asked_for_again(start: Start, pipeline: Any, tmp_path: Path) -> None:  # noqa: F811
    run = RunFolder(str(tmp_path))
    moody, filtering = Moody(pipeline), Filtering(pipeline)
    editor, refused = editor_at(start(moody)), editor_at(start(filtering))
    first = ask(editor.keeping(KeptReplies(run, "edit", 0)))
    assert ask(editor.keeping(KeptReplies(run, "edit", 1)))[0].pixels[0, 0, 0] != first[0].pixels[0, 0, 0]  # type: ignore[union-attr]
    again = ask(editor.keeping(KeptReplies(run, "edit", 0)))
    assert [np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True)] == [True, True]  # type: ignore[union-attr]
    assert len(moody.requests) == 4
    kept = [ask(refused.keeping(KeptReplies(run, "edit", 2)), 1) for _ in range(2)]
    assert kept[0] == kept[1] and len(filtering.requests) == 1
    # When the part of a unit is there, what was kept for it goes.
    run.write(run.part("edit", 0), b"")
    KeptReplies(run, "edit", 3)
    assert {name.split("/")[2] for name in run.files("replies")} == {"00001", "00002"}


def test_a_baseline_is_asked_for_where_it_is_set(start: Start, pipeline: Any) -> None:  # noqa: F811
    filtering = Filtering(pipeline)
    url = start(filtering)
    assert editor_at(url).baseline(pictures(2)) is None
    found = editor_at(url, baseline_prompt="Change nothing.").baseline(pictures(2))
    assert found is not None and [each.shape for each in found] == [(64, 64, 3)] * 2
    assert {(each["prompt"], each["seed"]) for each in filtering.requests} == {("Change nothing.", "0")}
    refused = editor_at(url, baseline_prompt="Keep it green.").baseline(pictures(1))
    assert refused is not None and refused[0].reason == "refused"
