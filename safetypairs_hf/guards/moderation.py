"""OpenAI's omni-moderation over HTTP: the scores for self-harm, sexual and violence read images."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from safetypairs_hf.core.errors import SafetyPairsError, cut, printable
from safetypairs_hf.core.foreign_text import whole
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.base import ServedGuard, Singly
from safetypairs_hf.models.chat_server import LONGEST_KEPT, ChatServer, Reply, image_url
from safetypairs_hf.models.wire import Response, post, waiting
from safetypairs_hf.taxonomy import crosswalk

_GUARD = "omni-moderation"
_FINAL = (400, 401, 403, 404, 413, 415, 422)
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class ModerationServer(ChatServer):
    """A server with OpenAI's POST /moderations. A Reply's text is the JSON of its one result."""

    model: str = "omni-moderation-latest"
    url: str = field(default="https://api.openai.com/v1", compare=False)
    api_key_env: str = "OPENAI_API_KEY"

    def _one(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Reply:
        url, sent = f"{self.url.rstrip('/')}/moderations", {"model": self.model, **body}
        for attempt in range(self.retries + 1):
            response = post(url, sent, headers, self.timeout)
            if response.status == 200 or response.status in _FINAL:
                break
            if attempt < self.retries:
                time.sleep(min(waiting(response) or self.first_wait * 2**attempt, _LONGEST_WAIT))
        return self._reply(response)

    def _reply(self, response: Response) -> Reply:
        found = response.json()
        results = found.get("results")
        if response.status != 200 or not (isinstance(results, list) and results and isinstance(results[0], dict)):
            return super()._reply(response)  # it knows every way to fail
        named = str(found.get("model") or self.model)
        if not named.startswith(self.model.removesuffix("-latest")):
            raise SafetyPairsError(
                f"{self.url} answers as {printable(named)!r}, not as {self.model!r}; give the name of the model that "
                "it serves"
            )
        return Reply(json.dumps(results[0]), "", cut(response.text, LONGEST_KEPT))


@dataclass(frozen=True)
class Moderation(ServedGuard):
    """P(unsafe) = the highest of the scores that answer to the category and that looked at the image.

    The scores are the service's own, between 0 and 1; it does not call them probabilities. A category that it has no
    score of images for is not covered (crosswalk), and its images are not sent.

    Args:
        server: where, and which model.
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

    def judge_singly(self, images: Sequence[Picture], categories: Sequence[str]) -> Singly:
        """See `ServedGuard.judge_singly`. `raw` has the scores that were read.

        Abstains with "not_covered", "no_verdict" (no score looked at the image) or "server_error".
        """
        codes = [crosswalk.match(_GUARD, category, self.taxonomy).codes for category in categories]
        sent = []
        for place, several in enumerate(codes):
            if several:
                sent.append(place)
            else:
                yield place, Verdict(None, "not_covered")
        for number, reply in self.server.ask_each([_body(images[place]) for place in sent]):
            yield sent[number], _verdict(reply, codes[sent[number]])


def _body(image: Picture) -> dict[str, Any]:
    return {"input": [{"type": "image_url", "image_url": {"url": image_url(image)}}]}


def _verdict(reply: Reply, codes: Sequence[str]) -> Verdict:
    if reply.problem:
        return Verdict(None, reply.problem, reply.raw)
    result = json.loads(reply.text)
    scores, looked = (result.get(name) for name in ("category_scores", "category_applied_input_types"))
    if not isinstance(scores, dict):
        return Verdict(None, "server_error", reply.raw)
    # The service says what each score was taken from; a score that was not taken from the image says nothing about it.
    read = [code for code in codes if not isinstance(looked, dict) or "image" in _texts(looked.get(code))]
    values = {code: scores.get(code) for code in read}
    raw = cut(whole(" ".join(f"{code}:{value}" for code, value in values.items())), LONGEST_KEPT)
    numbers = [value for value in values.values() if isinstance(value, int | float) and not isinstance(value, bool)]
    if not numbers or len(numbers) < len(values):
        return Verdict(None, "no_verdict", raw or reply.raw)
    if not all(0 <= number <= 1 for number in numbers):  # NaN is not
        return Verdict(None, "broken_output", raw)
    return Verdict(float(max(numbers)), "", raw)


def _texts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
