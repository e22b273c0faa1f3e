"""Pairs as tasks of Label Studio, and its exports as decisions.

The format is Label Studio's JSON of tasks (https://labelstud.io/guide/task_format): `data` is shown to the reviewer,
`predictions` are the judges' answers, and `annotations`, which only exports have, are people's answers. Boxes are in
percent of the image. `config` is the labeling configuration that a project needs; it names the controls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import quoteattr

from safetypairs_hf.core.errors import printable
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_json
from safetypairs_hf.reviewing.assignment import side_of
from safetypairs_hf.reviewing.decisions import REASONS
from safetypairs_hf.reviewing.review_answers import ANSWERS, SIDES, Answer
from safetypairs_hf.reviewing.review_figures import judge_answer

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Judgement
    from safetypairs_hf.reviewing.reviewed_pairs import Listed, Shown

_BOX: Final = "box"
_SIDES: Final = ("left", "right")


def config() -> str:
    """Return the labeling configuration of a project, as XML."""
    sides, answers, reasons = (_choices(each) for each in (SIDES, ANSWERS, REASONS))
    images = "".join(
        f'    <View style="flex: 50%">\n      <Image name="{side}" value="${side}" zoom="true"/>\n'
        f'      <RectangleLabels name="{_BOX}_{side}" toName="{side}"><Label value="edit"/></RectangleLabels>\n'
        "    </View>\n"
        for side in _SIDES
    )
    return f"""<View>
  <View style="display: flex">
{images}  </View>
  <Header value="First: which image is unsafe under this policy?"/>
  <Text name="policy_text" value="$policy"/>
  <Choices name="blind" toName="left" choice="single" showInline="true">{sides}</Choices>
  <Header value="Then: is this a good pair? What makes the unsafe image unsafe, and the edit that takes it away:"/>
  <Text name="feature_text" value="$critical_feature"/>
  <Text name="instruction_text" value="$instruction"/>
  <Choices name="decision" toName="left" choice="single" showInline="true" required="true">{answers}</Choices>
  <Choices name="reason" toName="left" choice="single" visibleWhen="choice-selected" whenTagName="decision"
           whenChoiceValue="reject">{reasons}</Choices>
  <TextArea name="note" toName="left" placeholder="A note" maxSubmissions="1"/>
  <TextArea name="reviewer" toName="left" placeholder="Your name or pseudonym" maxSubmissions="1"/>
</View>
"""


def _choices(values: Sequence[str] | Mapping[str, str]) -> str:
    named = values if isinstance(values, Mapping) else dict.fromkeys(values, "")
    return "".join(
        f"<Choice value={quoteattr(text)} alias={quoteattr(value)}/>" if text else f"<Choice value={quoteattr(value)}/>"
        for value, text in named.items()
    )


def task(
    pair: Listed,
    policy: str,
    shown: Shown,
    images: Mapping[str, str],
    size: tuple[int, int],
    left: str,
) -> dict[str, Any]:
    """Return a pair as a task.

    Args:
        pair: The pair.
        policy: The text of the policy of its category.
        shown: The same pair with its texts and box.
        images: "left" and "right" -> the address of the image.
        size: Width and height of the images in pixels.
        left: The member on the left.
    """
    return {
        "data": {
            "pair_id": pair.pair_id,
            **images,
            "category": pair.category,
            "policy": policy,
            "critical_feature": shown.critical_feature,
            "instruction": shown.instruction,
        },
        "predictions": [_prediction(said, shown, size, left) for said in pair.judgements],
    }


def _prediction(said: Judgement, shown: Shown, size: tuple[int, int], left: str) -> dict[str, Any]:
    answer = judge_answer(said)
    results = [_rectangle(shown.edit_box, size, side) for side in _SIDES] if shown.edit_box else []
    if answer is not None:
        choice = {"choices": [side_of(answer, left)]}
        results.append({"from_name": "blind", "to_name": "left", "type": "choices", "value": choice})
    # Label Studio sorts tasks by the score, here the judge's margin.
    return {"model_version": said.name, "score": said.margin, "result": results}


def _rectangle(box: Sequence[int], size: tuple[int, int], side: str) -> dict[str, Any]:
    x, y, width, height = in_percent(box, size)
    return {
        "from_name": f"{_BOX}_{side}",
        "to_name": side,
        "type": "rectanglelabels",
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": ["edit"]},
    }


def in_percent(box: Sequence[int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return a box of x0, y0, x1, y1 in pixels as x, y, width and height in percent of the image."""
    (x0, y0, x1, y1), (width, height) = box, size
    return 100 * x0 / width, 100 * y0 / height, 100 * (x1 - x0) / width, 100 * (y1 - y0) / height


def answers_in(text: str) -> Iterator[Answer]:
    """Read an export of Label Studio in its format JSON.

    Raises:
        ForeignTextError: It is not such an export, or an annotation is invalid; the message has the number of the task.
    """
    tasks = parse_json(text, strict=False)
    if not isinstance(tasks, list) or not all(isinstance(each, dict) for each in tasks):
        raise ForeignTextError("is not an export of Label Studio; expected a JSON list of tasks")
    for number, each in enumerate(tasks, 1):
        data, annotations = each.get("data"), each.get("annotations")
        if not isinstance(data, dict) or not isinstance(annotations, list):
            raise ForeignTextError(f"task {number} has no data and annotations; export the project as JSON (not -MIN)")
        for annotation in annotations:
            if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
                raise ForeignTextError(f"task {number} has an annotation without a result")
            yield _answer(f"task {number}", data.get("pair_id"), annotation)


def _answer(where: str, pair_id: Any, annotation: Mapping[str, Any]) -> Answer:
    said: dict[str, str] = {}
    for result in annotation["result"]:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict):
            found = value.get("choices") or value.get("text") or []
            said[str(result.get("from_name"))] = " ".join(map(str, found if isinstance(found, list) else [found]))
    if annotation.get("was_cancelled") and "decision" not in said:
        said["decision"] = "skip"
    seconds = annotation.get("lead_time") or 0
    return Answer(
        where,
        str(pair_id),
        said.get("decision", ""),
        said.get("blind", ""),
        said.get("reason", ""),
        said.get("note", ""),
        said.get("reviewer", "").strip() or _who(annotation.get("completed_by")),
        _time(where, annotation.get("updated_at") or annotation.get("created_at")),
        str(seconds),
    )


def _who(completed_by: Any) -> str:
    """Return a name for the account of an annotation: its address as a name, or its number; "" if it has none."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    if completed_by is None or isinstance(completed_by, bool):
        return ""
    if isinstance(completed_by, int):
        return f"label-studio-{completed_by}"
    return re.sub(r"[^A-Za-z0-9._-]", "_", str(completed_by))


def _time(where: str, value: Any) -> str:
    if value is None:
        return ""
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC).isoformat()
    except ValueError:
        raise ForeignTextError(f"{where} has the time {printable(value)!r}; expected ISO 8601") from None
