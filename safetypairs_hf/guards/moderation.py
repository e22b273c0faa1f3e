"""OpenAI's omni-moderation over HTTP. Its scores for self-harm, sexual and violence use the image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from safetypairs_hf.core.errors import cut
from safetypairs_hf.core.foreign_text import whole
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.base import ServedGuard, Singly
from safetypairs_hf.models.chat_server import ChatServer, Reply
from safetypairs_hf.models.openai_server import LONGEST_KEPT, read_object
from safetypairs_hf.taxonomy import crosswalk

_GUARD = "omni-moderation"


@dataclass(frozen=True)
class ModerationServer(ChatServer):
    """A server with OpenAI's POST /moderations. The text of a Reply is the JSON of its single result."""

    model: str = "omni-moderation-latest"
    url: str = field(default="https://api.openai.com/v1", compare=False)
    api_key_env: str = "OPENAI_API_KEY"

    async def _post(self, client: Any, body: Mapping[str, Any]) -> str:
        create = client.moderations.with_raw_response.create
        return str((await create(model=self.model, input=body["input"], extra_body=dict(self.extra_body))).text)

    def _read(self, text: str) -> Reply:
        found = read_object(text)
        results = found.get("results")
        if not (isinstance(results, list) and results and isinstance(results[0], dict)):
            return super()._read(text)  # it classifies every failure
        self.check_name(found)
        return Reply(json.dumps(results[0]), "", cut(text, LONGEST_KEPT))


@dataclass(frozen=True)
class Moderation(ServedGuard):
    """P(unsafe) = the highest of the scores for the category that the service computed from the image.

    The scores are between 0 and 1; the service does not call them probabilities. A category without a score for images
    is not covered (crosswalk), and its images are not sent.

    Args:
        server: The server and its model.
    """

    server: ModerationServer = field(default_factory=ModerationServer)
    family: str = _GUARD
    fidelity: ClassVar[str] = "trained"
    expects: ClassVar[str] = "a score from 0 to 1 for the category, taken from the image"

    @property
    def name(self) -> str:
        return f"moderation:{self.server.model}"

    @property
    def revision(self) -> str:
        return self.server.model

    def covers(self, slug: str) -> bool:
        """Return whether it judges a category; images of the others are not sent."""
        return bool(crosswalk.match(_GUARD, slug, self.taxonomy).codes)

    def judge_singly(self, asked: Iterable[tuple[Picture, str]]) -> Singly:
        """See `ServedGuard.judge_singly`. `raw` has the scores that were read.

        Abstains with "not_covered", "no_verdict" (no score used the image) or a failure, see `Reply`.
        """
        sent: list[tuple[int, Sequence[str]]] = []
        left: list[int] = []

        def bodies() -> Iterable[Mapping[str, Any]]:
            for place, (image, category) in enumerate(asked):
                codes = crosswalk.match(_GUARD, category, self.taxonomy).codes
                if codes:
                    sent.append((place, codes))
                    yield {"input": [self.server.image_part(image)]}
                else:
                    left.append(place)

        for number, reply in self.server.ask_each(bodies()):
            while left:
                yield left.pop(), Verdict(None, "not_covered")
            place, codes = sent[number]
            yield place, _verdict(reply, codes)
        while left:
            yield left.pop(), Verdict(None, "not_covered")


def _verdict(reply: Reply, codes: Sequence[str]) -> Verdict:
    if reply.problem:
        return Verdict(None, reply.problem, reply.raw)
    result = json.loads(reply.text)
    scores, looked = (result.get(name) for name in ("category_scores", "category_applied_input_types"))
    if not isinstance(scores, dict):
        return Verdict(None, "server_error", reply.raw)
    # The service says whether a score was computed from the image or the text. Use only those from the image.
    read = [code for code in codes if not isinstance(looked, dict) or "image" in _texts(looked.get(code))]
    values = {code: scores.get(code) for code in read}
    raw = cut(whole(" ".join(f"{code}:{value}" for code, value in values.items())), LONGEST_KEPT)
    numbers = [value for value in values.values() if isinstance(value, int | float) and not isinstance(value, bool)]
    if not numbers or len(numbers) < len(values):
        return Verdict(None, "no_verdict", raw or reply.raw)
    if not all(0 <= number <= 1 for number in numbers):  # NaN fails this too
        return Verdict(None, "broken_output", raw)
    return Verdict(float(max(numbers)), "", raw)


def _texts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
